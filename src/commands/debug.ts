/** DEBUG: what tests need to look at or to bring about (Redis 7.0 debug.c). */
import { AssertionError } from 'node:assert';
import {
  ENCODING_INT,
  ENCODING_NAMES,
  ENCODING_QUICKLIST,
  ENTRY_CLOCK,
  ENTRY_META,
  encodingOfMeta,
} from '../keyspace/entry.ts';
import { NOTIFY_NEW } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes, getDouble, getWord } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { QUICKLIST_BYTES_DOUBLE } from '../structures/quicklist.ts';
import { parseInteger } from '../util/numbers.ts';
import type { Call } from './call.ts';
import { datasetDigest, valueDigest } from './digest.ts';
import {
  NOT_POSITIVE,
  NO_SUCH_KEY,
  PLAIN_ERROR,
  STRING_TOO_LONG,
  unknownSubcommandOrArity,
} from './errors.ts';
import { family } from './family.ts';
import { describeHashTable } from './hash-table-statistics.ts';
import { replyHelp } from './help-reply.ts';

export const DEBUG_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'debug',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    since: '1.0.0',
    summary: 'A container for debugging commands',
    complexity: 'Depends on subcommand.',
    docFlags: ['syscmd'],
    isProtected: true,
    run: debug,
  },
]);

const UNKNOWN_PROTOCOL_TYPE = new ErrorReply(
  'ERR Wrong protocol type name. Please use one of the following: ' +
    'string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false',
);
const RESP2_NOT_SUPPORTED = new ErrorReply('ERR RESP2 is not supported by this command');
const UNKNOWN_RELOAD_OPTION = new ErrorReply(
  'ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.',
);
const SNAPSHOT_NOT_LOADED = new ErrorReply('ERR Error trying to load the RDB dump, check server logs.');
const APPEND_ONLY_FILE_NOT_LOADED = new ErrorReply(
  'ERR Error trying to load the AOF files, check server logs.',
);
/** What a DUMP payload has beside the value: its type, the version, and a checksum. */
const DUMP_FRAME_BYTES = 11;

const NO_SUCH_DATABASE = new ErrorReply('ERR Out of range database');

interface Subcommand {
  /** How HELP writes the arguments. */
  readonly syntax?: string;
  /** Arguments after the subcommand's name. */
  readonly minArguments: number;
  readonly maxArguments: number;
  readonly run: (call: Call) => void;
  readonly help: readonly string[];
}

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = {
  'CHECK-INVARIANTS': {
    minArguments: 0,
    maxArguments: 0,
    run: debugCheckInvariants,
    help: ['Walk all databases and the allocator, and report the first thing that is not', 'as it must be.'],
  },
  DIGEST: {
    minArguments: 0,
    maxArguments: 0,
    run: debugDigest,
    help: ['Output a hex signature representing the current DB content.'],
  },
  'DIGEST-VALUE': {
    syntax: '<key> [<key> ...]',
    minArguments: 0,
    maxArguments: Infinity,
    run: debugDigestValue,
    help: ['Output a hex signature of the values of all the specified keys.'],
  },
  ERROR: {
    syntax: '<string>',
    minArguments: 1,
    maxArguments: 1,
    run: debugError,
    help: [
      'Return a Redis protocol error with <string> as message. Useful for clients',
      'unit tests to simulate Redis errors.',
    ],
  },
  LOG: {
    syntax: '<message>',
    minArguments: 1,
    maxArguments: 1,
    run: debugLog,
    help: ['Write <message> to the server log.'],
  },
  HTSTATS: {
    syntax: '<dbid>',
    minArguments: 1,
    maxArguments: 1,
    run: debugHashTable,
    help: ['Return hash table statistics of the specified Redis database.'],
  },
  LOADAOF: {
    minArguments: 0,
    maxArguments: Infinity,
    run: debugLoadAof,
    help: ['Flush the AOF buffers on disk and reload the AOF in memory.'],
  },
  OBJECT: {
    syntax: '<key>',
    minArguments: 1,
    maxArguments: 1,
    run: debugObject,
    help: ['Show low level info about `key` and associated value.'],
  },
  PANIC: {
    minArguments: 0,
    maxArguments: 0,
    run: debugPanic,
    help: ['Crash the server simulating a panic.'],
  },
  POPULATE: {
    syntax: '<count> [<prefix>] [<size>]',
    minArguments: 1,
    maxArguments: 3,
    run: debugPopulate,
    help: [
      'Create <count> string keys named key:<num>. If <prefix> is specified then',
      "it is used instead of the 'key' prefix. These are not propagated to",
      'replicas.',
    ],
  },
  PROTOCOL: {
    syntax: '<type>',
    minArguments: 1,
    maxArguments: 1,
    run: debugProtocol,
    help: [
      'Reply with a test value of the specified type. <type> can be: string,',
      'integer, double, bignum, null, array, set, map, attrib, push, verbatim,',
      'true, false.',
    ],
  },
  RELOAD: {
    syntax: '[option ...]',
    minArguments: 0,
    maxArguments: Infinity,
    run: debugReload,
    help: [
      'Save the RDB on disk and reload it back to memory. Valid <option> values:',
      '* MERGE: conflicting keys will be loaded from RDB.',
      '* NOFLUSH: the existing database will not be removed before load, but',
      '  conflicting keys will make the load fail.',
      '* NOSAVE: the database will be loaded from an existing RDB file.',
      'Examples:',
      '* DEBUG RELOAD: verify that the server is able to persist, flush and reload',
      '  the database.',
      '* DEBUG RELOAD NOSAVE: replace the current database with the contents of an',
      '  existing RDB file.',
      '* DEBUG RELOAD NOSAVE NOFLUSH MERGE: add the contents of an existing RDB',
      '  file to the database.',
    ],
  },
  'SET-ACTIVE-EXPIRE': {
    syntax: '<0|1>',
    minArguments: 1,
    maxArguments: 1,
    run: debugSetActiveExpire,
    help: [
      'Setting it to 0 disables expiring keys in background when they are not',
      'accessed (otherwise the Redis behavior). Setting it to 1 reenables back the',
      'default.',
    ],
  },
  SLEEP: {
    syntax: '<seconds>',
    minArguments: 1,
    maxArguments: 1,
    run: debugSleep,
    help: ['Stop the server for <seconds>. Decimals allowed.'],
  },
};

const PROTOCOL_REPLIES: Readonly<Record<string, (reply: ReplyWriter) => void>> = {
  STRING: (reply) => reply.bulkText('Hello World'),
  INTEGER: (reply) => reply.integer(12345),
  DOUBLE: (reply) => reply.double(3.141),
  NULL: (reply) => reply.null(),
  ARRAY: (reply) => {
    reply.array(3);
    for (let i = 0; i < 3; i++) reply.integer(i);
  },
  SET: (reply) => {
    reply.set(3);
    for (let i = 0; i < 3; i++) reply.integer(i);
  },
  MAP: (reply) => {
    reply.map(3);
    for (let i = 0; i < 3; i++) {
      reply.integer(i);
      reply.boolean(i === 1);
    }
  },
  ATTRIB: (reply) => {
    if (reply.version >= 3) {
      reply.raw(ONE_ATTRIBUTE);
      reply.bulkText('key-popularity');
      reply.array(2);
      reply.bulkText('key:123');
      reply.integer(90);
    }
    // Attributes are not a reply, they go with one.
    reply.bulkText('Some real reply following the attribute');
  },
  PUSH: (reply) => {
    if (reply.version < 3) throw RESP2_NOT_SUPPORTED;
    reply.push(2);
    reply.bulkText('server-cpu-usage');
    reply.integer(42);
    // Push messages are not a reply either.
    reply.bulkText('Some real reply following the push reply');
  },
  TRUE: (reply) => reply.boolean(true),
  FALSE: (reply) => reply.boolean(false),
  VERBATIM: (reply) => reply.verbatim('txt', 'This is a verbatim\nstring'),
  BIGNUM: (reply) => reply.bigNumber('1234567999999999999999999999999999999'),
};
const ONE_ATTRIBUTE = Buffer.from('|1\r\n');

/**
 * Integers in this range are one shared object in Redis (server.h, OBJ_SHARED_INTEGERS), and OBJECT says so.
 */
const SHARED_INTEGERS = 10_000;
const SHARED_REFERENCE_COUNT = 2 ** 31 - 1;

const value = new BorrowedBytes();

/** DEBUG subcommand [argument ...] */
function debug(call: Call): void {
  const name = call.text(1).toUpperCase();
  const count = call.argumentCount - 2;
  if (name === 'HELP' && count === 0) {
    replyHelp(call, helpLines());
    return;
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (subcommand === undefined || count < subcommand.minArguments || count > subcommand.maxArguments) {
    throw unknownSubcommandOrArity(call.text(1), 'DEBUG');
  }
  subcommand.run(call);
}

function helpLines(): string[] {
  return Object.entries(SUBCOMMANDS).flatMap(([name, { syntax, help }]) => [
    syntax === undefined ? name : `${name} ${syntax}`,
    ...help.map((line) => `    ${line}`),
  ]);
}

/** DEBUG CHECK-INVARIANTS */
function debugCheckInvariants(call: Call): void {
  try {
    call.keyspace.checkInvariants();
  } catch (error) {
    if (error instanceof AssertionError) throw new ErrorReply(`ERR ${error.message}`);
    throw error;
  }
  call.reply.ok();
}

/** DEBUG DIGEST */
function debugDigest(call: Call): void {
  call.reply.simple(datasetDigest(call.keyspace));
}

/** DEBUG DIGEST-VALUE [key ...] */
function debugDigestValue(call: Call): void {
  call.reply.array(call.argumentCount - 2);
  for (let i = 2; i < call.argumentCount; i++) {
    call.reply.simple(valueDigest(call.keyspace, call.database, findAnyKey(call, i)));
  }
}

/** DEBUG ERROR message */
function debugError(call: Call): void {
  // Written without being counted: it is no error of the server's.
  call.reply.raw(new ErrorReply(call.text(2)).bytes);
}

/** DEBUG LOG message */
function debugLog(call: Call): void {
  call.services.server.log('warning', `DEBUG LOG: ${call.bytes(2).toString('utf8')}`);
  call.reply.ok();
}

/** DEBUG PANIC: an error that nobody expects, in the middle of a command. */
function debugPanic(): never {
  throw new Error('DEBUG PANIC');
}

/** DEBUG HTSTATS index */
function debugHashTable(call: Call): void {
  const database = call.keyspace.databases[call.integer(2)];
  if (database === undefined) throw NO_SUCH_DATABASE;

  let text = `[Dictionary HT]\n${describeHashTable(0, 'main hash table', database.table.chainLengths(0))}`;
  if (database.table.isRehashing) {
    text += describeHashTable(1, 'rehashing target', database.table.chainLengths(1));
  }
  text += `[Expires HT]\n${describeExpiring(database.expiringCount)}`;
  call.reply.verbatim('txt', text);
}

/** Keys that expire are in a plain list here: there are no chains to tell of. */
function describeExpiring(count: number): string {
  const empty = describeHashTable(0, 'main hash table', []);
  return count === 0 ? empty : `Plain list stats (no hash table):\n number of elements: ${count}\n`;
}

/** DEBUG OBJECT key */
function debugObject(call: Call): void {
  const entry = findAnyKey(call, 2);
  if (entry === 0) throw NO_SUCH_KEY;

  const { arena, accessClock } = call.keyspace;
  const encoding = encodingOfMeta(getWord(arena, entry, ENTRY_META));
  const clock = getWord(arena, entry, ENTRY_CLOCK);
  const length = call.services.persistence.dump(entry).length - DUMP_FRAME_BYTES;
  const fields = [
    `Value at:0x${((entry >>> 0) * 8).toString(16)}`,
    `refcount:${encoding === ENCODING_INT ? integerReferenceCount(call, entry) : 1}`,
    `encoding:${ENCODING_NAMES[encoding]}`,
    `serializedlength:${length}`,
    `lru:${clock}`,
    `lru_seconds_idle:${accessClock.idleSeconds(clock)}`,
  ];
  if (encoding === ENCODING_QUICKLIST) fields.push(...quicklistFields(call, entry));
  call.reply.simple(fields.join(' '));
}

function quicklistFields({ config, database, keyspace }: Call, entry: Ref): string[] {
  const list = database.valueOf(entry);
  const { quicklist } = keyspace.lists;
  const nodeCount = quicklist.nodeCount(list);
  return [
    `ql_nodes:${nodeCount}`,
    `ql_avg_node:${(quicklist.count(list) / nodeCount).toFixed(2)}`,
    `ql_listpack_max:${config.values['list-max-listpack-size']}`,
    'ql_compressed:0',
    `ql_uncompressed_size:${getDouble(keyspace.arena, list, QUICKLIST_BYTES_DOUBLE)}`,
  ];
}

function integerReferenceCount({ keyspace }: Call, entry: Ref): number {
  keyspace.strings.borrow(entry, value);
  const integer = parseInteger(value.bytes, value.start, value.end);
  return integer >= 0 && integer < SHARED_INTEGERS ? SHARED_REFERENCE_COUNT : 1;
}

/** DEBUG POPULATE count [prefix] [size] */
function debugPopulate(call: Call): void {
  const count = positive(call, 2);
  const prefix = call.argumentCount > 3 ? call.text(3) : 'key';
  const size = call.argumentCount > 4 ? positive(call, 4) : 0;
  if (size > call.config.values['proto-max-bulk-len']) throw STRING_TOO_LONG;

  const { keyspace, database } = call;
  for (let i = 0; i < count; i++) {
    const key = Buffer.from(`${prefix}:${i}`, 'latin1');
    if (database.lookupWrite(key, 0, key.length) !== 0) continue;
    const text = Buffer.from(`value:${i}`);
    const content = size === 0 ? text : Buffer.alloc(size);
    if (size > 0) text.copy(content);
    keyspace.strings.set(database, key, 0, key.length, content, 0, content.length, false);
    // Not `changed`: these keys are neither saved for nor sent to replicas, as in Redis.
    keyspace.watches.touch(database.index, key, 0, key.length);
    keyspace.event(database, key, 0, key.length, NOTIFY_NEW, 'new');
  }
  call.reply.ok();
}

function positive(call: Call, index: number): number {
  const { request } = call;
  const number = parseInteger(request.buffer, request.start(index), request.end(index));
  if (!(number >= 0)) throw NOT_POSITIVE;
  return number;
}

/** DEBUG PROTOCOL type */
function debugProtocol(call: Call): void {
  const type = call.text(2).toUpperCase();
  const write = Object.hasOwn(PROTOCOL_REPLIES, type) ? PROTOCOL_REPLIES[type] : undefined;
  if (write === undefined) throw UNKNOWN_PROTOCOL_TYPE;
  write(call.reply);
}

/** DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE] */
function debugReload(call: Call): void {
  let savesFirst = true;
  let keepsData = false;
  let replacesKeys = false;
  for (let i = 2; i < call.argumentCount; i++) {
    if (call.is(i, 'MERGE')) replacesKeys = true;
    else if (call.is(i, 'NOFLUSH')) keepsData = true;
    else if (call.is(i, 'NOSAVE')) savesFirst = false;
    else throw UNKNOWN_RELOAD_OPTION;
  }

  const { persistence, server } = call.services;
  if (savesFirst && !persistence.save()) throw PLAIN_ERROR;
  if (!keepsData) server.empty(-1, false);
  const isLoaded = withoutEffects(call, () => persistence.reload(replacesKeys));
  if (!isLoaded) throw SNAPSHOT_NOT_LOADED;

  server.log('warning', 'DB reloaded by DEBUG RELOAD');
  call.reply.ok();
}

/** DEBUG LOADAOF */
function debugLoadAof(call: Call): void {
  const { persistence, server } = call.services;
  server.empty(-1, false);
  const isLoaded = withoutEffects(call, () => persistence.reloadAppendOnlyFile());
  if (!isLoaded) throw APPEND_ONLY_FILE_NOT_LOADED;

  server.log('warning', 'Append Only File loaded by DEBUG LOADAOF');
  call.reply.ok();
}

/** Loading has no effects that would go into the log. */
function withoutEffects(call: Call, load: () => boolean): boolean {
  const isLoaded = load();
  call.effects = undefined;
  return isLoaded;
}

/** DEBUG SET-ACTIVE-EXPIRE 0 | 1 */
function debugSetActiveExpire(call: Call): void {
  // Anything that does not begin like a number is 0, as for C's atoi.
  call.services.server.setActiveExpire((Number.parseInt(call.text(2), 10) || 0) !== 0);
  call.reply.ok();
}

/** DEBUG SLEEP seconds */
function debugSleep(call: Call): void {
  const seconds = Number.parseFloat(call.text(2));
  if (Number.isFinite(seconds) && seconds > 0) call.services.server.sleep(seconds * 1000);
  call.reply.ok();
}

/** The entry of a key, also when its time has passed; 0 = none. No trace of the access is left. */
function findAnyKey(call: Call, index: number): Ref {
  const { request } = call;
  return call.database.find(request.buffer, request.start(index), request.end(index));
}
