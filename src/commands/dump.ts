/** Values in serialized form, from key to key and server to server (Redis 7.0 cluster.c). */
import type { Database } from '../keyspace/database.ts';
import { NOTIFY_GENERIC } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { integer, key, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import type { Command } from './command.ts';
import { SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { oneKey } from './key-specs.ts';
import type { RestoreFailure } from './services.ts';

const KEY_EXISTS = new ErrorReply('BUSYKEY Target key name already exists.');
const INVALID_TTL = new ErrorReply('ERR Invalid TTL value, must be >= 0');
const INVALID_IDLE_TIME = new ErrorReply('ERR Invalid IDLETIME value, must be >= 0');
const INVALID_FREQUENCY = new ErrorReply('ERR Invalid FREQ value, must be >= 0 and <= 255');
const RESTORE_FAILURES: Readonly<Record<RestoreFailure, ErrorReply>> = {
  'bad-checksum-or-version': new ErrorReply('ERR DUMP payload version or checksum are wrong'),
  'bad-format': new ErrorReply('ERR Bad data format'),
};

const KEY_INDEX = 1;
const TTL_INDEX = 2;
const PAYLOAD_INDEX = 3;
const FIRST_OPTION = 4;

const FREQUENCY_MAX = 255n;

/** What RESTORE and RESTORE-ASKING have in common: all but the leave to write to a slot that is moving. */
const RESTORE = {
  arity: -4,
  categories: ['keyspace', 'dangerous'],
  complexity:
    'O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the ' +
    'number of Redis objects composing the value and M their average size. For small string values the ' +
    'time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values ' +
    'the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).',
  history: [
    ['3.0.0', 'Added the `REPLACE` modifier.'],
    ['5.0.0', 'Added the `ABSTTL` modifier.'],
    ['5.0.0', 'Added the `IDLETIME` and `FREQ` options.'],
  ],
  keySpecs: [oneKey(KEY_INDEX, 'OW', 'update')],
  arguments: [
    key('key'),
    integer('ttl'),
    string('serialized-value'),
    token('REPLACE', { since: '3.0.0', optional: true }),
    token('ABSTTL', { since: '5.0.0', optional: true }),
    integer('seconds', { token: 'IDLETIME', since: '5.0.0', optional: true }),
    integer('frequency', { token: 'FREQ', since: '5.0.0', optional: true }),
  ],
  run: restore,
} as const satisfies Partial<Command>;

export const DUMP_COMMANDS = family({ group: 'generic', categories: ['keyspace'] }, [
  {
    name: 'dump',
    arity: 2,
    flags: ['readonly'],
    since: '2.6.0',
    summary: 'Return a serialized version of the value stored at the specified key.',
    complexity:
      'O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis ' +
      'objects composing the value and M their average size. For small string values the time complexity ' +
      'is thus O(1)+O(1*M) where M is small, so simply O(1).',
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(KEY_INDEX, 'RO', 'access')],
    arguments: [key('key')],
    run: dump,
  },
  {
    ...RESTORE,
    name: 'restore',
    flags: ['write', 'denyoom'],
    since: '2.6.0',
    summary: 'Create a key using the provided serialized value, previously obtained using DUMP.',
  },
  {
    ...RESTORE,
    name: 'restore-asking',
    group: 'server',
    flags: ['write', 'denyoom', 'asking'],
    since: '3.0.0',
    summary: 'An internal command for migrating keys in a cluster',
    docFlags: ['syscmd'],
  },
]);

/** DUMP key */
function dump(call: Call): void {
  const entry = call.lookupRead(KEY_INDEX);

  if (entry === 0) call.reply.null();
  else call.reply.bulkBytes(call.services.persistence.dump(entry));
}

interface RestoreOptions {
  readonly replaces: boolean;
  /** The time to live is a Unix time in ms. */
  readonly isAbsolute: boolean;
  /** Seconds since the last access, any int64 from 0. */
  readonly idleSeconds: bigint | undefined;
  /** 0 to 255. */
  readonly frequency: number | undefined;
}

/**
 * RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
 *
 * RESTORE-ASKING the same
 */
function restore(call: Call): void {
  const options = parseOptions(call);
  if (!options.replaces && call.lookupWrite(KEY_INDEX) !== 0) throw KEY_EXISTS;
  const expiry = expiryArgument(call, options.isAbsolute);
  const store = call.services.persistence.restore(call.bytes(PAYLOAD_INDEX));
  if (typeof store === 'string') throw RESTORE_FAILURES[store];

  const hasReplaced = options.replaces && deleteOld(call);
  const isDead = expiry !== undefined && expiry <= call.keyspace.expiryNow;
  if (isDead) {
    if (hasReplaced) reportDeletion(call);
  } else {
    createKey(call, { store, expiry, options, hasReplaced });
    call.changed(KEY_INDEX, NOTIFY_GENERIC, 'restore');
    if (expiry !== undefined && !options.isAbsolute) propagateAbsolute(call, expiry);
  }

  call.reply.ok();
}

/** @throws SYNTAX_ERROR, or what is wrong with the value of IDLETIME or FREQ, which exclude each other */
function parseOptions(call: Call): RestoreOptions {
  let replaces = false;
  let isAbsolute = false;
  let idleSeconds: bigint | undefined;
  let frequency: number | undefined;
  for (let i = FIRST_OPTION; i < call.argumentCount; i++) {
    const hasValue = i + 1 < call.argumentCount;
    if (call.is(i, 'REPLACE')) {
      replaces = true;
    } else if (call.is(i, 'ABSTTL')) {
      isAbsolute = true;
    } else if (call.is(i, 'IDLETIME') && hasValue && frequency === undefined) {
      idleSeconds = call.int64(++i);
      if (idleSeconds < 0) throw INVALID_IDLE_TIME;
    } else if (call.is(i, 'FREQ') && hasValue && idleSeconds === undefined) {
      const count = call.int64(++i);
      if (count < 0 || count > FREQUENCY_MAX) throw INVALID_FREQUENCY;
      frequency = Number(count);
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return { replaces, isAbsolute, idleSeconds, frequency };
}

/**
 * When the restored key expires, Unix time in ms; undefined for never. Like Redis' `long long` it wraps
 * around: a time to live too large to be added to the present is one that has passed.
 * @throws NOT_AN_INTEGER, INVALID_TTL
 */
function expiryArgument(call: Call, isAbsolute: boolean): bigint | undefined {
  const ttl = call.int64(TTL_INDEX);
  if (ttl < 0) throw INVALID_TTL;
  if (ttl === 0n) return undefined;
  return isAbsolute ? ttl : BigInt.asIntN(64, ttl + BigInt(call.now));
}

/** Whatever has the key, dead or alive, gives way. */
function deleteOld({ database, request }: Call): boolean {
  const old = database.find(request.buffer, request.start(KEY_INDEX), request.end(KEY_INDEX));
  if (old !== 0) database.delete(old);
  return old !== 0;
}

function reportDeletion(call: Call): void {
  call.changed(KEY_INDEX, NOTIFY_GENERIC, 'del');
  call.propagateAs('DEL', call.bytes(KEY_INDEX));
}

interface NewKey {
  readonly store: (database: Database, key: Uint8Array) => Ref;
  readonly expiry: bigint | undefined;
  readonly options: RestoreOptions;
  readonly hasReplaced: boolean;
}

function createKey(call: Call, { store, expiry, options, hasReplaced }: NewKey): void {
  const { database } = call;
  try {
    const entry = store(database, call.bytes(KEY_INDEX));
    markAccess(call, entry, options);
    if (expiry !== undefined) database.setExpiry(entry, Number(expiry));
  } catch (error) {
    // Memory has run out. The key that was to be replaced is gone all the same, and the log must know.
    deleteOld(call);
    if (hasReplaced) reportDeletion(call);
    throw error;
  }
}

/** The option that the eviction policy has no use for is ignored (object.c, objectSetLRUOrLFU). */
function markAccess(call: Call, entry: Ref, { idleSeconds, frequency }: RestoreOptions): void {
  const { accessClock } = call.keyspace;
  if (frequency !== undefined && accessClock.isLfu) {
    call.database.setClock(entry, accessClock.withFrequency(frequency));
  } else if (idleSeconds !== undefined && !accessClock.isLfu) {
    call.database.setClock(entry, accessClock.withIdleSeconds(Number(BigInt.asUintN(24, idleSeconds))));
  }
}

/** The command as it came, with the moment instead of the time to live. */
function propagateAbsolute(call: Call, expiry: bigint): void {
  const args: (string | Uint8Array)[] = [];
  for (let i = 0; i < call.argumentCount; i++) args.push(i === TTL_INDEX ? String(expiry) : call.bytes(i));
  call.propagateAs(...args, 'ABSTTL');
}
