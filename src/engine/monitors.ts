/**
 * The clients that MONITOR: a list in the arena, so that what any thread runs is shown to all of them.
 * Everything here runs under the store's lock.
 *
 *     CONTROL_MONITORS ──▶ next, record of the client ──▶ …
 */
import { shownArguments } from '../commands/secrets.ts';
import type { MonitorService } from '../commands/services.ts';
import { SESSION_MONITOR, SESSION_UNIX_SOCKET } from '../commands/session.ts';
import type { Session } from '../commands/session.ts';
import type { RuntimeCommand } from '../commands/runtime-command.ts';
import type { Config } from '../config/config.ts';
import type { Allocator } from '../memory/allocator.ts';
import type { Ref } from '../memory/arena.ts';
import { CONTROL_MONITORS } from '../memory/control-block.ts';
import { getWord, setWord } from '../memory/struct.ts';
import type { Request } from '../protocol/request.ts';
import type { Clock } from '../util/clock.ts';
import { quoteBytes } from '../util/split-args.ts';
import type { ClientTable } from './client-table.ts';
import type { Deliveries } from './deliveries.ts';

const NEXT = 0;
const CLIENT = 1;
const NODE_BYTES = 8;

export interface MonitorsParts {
  readonly allocator: Allocator;
  readonly clients: ClientTable;
  readonly deliveries: Deliveries;
  readonly config: Config;
  readonly clock: Clock;
}

export class Monitors implements MonitorService {
  readonly #parts: MonitorsParts;
  readonly #control: Int32Array;

  constructor(parts: MonitorsParts) {
    this.#parts = parts;
    this.#control = parts.allocator.arena.control;
  }

  add(session: Session): void {
    const { allocator } = this.#parts;
    const node = allocator.allocate(NODE_BYTES);
    setWord(allocator.arena, node, NEXT, this.#control[CONTROL_MONITORS]!);
    setWord(allocator.arena, node, CLIENT, session.record);
    this.#control[CONTROL_MONITORS] = node;
    session.raise(SESSION_MONITOR);
  }

  remove(session: Session): void {
    if (!session.has(SESSION_MONITOR)) return;
    session.clear(SESSION_MONITOR);
    this.removeClient(session.record);
  }

  /** A client of any thread, which may be none of them, is shown nothing more. */
  removeClient(client: Ref): void {
    const { allocator } = this.#parts;
    const { arena } = allocator;
    let previous = 0;
    let node = this.#control[CONTROL_MONITORS]!;
    while (node !== 0 && getWord(arena, node, CLIENT) !== client) {
      previous = node;
      node = getWord(arena, node, NEXT);
    }
    if (node === 0) return;
    const next = getWord(arena, node, NEXT);
    if (previous === 0) this.#control[CONTROL_MONITORS] = next;
    else setWord(arena, previous, NEXT, next);
    allocator.free(node);
  }

  /** Shows a command that has run (replication.c, replicationFeedMonitors). */
  feed(session: Session, command: RuntimeCommand, request: Request): void {
    const { clock, deliveries } = this.#parts;
    const micros = clock.wallMicros();
    const time = `${Math.floor(micros / 1e6)}.${String(micros % 1e6).padStart(6, '0')}`;
    const args = shownArguments(command, request).map(quoteBytes).join(' ');
    const line = `+${time} [${session.databaseIndex} ${this.#addressOf(session)}] ${args}\r\n`;
    const bytes = Buffer.from(line, 'latin1');
    deliveries.deliverToMany(this.#clients(), bytes, 0, bytes.length);
  }

  #addressOf(session: Session): string {
    if (session.has(SESSION_UNIX_SOCKET)) return `unix:${this.#parts.config.values.unixsocket}`;
    return this.#parts.clients.address(session.record);
  }

  /** The records of those who have begun first come first. */
  #clients(): Ref[] {
    const { arena } = this.#parts.allocator;
    const records: Ref[] = [];
    for (let node = this.#control[CONTROL_MONITORS]!; node !== 0; node = getWord(arena, node, NEXT))
      records.unshift(getWord(arena, node, CLIENT));
    return records;
  }
}
