/** How long a key lives (Redis 7.0 expire.c). */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC } from '../keyspace/notify.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { parseInteger } from '../util/numbers.ts';
import { integer, key, oneOf, token, unixTime } from './arguments.ts';
import type { Call } from './call.ts';
import { invalidExpireTime, printedText } from './errors.ts';
import { family } from './family.ts';
import { oneKey } from './key-specs.ts';

const NX_WITH_OTHERS = new ErrorReply('ERR NX and XX, GT or LT options at the same time are not compatible');
const GT_WITH_LT = new ErrorReply('ERR GT and LT options at the same time are not compatible');

const NX = 1 << 0;
const XX = 1 << 1;
const GT = 1 << 2;
const LT = 1 << 3;
const FIRST_OPTION = 3;

const SECOND = 1000;
const MILLISECOND = 1;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Which of the two expiry times wins, since 7.0. */
const CONDITION = oneOf('condition', [token('NX'), token('XX'), token('GT'), token('LT')], {
  since: '7.0.0',
  optional: true,
});

const CONDITION_ADDED = ['7.0.0', 'Added options: `NX`, `XX`, `GT` and `LT`.'] as const;

export const EXPIRY_COMMANDS = family({ group: 'generic', categories: ['keyspace'] }, [
  {
    name: 'expire',
    arity: -3,
    flags: ['write', 'fast'],
    since: '1.0.0',
    summary: "Set a key's time to live in seconds",
    complexity: 'O(1)',
    history: [CONDITION_ADDED],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), integer('seconds'), CONDITION],
    run: expire,
  },
  {
    name: 'expireat',
    arity: -3,
    flags: ['write', 'fast'],
    since: '1.2.0',
    summary: 'Set the expiration for a key as a UNIX timestamp',
    complexity: 'O(1)',
    history: [CONDITION_ADDED],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), unixTime('unix-time-seconds'), CONDITION],
    run: expireAt,
  },
  {
    name: 'expiretime',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '7.0.0',
    summary: 'Get the expiration Unix timestamp for a key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: expireTime,
  },
  {
    name: 'persist',
    arity: 2,
    flags: ['write', 'fast'],
    since: '2.2.0',
    summary: 'Remove the expiration from a key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key')],
    run: persist,
  },
  {
    name: 'pexpire',
    arity: -3,
    flags: ['write', 'fast'],
    since: '2.6.0',
    summary: "Set a key's time to live in milliseconds",
    complexity: 'O(1)',
    history: [CONDITION_ADDED],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), integer('milliseconds'), CONDITION],
    run: pexpire,
  },
  {
    name: 'pexpireat',
    arity: -3,
    flags: ['write', 'fast'],
    since: '2.6.0',
    summary: 'Set the expiration for a key as a UNIX timestamp specified in milliseconds',
    complexity: 'O(1)',
    history: [CONDITION_ADDED],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), unixTime('unix-time-milliseconds'), CONDITION],
    run: pexpireAt,
  },
  {
    name: 'pexpiretime',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '7.0.0',
    summary: 'Get the expiration Unix timestamp for a key in milliseconds',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: pexpireTime,
  },
  {
    name: 'pttl',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '2.6.0',
    summary: 'Get the time to live for a key in milliseconds',
    complexity: 'O(1)',
    history: [['2.8.0', 'Added the -2 reply.']],
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: pttl,
  },
  {
    name: 'ttl',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '1.0.0',
    summary: 'Get the time to live for a key in seconds',
    complexity: 'O(1)',
    history: [['2.8.0', 'Added the -2 reply.']],
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: ttl,
  },
]);

/** EXPIRE key seconds [NX | XX | GT | LT] */
function expire(call: Call): void {
  expireAtTime(call, SECOND, call.now);
}

/** EXPIREAT key unix-time-seconds [NX | XX | GT | LT] */
function expireAt(call: Call): void {
  expireAtTime(call, SECOND, 0);
}

/** PEXPIRE key milliseconds [NX | XX | GT | LT] */
function pexpire(call: Call): void {
  expireAtTime(call, MILLISECOND, call.now);
}

/** PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] */
function pexpireAt(call: Call): void {
  expireAtTime(call, MILLISECOND, 0);
}

/**
 * @param unitMillis what the argument counts
 * @param since the moment that it counts from, Unix time in ms
 */
function expireAtTime(call: Call, unitMillis: number, since: number): void {
  const condition = conditionOptions(call);
  const time = timeArgument(call, unitMillis, since);
  const entry = call.lookupWrite(1);
  if (entry === 0 || !allows(condition, call.database.expiryOf(entry), time)) {
    call.reply.integer(0);
    return;
  }

  if (time <= call.keyspace.expiryNow && call.keyspace.mayDeleteExpired) {
    call.database.delete(entry, call.keyspace.lazy.expire);
    call.changed(1, NOTIFY_GENERIC, 'del');
    call.propagateAs(call.config.values['lazyfree-lazy-expire'] ? 'UNLINK' : 'DEL', call.bytes(1));
  } else {
    call.database.setExpiry(entry, time);
    call.changed(1, NOTIFY_GENERIC, 'expire');
    if (unitMillis !== MILLISECOND || since !== 0) propagateTime(call, time);
  }

  call.reply.integer(1);
}

function conditionOptions(call: Call): number {
  let condition = 0;
  for (let i = FIRST_OPTION; i < call.argumentCount; i++) {
    if (call.is(i, 'NX')) condition |= NX;
    else if (call.is(i, 'XX')) condition |= XX;
    else if (call.is(i, 'GT')) condition |= GT;
    else if (call.is(i, 'LT')) condition |= LT;
    else throw unsupportedOption(call.text(i));
  }
  if ((condition & NX) !== 0 && condition !== NX) throw NX_WITH_OTHERS;
  if ((condition & GT) !== 0 && (condition & LT) !== 0) throw GT_WITH_LT;
  return condition;
}

function unsupportedOption(option: string): ErrorReply {
  // Redis trims line ends off the end of a line (networking.c, addReplyErrorFormat).
  return new ErrorReply(`ERR Unsupported option ${printedText(option).replace(/[\r\n]+$/, '')}`);
}

/** When the key is to expire, Unix time in ms; the nearest double, where int64 is more exact. */
function timeArgument(call: Call, unitMillis: number, since: number): number {
  const { request } = call;
  const count = parseInteger(request.buffer, request.start(2), request.end(2));
  const time = count * unitMillis + since;
  if (Number.isSafeInteger(time)) return time;

  const millis = call.int64(2) * BigInt(unitMillis);
  const exactTime = millis + BigInt(since);
  if (millis < INT64_MIN || exactTime > INT64_MAX) throw invalidExpireTime(call.command.fullName);
  return Number(exactTime);
}

/**
 * Whether the condition holds between the key's expiry time and the new one; without one it lives forever.
 */
function allows(condition: number, current: number, time: number): boolean {
  if (condition === 0) return true;
  const isPersistent = current === NO_EXPIRY;
  if ((condition & NX) !== 0) return isPersistent;
  if ((condition & XX) !== 0 && isPersistent) return false;
  if ((condition & GT) !== 0) return !isPersistent && time > current;
  if ((condition & LT) !== 0) return isPersistent || time < current;
  return true;
}

function propagateTime(call: Call, time: number): void {
  const unixMillis = String(exactMillis(time));
  if (call.argumentCount === FIRST_OPTION) {
    call.propagateAs('PEXPIREAT', call.bytes(1), unixMillis);
    return;
  }
  const options: Buffer[] = [];
  for (let i = FIRST_OPTION; i < call.argumentCount; i++) options.push(call.bytes(i));
  call.propagateAs('PEXPIREAT', call.bytes(1), unixMillis, ...options);
}

/** PERSIST key */
function persist(call: Call): void {
  const entry = call.lookupWrite(1);
  if (entry === 0 || call.database.expiryOf(entry) === NO_EXPIRY) {
    call.reply.integer(0);
    return;
  }

  call.database.clearExpiry(entry);
  call.changed(1, NOTIFY_GENERIC, 'persist');

  call.reply.integer(1);
}

/** TTL key */
function ttl(call: Call): void {
  replyExpiry(call, SECOND, call.now);
}

/** PTTL key */
function pttl(call: Call): void {
  replyExpiry(call, MILLISECOND, call.now);
}

/** EXPIRETIME key */
function expireTime(call: Call): void {
  replyExpiry(call, SECOND, 0);
}

/** PEXPIRETIME key */
function pexpireTime(call: Call): void {
  replyExpiry(call, MILLISECOND, 0);
}

/**
 * Replies when the key expires, seconds rounded to the nearest; -1 for never, -2 for no key.
 * @param since the moment to count from, Unix time in ms
 */
function replyExpiry(call: Call, unitMillis: number, since: number): void {
  const entry = call.peek(1);
  const expiry = entry === 0 ? NO_EXPIRY : call.database.expiryOf(entry);
  if (expiry === NO_EXPIRY) {
    call.reply.integer(entry === 0 ? -2 : -1);
    return;
  }

  const rounding = unitMillis >>> 1;
  const rounded = Math.max(0, expiry - since) + rounding;
  if (Number.isSafeInteger(rounded)) {
    call.reply.integer((rounded - (rounded % unitMillis)) / unitMillis);
  } else {
    const millis = exactMillis(expiry) - BigInt(since) + BigInt(rounding);
    call.reply.bigInteger(millis / BigInt(unitMillis));
  }
}

/** As int64 has it: the last of its times is 2^63 as a double. */
function exactMillis(time: number): bigint {
  const exact = BigInt(time);
  return exact > INT64_MAX ? INT64_MAX : exact;
}
