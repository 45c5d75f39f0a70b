/**
 * Whether a user may run a command as it stands there, with its keys and channels (Redis 7.0 acl.c,
 * ACLCheckAllUserCommandPerm).
 */
import { findKeys, hasKeys } from '../../commands/command-keys.ts';
import type { FoundKey } from '../../commands/command-keys.ts';
import { FLAG_NO_AUTH } from '../../commands/runtime-command.ts';
import type { RuntimeCommand } from '../../commands/runtime-command.ts';
import { asciiLowerCase } from '../../config/directives.ts';
import type { Denial } from '../../commands/services.ts';
import type { Request } from '../../protocol/request.ts';
import { equalBytes } from '../../util/bytes.ts';
import { globMatch } from '../../util/glob.ts';
import { findHiddenKeys } from './hidden-keys.ts';
import { KEY_READ, KEY_WRITE } from './selector.ts';
import type { Pattern, Selector } from './selector.ts';
import type { User } from './user.ts';

/** In the order of how much each tells: the last of these is reported. */
const REASONS: readonly Denial['reason'][] = ['command', 'key', 'channel'];

/** What is asked for: a request, and what is known of its command. */
export interface Access {
  readonly command: RuntimeCommand;
  /** The command's bit in selectors (command-catalog.ts). */
  readonly id: number;
  readonly request: Request;
}

interface ChannelArguments {
  readonly isPattern: boolean;
  /** Not the first channel only. */
  readonly isList: boolean;
}

/** Commands whose channels are asked for; leaving one needs no leave (Redis 7.0 db.c). */
const CHANNEL_ARGUMENTS: ReadonlyMap<string, ChannelArguments> = new Map([
  ['subscribe', { isPattern: false, isList: true }],
  ['ssubscribe', { isPattern: false, isList: true }],
  ['psubscribe', { isPattern: true, isList: true }],
  ['publish', { isPattern: false, isList: false }],
  ['spublish', { isPattern: false, isList: false }],
]);
/** Where the channels of these commands begin. */
const FIRST_CHANNEL = 1;

/** Why the user may not, or undefined. One of its selectors has to allow all of it. */
export function denialOf(user: User, access: Access): Denial | undefined {
  let worst: Denial = { reason: 'command', index: 0 };
  let index = 0;
  const keys = new AccessedKeys(access);
  for (const selector of user.selectors) {
    const denial = denialBy(selector, access, keys);
    if (denial === undefined) return undefined;
    // A command that is denied has no place in the request; the one found before it stands.
    if (denial.reason !== 'command') index = denial.index;
    const rank = REASONS.indexOf(denial.reason) - REASONS.indexOf(worst.reason);
    if (rank > 0 || (rank === 0 && index > worst.index)) worst = { reason: denial.reason, index };
  }
  return worst;
}

/** Whether the user may run it and read any key besides: what SORT … BY needs. */
export function mayReadAllKeys(user: User, access: Access): boolean {
  const keys = new AccessedKeys(access);
  return user.selectors.some(
    (selector) => denialBy(selector, access, keys) === undefined && readsAllKeys(selector),
  );
}

/**
 * Whether one of the patterns lets a channel be used; a pattern of PSUBSCRIBE must be there to the letter.
 */
export function isChannelAllowed(
  patterns: readonly Pattern[],
  channel: Uint8Array,
  isPattern: boolean,
): boolean {
  return patterns.some(({ bytes }) =>
    isPattern
      ? bytes.length === channel.length && equalBytes(bytes, 0, channel, 0, bytes.length)
      : globMatch(bytes, channel, 0, channel.length, false),
  );
}

/** The keys of a request, looked for once for all selectors. */
class AccessedKeys {
  readonly #access: Access;
  #found: readonly FoundKey[] | undefined;

  constructor(access: Access) {
    this.#access = access;
  }

  get all(): readonly FoundKey[] {
    const { command, request } = this.#access;
    if (!hasKeys(command.row)) return [];
    const name = command.row.originalName ?? command.row.name;
    this.#found ??= [...findKeys(command.row, request), ...findHiddenKeys(name, request)];
    return this.#found;
  }
}

function denialBy(selector: Selector, access: Access, keys: AccessedKeys): Denial | undefined {
  if (!allowsCommand(selector, access)) return { reason: 'command', index: 0 };
  if (!selector.allKeys) {
    for (const key of keys.all) {
      if (!allowsKey(selector, access.request, key)) return { reason: 'key', index: key.index };
    }
  }
  return selector.allChannels ? undefined : channelDenial(selector, access);
}

function allowsCommand(selector: Selector, { command, id, request }: Access): boolean {
  if ((command.flags & FLAG_NO_AUTH) !== 0 || selector.allows(id)) return true;
  const index = command.parent === undefined ? 1 : 2;
  if (request.count <= index) return false;
  const words = selector.firstArgumentsOf(id);
  if (words.length === 0) return false;
  const given = asciiLowerCase(request.text(index));
  return words.some((word) => asciiLowerCase(word) === given);
}

/** One pattern has to match the key and permit all that is done to its value. */
function allowsKey(selector: Selector, request: Request, { index, flags }: FoundKey): boolean {
  let wanted = 0;
  for (const flag of flags) {
    if (flag === 'access') wanted |= KEY_READ;
    else if (flag === 'insert' || flag === 'delete' || flag === 'update') wanted |= KEY_WRITE;
  }
  const [start, end] = [request.start(index), request.end(index)];
  return selector.keys.some(
    ({ permissions, bytes }) =>
      (permissions & wanted) === wanted && globMatch(bytes, request.buffer, start, end, false),
  );
}

function readsAllKeys(selector: Selector): boolean {
  if (selector.allKeys) return true;
  return selector.keys.some(({ permissions, text }) => (permissions & KEY_READ) !== 0 && text === '*');
}

function channelDenial(selector: Selector, { command, request }: Access): Denial | undefined {
  const channels = CHANNEL_ARGUMENTS.get(command.row.originalName ?? command.row.name);
  if (channels === undefined || command.parent !== undefined) return undefined;
  const end = channels.isList ? request.count : FIRST_CHANNEL + 1;
  for (let index = FIRST_CHANNEL; index < end; index++) {
    if (!isChannelAllowed(selector.channels, request.borrow(index), channels.isPattern))
      return { reason: 'channel', index };
  }
  return undefined;
}
