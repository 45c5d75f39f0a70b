/**
 * What a command may ask of the layers above it. The engine and the servers implement these; commands know no
 * more. Everything here runs under the store's lock.
 */
import type { Database } from '../keyspace/database.ts';
import type { Ref } from '../memory/arena.ts';
import type { Call } from './call.ts';
import type { CommandIndex } from './command-index.ts';
import type { ErrorReply } from '../protocol/error-reply.ts';
import type { Request } from '../protocol/request.ts';
import type { RuntimeCommand } from './runtime-command.ts';
import type { Session } from './session.ts';

/** One client, of any thread, as CLIENT LIST and INFO show it. */
export interface ClientInfo {
  readonly id: number;
  /** `127.0.0.1:50000`, `[::1]:50000` or `/path:0`. */
  readonly address: string;
  readonly localAddress: string;
  readonly name: string;
  readonly user: string;
  readonly type: ClientType;
  /** The line of CLIENT LIST and CLIENT INFO, without a line feed. */
  readonly line: string;
}

export type ClientType = 'normal' | 'master' | 'replica' | 'pubsub';

export interface ClientService {
  /** All clients, oldest first. */
  list(): ClientInfo[];
  /** One client, or undefined. */
  find(id: number): ClientInfo | undefined;
  /** Ends a client's connection: at once, or the caller's own after its reply. */
  kill(id: number, caller: Session): void;
  /** Notes a client's new name (the session has it already). */
  renamed(session: Session): void;
  /**
   * Postpones commands of all clients (`all`) or those that may write (`write`) until then, Unix time in ms.
   */
  pause(mode: 'all' | 'write', untilMillis: number): void;
  unpause(): void;
  /** Wakes a blocked client, as if its time were up or with an error. False when it is not blocked. */
  unblock(id: number, how: 'timeout' | 'error'): boolean;
}

export type SubscriptionKind = 'channel' | 'pattern' | 'shard';

/** Publish and subscribe; clients are named by their records. */
export interface PubSubService {
  /** False when the client has subscribed to that before. */
  subscribe(client: Ref, kind: SubscriptionKind, name: Uint8Array): boolean;
  /** False when it had not subscribed. */
  unsubscribe(client: Ref, kind: SubscriptionKind, name: Uint8Array): boolean;
  unsubscribeAll(client: Ref): void;
  subscriptionCount(client: Ref, kind: SubscriptionKind): number;
  subscriptionsOf(client: Ref, kind: SubscriptionKind): Buffer[];
  /** Sends a message, and returns how many get it. */
  publish(kind: 'channel' | 'shard', channel: Uint8Array, message: Uint8Array): number;
  /** Names that somebody has subscribed to. */
  topics(kind: SubscriptionKind): Buffer[];
  topicCount(kind: SubscriptionKind): number;
  subscriberCount(kind: SubscriptionKind, name: Uint8Array): number;
}

/** How a client wants to hear of changes (CLIENT TRACKING). */
export interface TrackingOptions {
  readonly isBroadcast: boolean;
  readonly isOptIn: boolean;
  readonly isOptOut: boolean;
  readonly isNoLoop: boolean;
  /** Id of the client that gets the messages, 0 = this one. */
  readonly redirection: number;
  readonly prefixes: readonly Buffer[];
}

/** `redirection` is −1 while tracking is off; prefixes are in the order of their bytes. */
export interface TrackingState extends TrackingOptions {
  readonly isOn: boolean;
  readonly isCaching: boolean;
  readonly isRedirectionBroken: boolean;
}

export interface TrackingService {
  enable(session: Session, options: TrackingOptions): void;
  disable(session: Pick<Session, 'record'>): void;
  /** CLIENT CACHING: the next command does not follow the rule of OPTIN or OPTOUT. */
  setCaching(session: Session): void;
  stateOf(client: Ref): TrackingState;
}

export interface TransactionService {
  /** Runs the queued commands and replies. */
  exec(call: Call): void;
  /** Forgets queue, MULTI state and watched keys. */
  discard(session: Session): void;
  watch(session: Session, database: Database, key: Uint8Array, start: number, end: number): void;
  unwatch(session: Session): void;
}

export interface ConfigService {
  /** CONFIG SET: undefined, or the error's line. */
  set(pairs: readonly (readonly [name: Uint8Array, value: Uint8Array])[]): string | undefined;
  get(patterns: readonly Uint8Array[]): (readonly [name: string, value: Uint8Array | string])[];
  /** CONFIG REWRITE: undefined, or the error's line. */
  rewrite(): string | undefined;
}

export interface ServerService {
  /** INFO's text; no sections = the default ones. */
  info(sections: readonly string[]): string;
  /** Statistics as CONFIG RESETSTAT forgets them. */
  resetStatistics(): void;
  /** Ends the server after this command; replies nothing more. Throws an ErrorReply when it cannot. */
  shutdown(options: {
    readonly save: boolean | undefined;
    readonly now: boolean;
    readonly force: boolean;
  }): void;
  /** SHUTDOWN ABORT; false when no shutdown is under way. */
  abortShutdown(): boolean;
  /**
   * Deletes keys: one database, or all with -1. Tells the transactions that watch any, and the clients that
   * keep copies. Returns how many there were.
   */
  empty(databaseIndex: number, isLazy: boolean): number;
  /** The same at a user's wish: no snapshot that is being written is to bring them back. */
  flush(databaseIndex: number, isLazy: boolean): number;
  swapDatabases(first: number, second: number): void;
  /** Brings a session back to how it was when it connected (RESET). */
  resetSession(session: Session): void;
  /** Blocks this thread, and everybody who waits for the lock, for that long (DEBUG SLEEP). */
  sleep(millis: number): void;
  /** DEBUG SET-ACTIVE-EXPIRE. */
  setActiveExpire(isOn: boolean): void;
  /** Writes a line to the log. */
  log(level: 'debug' | 'verbose' | 'notice' | 'warning', message: string): void;
  /** Unix time in microseconds, of now and not of the command's start (TIME). */
  unixMicros(): number;
  /** Memory by purpose, bytes, for MEMORY STATS and INFO. */
  memory(): MemoryFigures;
  /** Gives free pages back to the operating system (MEMORY PURGE). */
  purgeMemory(): void;
}

/** What one selector of a user permits, as rules (ACL GETUSER). */
export interface SelectorDescription {
  readonly commands: string;
  readonly keys: string;
  readonly channels: string;
}

export interface UserDescription {
  readonly flags: readonly string[];
  /** SHA-256, in hexadecimal digits. */
  readonly passwords: readonly string[];
  /** The root selector first. */
  readonly selectors: readonly SelectorDescription[];
}

/** Why a user may not run a command. */
export interface Denial {
  readonly reason: 'command' | 'key' | 'channel';
  /** The argument that is the key or channel. */
  readonly index: number;
}

/** Something that was denied, once or repeatedly (ACL LOG). Strings of bytes. */
export interface AccessLogEntry {
  readonly reason: Denial['reason'] | 'auth';
  readonly context: 'toplevel' | 'multi';
  /** The command, key or channel. */
  readonly object: string;
  readonly user: string;
  /** The client of the last time, as CLIENT LIST shows it. */
  readonly client: string;
  readonly count: number;
  /** Of the last time, Unix time in ms. */
  readonly time: number;
}

/** Users and what they may do (ACL). Names and rules are strings of bytes: a character for each. */
export interface AccessService {
  /** Checks a user's password; the client is that user when it returns true. A failure is logged. */
  authenticate(call: Call, name: string, password: Uint8Array): boolean;
  /** Whether there is a user of that name, enabled or not. */
  hasUser(name: string): boolean;
  /** True when the default user needs no password. */
  readonly isOpen: boolean;
  /** In the order of their bytes, like `lines`. */
  readonly names: readonly string[];
  /** `user <name> <rules>` for each. */
  readonly lines: readonly string[];
  describe(name: string): UserDescription | undefined;
  /** ACL SETUSER: undefined, or the error's text; nothing has changed then. */
  setUser(name: string, rules: readonly string[], caller: Session): string | undefined;
  /** Deletes a user and ends its clients. False when there is none of that name. */
  deleteUser(name: string, caller: Session): boolean;
  /** Why a user that exists may not run a command. */
  dryRun(name: string, command: RuntimeCommand, request: Request): Denial | undefined;
  /** Whether the caller may read any key, besides what it runs (SORT BY). */
  mayReadAllKeys(call: Call): boolean;
  /** The server's commands in a category, any case; undefined when there is no such category. */
  commandsOf(category: string): readonly string[] | undefined;
  /** The youngest entries of the log. */
  logEntries(countMax: number): readonly AccessLogEntry[];
  clearLog(): void;
  /** `aclfile` is set. */
  readonly hasFile: boolean;
  /** ACL LOAD: undefined, or the error's text; nothing has changed then. */
  load(caller: Session): string | undefined;
  /** ACL SAVE: false when it failed (the log says why). */
  save(): boolean;
}

/** A command that took long (SLOWLOG). */
export interface SlowCommand {
  readonly id: number;
  /** When it had run, Unix time in seconds. */
  readonly seconds: number;
  readonly micros: number;
  readonly args: readonly Uint8Array[];
  readonly address: string;
  readonly name: string;
}

export interface SlowLogService {
  readonly length: number;
  reset(): void;
  /** The youngest first. */
  entries(countMax: number): readonly SlowCommand[];
}

export interface LatencySample {
  /** Unix time. */
  readonly seconds: number;
  readonly millis: number;
}

/** A kind of event that was slow (LATENCY); there is at least one sample, the oldest first. */
export interface LatencyEvent {
  readonly name: string;
  readonly samples: readonly LatencySample[];
  readonly longestMillis: number;
}

export interface LatencyService {
  event(name: string): LatencyEvent | undefined;
  events(): readonly LatencyEvent[];
  /** Forgets an event, in any case of letters, or all of them. Returns how many there were. */
  reset(name?: string): number;
  /** How many calls of a command were timed. */
  callsOf(commandId: number): number;
  /** How many of them took at most that long; only steps that add some. */
  stepsOf(commandId: number): readonly (readonly [micros: number, calls: number])[];
}

/** Clients that are shown every command (MONITOR). */
export interface MonitorService {
  add(session: Session): void;
  remove(session: Session): void;
}

/** All in bytes. */
export interface MemoryFigures {
  readonly used: number;
  readonly peak: number;
  readonly startup: number;
  readonly resident: number;
  /** Spans in use, and free spans that the operating system still backs. */
  readonly allocatorActive: number;
  readonly allocatorResident: number;
  readonly clients: number;
  /** Of what is used: buffers that do not count against `maxmemory`. */
  readonly notCountedForEviction: number;
  /** Bucket arrays and expiry index, per database that has keys. */
  readonly databases: readonly { readonly index: number; readonly main: number; readonly expires: number }[];
}

/** Why a value cannot be restored (RESTORE). */
export type RestoreFailure = 'bad-checksum-or-version' | 'bad-format';

/** What a background job answers to the command that asks for it. */
export type JobStart = 'started' | 'scheduled';

export interface PersistenceService {
  /** Why commands that write are refused now (MISCONF). */
  readonly writeRefusal: ErrorReply | undefined;
  /** A background save (BGSAVE) or rewrite (BGREWRITEAOF) is running. */
  readonly runningJob: 'save' | 'rewrite' | undefined;
  /** SAVE: writes the snapshot file; everybody waits. False when it failed (the log says why). */
  save(): boolean;
  /**
   * BGSAVE: takes the snapshot of this moment, or does so as soon as it can be done. Undefined when it could
   * not be started (the log says why).
   */
  saveInBackground(isScheduled: boolean): JobStart | undefined;
  /** BGREWRITEAOF: undefined when it could not be started (the log says why). */
  rewriteInBackground(isScheduled: boolean): JobStart | undefined;
  /** Of the last successful save, or of the start: Unix time in seconds (LASTSAVE). */
  readonly lastSaveTime: number;
  /**
   * DEBUG RELOAD, after `save()` and mostly `empty()`: loads the snapshot again. A key that is there already
   * is an error, unless `replacesKeys`. False when that failed.
   */
  reload(replacesKeys: boolean): boolean;
  /** DEBUG LOADAOF, after `empty()`: loads the append-only file. False when that failed. */
  reloadAppendOnlyFile(): boolean;
  /** A value in the form of DUMP. */
  dump(entry: Ref): Uint8Array;
  /**
   * Checks a payload of DUMP and hands out what stores it under a key that does not exist; `entry` is that
   * of the new key.
   */
  restore(payload: Uint8Array): RestoreFailure | ((database: Database, key: Uint8Array) => Ref);
}

/** What a client waits for. */
export interface BlockingWait {
  /** Type of the values that it waits for (keyspace/entry.ts): others are no reason to wake it. */
  readonly type: number;
  /** The keys: arguments of the command from the first to the last. */
  readonly firstKey: number;
  readonly lastKey: number;
  /** Milliseconds, 0 = for ever. */
  readonly timeoutMillis: number;
  /** What is replied when the time is up. */
  readonly timeoutReply: 'null' | 'null-array' | 'zero';
  /** What is replied where the command may not wait, if not the same. */
  readonly refusalReply?: 'null';
  /**
   * What is run when a key is ready, if not the command as it came (XREAD: `$` resolved); as many arguments.
   */
  readonly request?: Request;
}

export interface BlockingService {
  /**
   * Lets the client wait: the command is run again, for the key that has become ready alone (`servesKey`),
   * whenever a key comes that it waits for; before other clients' commands, after those of clients that have
   * waited longer. Where a command may not wait (in a transaction) the reply is that of the timeout.
   * Nothing may have been changed or replied before.
   */
  block(call: Call, wait: BlockingWait): void;
}

export interface Services {
  readonly blocking: BlockingService;
  readonly commands: CommandIndex;
  readonly clients: ClientService;
  readonly pubsub: PubSubService;
  readonly tracking: TrackingService;
  readonly transactions: TransactionService;
  readonly config: ConfigService;
  readonly server: ServerService;
  readonly access: AccessService;
  readonly slowLog: SlowLogService;
  readonly latency: LatencyService;
  readonly monitors: MonitorService;
  readonly persistence: PersistenceService;
}
