/** Commands on keys, whatever the type of their value (Redis 7.0 db.c, object.c). */
import { NO_EXPIRY } from '../keyspace/database.ts';
import type { Database } from '../keyspace/database.ts';
import { ENCODING_NAMES, TYPE_NAMES, TYPE_STRING } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { equalBytes } from '../util/bytes.ts';
import { globMatch } from '../util/glob.ts';
import { integer, key, pattern, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { DATABASE_OUT_OF_RANGE, NO_SUCH_KEY, SAME_OBJECT, SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';
import { keysFrom, oneKey } from './key-specs.ts';
import { SCAN_BUCKETS_PER_ELEMENT, globArgument, scanCursor, scanOptions } from './scan-options.ts';

const NOT_AN_INT32 = new ErrorReply(
  'ERR value is out of range, value must between -2147483648 and 2147483647',
);
const SWITCHED_POLICY =
  'Please note that when switching between policies at runtime ' +
  'LRU and LFU data will take some time to adjust.';
const LFU_SELECTED = new ErrorReply(
  `ERR An LFU maxmemory policy is selected, idle time not tracked. ${SWITCHED_POLICY}`,
);
const LFU_NOT_SELECTED = new ErrorReply(
  `ERR An LFU maxmemory policy is not selected, access frequency not tracked. ${SWITCHED_POLICY}`,
);

const INT32_MAX = 2 ** 31 - 1;
/** What OBJECT REFCOUNT says of shared integers (server.h, OBJ_SHARED_REFCOUNT). */
const SHARED_REFERENCES = INT32_MAX;

/** Scratch: the key that is being replied. */
const borrowedKey = new BorrowedBytes();

export const GENERIC_COMMANDS = family({ group: 'generic', categories: ['keyspace'] }, [
  {
    name: 'copy',
    arity: -3,
    flags: ['write', 'denyoom'],
    since: '6.2.0',
    summary: 'Copy a key',
    complexity:
      'O(N) worst case for collections, where N is the number of nested items. O(1) for string values.',
    keySpecs: [oneKey(1, 'RO', 'access'), oneKey(2, 'OW', 'update')],
    arguments: [
      key('source'),
      key('destination', { keySpecIndex: 1 }),
      integer('destination-db', { token: 'DB', optional: true }),
      token('REPLACE', { optional: true }),
    ],
    run: copy,
  },
  {
    name: 'del',
    arity: -2,
    flags: ['write'],
    since: '1.0.0',
    summary: 'Delete a key',
    complexity:
      'O(N) where N is the number of keys that will be removed. When a key to remove ' +
      'holds a value other than a string, the individual complexity for this key is O(M) ' +
      'where M is the number of elements in the list, set, sorted set or hash. Removing ' +
      'a single key that holds a string value is O(1).',
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    keySpecs: [keysFrom(1, 'RM', 'delete')],
    arguments: [key('key', { multiple: true })],
    run: del,
  },
  {
    name: 'exists',
    arity: -2,
    flags: ['readonly', 'fast'],
    since: '1.0.0',
    summary: 'Determine if a key exists',
    complexity: 'O(N) where N is the number of keys to check.',
    history: [['3.0.3', 'Accepts multiple `key` arguments.']],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    keySpecs: [keysFrom(1, 'RO')],
    arguments: [key('key', { multiple: true })],
    run: exists,
  },
  {
    name: 'keys',
    arity: 2,
    flags: ['readonly'],
    categories: ['keyspace', 'dangerous'],
    since: '1.0.0',
    summary: 'Find all keys matching the given pattern',
    complexity:
      'O(N) with N being the number of keys in the database, under the assumption that ' +
      'the key names in the database and the given pattern have limited length.',
    tips: ['request_policy:all_shards', 'nondeterministic_output_order'],
    arguments: [pattern('pattern')],
    run: keys,
  },
  {
    name: 'move',
    arity: 3,
    flags: ['write', 'fast'],
    since: '1.0.0',
    summary: 'Move a key to another database',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), integer('db')],
    run: move,
  },
  {
    name: 'object',
    arity: -2,
    flags: [],
    categories: [],
    since: '2.2.3',
    summary: 'A container for object introspection commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'encoding',
        arity: 3,
        flags: ['readonly'],
        since: '2.2.3',
        summary: 'Inspect the internal encoding of a Redis object',
        complexity: 'O(1)',
        tips: ['nondeterministic_output'],
        keySpecs: [oneKey(2, 'RO')],
        arguments: [key('key')],
        run: objectEncoding,
      },
      {
        name: 'freq',
        arity: 3,
        flags: ['readonly'],
        since: '4.0.0',
        summary: 'Get the logarithmic access frequency counter of a Redis object',
        complexity: 'O(1)',
        tips: ['nondeterministic_output'],
        keySpecs: [oneKey(2, 'RO')],
        arguments: [key('key')],
        run: objectFreq,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '6.2.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: objectHelp,
      },
      {
        name: 'idletime',
        arity: 3,
        flags: ['readonly'],
        since: '2.2.3',
        summary: 'Get the time since a Redis object was last accessed',
        complexity: 'O(1)',
        tips: ['nondeterministic_output'],
        keySpecs: [oneKey(2, 'RO')],
        arguments: [key('key')],
        run: objectIdleTime,
      },
      {
        name: 'refcount',
        arity: 3,
        flags: ['readonly'],
        since: '2.2.3',
        summary: 'Get the number of references to the value of the key',
        complexity: 'O(1)',
        tips: ['nondeterministic_output'],
        keySpecs: [oneKey(2, 'RO')],
        arguments: [key('key')],
        run: objectRefCount,
      },
    ],
  },
  {
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Return a random key from the keyspace',
    complexity: 'O(1)',
    tips: ['request_policy:all_shards', 'nondeterministic_output'],
    run: randomKey,
  },
  {
    name: 'rename',
    arity: 3,
    flags: ['write'],
    since: '1.0.0',
    summary: 'Rename a key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'delete'), oneKey(2, 'OW', 'update')],
    arguments: [key('key'), key('newkey', { keySpecIndex: 1 })],
    run: rename,
  },
  {
    name: 'renamenx',
    arity: 3,
    flags: ['write', 'fast'],
    since: '1.0.0',
    summary: 'Rename a key, only if the new key does not exist',
    complexity: 'O(1)',
    history: [
      ['3.2.0', 'The command no longer returns an error when source and destination names are the same.'],
    ],
    keySpecs: [oneKey(1, 'RW', 'access', 'delete'), oneKey(2, 'OW', 'insert')],
    arguments: [key('key'), key('newkey', { keySpecIndex: 1 })],
    run: renameNx,
  },
  {
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    since: '2.8.0',
    summary: 'Incrementally iterate the keys space',
    complexity:
      'O(1) for every call. O(N) for a complete iteration, including enough command ' +
      'calls for the cursor to return back to 0. N is the number of elements inside the ' +
      'collection.',
    history: [['6.0.0', 'Added the `TYPE` subcommand.']],
    tips: ['nondeterministic_output', 'request_policy:special'],
    arguments: [
      integer('cursor'),
      pattern('pattern', { token: 'MATCH', optional: true }),
      integer('count', { token: 'COUNT', optional: true }),
      string('type', { token: 'TYPE', since: '6.0.0', optional: true }),
    ],
    run: scan,
  },
  {
    name: 'touch',
    arity: -2,
    flags: ['readonly', 'fast'],
    since: '3.2.1',
    summary: 'Alters the last access time of a key(s). Returns the number of existing keys specified.',
    complexity: 'O(N) where N is the number of keys that will be touched.',
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    keySpecs: [keysFrom(1, 'RO')],
    arguments: [key('key', { multiple: true })],
    run: touch,
  },
  {
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '1.0.0',
    summary: 'Determine the type stored at key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key')],
    run: type,
  },
  {
    name: 'unlink',
    arity: -2,
    flags: ['write', 'fast'],
    since: '4.0.0',
    summary: 'Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.',
    complexity:
      'O(1) for each key removed regardless of its size. Then the command does O(N) work ' +
      'in a different thread in order to reclaim memory, where N is the number of ' +
      'allocations the deleted objects where composed of.',
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    keySpecs: [keysFrom(1, 'RM', 'delete')],
    arguments: [key('key', { multiple: true })],
    run: unlink,
  },
]);

/** COPY source destination [DB destination-db] [REPLACE] */
function copy(call: Call): void {
  const { database, request, reply } = call;
  let target = database;
  let replaces = false;
  for (let i = 3; i < call.argumentCount; i++) {
    if (call.is(i, 'REPLACE')) replaces = true;
    else if (call.is(i, 'DB') && i + 1 < call.argumentCount) target = databaseArgument(call, ++i);
    else throw SYNTAX_ERROR;
  }
  if (target === database && isSameKey(call)) throw SAME_OBJECT;

  const source = call.lookupRead(1);
  const existing = source === 0 ? 0 : target.lookup(request.buffer, request.start(2), request.end(2));
  if (source === 0 || (existing !== 0 && !replaces)) {
    reply.integer(0);
    return;
  }

  if (existing !== 0) target.delete(existing);
  const copied = copyValue(call, source, target);
  const expiry = database.expiryOf(source);
  if (expiry !== NO_EXPIRY) target.setExpiry(copied, expiry);
  changedIn(call, target, 2, 'copy_to');

  reply.integer(1);
}

/** Gives the second key, which is not there, a copy of an entry's value. */
function copyValue({ database, keyspace, request, strings }: Call, source: Ref, target: Database): Ref {
  const { buffer } = request;
  const [start, end] = [request.start(2), request.end(2)];
  const type = database.typeOf(source);
  if (type === TYPE_STRING) return strings.copyTo(source, target, buffer, start, end);
  const kind = keyspace.kindOf(type);
  const encoding = database.encodingOf(source);
  const value = kind.copy(database.valueOf(source), encoding);
  try {
    target.find(buffer, start, end);
    return target.createWith(buffer, start, end, type, encoding, value);
  } catch (error) {
    kind.dismantle(value, encoding, () => false);
    throw error;
  }
}

/** DEL key [key …] */
function del(call: Call): void {
  deleteKeys(call, call.keyspace.lazy.userDel);
}

/** UNLINK key [key …] */
function unlink(call: Call): void {
  // Strings, however long, are freed as fast as they could be put aside for later.
  deleteKeys(call, true);
}

function deleteKeys(call: Call, isLazy: boolean): void {
  const { database, request } = call;
  let deletedCount = 0;
  for (let i = 1; i < request.count; i++) {
    // Where dead keys must wait for their master's DEL, this may be that DEL.
    const entry = call.keyspace.mayDeleteExpired
      ? database.lookup(request.buffer, request.start(i), request.end(i))
      : database.find(request.buffer, request.start(i), request.end(i));
    if (entry === 0) continue;
    database.delete(entry, isLazy);
    call.changed(i, NOTIFY_GENERIC, 'del');
    deletedCount++;
  }

  call.reply.integer(deletedCount);
}

/** EXISTS key [key …] */
function exists(call: Call): void {
  let count = 0;
  for (let i = 1; i < call.request.count; i++) {
    if (call.peek(i) !== 0) count++;
  }

  call.reply.integer(count);
}

/** TOUCH key [key …] */
function touch(call: Call): void {
  let count = 0;
  for (let i = 1; i < call.request.count; i++) {
    if (call.lookupRead(i) !== 0) count++;
  }

  call.reply.integer(count);
}

/** TYPE key */
function type(call: Call): void {
  const entry = call.peek(1);

  call.reply.simple(entry === 0 ? 'none' : typeName(call.database, entry));
}

/** RANDOMKEY */
function randomKey({ database, reply }: Call): void {
  const entry = database.randomEntry();

  if (entry === 0) reply.null();
  else replyKey(database, entry, reply);
}

// Walking over all keys -------------------------------------------------------------------------------------

/** KEYS pattern */
function keys(call: Call): void {
  const { database, reply } = call;
  const pattern = globArgument(call, 1);

  const mark = reply.beginArray();
  let count = 0;
  for (let group = 0; group < database.table.groupCount; group++) {
    database.table.visitGroupAt(group, (entry) => {
      if (!matchesKey(database, entry, pattern) || database.isExpired(entry)) return;
      replyKey(database, entry, reply);
      count++;
    });
  }
  reply.endArray(mark, count);
}

/** SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] */
function scan(call: Call): void {
  const { database, reply } = call;
  let cursor = scanCursor(call, 1);
  const options = scanOptions(call, 2, true);

  const found: Ref[] = [];
  let visitedCount = 0;
  const visit = (entry: Ref): void => {
    visitedCount++;
    if (!matchesKey(database, entry, options.pattern)) return;
    const isDead = database.isExpired(entry);
    if (options.typeName !== undefined) countTypeLookup(call, isDead);
    if (isDead) {
      if (call.keyspace.mayDeleteExpired) database.expire(entry);
      return;
    }
    if (options.typeName === undefined || typeName(database, entry) === options.typeName) found.push(entry);
  };
  let bucketsLeft = options.count * SCAN_BUCKETS_PER_ELEMENT;
  do cursor = database.table.scan(cursor, visit);
  while (cursor !== 0 && bucketsLeft-- > 0 && visitedCount < options.count);

  reply.array(2);
  reply.bulkInteger(cursor);
  reply.array(found.length);
  for (const entry of found) replyKey(database, entry, reply);
}

/** Redis looks each key up to learn its type, and INFO counts that as a hit or a miss. */
function countTypeLookup({ keyspace }: Call, isDead: boolean): void {
  if (isDead) keyspace.missCount++;
  else keyspace.hitCount++;
}

function matchesKey(database: Database, entry: Ref, pattern: Uint8Array | undefined): boolean {
  if (pattern === undefined) return true;
  database.borrowKey(entry, borrowedKey);
  return globMatch(pattern, borrowedKey.bytes, borrowedKey.start, borrowedKey.end);
}

function replyKey(database: Database, entry: Ref, reply: Call['reply']): void {
  database.borrowKey(entry, borrowedKey);
  reply.bulk(borrowedKey.bytes, borrowedKey.start, borrowedKey.end);
}

function typeName(database: Database, entry: Ref): string {
  return TYPE_NAMES[database.typeOf(entry)] ?? 'unknown';
}

// Giving a value another key --------------------------------------------------------------------------------

/** MOVE key db */
function move(call: Call): void {
  const { database, request, reply } = call;
  const target = databaseArgument(call, 2);
  if (target === database) throw SAME_OBJECT;

  const entry = call.lookupWrite(1);
  if (entry === 0 || target.lookup(request.buffer, request.start(1), request.end(1)) !== 0) {
    reply.integer(0);
    return;
  }

  database.moveTo(entry, target, request.buffer, request.start(1), request.end(1));
  changedIn(call, database, 1, 'move_from');
  changedIn(call, target, 1, 'move_to');
  countAsOneChange(call);

  reply.integer(1);
}

/** RENAME key newkey */
function rename(call: Call): void {
  if (isSameKey(call)) requireKey(call);
  else renameTo(call, requireKey(call));

  call.reply.ok();
}

/** RENAMENX key newkey */
function renameNx(call: Call): void {
  const { database, request, reply } = call;
  const entry = requireKey(call);
  if (isSameKey(call) || database.lookup(request.buffer, request.start(2), request.end(2)) !== 0) {
    reply.integer(0);
    return;
  }

  renameTo(call, entry);

  reply.integer(1);
}

function requireKey(call: Call): Ref {
  const entry = call.lookupWrite(1);
  if (entry === 0) throw NO_SUCH_KEY;
  return entry;
}

function renameTo(call: Call, entry: Ref): void {
  const { database, request } = call;
  const existing = database.lookup(request.buffer, request.start(2), request.end(2));
  if (existing !== 0) database.delete(existing);
  database.moveTo(entry, database, request.buffer, request.start(2), request.end(2));
  call.changed(1, NOTIFY_GENERIC, 'rename_from');
  call.changed(2, NOTIFY_GENERIC, 'rename_to');
  countAsOneChange(call);
}

/** Two keys have changed, which Redis counts as one change since the last save. */
function countAsOneChange(call: Call): void {
  call.keyspace.addDirty(-1);
}

function isSameKey({ request }: Call): boolean {
  const { buffer } = request;
  const length = request.length(1);
  return (
    length === request.length(2) && equalBytes(buffer, request.start(1), buffer, request.start(2), length)
  );
}

function databaseArgument(call: Call, index: number): Database {
  const number = Number(call.int64(index));
  if (number > INT32_MAX || number < -INT32_MAX - 1) throw NOT_AN_INT32;
  const database = call.keyspace.databases[number];
  if (database === undefined) throw DATABASE_OUT_OF_RANGE;
  return database;
}

function changedIn(call: Call, database: Database, keyIndex: number, event: string): void {
  const { buffer } = call.request;
  const start = call.request.start(keyIndex);
  call.keyspace.changed(database, buffer, start, call.request.end(keyIndex), NOTIFY_GENERIC, event);
}

// OBJECT ----------------------------------------------------------------------------------------------------

/** OBJECT ENCODING key */
function objectEncoding(call: Call): void {
  const entry = call.peek(2, true);

  if (entry === 0) call.reply.null();
  else call.reply.bulkText(ENCODING_NAMES[call.database.encodingOf(entry)] ?? 'unknown');
}

/** OBJECT FREQ key */
function objectFreq(call: Call): void {
  const { accessClock } = call.keyspace;
  const entry = call.peek(2, true);
  if (entry !== 0 && !accessClock.isLfu) throw LFU_NOT_SELECTED;

  if (entry === 0) call.reply.null();
  else call.reply.integer(accessClock.frequency(call.database.clockOf(entry)));
}

/** OBJECT IDLETIME key */
function objectIdleTime(call: Call): void {
  const { accessClock } = call.keyspace;
  const entry = call.peek(2, true);
  if (entry !== 0 && accessClock.isLfu) throw LFU_SELECTED;

  if (entry === 0) call.reply.null();
  else call.reply.integer(accessClock.idleSeconds(call.database.clockOf(entry)));
}

/** OBJECT REFCOUNT key */
function objectRefCount(call: Call): void {
  const entry = call.peek(2, true);

  if (entry === 0) call.reply.null();
  else
    call.reply.integer(call.strings.isSharedInteger(entry) && sharesIntegers(call) ? SHARED_REFERENCES : 1);
}

/** Not when eviction needs an access clock for each value (server.h, MAXMEMORY_FLAG_NO_SHARED_INTEGERS). */
function sharesIntegers({ config }: Call): boolean {
  return config.values.maxmemory === 0 || !/-l[rf]u$/.test(config.values['maxmemory-policy']);
}

/** OBJECT HELP */
function objectHelp(call: Call): void {
  replyHelp(call, [
    'ENCODING <key>',
    '    Return the kind of internal representation used in order to store the value',
    '    associated with a <key>.',
    'FREQ <key>',
    '    Return the access frequency index of the <key>. The returned integer is',
    '    proportional to the logarithm of the recent access frequency of the key.',
    'IDLETIME <key>',
    '    Return the idle time of the <key>, that is the approximated number of',
    '    seconds elapsed since the last access to the key.',
    'REFCOUNT <key>',
    '    Return the number of references of the value associated with the specified',
    '    <key>.',
  ]);
}
