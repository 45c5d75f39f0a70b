/**
 * CLIENT LIST, KILL, PAUSE and their kin: what one thread may know of and do to the clients of all threads.
 */
import type {
  ClientInfo,
  ClientService,
  ClientType,
  TrackingService,
  TrackingState,
} from '../commands/services.ts';
import {
  SESSION_BLOCKED,
  SESSION_CLOSE_AFTER_REPLY,
  SESSION_CLOSE_NOW,
  SESSION_MONITOR,
  SESSION_MULTI,
  SESSION_NO_EVICT,
  SESSION_POSTPONED,
  SESSION_SUBSCRIBER,
  SESSION_UNIX_SOCKET,
} from '../commands/session.ts';
import type { Session } from '../commands/session.ts';
import type { CommandIndex } from '../commands/command-index.ts';
import type { Watches } from '../keyspace/watches.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { clientBytes, outputBytes } from './client-memory.ts';
import {
  CLIENT_ARGUMENT_BYTES,
  CLIENT_COMMAND,
  CLIENT_CREATED,
  CLIENT_DATABASE,
  CLIENT_DESCRIPTOR,
  CLIENT_ENDING,
  CLIENT_FLAGS,
  CLIENT_INPUT,
  CLIENT_INPUT_FREE,
  CLIENT_INTERACTION,
  CLIENT_OUTPUT_COUNT,
  CLIENT_PROTOCOL,
  CLIENT_QUEUED,
  CLIENT_QUEUED_BYTES,
  CLIENT_THREAD,
  CLIENT_WAIT,
  CLIENT_WATCH_MARKER,
  isSubscriber,
} from './client-table.ts';
import type { Blocking } from './blocking.ts';
import type { ClientTable } from './client-table.ts';
import { MAIL_UNPAUSED } from './mailboxes.ts';
import type { Subscriptions } from './subscriptions.ts';
import { PAUSE_ALL, PAUSE_NONE, PAUSE_WRITE, STATE_PAUSE_END, STATE_PAUSE_MODE } from './shared-state.ts';

/** What the thread can do for its own clients, and to reach other threads. */
export interface ThreadLink {
  /** Writes this thread's sessions into their records, so that what is listed is of now. */
  publishSessions(): void;
  /** Sends mail to a thread, this one included; it is read before the thread waits again. */
  post(thread: number, kind: number, clientId: number): void;
  /** Ends a client's connection, and runs nothing more of what it has sent if it is this thread's. */
  end(record: Ref): void;
}

export class Clients implements ClientService {
  readonly #table: ClientTable;
  readonly #arena: Arena;
  readonly #commands: CommandIndex;
  readonly #watches: Watches;
  readonly #blocking: Blocking;
  readonly #pubsub: Subscriptions;
  readonly #tracking: TrackingService;
  readonly #link: ThreadLink;
  /** Unix time in ms, as of the command that asks. */
  readonly #now: () => number;

  constructor(parts: {
    readonly table: ClientTable;
    readonly watches: Watches;
    readonly arena: Arena;
    readonly commands: CommandIndex;
    readonly blocking: Blocking;
    readonly pubsub: Subscriptions;
    readonly tracking: TrackingService;
    readonly link: ThreadLink;
    readonly now: () => number;
  }) {
    this.#table = parts.table;
    this.#watches = parts.watches;
    this.#arena = parts.arena;
    this.#commands = parts.commands;
    this.#blocking = parts.blocking;
    this.#pubsub = parts.pubsub;
    this.#tracking = parts.tracking;
    this.#link = parts.link;
    this.#now = parts.now;
  }

  list(): ClientInfo[] {
    this.#link.publishSessions();
    const clients: ClientInfo[] = [];
    this.#table.forEach((record) => {
      if (this.#table.get(record, CLIENT_ENDING) === 0) clients.push(this.#describe(record));
    });
    return clients;
  }

  find(id: number): ClientInfo | undefined {
    this.#link.publishSessions();
    const record = this.#table.find(id);
    const isThere = record !== 0 && this.#table.get(record, CLIENT_ENDING) === 0;
    return isThere ? this.#describe(record) : undefined;
  }

  /** The client as CLIENT LIST shows it, for the log. */
  line(record: Ref): string {
    return this.#describe(record).line;
  }

  kill(id: number, caller: Session): void {
    if (id === caller.id) {
      caller.raise(SESSION_CLOSE_AFTER_REPLY);
      return;
    }
    const record = this.#table.find(id);
    if (record !== 0) this.end(record);
  }

  /**
   * Ends a client of any thread. It hears of it a little later; from now on it waits for nothing, hears
   * nothing and is not listed.
   */
  end(record: Ref): void {
    this.#blocking.stopWaiting(record);
    this.#pubsub.unsubscribeAll(record);
    this.#table.end(record);
    this.#link.end(record);
  }

  /** For INFO: what the clients of all threads have waiting, and wait for. */
  figures(): {
    readonly largestInput: number;
    readonly largestOutput: number;
    readonly blocked: number;
    readonly waitingForTime: number;
  } {
    const table = this.#table;
    this.#link.publishSessions();
    let largestInput = 0;
    let largestOutput = 0;
    let blocked = 0;
    let waitingForTime = 0;
    table.forEach((record) => {
      largestInput = Math.max(largestInput, table.get(record, CLIENT_INPUT));
      largestOutput = Math.max(largestOutput, outputBytes(table, record));
      const isPostponed = (table.get(record, CLIENT_FLAGS) & SESSION_POSTPONED) !== 0;
      const waitsUntil = this.#blocking.waitsUntil(record);
      if (isPostponed || waitsUntil !== undefined) blocked++;
      if (waitsUntil !== undefined && waitsUntil < Infinity) waitingForTime++;
    });
    return { largestInput, largestOutput, blocked, waitingForTime };
  }

  renamed(session: Session): void {
    this.#table.setName(session.record, session.name);
  }

  pause(mode: 'all' | 'write', untilMillis: number): void {
    const { control, counters } = this.#arena;
    const wanted = mode === 'all' ? PAUSE_ALL : PAUSE_WRITE;
    // Two pauses at once: the stricter mode and the later end hold (networking.c, pauseClients).
    const isPaused = control[STATE_PAUSE_MODE] !== PAUSE_NONE && counters[STATE_PAUSE_END]! > this.#now();
    counters[STATE_PAUSE_END] = isPaused ? Math.max(counters[STATE_PAUSE_END]!, untilMillis) : untilMillis;
    control[STATE_PAUSE_MODE] = isPaused ? Math.max(control[STATE_PAUSE_MODE]!, wanted) : wanted;
  }

  unpause(): void {
    this.#arena.control[STATE_PAUSE_MODE] = PAUSE_NONE;
    const threads = new Set<number>();
    this.#table.forEach((record) => void threads.add(this.#table.get(record, CLIENT_THREAD)));
    for (const thread of threads) this.#link.post(thread, MAIL_UNPAUSED, 0);
  }

  unblock(id: number, how: 'timeout' | 'error'): boolean {
    // Only commands that wait for data count as blocked, and a client postponed by CLIENT PAUSE does not
    // (networking.c, clientUnblockCommand: "blocked but not in a postponed state").
    const record = this.#table.find(id);
    return record !== 0 && this.#blocking.unblock(record, how);
  }

  #describe(record: Ref): ClientInfo {
    const table = this.#table;
    // Whether it waits is known at once here, and to its thread a little later.
    const waits = table.get(record, CLIENT_WAIT) !== 0;
    const flags = (table.get(record, CLIENT_FLAGS) & ~SESSION_BLOCKED) | (waits ? SESSION_BLOCKED : 0);
    const command = table.get(record, CLIENT_COMMAND);
    const now = this.#now();
    const inputBytes = table.get(record, CLIENT_INPUT);
    const inputFree = table.get(record, CLIENT_INPUT_FREE);
    const unsentBytes = outputBytes(table, record);
    const queuedBytes = table.get(record, CLIENT_QUEUED_BYTES);
    const id = table.idOf(record);
    const address = table.address(record);
    const localAddress = table.localAddress(record);
    const name = table.name(record);
    const user = table.user(record);
    const watchMarker = table.get(record, CLIENT_WATCH_MARKER);
    const isDirty = watchMarker !== 0 && this.#watches.isDirty(watchMarker);
    const seconds = (double: number) =>
      Math.max(0, Math.floor((now - table.getDouble(record, double)) / 1000));
    const tracking = this.#tracking.stateOf(record);
    const fields = [
      `id=${id}`,
      `addr=${address}`,
      `laddr=${localAddress}`,
      `fd=${table.get(record, CLIENT_DESCRIPTOR)}`,
      `name=${name}`,
      `age=${seconds(CLIENT_CREATED)}`,
      `idle=${seconds(CLIENT_INTERACTION)}`,
      `flags=${flagLetters(flags, tracking, isDirty)}`,
      `db=${table.get(record, CLIENT_DATABASE)}`,
      `sub=${this.#pubsub.subscriptionCount(record, 'channel')}`,
      `psub=${this.#pubsub.subscriptionCount(record, 'pattern')}`,
      `ssub=${this.#pubsub.subscriptionCount(record, 'shard')}`,
      `multi=${table.get(record, CLIENT_QUEUED)}`,
      `qbuf=${inputBytes}`,
      `qbuf-free=${inputFree}`,
      // Arguments are slices of the input, which qbuf counts: this is where they are.
      `argv-mem=${table.get(record, CLIENT_ARGUMENT_BYTES)}`,
      `multi-mem=${queuedBytes}`,
      'rbs=0',
      'rbp=0',
      'obl=0',
      `oll=${table.get(record, CLIENT_OUTPUT_COUNT)}`,
      `omem=${unsentBytes}`,
      `tot-mem=${clientBytes(table, this.#watches, record)}`,
      `events=${unsentBytes > 0 ? 'rw' : 'r'}`,
      `cmd=${command < 0 ? 'NULL' : this.#commands.all[command]!.fullName}`,
      `user=${user}`,
      `redir=${tracking.redirection}`,
      `resp=${table.get(record, CLIENT_PROTOCOL)}`,
    ];
    const type: ClientType = isSubscriber(table, record) ? 'pubsub' : 'normal';
    return { id, address, localAddress, name, user, type, line: fields.join(' ') };
  }
}

/**
 * The letters of CLIENT LIST's flags (networking.c, catClientInfoString).
 * @param isDirty a watched key has changed: EXEC will fail
 */
function flagLetters(flags: number, tracking: TrackingState, isDirty: boolean): string {
  let letters = '';
  if ((flags & SESSION_MONITOR) !== 0) letters += 'O';
  if ((flags & SESSION_SUBSCRIBER) !== 0) letters += 'P';
  if ((flags & SESSION_MULTI) !== 0) letters += 'x';
  if ((flags & SESSION_BLOCKED) !== 0) letters += 'b';
  if (tracking.isOn) letters += 't';
  if (tracking.isRedirectionBroken) letters += 'R';
  if (tracking.isBroadcast) letters += 'B';
  if (isDirty) letters += 'd';
  if ((flags & SESSION_CLOSE_AFTER_REPLY) !== 0) letters += 'c';
  if ((flags & SESSION_CLOSE_NOW) !== 0) letters += 'A';
  if ((flags & SESSION_UNIX_SOCKET) !== 0) letters += 'U';
  if ((flags & SESSION_NO_EVICT) !== 0) letters += 'e';
  return letters === '' ? 'N' : letters;
}
