/**
 * One run of a command: its arguments, who asks, what it may touch, and where the reply goes. There is one
 * Call per thread, set up anew for each command; handlers keep nothing of it.
 */
import type { Config } from '../config/config.ts';
import type { Database } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { StringValues } from '../keyspace/string-values.ts';
import { TYPE_STRING } from '../keyspace/entry.ts';
import type { Ref } from '../memory/arena.ts';
import type { ErrorReply } from '../protocol/error-reply.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { Request } from '../protocol/request.ts';
import { equalBytes, equalsIgnoreCase } from '../util/bytes.ts';
import { parseInt64, parseInteger } from '../util/numbers.ts';
import { NOT_AN_INTEGER, WRONG_TYPE } from './errors.ts';
import type { RuntimeCommand } from './runtime-command.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

/** What a Call is made of once, per thread. */
export interface CallParts {
  readonly keyspace: Keyspace;
  readonly reply: ReplyWriter;
  readonly config: Config;
  readonly services: Services;
}

export class Call {
  readonly keyspace: Keyspace;
  readonly strings: StringValues;
  readonly reply: ReplyWriter;
  readonly config: Config;
  readonly services: Services;
  /** Set by the engine before each run. */
  request: Request = new Request();
  session!: Session;
  command!: RuntimeCommand;
  database!: Database;
  /** Somebody wants to know the effects of commands. */
  isPropagating = false;
  /** What is logged and replicated instead of the command as it came; undefined = the command itself. */
  effects: Request[] | undefined;

  constructor(parts: CallParts) {
    this.keyspace = parts.keyspace;
    this.strings = parts.keyspace.strings;
    this.reply = parts.reply;
    this.config = parts.config;
    this.services = parts.services;
  }

  /** Unix time in ms, one and the same for the whole command. */
  get now(): number {
    return this.keyspace.now;
  }

  // Arguments; 0 is the command's name ----------------------------------------------------------------------

  get argumentCount(): number {
    return this.request.count;
  }

  /** The argument's bytes, borrowed: they are gone when the command has run. */
  bytes(index: number): Buffer {
    return this.request.borrow(index);
  }

  /** The argument as Latin-1 text. */
  text(index: number): string {
    return this.request.text(index);
  }

  /** True when the argument is that word, in any case. */
  is(index: number, upperCaseWord: string): boolean {
    const { request } = this;
    return equalsIgnoreCase(request.buffer, request.start(index), request.end(index), upperCaseWord);
  }

  /** The argument as an integer within ±(2^53 − 1). @throws NOT_AN_INTEGER, also for larger ones */
  integer(index: number): number {
    const { request } = this;
    const value = parseInteger(request.buffer, request.start(index), request.end(index));
    if (Number.isNaN(value)) throw NOT_AN_INTEGER;
    return value;
  }

  /** The argument as any int64. @throws NOT_AN_INTEGER */
  int64(index: number): bigint {
    const { request } = this;
    const value = parseInt64(request.buffer, request.start(index), request.end(index));
    if (value === undefined) throw NOT_AN_INTEGER;
    return value;
  }

  /** The argument as any int64, rounded beyond ±2^53: for comparing with lengths. @throws NOT_AN_INTEGER */
  roundedInt64(index: number): number {
    const { request } = this;
    const small = parseInteger(request.buffer, request.start(index), request.end(index));
    return Number.isNaN(small) ? Number(this.int64(index)) : small;
  }

  /** An int64 of at least `least`, rounded beyond 2^53. @throws error for everything else */
  integerFrom(index: number, least: number, error: ErrorReply): number {
    const { buffer } = this.request;
    const [start, end] = [this.request.start(index), this.request.end(index)];
    const small = parseInteger(buffer, start, end);
    const value = Number.isNaN(small) ? parseInt64(buffer, start, end) : small;
    if (value === undefined || value < least) throw error;
    return Number(value);
  }

  // Keys ----------------------------------------------------------------------------------------------------

  /** The entry of the key named by an argument, for reading; 0 = none. */
  lookupRead(index: number): Ref {
    const { request } = this;
    return this.database.lookupRead(request.buffer, request.start(index), request.end(index));
  }

  /** The same for a command that asks about the key without using it: no access is marked. */
  peek(index: number, isSilent = false): Ref {
    const { request } = this;
    return this.database.peek(request.buffer, request.start(index), request.end(index), isSilent);
  }

  /** The entry of the key named by an argument, for changing; 0 = none. */
  lookupWrite(index: number): Ref {
    const { request } = this;
    return this.database.lookupWrite(request.buffer, request.start(index), request.end(index));
  }

  /** The same, and the entry is a string. @throws WRONG_TYPE */
  lookupStringRead(index: number): Ref {
    const entry = this.lookupRead(index);
    if (entry !== 0 && this.database.typeOf(entry) !== TYPE_STRING) throw WRONG_TYPE;
    return entry;
  }

  /** The entry of a key for reading, which holds a value of that type; 0 = none. @throws WRONG_TYPE */
  lookupTypedRead(index: number, type: number): Ref {
    const entry = this.lookupRead(index);
    if (entry !== 0 && this.database.typeOf(entry) !== type) throw WRONG_TYPE;
    return entry;
  }

  /** The same for changing it. */
  lookupTypedWrite(index: number, type: number): Ref {
    const entry = this.lookupWrite(index);
    if (entry !== 0 && this.database.typeOf(entry) !== type) throw WRONG_TYPE;
    return entry;
  }

  lookupStringWrite(index: number): Ref {
    const entry = this.lookupWrite(index);
    if (entry !== 0 && this.database.typeOf(entry) !== TYPE_STRING) throw WRONG_TYPE;
    return entry;
  }

  /** Sets the key named by one argument to the string of another. */
  setString(keyIndex: number, valueIndex: number, keepsExpiry: boolean): Ref {
    const { request } = this;
    return this.strings.set(
      this.database,
      request.buffer,
      request.start(keyIndex),
      request.end(keyIndex),
      request.buffer,
      request.start(valueIndex),
      request.end(valueIndex),
      keepsExpiry,
    );
  }

  /** The key named by an argument was changed: the gate that every write passes (keyspace.ts). */
  changed(keyIndex: number, eventClass: number, event: string): void {
    const { request } = this;
    this.keyspace.changed(
      this.database,
      request.buffer,
      request.start(keyIndex),
      request.end(keyIndex),
      eventClass,
      event,
    );
  }

  /** A further event of a change already reported (`expire` after `set`). */
  event(keyIndex: number, eventClass: number, event: string): void {
    const { request } = this;
    this.keyspace.event(
      this.database,
      request.buffer,
      request.start(keyIndex),
      request.end(keyIndex),
      eventClass,
      event,
    );
  }

  // Waiting -------------------------------------------------------------------------------------------------

  /** The key that has become ready, when the command of a client that waited is run again. */
  readyKey: Uint8Array | undefined;

  /**
   * Whether a command that waits for keys shall look at the one named by an argument: at all of them when it
   * comes, at the one that is ready when it is run again.
   */
  servesKey(index: number): boolean {
    const { readyKey, request } = this;
    if (readyKey === undefined) return true;
    return (
      readyKey.length === request.length(index) &&
      equalBytes(readyKey, 0, request.buffer, request.start(index), readyKey.length)
    );
  }

  // Propagation ---------------------------------------------------------------------------------------------

  /**
   * Logs and replicates this instead of the command as it came: its effect (absolute times, chosen members).
   */
  propagateAs(...args: readonly (string | Uint8Array)[]): void {
    if (this.isPropagating) this.effects = [toRequest(args)];
  }

  /** The command as it came is not propagated: only what `alsoPropagate` says. */
  propagateNothing(): void {
    if (this.isPropagating) this.effects = [];
  }

  /** The same for one more command; they are wrapped in MULTI/EXEC when there are several. */
  alsoPropagate(...args: readonly (string | Uint8Array)[]): void {
    if (this.isPropagating) (this.effects ??= []).push(toRequest(args));
  }
}

function toRequest(args: readonly (string | Uint8Array)[]): Request {
  return Request.of(args.map((arg) => (typeof arg === 'string' ? Buffer.from(arg, 'latin1') : arg)));
}
