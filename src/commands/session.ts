/** What the server knows of a client while it talks to it. Lives in the thread that serves the connection. */
import type { Request } from '../protocol/request.ts';
import type { Ref } from '../memory/arena.ts';
import type { RuntimeCommand } from './runtime-command.ts';

/** The connection must authenticate before anything else. */
export const SESSION_UNAUTHENTICATED = 1 << 0;
/** Commands are queued by MULTI. */
export const SESSION_MULTI = 1 << 1;
/** A queued command was refused: EXEC will abort. */
export const SESSION_DIRTY_EXEC = 1 << 2;
/** CLIENT REPLY OFF. */
export const SESSION_REPLY_OFF = 1 << 3;
/** CLIENT REPLY SKIP: the command that said it, then the one after it. */
export const SESSION_REPLY_SKIP_NEXT = 1 << 4;
export const SESSION_REPLY_SKIP = 1 << 5;
/** Close when the replies are sent (QUIT, protocol errors). */
export const SESSION_CLOSE_AFTER_REPLY = 1 << 6;
/** Close without sending anything more (CLIENT KILL, output limit). */
export const SESSION_CLOSE_NOW = 1 << 7;
/** Waits for CLIENT UNPAUSE or the pause's end. */
export const SESSION_POSTPONED = 1 << 8;
/** Not a victim of maxmemory-clients (CLIENT NO-EVICT on). */
export const SESSION_NO_EVICT = 1 << 9;
export const SESSION_UNIX_SOCKET = 1 << 10;
/** Waits for keys, or for time to pass (engine/blocking.ts). */
export const SESSION_BLOCKED = 1 << 11;
/** Has subscribed to channels or patterns. */
export const SESSION_SUBSCRIBER = 1 << 12;
/** CLIENT TRACKING on. */
export const SESSION_TRACKING = 1 << 13;
/** Its user may not do everything: each command is checked (engine/acl/). */
export const SESSION_RESTRICTED = 1 << 14;
/** Is shown every command (MONITOR), and may not work with the data. */
export const SESSION_MONITOR = 1 << 15;
/** Gets its replies when the server listens where it was told to (servers/listen-requests.ts). */
export const SESSION_HELD_BACK = 1 << 16;

/** Flags that send a command through the full gate. */
export const SESSION_GATED =
  SESSION_UNAUTHENTICATED |
  SESSION_MULTI |
  SESSION_REPLY_OFF |
  SESSION_REPLY_SKIP_NEXT |
  SESSION_REPLY_SKIP |
  SESSION_CLOSE_AFTER_REPLY |
  SESSION_CLOSE_NOW |
  SESSION_POSTPONED |
  SESSION_SUBSCRIBER |
  SESSION_RESTRICTED |
  SESSION_MONITOR;

/** A command that MULTI has queued. */
export interface QueuedCommand {
  readonly command: RuntimeCommand;
  readonly request: Request;
}

/** Before the first command, and after one that does not exist. */
export const NO_COMMAND = -1;

export class Session {
  id: number;
  /** Record in the shared table of clients (engine/client-table.ts); 0 for a session that is no client. */
  record: Ref;
  /** While SESSION_BLOCKED: when the wait ends at the latest, Unix time in ms. */
  blockedUntil = Infinity;
  /** Marker for WATCH, created when first needed; 0 before. */
  watchMarker: Ref = 0;
  flags = 0;
  databaseIndex = 0;
  /** RESP version, 2 or 3. */
  protocolVersion = 2;
  /** Empty when the client has set none. */
  name = '';
  user = 'default';
  /** Tells the user from another of its name that came after it. */
  userId = 0;
  /** It has said who it is, or nobody wanted to know when it came. */
  isAuthenticated = false;
  queue: QueuedCommand[] = [];
  /** Bytes of the queued commands' arguments. */
  queuedBytes = 0;
  /** Id of the command that came last, whether it was run, queued or refused. */
  lastCommandId = NO_COMMAND;

  constructor(id: number, record: Ref) {
    this.id = id;
    this.record = record;
  }

  /** Makes this session stand for another client: its command is run by a thread that does not serve it. */
  represent(id: number, record: Ref): void {
    this.id = id;
    this.record = record;
  }

  get isInTransaction(): boolean {
    return (this.flags & SESSION_MULTI) !== 0;
  }

  has(flags: number): boolean {
    return (this.flags & flags) !== 0;
  }

  raise(flags: number): void {
    this.flags |= flags;
  }

  clear(flags: number): void {
    this.flags &= ~flags;
  }
}
