/**
 * Who may do what, as one thread sees it: the users (shared-users.ts), the check that the engine makes for
 * clients whose user is restricted, AUTH and the ACL command.
 *
 *     a client connects, AUTH, RESET     its session notes the user, and whether that user is restricted
 *     ACL SETUSER, any thread            the user is written anew, the version raised
 *     the next time a thread has         it sees another version, reads the users that have changed and looks
 *     the lock                           at the flags of all its sessions again
 *
 * So a change holds for every command that is run after the one that made it. Under the store's lock.
 */
import { resolve } from 'node:path';
import type { Call } from '../../commands/call.ts';
import type { Command } from '../../commands/command.ts';
import type { CommandIndex } from '../../commands/command-index.ts';
import { printedText } from '../../commands/errors.ts';
import type { RuntimeCommand } from '../../commands/runtime-command.ts';
import type {
  AccessLogEntry,
  AccessService,
  ClientService,
  Denial,
  PubSubService,
  UserDescription,
} from '../../commands/services.ts';
import {
  SESSION_CLOSE_AFTER_REPLY,
  SESSION_CLOSE_NOW,
  SESSION_MULTI,
  SESSION_RESTRICTED,
  SESSION_UNAUTHENTICATED,
} from '../../commands/session.ts';
import type { Session } from '../../commands/session.ts';
import type { Config } from '../../config/config.ts';
import { systemErrorText } from '../../config/config-system.ts';
import { decodeText, encodeText } from '../../config/config-text.ts';
import type { Allocator } from '../../memory/allocator.ts';
import type { Ref } from '../../memory/arena.ts';
import { ErrorReply } from '../../protocol/error-reply.ts';
import type { Request } from '../../protocol/request.ts';
import type { Log } from '../../util/log.ts';
import { isSubscriber } from '../client-table.ts';
import type { ClientTable } from '../client-table.ts';
import { AclLog } from './acl-log.ts';
import { aclFileText, parseAclFile, userLine } from './acl-file.ts';
import { CommandCatalog } from './command-catalog.ts';
import { describeCommands } from './describe-rules.ts';
import { denialOf, isChannelAllowed, mayReadAllKeys } from './permission.ts';
import { RULE_PROBLEM_TEXTS } from './rule-problem.ts';
import { applyRules, mergeSelectors } from './rule-list.ts';
import { hasSpaces } from './selector.ts';
import { SharedUsers } from './shared-users.ts';
import type { UserHandle } from './shared-users.ts';
import { DEFAULT_USER, User } from './user.ts';
import type { RuleContext } from './user.ts';

const NO_KEY_PERMISSION = new ErrorReply(
  'NOPERM this user has no permissions to access one of the keys used as arguments',
);
const NO_CHANNEL_PERMISSION = new ErrorReply(
  'NOPERM this user has no permissions to access one of the channels used as arguments',
);
/** Why a command that was allowed when MULTI queued it is no longer (multi.c, execCommand). */
const QUEUED_DENIALS: Record<Denial['reason'], ErrorReply> = {
  command: rulesChanged('no permission to execute the command or subcommand'),
  key: rulesChanged('no permission to touch the specified keys'),
  channel: rulesChanged('no permission to access one of the channels used as arguments'),
};

/** Files as the ACL file needs them; each throws Node's error. */
export interface AccessFiles {
  read(path: string): Uint8Array;
  /** At every moment the path holds the whole old or the whole new content. */
  replace(path: string, bytes: Uint8Array): void;
}

export interface AccessParts {
  readonly allocator: Allocator;
  readonly config: Config;
  readonly commands: CommandIndex;
  /** All rows, under their own names. */
  readonly rows: readonly Command[];
  readonly files: AccessFiles;
  readonly log: Log;
}

/** The clients, and what they are doing. */
export interface AccessLink {
  readonly table: ClientTable;
  readonly clients: ClientService;
  readonly pubsub: PubSubService;
  /** The sessions of this thread. */
  readonly sessions: () => Iterable<Session>;
  /** A client that waits for keys is served no more. */
  readonly stopWaiting: (client: Ref) => void;
  /** Unix time in ms. */
  readonly now: () => number;
}

export class AccessControl implements AccessService, RuleContext {
  readonly #parts: AccessParts;
  readonly #users: SharedUsers;
  readonly #log: AclLog;
  /** Both are made when they are needed: without restricted users a thread starts sooner. */
  #catalog: CommandCatalog | undefined;
  #catalogIds: readonly number[] | undefined;
  #link: AccessLink | undefined;

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.#users = new SharedUsers(parts.allocator);
    this.#log = new AclLog(parts.allocator, this.#users.root);
    this.#users.refresh();
  }

  connect(link: AccessLink): void {
    this.#link = link;
  }

  /** `acl-pubsub-default`. */
  get allChannels(): boolean {
    return this.#parts.config.values['acl-pubsub-default'] === 'allchannels';
  }

  get catalog(): CommandCatalog {
    return (this.#catalog ??= new CommandCatalog(this.#parts.rows));
  }

  /** The number of a command of the server in the catalogue. */
  #catalogId(command: RuntimeCommand): number {
    this.#catalogIds ??= this.#parts.commands.all.map((each) => this.catalog.of(each).id);
    return this.#catalogIds[command.id]!;
  }

  get #default(): UserHandle {
    return this.#users.find(DEFAULT_USER)!;
  }

  // Start ---------------------------------------------------------------------------------------------------

  /**
   * Makes the users that the configuration or the ACL file names; once, by the first thread. Returns why the
   * server cannot start.
   */
  prepare(): string | undefined {
    const users = this.#configuredUsers();
    if (typeof users === 'string') return users;
    for (const user of users.values()) this.#users.write(user);
    return undefined;
  }

  #configuredUsers(): ReadonlyMap<string, User> | string {
    const { config } = this.#parts;
    if (this.hasFile && config.fileOnly.users.length > 0) return USERS_IN_TWO_PLACES;

    const users = new Map([[DEFAULT_USER, withPassword(User.newDefault(this), config, this)]]);
    for (const [name = '', ...rules] of config.fileOnly.users.map((args) => args.map(toByteString))) {
      const failure = this.#configure(users, name, rules);
      if (failure !== undefined) return `${failure}\nCritical error while loading ACLs. Exiting.`;
    }
    if (!this.hasFile) return users;
    const fromFile = this.#readFile();
    return typeof fromFile === 'string'
      ? `Aborting Redis startup because of ACL errors: ${fromFile}`
      : fromFile;
  }

  /** One `user` line of the configuration. */
  #configure(users: Map<string, User>, name: string, args: readonly string[]): string | undefined {
    if (hasSpaces(name)) return 'Spaces not allowed in ACL usernames';
    const rules = mergeSelectors(args);
    if ('unmatched' in rules) return unmatchedParenthesis(rules.unmatched);
    const user = users.get(name) ?? new User(name, this);
    if (users.has(name)) user.apply('reset', this);
    const wrong = applyRules(user, rules, this);
    if (wrong !== undefined) {
      const text = RULE_PROBLEM_TEXTS[wrong.problem];
      return `Error loading ACL rule '${wrong.rule}' for the user named '${name}': ${text}`;
    }
    if (!user.isEnabled) {
      this.#parts.log.notice(
        `The user '${name}' is disabled (there is no 'on' modifier in the user description). Make sure ` +
          'this is not a configuration error.',
      );
    }
    users.set(name, user);
    return undefined;
  }

  // Sessions ------------------------------------------------------------------------------------------------

  /** Another thread has changed the users. */
  get hasChanged(): boolean {
    return this.#users.hasChanged;
  }

  /** Takes over what other threads have changed. */
  adopt(): void {
    this.#users.refresh();
    this.#applyToSessions();
  }

  /** A client has connected, or is to be as if it had. */
  welcome(session: Session): void {
    const { id, user } = this.#default;
    session.user = DEFAULT_USER;
    session.userId = id;
    session.isAuthenticated = user.isOpen && user.isEnabled;
    this.#link!.table.setUser(session.record, DEFAULT_USER);
    this.#applyTo(session);
  }

  #applyToSessions(): void {
    for (const session of this.#link?.sessions() ?? []) this.#applyTo(session);
  }

  /** Sets the flags that follow from a session's user. */
  #applyTo(session: Session): void {
    let handle = this.#users.find(session.user);
    if (handle === undefined || handle.id !== session.userId) {
      this.#disown(session);
      handle = this.#default;
    }
    const { user } = this.#default;
    const mustAuthenticate = !session.isAuthenticated && !(user.isOpen && user.isEnabled);
    session.clear(SESSION_RESTRICTED | SESSION_UNAUTHENTICATED);
    if (mustAuthenticate) session.raise(SESSION_UNAUTHENTICATED);
    if (!handle.user.isUnrestricted) session.raise(SESSION_RESTRICTED);
  }

  /** The session's user is no more: its connection ends, and until then it is nobody. */
  #disown(session: Session): void {
    session.user = DEFAULT_USER;
    session.userId = this.#default.id;
    session.isAuthenticated = false;
    if (!session.has(SESSION_CLOSE_AFTER_REPLY)) session.raise(SESSION_CLOSE_NOW);
  }

  /** Ends connections of any thread, the caller's behind its reply. What they wait for they do not get. */
  #end(records: readonly Ref[], caller: Session): void {
    const { table, clients, pubsub, stopWaiting } = this.#link!;
    for (const record of records) {
      stopWaiting(record);
      pubsub.unsubscribeAll(record);
      clients.kill(table.idOf(record), caller);
    }
  }

  #clientsOf(name: string): Ref[] {
    const { table } = this.#link!;
    const records: Ref[] = [];
    table.forEach((record) => {
      if (table.user(record) === name) records.push(record);
    });
    return records;
  }

  // The check -----------------------------------------------------------------------------------------------

  /** Why a restricted client may not run a command. */
  refusal(session: Session, request: Request, command: RuntimeCommand): ErrorReply | undefined {
    const denial = this.#denialFor(session, request, command);
    if (denial === undefined) return undefined;
    this.#note(session, request, command, denial);
    if (denial.reason === 'key') return NO_KEY_PERMISSION;
    if (denial.reason === 'channel') return NO_CHANNEL_PERMISSION;
    return new ErrorReply(
      `NOPERM this user has no permissions to run the '${this.#nameOf(command)}' command`,
    );
  }

  /** The same when EXEC comes to a command: the rules may have changed since it was queued. */
  queuedRefusal(session: Session, request: Request, command: RuntimeCommand): ErrorReply | undefined {
    const denial = this.#denialFor(session, request, command);
    if (denial === undefined) return undefined;
    this.#note(session, request, command, denial);
    return QUEUED_DENIALS[denial.reason];
  }

  #denialFor(session: Session, request: Request, command: RuntimeCommand): Denial | undefined {
    const { user } = this.#users.find(session.user)!;
    return denialOf(user, { command, request, id: this.#catalogId(command) });
  }

  #nameOf(command: RuntimeCommand): string {
    return this.catalog.of(command).fullName;
  }

  #note(session: Session, request: Request, command: RuntimeCommand, { reason, index }: Denial): void {
    const object = reason === 'command' ? this.#nameOf(command) : request.text(index);
    this.#addToLog(session, { reason, object, user: session.user });
  }

  #addToLog(session: Session, facts: Pick<AccessLogEntry, 'reason' | 'object' | 'user'>): void {
    const context = session.has(SESSION_MULTI) ? 'multi' : 'toplevel';
    const { clients, now } = this.#link!;
    const client = clients.find(session.id)?.line ?? '';
    const lengthMax = this.#parts.config.values['acllog-max-len'];
    this.#log.add({ ...facts, context, client }, now(), lengthMax);
  }

  mayReadAllKeys({ session, command, request }: Call): boolean {
    if (!session.has(SESSION_RESTRICTED)) return true;
    const { user } = this.#users.find(session.user)!;
    return mayReadAllKeys(user, { command, request, id: this.#catalogId(command) });
  }

  // AUTH ----------------------------------------------------------------------------------------------------

  authenticate({ session, request }: Call, name: string, password: Uint8Array): boolean {
    const handle = this.#users.find(name);
    if (handle === undefined || !handle.user.accepts(password)) {
      this.#addToLog(session, { reason: 'auth', object: request.text(0), user: name });
      return false;
    }
    session.user = name;
    session.userId = handle.id;
    session.isAuthenticated = true;
    this.#link!.table.setUser(session.record, name);
    this.#applyTo(session);
    return true;
  }

  get isOpen(): boolean {
    return this.#default.user.isOpen;
  }

  /** `requirepass` has changed: it is the default user's password. */
  takeRequiredPassword(): undefined {
    this.#write(withPassword(this.#default.user.copy(), this.#parts.config, this));
  }

  // The ACL command -----------------------------------------------------------------------------------------

  hasUser(name: string): boolean {
    return this.#users.find(name) !== undefined;
  }

  get names(): readonly string[] {
    return this.#users.sorted.map(({ name }) => name);
  }

  get lines(): readonly string[] {
    return this.#users.sorted.map(({ user }) => userLine(user, this.catalog));
  }

  describe(name: string): UserDescription | undefined {
    const user = this.#users.find(name)?.user;
    if (user === undefined) return undefined;
    const { catalog } = this;
    return {
      flags: user.flags,
      passwords: user.passwords,
      selectors: user.selectors.map((selector) => ({
        commands: describeCommands(selector, catalog),
        keys: selector.keyRules,
        channels: selector.channelRules,
      })),
    };
  }

  setUser(name: string, args: readonly string[], caller: Session): string | undefined {
    if (hasSpaces(name)) return "Usernames can't contain spaces or null characters";
    const rules = mergeSelectors(args);
    if ('unmatched' in rules) return unmatchedParenthesis(rules.unmatched);
    const old = this.#users.find(name)?.user;
    const user = old?.copy() ?? new User(name, this);
    const wrong = applyRules(user, rules, this);
    if (wrong !== undefined) {
      const text = RULE_PROBLEM_TEXTS[wrong.problem];
      return `Error in ACL SETUSER modifier '${printedText(wrong.rule)}': ${text}`;
    }

    if (old !== undefined) this.#endSubscribers(user, old, caller);
    this.#write(user);
    return undefined;
  }

  #write(user: User): void {
    this.#users.write(user);
    this.#applyToSessions();
  }

  /** Ends clients that have subscribed to what they may no longer (acl.c, ACLKillPubsubClientsIfNeeded). */
  #endSubscribers(user: User, old: User, caller: Session): void {
    if (user.selectors.some(({ allChannels }) => allChannels)) return;
    const channels = user.selectors.flatMap((selector) => selector.channels);
    const texts = new Set(channels.map(({ text }) => text));
    const isLess = old.selectors.some(
      (selector) => selector.allChannels || selector.channels.some(({ text }) => !texts.has(text)),
    );
    if (!isLess) return;

    const { table, pubsub } = this.#link!;
    const isDenied = (record: Ref): boolean =>
      (['channel', 'pattern', 'shard'] as const).some((kind) =>
        pubsub
          .subscriptionsOf(record, kind)
          .some((name) => !isChannelAllowed(channels, name, kind === 'pattern')),
      );
    const denied = this.#clientsOf(user.name).filter(
      (record) => isSubscriber(table, record) && isDenied(record),
    );
    this.#end(denied, caller);
    // Itself at once, and without a reply.
    if (denied.includes(caller.record)) caller.raise(SESSION_CLOSE_NOW);
  }

  deleteUser(name: string, caller: Session): boolean {
    const handle = this.#users.find(name);
    if (handle === undefined) return false;
    this.#users.remove(handle);
    this.#end(this.#clientsOf(name), caller);
    this.#applyToSessions();
    return true;
  }

  dryRun(name: string, command: RuntimeCommand, request: Request): Denial | undefined {
    const { user } = this.#users.find(name)!;
    return denialOf(user, { command, request, id: this.#catalogId(command) });
  }

  commandsOf(category: string): readonly string[] | undefined {
    const listed = this.catalog.ofCategory(category);
    if (listed === undefined) return undefined;
    const own = new Set(this.#parts.commands.all.map((command) => this.catalog.of(command)));
    return listed.filter((command) => own.has(command)).map(({ fullName }) => fullName);
  }

  logEntries(countMax: number): readonly AccessLogEntry[] {
    return this.#log.entries(countMax);
  }

  clearLog(): void {
    this.#log.clear();
  }

  /** The users as CONFIG REWRITE writes them behind `user`: none while there is an ACL file. */
  get configuredRules(): readonly string[] {
    if (this.hasFile) return [];
    return this.#users.sorted.map(({ name, user }) =>
      decodeText(Buffer.from(`${name} ${user.describe(this.catalog)}`, 'latin1')),
    );
  }

  // The ACL file --------------------------------------------------------------------------------------------

  get hasFile(): boolean {
    return this.#parts.config.values.aclfile !== '';
  }

  get #filePath(): string {
    const { aclfile, dir } = this.#parts.config.values;
    return resolve(dir, aclfile);
  }

  /** The users of the file, the default user among them; or what is wrong with it. */
  #readFile(): ReadonlyMap<string, User> | string {
    const { aclfile } = this.#parts.config.values;
    let bytes: Uint8Array;
    try {
      bytes = this.#parts.files.read(this.#filePath);
    } catch (error) {
      return `Error loading ACLs, opening file '${aclfile}': ${systemErrorText(error)}`;
    }
    const users = parseAclFile(Buffer.from(bytes).toString('latin1'), aclfile, this);
    if (typeof users === 'string' || users.has(DEFAULT_USER)) return users;
    return new Map([...users, [DEFAULT_USER, User.newDefault(this)]]);
  }

  load(caller: Session): string | undefined {
    const users = this.#readFile();
    if (typeof users === 'string') return users;

    // Clients of the default user stay; all others are asked who they are again (acl.c, ACLFreeUsersSet).
    const others = this.#users.sorted.filter(({ name }) => name !== DEFAULT_USER);
    for (const other of others) this.#users.remove(other);
    for (const user of users.values()) this.#users.write(user);
    for (const { name } of others) this.#end(this.#clientsOf(name), caller);
    this.#applyToSessions();
    return undefined;
  }

  save(): boolean {
    const users = this.#users.sorted.map(({ user }) => user);
    try {
      const text = aclFileText(users, this.catalog);
      this.#parts.files.replace(this.#filePath, Buffer.from(text, 'latin1'));
      return true;
    } catch (error) {
      this.#parts.log.warning(`Writing ACL file for ACL SAVE: ${systemErrorText(error)}`);
      return false;
    }
  }
}

const USERS_IN_TWO_PLACES =
  'Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. ' +
  'This setup is very likely to lead to configuration errors and security holes, please define either an ' +
  'ACL file or declare users directly in your redis.conf, but not both.';

function rulesChanged(reason: string): ErrorReply {
  return new ErrorReply(
    'NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This ' +
      `command is no longer allowed for the following reason: ${reason}`,
  );
}

function unmatchedParenthesis(argument: string): string {
  return `Unmatched parenthesis in acl selector starting at '${printedText(argument)}'.`;
}

/** Gives the default user the password that `requirepass` says. */
function withPassword(user: User, { values: { requirepass } }: Config, context: RuleContext): User {
  user.apply('resetpass', context);
  user.apply(requirepass === '' ? 'nopass' : `>${toByteString(requirepass)}`, context);
  return user;
}

/** Text of the configuration as a string of bytes. */
function toByteString(text: string): string {
  return Buffer.from(encodeText(text)).toString('latin1');
}
