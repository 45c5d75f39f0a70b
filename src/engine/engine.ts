/**
 * The engine, as one thread runs it: the gate, the run of a command, and what follows from it.
 *
 *     execute(session, request)
 *       ├─ resolve the name, check the number of arguments
 *       ├─ gate: transactions, authentication, memory, pause      only for sessions and times that need it
 *       ├─ run the handler: parse → check → change → reply
 *       └─ afterwards: statistics, effects to the log and replicas
 *
 * Everything here runs under the store's lock.
 */
import { strict as assert } from 'node:assert';
import { ALL_COMMANDS } from '../commands/registry.ts';
import { Call } from '../commands/call.ts';
import { CommandIndex } from '../commands/command-index.ts';
import {
  DEBUG_NOT_ALLOWED,
  LOADING,
  NOT_AUTHENTICATED,
  OUT_OF_MEMORY,
  printedText,
  unknownSubcommand,
  wrongArity,
} from '../commands/errors.ts';
import {
  FLAG_ADMIN,
  FLAG_DENY_OOM,
  FLAG_LOADING,
  FLAG_MAY_REPLICATE,
  FLAG_NO_AUTH,
  FLAG_NO_MULTI,
  FLAG_PUBSUB,
  FLAG_READONLY,
  FLAG_SKIP_MONITOR,
  FLAG_WRITE,
} from '../commands/runtime-command.ts';
import type { RuntimeCommand } from '../commands/runtime-command.ts';
import type { Services } from '../commands/services.ts';
import {
  NO_COMMAND,
  SESSION_BLOCKED,
  SESSION_CLOSE_AFTER_REPLY,
  SESSION_CLOSE_NOW,
  SESSION_DIRTY_EXEC,
  SESSION_GATED,
  SESSION_MONITOR,
  SESSION_MULTI,
  SESSION_REPLY_OFF,
  SESSION_REPLY_SKIP,
  SESSION_REPLY_SKIP_NEXT,
  SESSION_RESTRICTED,
  SESSION_SUBSCRIBER,
  SESSION_TRACKING,
  SESSION_UNAUTHENTICATED,
  SESSION_UNIX_SOCKET,
  Session,
} from '../commands/session.ts';
import type { QueuedCommand } from '../commands/session.ts';
import type { Config } from '../config/config.ts';
import type { Database } from '../keyspace/database.ts';
import type { EncodingLimits } from '../keyspace/encoding-limits.ts';
import type { Keyspace, LazyFreeing } from '../keyspace/keyspace.ts';
import { notifyMaskOf } from '../keyspace/notify.ts';
import { OutOfMemoryError } from '../memory/allocator.ts';
import type { Allocator } from '../memory/allocator.ts';
import type { Ref } from '../memory/arena.ts';
import { CONTROL_CONFIG_VERSION, CONTROL_MONITORS, CONTROL_TRACKING } from '../memory/control-block.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { REPLY_BYTES_MAX, ReplyTooLargeError } from '../protocol/reply-writer.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { Request } from '../protocol/request.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { AccessControl } from './acl/access-control.ts';
import { adoptConfig } from './config-sharing.ts';
import {
  PAUSE_ALL,
  PAUSE_NONE,
  STATE_LOADING,
  STATE_PAUSE_END,
  STATE_PAUSE_MODE,
  STATE_WRITES_REFUSED,
} from './shared-state.ts';
import type { Blocking } from './blocking.ts';
import { ReadAhead } from './read-ahead.ts';
import { MemoryLimit } from './memory-limit.ts';
import type { LatencyHistograms } from './latency-histogram.ts';
import type { Observation, TimedPart } from './observation.ts';
import type { Statistics } from './statistics.ts';
import type { Tracking } from './tracking.ts';

/** What became of a request. */
export const EXECUTED = 0;
/** It has to wait (CLIENT PAUSE) and must be offered again. */
export const POSTPONED = 1;
/** Its client waits, and runs nothing more until it is resumed (blocking.ts). */
export const BLOCKED = 2;

/** Reasons for the full gate that concern all sessions. */
const GATE_PAUSED = 1 << 0;
const GATE_MEMORY_LIMIT = 1 << 1;
const GATE_LOADING = 1 << 2;
const GATE_WRITES_REFUSED = 1 << 3;
const GATE_MONITORED = 1 << 4;

/** Cheap commands timed together at most: what the clock that expiry is judged by may lag behind. */
const GROUP_COMMANDS_MAX = 64;
/** Where less than that counts as slow a group might: each command is timed alone then. */
const SLOW_GROUP_MICROS = 10_000;
const UNKNOWN_NAME_BYTES_MAX = 128;
const NOT_FOR_MONITORS = new ErrorReply("ERR Replica can't interact with the keyspace");
const NOT_IN_TRANSACTION = new ErrorReply('ERR Command not allowed inside a transaction');
/** Commands that MULTI does not queue (server.c, processCommand). */
const RUN_INSIDE_MULTI = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset']);
/** Commands of a transaction that memory is never wanting for by themselves. */
const ENDS_TRANSACTION = new Set(['exec', 'discard', 'quit', 'reset']);
/** With RESP2 a client that has subscribed cannot tell replies from messages (server.c, processCommand). */
const RUN_BY_SUBSCRIBERS = new Set([
  ...['subscribe', 'psubscribe', 'ssubscribe'],
  ...['unsubscribe', 'punsubscribe', 'sunsubscribe'],
  ...['ping', 'quit', 'reset'],
]);
/** What browsers send when a page is made to talk to a Redis port (server.c, securityWarningCommand). */
const HTTP_WORDS = new Set(['post', 'host:']);

/** Where the effects of commands go: the append-only file, replicas. The requests are borrowed. */
export interface EffectSink {
  /** Whether there is anybody who wants them now; looked at whenever the lock is taken. */
  readonly isWanted: boolean;
  append(databaseIndex: number, request: Request): void;
  /** What follows until `exec` takes effect all or not at all. */
  multi(databaseIndex: number): void;
  exec(): void;
}

/** An effect that waits for the end of its unit. */
interface Effect {
  readonly databaseIndex: number;
  readonly request: Request;
}

export interface EngineParts {
  readonly allocator: Allocator;
  readonly keyspace: Keyspace;
  readonly config: Config;
  readonly reply: ReplyWriter;
  /** Makes the statistics, once it is known how many commands there are. */
  readonly statistics: (commandCount: number) => Statistics;
  readonly clock: Clock;
  readonly log: Log;
}

export class Engine {
  readonly commands: CommandIndex;
  readonly keyspace: Keyspace;
  readonly config: Config;
  readonly statistics: Statistics;
  readonly memoryLimit: MemoryLimit;
  readonly #allocator: Allocator;
  readonly #readAhead: ReadAhead;
  readonly #control: Int32Array;
  readonly #counters: Float64Array;
  readonly #reply: ReplyWriter;
  readonly #clock: Clock;
  readonly #log: Log;
  #call: Call | undefined;
  #blocking: Blocking | undefined;
  #tracking: Tracking | undefined;
  #access: AccessControl | undefined;
  #observation: Observation | undefined;
  #gate = 0;
  #configVersion = 0;
  #onConfigChange: (config: Config) => void = () => {};
  /** Wall time in ms and monotonic time in µs at which the lock was taken: the clock of a batch. */
  #wallAtEntry = 0;
  #microsAtEntry = 0;
  /** When the previous group of commands ended, µs: the next begins there. */
  #micros = 0;
  /** The commands that are timed together, and how many have run. */
  #group: RuntimeCommand | undefined;
  #groupCount = 0;
  #groupCommandsMax = GROUP_COMMANDS_MAX;
  /** What takes longer is looked at by `noteSlow`. */
  #slowMicros = Infinity;
  #times: LatencyHistograms | undefined;
  #sink: EffectSink | undefined;
  /**
   * What the command under way has had for effects so far: with EXEC, and when a dead key was in its way,
   * these are several, and one unit.
   */
  #unit: Effect[] = [];
  #isInCommand = false;
  #isServing = false;
  /** Who runs the commands of the append-only file. */
  readonly #replaySession = new Session(0, 0);

  constructor(parts: EngineParts) {
    this.#allocator = parts.allocator;
    this.#control = parts.allocator.arena.control;
    this.#counters = parts.allocator.arena.counters;
    this.keyspace = parts.keyspace;
    this.config = parts.config;
    this.#reply = parts.reply;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.commands = new CommandIndex(renamed(ALL_COMMANDS, parts.config));
    this.statistics = parts.statistics(this.commands.all.length);
    const { keyspace, clock } = parts;
    this.memoryLimit = new MemoryLimit({ keyspace, clock, statistics: this.statistics });
    this.#readAhead = new ReadAhead(parts.keyspace, this.commands);
  }

  /**
   * Gives commands their services; once, before the first command. The others are there where there are
   * clients: what serves those that wait, and what tells those that track keys.
   */
  connect(
    services: Services,
    onConfigChange: (config: Config) => void,
    others: {
      readonly blocking?: Blocking;
      readonly tracking?: Tracking;
      readonly access?: AccessControl;
      readonly observation?: Observation;
    } = {},
  ): void {
    this.#blocking = others.blocking;
    this.#tracking = others.tracking;
    this.#access = others.access;
    this.#observation = others.observation;
    this.#call = new Call({ keyspace: this.keyspace, reply: this.#reply, config: this.config, services });
    this.#onConfigChange = onConfigChange;
    this.applyConfig();
  }

  /** The record of the client whose command is running and whose reply is being written, 0 = none. */
  get runningClient(): Ref {
    return this.#isInCommand && !this.#isServing ? this.#call!.session.record : 0;
  }

  /** The record of the client in whose name a command is running, 0 = none. */
  get currentClient(): Ref {
    return this.#isInCommand ? this.#call!.session.record : 0;
  }

  /** The command that is running, or in which this thread has died. */
  get runningCall(): Call | undefined {
    return this.#isInCommand ? this.#call : undefined;
  }

  /** Sends the effects of write commands there; while it does not want them they are not put together. */
  propagateTo(sink: EffectSink): void {
    this.#sink = sink;
    this.#updateGate();
  }

  get isLoading(): boolean {
    return this.#control[STATE_LOADING] !== 0;
  }

  set isLoading(isLoading: boolean) {
    this.#control[STATE_LOADING] = isLoading ? 1 : 0;
    this.#updateGate();
  }

  /** Brings this thread up to date; called whenever it has taken the lock. */
  enter(): void {
    this.#wallAtEntry = this.#clock.wallMillis();
    this.#microsAtEntry = this.#clock.monotonicMicros();
    this.#micros = this.#microsAtEntry;
    this.#group = undefined;
    this.#groupCount = 0;
    this.keyspace.enter(this.#wallAtEntry);
    if (this.#control[CONTROL_CONFIG_VERSION] !== this.#configVersion) {
      this.#configVersion = adoptConfig(this.#allocator, this.config);
      this.applyConfig();
    }
    if (this.#access?.hasChanged === true) this.#access.adopt();
    this.#updateGate();
    if (this.#control[CONTROL_TRACKING] !== 0) this.#tracking?.limitKeys();
  }

  /** Called before the lock is released. */
  leave(): void {
    // Keys may have come or gone without a command: a stream that has expired.
    this.serveReady();
    if (this.#tracking?.hasChanges === true) this.#tracking.broadcast();
    this.#endGroup();
    this.keyspace.leave();
    this.statistics.batchRun(this.#micros - this.#microsAtEntry);
    this.#countHold();
  }

  /** How long this thread has had the lock; the clock is read only when no command has done so. */
  #countHold(): void {
    const hasRun = this.#micros !== this.#microsAtEntry;
    const ended = hasRun ? this.#micros : this.#clock.monotonicMicros();
    this.statistics.lock.held(ended - this.#microsAtEntry);
  }

  /** Notes that this thread has published its configuration, as that version, and takes it over itself. */
  published(version: number): void {
    this.adoptVersion(version);
    this.applyConfig();
  }

  /** Notes that this thread's configuration is the one of that version. */
  adoptVersion(version: number): void {
    this.#configVersion = version;
  }

  /** Takes over settings that are read on hot paths. */
  applyConfig(): void {
    const { values } = this.config;
    const { accessClock } = this.keyspace;
    accessClock.isLfu = values['maxmemory-policy'].includes('lfu');
    accessClock.lfuLogFactor = Number(values['lfu-log-factor']);
    accessClock.lfuDecayMinutes = Number(values['lfu-decay-time']);
    Object.assign(this.keyspace.limits, encodingLimits(values));
    Object.assign(this.keyspace.lazy, lazyFreeing(values));
    this.memoryLimit.configure({
      bytesMax: Number(values.maxmemory),
      policy: values['maxmemory-policy'],
      sampleCount: Number(values['maxmemory-samples']),
      tenacity: Number(values['maxmemory-eviction-tenacity']),
    });
    this.keyspace.notifyMask = notifyMaskOf(values['notify-keyspace-events']);
    this.#log.level = values.loglevel;
    this.#slowMicros = this.#observation?.applyConfig() ?? Infinity;
    this.#times = this.#observation?.times;
    this.#groupCommandsMax = this.#slowMicros < SLOW_GROUP_MICROS ? 1 : GROUP_COMMANDS_MAX;
    this.#onConfigChange(this.config);
    this.#updateGate();
  }

  #updateGate(): void {
    let gate = 0;
    if (this.#control[STATE_PAUSE_MODE] !== PAUSE_NONE) {
      if (this.#counters[STATE_PAUSE_END]! <= this.keyspace.now) this.#control[STATE_PAUSE_MODE] = PAUSE_NONE;
      else gate |= GATE_PAUSED;
    }
    // While clients are paused nothing changes by itself either: a replica or a fail-over relies on it.
    this.keyspace.mayDeleteExpired = (gate & GATE_PAUSED) === 0;
    if (this.config.values.maxmemory > 0) gate |= GATE_MEMORY_LIMIT;
    if (this.#control[STATE_LOADING] !== 0) gate |= GATE_LOADING;
    if (this.#control[STATE_WRITES_REFUSED] !== 0) gate |= GATE_WRITES_REFUSED;
    if (this.#control[CONTROL_MONITORS] !== 0) gate |= GATE_MONITORED;
    this.#gate = gate;
    this.#call!.isPropagating = this.#sink?.isWanted === true;
  }

  /**
   * Fetches the memory that the first `count` requests will need; a guess for those in another database.
   * Without the lock.
   */
  readAhead(session: Session, requests: readonly Request[], count: number): void {
    this.#readAhead.fetch(requests, count, this.keyspace.databases[session.databaseIndex]!);
  }

  /** Runs one request; the reply is appended to the writer. */
  execute(session: Session, request: Request): number {
    const command = this.commands.resolve(request);
    session.lastCommandId = command?.id ?? NO_COMMAND;
    if (
      ((session.flags & SESSION_GATED) | this.#gate) !== 0 ||
      command === undefined ||
      command.isAlwaysGated ||
      !command.acceptsCount(request.count)
    ) {
      return this.#executeGated(session, request, command);
    }
    this.#run(session, request, command);
    return (session.flags & SESSION_BLOCKED) === 0 ? EXECUTED : BLOCKED;
  }

  // The gate ------------------------------------------------------------------------------------------------

  /** The checks in the order of Redis 7.0 server.c, processCommand. */
  #executeGated(session: Session, request: Request, command: RuntimeCommand | undefined): number {
    this.#reply.version = session.protocolVersion;
    if (session.has(SESSION_REPLY_SKIP_NEXT)) {
      session.clear(SESSION_REPLY_SKIP_NEXT);
      session.raise(SESSION_REPLY_SKIP);
    }
    const mark = this.#reply.position;
    let outcome = EXECUTED;
    const refusal = this.#refusal(session, request, command);
    if (refusal !== undefined) {
      this.#refuse(session, command, refusal);
    } else if (session.has(SESSION_CLOSE_NOW)) {
      return EXECUTED;
    } else if (session.has(SESSION_MULTI) && !RUN_INSIDE_MULTI.has(command!.fullName)) {
      this.#enqueue(session, request, command!);
    } else if (this.#mustWait(session, command!)) {
      outcome = POSTPONED;
    } else {
      this.#run(session, request, command!);
      if (session.has(SESSION_BLOCKED)) outcome = BLOCKED;
    }
    if (refusal !== undefined && session.has(SESSION_TRACKING)) this.#tracking!.commandDone(session, command);
    if (session.has(SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) this.#reply.truncate(mark);
    if (outcome !== POSTPONED) session.clear(SESSION_REPLY_SKIP);
    return outcome;
  }

  #refusal(session: Session, request: Request, command: RuntimeCommand | undefined): ErrorReply | undefined {
    if (command === undefined) return this.#unknownCommand(session, request);
    if (command.subcommands !== undefined && request.count >= 2) {
      session.lastCommandId = NO_COMMAND;
      return unknownSubcommand(request.text(1), command.fullName);
    }
    if (!command.acceptsCount(request.count)) return wrongArity(command.fullName);
    assert(command.run !== undefined, `the row of ${command.fullName} has a handler`);
    if (command.row.isProtected && !this.#mayDebug(session)) return DEBUG_NOT_ALLOWED;
    if (session.has(SESSION_UNAUTHENTICATED) && (command.flags & FLAG_NO_AUTH) === 0)
      return NOT_AUTHENTICATED;
    if (session.has(SESSION_MULTI) && (command.flags & FLAG_NO_MULTI) !== 0) return NOT_IN_TRANSACTION;
    if (session.has(SESSION_RESTRICTED)) {
      const refusal = this.#access!.refusal(session, request, command);
      if (refusal !== undefined) return refusal;
    }
    if ((this.#gate & GATE_MEMORY_LIMIT) !== 0 && this.#isOutOfMemory(session, command)) return OUT_OF_MEMORY;
    if ((this.#gate & GATE_WRITES_REFUSED) !== 0 && isWriteOrPing(session, command)) {
      const refusal = this.#call!.services.persistence.writeRefusal;
      if (refusal !== undefined) return refusal;
    }
    if (session.has(SESSION_SUBSCRIBER) && session.protocolVersion === 2) {
      if (!RUN_BY_SUBSCRIBERS.has(command.fullName)) return notForSubscribers(command.fullName);
    }
    if ((this.#gate & GATE_LOADING) !== 0 && (command.flags & FLAG_LOADING) === 0) return LOADING;
    if (session.has(SESSION_MONITOR) && touchesData(session, command)) return NOT_FOR_MONITORS;
    return undefined;
  }

  #unknownCommand(session: Session, request: Request): ErrorReply | undefined {
    const name = printedText(request.text(0));
    if (HTTP_WORDS.has(name.toLowerCase())) {
      this.#log.warning(
        'Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to ' +
          'Redis. This is likely due to an attacker attempting to use Cross Protocol Scripting to ' +
          'compromise your Redis instance. Connection aborted.',
      );
      session.raise(SESSION_CLOSE_NOW);
      return undefined;
    }
    let args = '';
    for (let i = 1; i < request.count && args.length < UNKNOWN_NAME_BYTES_MAX; i++) {
      args += `'${printedText(request.text(i)).slice(0, UNKNOWN_NAME_BYTES_MAX - args.length)}' `;
    }
    return new ErrorReply(
      `ERR unknown command '${name.slice(0, UNKNOWN_NAME_BYTES_MAX)}', with args beginning with: ${args}`,
    );
  }

  /** `enable-debug-command`: yes, no, or only for clients of this machine (networking.c, islocalClient). */
  #mayDebug(session: Session): boolean {
    const allowed = this.config.values['enable-debug-command'];
    if (allowed !== 'local') return allowed === 'yes';
    if (session.has(SESSION_UNIX_SOCKET)) return true;
    const address = this.#call!.services.clients.find(session.id)?.address ?? '';
    return address.startsWith('127.0.0.1:') || address.startsWith('[::1]:');
  }

  #isOutOfMemory(session: Session, command: RuntimeCommand): boolean {
    const { isExceeded } = this.memoryLimit;
    if (isExceeded) this.#endGroup();
    const state = this.memoryLimit.enforce();
    // What making room takes is no command's time.
    if (isExceeded) this.#micros = this.#clock.monotonicMicros();
    if (state !== 'exceeded') return false;
    // What MULTI queues takes memory too, whatever it is.
    if (session.has(SESSION_MULTI) && !ENDS_TRANSACTION.has(command.fullName)) return true;
    if (command.fullName === 'exec')
      return session.queue.some((queued) => (queued.command.flags & FLAG_DENY_OOM) !== 0);
    return (command.flags & FLAG_DENY_OOM) !== 0;
  }

  #mustWait(session: Session, command: RuntimeCommand): boolean {
    if ((this.#gate & GATE_PAUSED) === 0) return false;
    if (session.has(SESSION_MONITOR)) return false;
    if (this.#control[STATE_PAUSE_MODE] === PAUSE_ALL) return true;
    const mayWrite = (flags: number) => (flags & (FLAG_WRITE | FLAG_MAY_REPLICATE)) !== 0;
    if (command.fullName === 'exec') return session.queue.some((queued) => mayWrite(queued.command.flags));
    return mayWrite(command.flags);
  }

  #enqueue(session: Session, request: Request, command: RuntimeCommand): void {
    // A transaction that will not run anyway keeps nothing (multi.c, queueMultiCommand).
    const { watchMarker } = session;
    const isDoomed =
      session.has(SESSION_DIRTY_EXEC) || (watchMarker !== 0 && this.keyspace.watches.isDirty(watchMarker));
    if (!isDoomed) {
      const copy = request.copy();
      session.queue.push({ command, request: copy });
      session.queuedBytes += copy.buffer.length;
    }
    this.#reply.simple('QUEUED');
  }

  #refuse(session: Session, command: RuntimeCommand | undefined, error: ErrorReply): void {
    if (session.has(SESSION_MULTI)) session.raise(SESSION_DIRTY_EXEC);
    // EXEC that is refused ends the transaction (server.c, rejectCommand).
    if (command?.fullName === 'exec') {
      this.#call!.services.transactions.discard(session);
      this.#replyError(
        new ErrorReply(`EXECABORT Transaction discarded because of: ${error.line.replace(/^ERR /, '')}`),
      );
    } else {
      this.#replyError(error);
    }
    // A subcommand that there is not is counted for nobody.
    if (session.lastCommandId !== NO_COMMAND) this.statistics.commandRejected(session.lastCommandId);
  }

  // Running -------------------------------------------------------------------------------------------------

  #run(session: Session, request: Request, command: RuntimeCommand): void {
    const call = this.#call!;
    const reply = this.#reply;
    const { keyspace } = this;
    // What the group before was is still to be seen in the call.
    if (command !== this.#group) this.#beginGroup(command);
    const started = this.#micros;
    call.request = request;
    call.session = session;
    call.command = command;
    call.database = keyspace.databases[session.databaseIndex]!;
    call.effects = undefined;
    reply.version = session.protocolVersion;
    this.#readAhead.announce(request);
    const mark = reply.position;
    const changes = keyspace.changeCount;
    const isOutermost = !this.#isInCommand;
    this.#isInCommand = true;

    try {
      command.run!(call);
    } catch (error) {
      reply.truncate(mark);
      this.#fail(session, command, error);
    }
    if ((session.flags & SESSION_TRACKING) !== 0) this.#noteTracked(session, request, command, isOutermost);
    if (isOutermost && this.#tracking?.hasPending === true) this.#tracking.sendPending();
    if ((this.#gate & GATE_MONITORED) !== 0) this.#monitor(session, request, command);
    this.#isInCommand = !isOutermost;

    if (command !== this.#group) {
      // EXEC has run others: its own time includes theirs.
      this.#beginGroup(command);
      this.#micros = started;
      call.request = request;
      call.command = command;
    }
    if ((session.flags & SESSION_BLOCKED) !== 0 || this.#isServing) {
      this.#endWaiting(session, command);
    } else {
      this.#groupCount++;
      if (!command.isCheap || this.#groupCount >= this.#groupCommandsMax) this.#endGroup();
    }
    if (keyspace.changeCount !== changes || call.effects !== undefined)
      this.#afterChange(request, command, call, changes);
    if (isOutermost) {
      if (this.#unit.length > 0) this.#endUnit();
      if (this.#blocking?.hasReady === true) this.serveReady();
    }
  }

  /** What a client that tracks has read is remembered; CLIENT CACHING holds for one command. */
  #noteTracked(session: Session, request: Request, command: RuntimeCommand, isOutermost: boolean): void {
    if ((command.flags & FLAG_READONLY) !== 0) this.#tracking!.remember(session, command, request);
    if (isOutermost) this.#tracking!.commandDone(session, command);
  }

  /** Serves clients that wait for keys that have come. */
  serveReady(): void {
    // What is run for them is as much a command as any other, and makes others ready itself.
    if (!this.#isServing && this.#blocking?.hasReady === true) {
      this.#isServing = true;
      this.#blocking.serveReady();
      this.#isServing = false;
    }
  }

  /** Runs the command of a client that waits, for a key that has come. */
  rerun(session: Session, request: Request, readyKey: Uint8Array): void {
    const call = this.#call!;
    const command = this.commands.resolve(request)!;
    call.readyKey = readyKey;
    this.#run(session, request, command);
    call.readyKey = undefined;
  }

  /**
   * Reading the clock twice a command would cost a tenth of a GET. Cheap commands of the same name that
   * follow each other are timed as one group: the sums that INFO shows are exact, and each other command is
   * timed alone.
   */
  #beginGroup(command: RuntimeCommand): void {
    this.#endGroup();
    this.#group = command;
  }

  #endGroup(): void {
    const group = this.#group;
    if (group === undefined) return;
    const count = this.#groupCount;
    const micros = this.#measureGroup();
    this.statistics.commandsRun(group.id, count, micros);
    if (this.#times !== undefined && count > 0) this.#times.record(group.id, count, (micros * 1000) / count);
    if (micros >= this.#slowMicros && count > 0) this.#noteSlow(group, micros, 'whole');
    // CLIENT PAUSE, CONFIG SET and their like count from the next command on.
    if (!group.isCheap) this.#updateGate();
  }

  /** How long the group has taken, µs; there is none any more. */
  #measureGroup(): number {
    const ended = this.#clock.monotonicMicros();
    const micros = ended - this.#micros;
    this.#micros = ended;
    this.keyspace.setTime(this.#wallAtEntry + Math.floor((ended - this.#microsAtEntry) / 1000));
    this.#group = undefined;
    this.#groupCount = 0;
    return micros;
  }

  /**
   * A command that waits counts as a call when it comes, and is over when it was served (server.c, call;
   * blocked.c, updateStatsOnUnblock).
   */
  #endWaiting(session: Session, command: RuntimeCommand): void {
    const waits = (session.flags & SESSION_BLOCKED) !== 0;
    const micros = this.#measureGroup();
    this.statistics.commandsRun(command.id, this.#isServing ? 0 : 1, micros);
    if (!waits) this.#times?.record(command.id, 1, micros * 1000);
    if (micros >= this.#slowMicros && !(waits && this.#isServing))
      this.#noteSlow(command, micros, waits ? 'first part' : 'last part');
    this.#updateGate();
  }

  /**
   * A client that waits gets this error, or with `undefined` an empty reply, before its time is up: its
   * command has failed (blocked.c, updateStatsOnUnblock; networking.c, clientCommand). So has the one that
   * has made the error.
   */
  failWaiting(request: Request, error: ErrorReply | undefined): void {
    const command = this.commands.resolve(request)!;
    this.statistics.commandFailed(command.id);
    this.#times?.record(command.id, 1, 0);
    if (error === undefined) return;
    this.#replyError(error);
    if (this.runningClient !== 0) this.statistics.commandFailed(this.#call!.command.id);
  }

  /** A command, or the last of several that were timed together, was slow. */
  #noteSlow(command: RuntimeCommand, micros: number, part: TimedPart): void {
    const { session, request } = this.#call!;
    this.#observation?.noteSlow({ session, request, command, micros, part });
  }

  /** What a client that waits has sent was shown when it came. */
  #monitor(session: Session, request: Request, command: RuntimeCommand): void {
    if ((command.flags & (FLAG_ADMIN | FLAG_SKIP_MONITOR)) === 0 && !this.#isServing)
      this.#observation!.monitors.feed(session, command, request);
  }

  /**
   * Runs a command that MULTI had queued: its own errors, its own reply. False when the client may not run it
   * any more.
   */
  runQueued(call: Call, queued: QueuedCommand): boolean {
    const { session } = call;
    const refusal = session.has(SESSION_RESTRICTED)
      ? this.#access!.queuedRefusal(session, queued.request, queued.command)
      : undefined;
    if (refusal === undefined) this.#run(session, queued.request, queued.command);
    else this.#replyError(refusal);
    return refusal === undefined;
  }

  #fail(session: Session, command: RuntimeCommand, error: unknown): void {
    if (error instanceof ErrorReply) {
      this.#replyError(error);
    } else if (error instanceof OutOfMemoryError) {
      this.#replyError(OUT_OF_MEMORY);
    } else if (error instanceof ReplyTooLargeError) {
      this.#log.warning(
        `Client id=${session.id} closed: the reply to '${command.fullName}' is larger than ` +
          `${REPLY_BYTES_MAX} bytes.`,
      );
      session.raise(SESSION_CLOSE_NOW);
    } else {
      throw error;
    }
    this.statistics.commandFailed(command.id);
  }

  #replyError(error: ErrorReply): void {
    this.#reply.error(error);
    this.statistics.errorReplied(error.code);
  }

  #afterChange(request: Request, command: RuntimeCommand, call: Call, changes: number): void {
    if (this.keyspace.changeCount !== changes && (command.flags & FLAG_WRITE) === 0) assertMayChange(command);
    // EXEC itself changes nothing: its commands were reported one by one.
    if (!call.isPropagating || command.fullName === 'exec') return;
    const databaseIndex = call.database.index;
    if (call.effects !== undefined) {
      for (const effect of call.effects) this.#unit.push({ databaseIndex, request: effect });
    } else if (this.#isInCommand || this.#unit.length > 0) {
      this.#unit.push({ databaseIndex, request });
    } else {
      this.#sink!.append(databaseIndex, request);
    }
  }

  /** Hands the effects of a command on: as they are, or as a transaction if there are several. */
  #endUnit(): void {
    const unit = this.#unit;
    const sink = this.#sink!;
    this.#unit = [];
    if (unit.length > 1) sink.multi(unit[0]!.databaseIndex);
    for (const { databaseIndex, request } of unit) sink.append(databaseIndex, request);
    if (unit.length > 1) sink.exec();
  }

  /** A key was deleted because its time had passed: its deletion is an effect too. */
  keyExpired(database: Database, key: Uint8Array): void {
    this.#propagateDeletion(database, key, this.keyspace.lazy.expire);
  }

  /** A key was deleted to make room. */
  keyEvicted(database: Database, key: Uint8Array): void {
    this.#propagateDeletion(database, key, this.keyspace.lazy.eviction);
  }

  #propagateDeletion(database: Database, key: Uint8Array, isLazy: boolean): void {
    if (!this.#call!.isPropagating) return;
    const verb = isLazy ? 'UNLINK' : 'DEL';
    const request = Request.of([Buffer.from(verb), key]);
    if (this.#isInCommand) this.#unit.push({ databaseIndex: database.index, request });
    else this.#sink!.append(database.index, request);
  }

  /** The same of fields of a hash. */
  fieldsExpired(database: Database, key: Uint8Array, fields: readonly Uint8Array[]): void {
    if (!this.#call!.isPropagating) return;
    const request = Request.of([Buffer.from('HDEL'), key, ...fields]);
    if (this.#isInCommand) this.#unit.push({ databaseIndex: database.index, request });
    else this.#sink!.append(database.index, request);
  }

  /**
   * Runs a command of the append-only file: no gate, no statistics, nothing is logged. Returns the error it
   * ended with, `undefined` if none, and `unknown` when there is no such command.
   */
  replay(databaseIndex: number, request: Request): ErrorReply | undefined | 'unknown' {
    const command = this.commands.resolve(request);
    if (command === undefined || command.run === undefined) return 'unknown';
    if (!command.acceptsCount(request.count)) return wrongArity(command.fullName);
    if (isOfConnection(command)) return undefined;
    const call = this.#call!;
    const { request: outerRequest, session: outerSession, command: outerCommand } = call;
    call.request = request;
    call.session = this.#replaySession;
    call.session.databaseIndex = databaseIndex;
    call.command = command;
    call.database = this.keyspace.databases[databaseIndex]!;
    call.effects = undefined;
    this.#readAhead.announce(request);
    // Replies of commands that ran before, in the same wake-up, may still be there (DEBUG LOADAOF).
    const mark = this.#reply.position;
    let failure: ErrorReply | undefined;
    try {
      command.run(call);
    } catch (error) {
      if (error instanceof OutOfMemoryError) failure = OUT_OF_MEMORY;
      else if (error instanceof ErrorReply) failure = error;
      else if (!(error instanceof ReplyTooLargeError)) throw error;
    }
    this.#reply.truncate(mark);
    // DEBUG LOADAOF is a command itself.
    call.request = outerRequest;
    call.session = outerSession;
    call.command = outerCommand;
    return failure;
  }

  /** Ends a session's claims on shared state: its transaction, watched keys and subscriptions. */
  endSession(session: Session): void {
    this.endClient(session.record);
    this.#call!.services.transactions.discard(session);
    if (session.watchMarker !== 0) this.keyspace.watches.freeMarker(session.watchMarker);
    session.watchMarker = 0;
  }

  /** A client of any thread gets nothing more: no messages, no elements that it has waited for. */
  endClient(record: Ref): void {
    const { pubsub, tracking } = this.#call!.services;
    pubsub.unsubscribeAll(record);
    tracking.disable({ record });
    this.#blocking?.stopWaiting(record);
    this.#observation?.monitors.removeClient(record);
  }

  /** Forgets what a session has queued and watches. */
  discardTransaction(session: Session): void {
    this.#call!.services.transactions.discard(session);
  }

  /** A frame that cannot be read: the error, and the end of the connection. */
  protocolError(session: Session, text: string): void {
    this.#reply.version = session.protocolVersion;
    this.#replyError(new ErrorReply(`ERR ${text}`));
    session.raise(SESSION_CLOSE_AFTER_REPLY);
  }
}

function encodingLimits(values: Config['values']): EncodingLimits {
  return {
    hashMaxListpackEntries: Number(values['hash-max-listpack-entries']),
    hashMaxListpackValue: Number(values['hash-max-listpack-value']),
    listMaxListpackSize: Number(values['list-max-listpack-size']),
    setMaxIntsetEntries: Number(values['set-max-intset-entries']),
    zsetMaxListpackEntries: Number(values['zset-max-listpack-entries']),
    zsetMaxListpackValue: Number(values['zset-max-listpack-value']),
    streamNodeMaxBytes: Number(values['stream-node-max-bytes']),
    streamNodeMaxEntries: Number(values['stream-node-max-entries']),
  };
}

function lazyFreeing(values: Config['values']): LazyFreeing {
  return {
    eviction: values['lazyfree-lazy-eviction'],
    expire: values['lazyfree-lazy-expire'],
    serverDel: values['lazyfree-lazy-server-del'],
    userDel: values['lazyfree-lazy-user-del'],
  };
}

function notForSubscribers(name: string): ErrorReply {
  return new ErrorReply(
    `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are ` +
      'allowed in this context',
  );
}

/** Nobody is connected while a log is replayed: nothing to subscribe, publish to, track or name. */
function isOfConnection(command: RuntimeCommand): boolean {
  return (command.flags & FLAG_PUBSUB) !== 0 || command.fullName.startsWith('client|');
}

/** EXEC runs others, DEBUG does what it is told, PFCOUNT notes what it has counted in the value. */
const CHANGES_UNFLAGGED: ReadonlySet<string> = new Set(['exec', 'debug', 'pfcount']);

function assertMayChange({ fullName }: RuntimeCommand): void {
  assert(CHANGES_UNFLAGGED.has(fullName), `${fullName} changed the data although its row does not say so`);
}

/** What is refused while persistence fails: PING too, so that a load balancer notices (server.c). */
function isWriteOrPing(session: Session, command: RuntimeCommand): boolean {
  if (command.fullName === 'ping') return true;
  if (command.fullName === 'exec')
    return session.queue.some((queued) => (queued.command.flags & FLAG_WRITE) !== 0);
  return (command.flags & FLAG_WRITE) !== 0;
}

/** What a client that monitors may not do (server.c, processCommand). */
function touchesData(session: Session, command: RuntimeCommand): boolean {
  const touches = (flags: number) => (flags & (FLAG_WRITE | FLAG_READONLY | FLAG_MAY_REPLICATE)) !== 0;
  if (command.fullName === 'exec') return session.queue.some((queued) => touches(queued.command.flags));
  return touches(command.flags);
}

/** The rows under the names that `rename-command` gives them; an empty name removes a command. */
function renamed(rows: typeof ALL_COMMANDS, config: Config): typeof ALL_COMMANDS {
  const names = new Map(
    config.fileOnly.renamedCommands.map(({ from, to }) => [from.toLowerCase(), to.toLowerCase()]),
  );
  if (names.size === 0) return rows;
  return rows
    .filter((row) => names.get(row.name) !== '')
    .map((row) => ({ ...row, name: names.get(row.name) ?? row.name, originalName: row.name }));
}
