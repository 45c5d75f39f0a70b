/** HyperLogLog: how many different elements, approximately (Redis 7.0 hyperloglog.c). */
import { ENCODING_RAW } from '../keyspace/entry.ts';
import { NOTIFY_STRING } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import {
  CARDINALITY_RANGE,
  DENSE_BYTES,
  HyperLogLog,
  REGISTER_COUNT,
  REGISTER_MAX,
  denseRegister,
  describeRuns,
  elementPattern,
  estimate,
  estimateOfRegisters,
  invalidateCardinality,
  isDense,
  isHyperLogLog,
  mergeRegisters,
  noteCardinality,
  notedCardinality,
  setDenseRegister,
} from '../structures/hyperloglog.ts';
import { copyBytes } from '../util/bytes.ts';
import { key, string } from './arguments.ts';
import type { Call } from './call.ts';
import { printedText } from './errors.ts';
import { family } from './family.ts';
import { selfTest } from './hyperloglog-self-test.ts';
import { keysFrom, oneKey, withNotes } from './key-specs.ts';

const NOT_A_HYPERLOGLOG = new ErrorReply('WRONGTYPE Key is not a valid HyperLogLog string value.');
const CORRUPT = new ErrorReply('INVALIDOBJ Corrupted HLL object detected');
const NO_SPECIFIED_KEY = new ErrorReply('ERR The specified key does not exist');
const NOT_SPARSE = new ErrorReply('ERR HLL encoding is not sparse');

export const HYPERLOGLOG_COMMANDS = family({ group: 'hyperloglog', categories: ['hyperloglog'] }, [
  {
    name: 'pfadd',
    arity: -2,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.8.9',
    summary: 'Adds the specified elements to the specified HyperLogLog.',
    complexity: 'O(1) to add every element.',
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [key('key'), string('element', { optional: true, multiple: true })],
    run: pfAdd,
  },
  {
    name: 'pfcount',
    arity: -2,
    flags: ['readonly'],
    since: '2.8.9',
    summary: 'Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s).',
    complexity:
      'O(1) with a very small average constant time when called with a single key. O(N) ' +
      'with N being the number of keys, and much bigger constant times, when called with ' +
      'multiple keys.',
    keySpecs: [
      withNotes(
        'RW because it may change the internal representation of the key, and propagate to replicas',
        keysFrom(1, 'RW', 'access'),
      ),
    ],
    arguments: [key('key', { multiple: true })],
    run: pfCount,
  },
  {
    name: 'pfdebug',
    arity: 3,
    flags: ['write', 'denyoom', 'admin'],
    since: '2.8.9',
    summary: 'Internal commands for debugging HyperLogLog values',
    complexity: 'N/A',
    docFlags: ['syscmd'],
    keySpecs: [oneKey(2, 'RW', 'access')],
    arguments: [string('subcommand'), key('key')],
    run: pfDebug,
  },
  {
    name: 'pfmerge',
    arity: -2,
    flags: ['write', 'denyoom'],
    since: '2.8.9',
    summary: 'Merge N different HyperLogLogs into a single one.',
    complexity: 'O(N) to merge N HyperLogLogs, but with high constant times.',
    keySpecs: [oneKey(1, 'RW', 'access', 'insert'), keysFrom(2, 'RO', 'access')],
    arguments: [key('destkey'), key('sourcekey', { keySpecIndex: 1, multiple: true })],
    run: pfMerge,
  },
  {
    name: 'pfselftest',
    arity: 1,
    flags: ['admin'],
    since: '2.8.9',
    summary: 'An internal command for testing HyperLogLog values',
    complexity: 'N/A',
    docFlags: ['syscmd'],
    run: pfSelfTest,
  },
]);

/** The value as it is stored. */
const stored = new BorrowedBytes();
/** A value that is built, and then stored as a whole. */
const built = new HyperLogLog();
/** The union of several values, a byte a register. */
const registers = new Uint8Array(REGISTER_COUNT);

/** PFADD key [element [element ...]] */
function pfAdd(call: Call): void {
  const found = call.lookupStringWrite(1);
  const entry = found === 0 ? 0 : borrowEditable(call, found);
  const goesInPlace = entry !== 0 && isDense(stored.bytes, stored.start);
  const raised = goesInPlace ? addToDense(call, entry) : addToSparse(call, entry);
  if (raised > 0) {
    call.changed(1, NOTIFY_STRING, 'pfadd');
    call.keyspace.addDirty(raised - 1);
  }
  call.reply.integer(raised > 0 ? 1 : 0);
}

/** Adds the elements where the value is; how many registers were raised. */
function addToDense(call: Call, entry: Ref): number {
  const { request } = call;
  let raised = 0;
  for (let index = 2; index < call.argumentCount; index++) {
    const pattern = elementPattern(request.buffer, request.start(index), request.end(index));
    const register = Math.floor(pattern / (REGISTER_MAX + 1));
    const value = pattern & REGISTER_MAX;
    if (value <= denseRegister(stored.bytes, stored.start, register)) continue;
    if (raised === 0) call.strings.edit(call.database, entry, DENSE_BYTES, stored);
    setDenseRegister(stored.bytes, stored.start, register, value);
    raised++;
  }
  if (raised > 0) invalidateCardinality(stored.bytes, stored.start);
  return raised;
}

/** Adds the elements to a copy, and stores that; how many registers were raised. A new key counts as one. */
function addToSparse(call: Call, entry: Ref): number {
  const { request } = call;
  prepare(call, entry);
  let raised = entry === 0 ? 1 : 0;
  for (let index = 2; index < call.argumentCount; index++) {
    const pattern = elementPattern(request.buffer, request.start(index), request.end(index));
    const result = built.raise(Math.floor(pattern / (REGISTER_MAX + 1)), pattern & REGISTER_MAX);
    if (result === 'corrupt') throw CORRUPT;
    if (result === 'raised') raised++;
  }
  if (raised > 0) {
    built.invalidateCardinality();
    store(call, entry, 1);
  }
  return raised;
}

/** PFCOUNT key [key ...] */
function pfCount(call: Call): void {
  if (call.argumentCount > 2) {
    uniteKeys(call);
    replyCardinality(call, estimateOfRegisters(registers));
    return;
  }
  const found = call.lookupStringRead(1);
  if (found === 0) {
    call.reply.integer(0);
    return;
  }

  const entry = borrowEditable(call, found);
  const { bytes, start, end } = stored;
  const noted = notedCardinality(bytes, start);
  if (noted !== undefined) {
    replyCardinality(call, noted);
    return;
  }

  const cardinality = estimate(bytes, start, end);
  if (cardinality === undefined) throw CORRUPT;
  // A change without an event, of a command that reads: it is logged, and breaks transactions that watch.
  const { start: from, end: to } = CARDINALITY_RANGE;
  call.strings.edit(call.database, entry, end - start, stored, from, to);
  noteCardinality(stored.bytes, stored.start, cardinality);
  call.changed(1, 0, '');
  replyCardinality(call, cardinality);
}

/** PFMERGE destkey [sourcekey [sourcekey ...]] */
function pfMerge(call: Call): void {
  const someDense = uniteKeys(call);
  const entry = call.lookupStringWrite(1);
  prepare(call, entry);
  if (someDense) built.becomeDense();
  for (let index = 0; index < REGISTER_COUNT; index++) {
    if (registers[index] !== 0) built.raise(index, registers[index]!);
  }
  built.invalidateCardinality();

  store(call, entry, 1);
  call.changed(1, NOTIFY_STRING, 'pfadd');
  call.reply.ok();
}

/** Unites the values of all arguments in `registers`; whether one of them is dense. */
function uniteKeys(call: Call): boolean {
  let someDense = false;
  registers.fill(0);
  for (let index = 1; index < call.argumentCount; index++) {
    const entry = call.lookupStringRead(index);
    if (entry === 0) continue;
    const { bytes, start, end } = borrow(call, entry);
    if (!mergeRegisters(registers, bytes, start, end)) throw CORRUPT;
    if (isDense(bytes, start)) someDense = true;
  }
  return someDense;
}

/** PFDEBUG GETREG | DECODE | ENCODING | TODENSE key */
function pfDebug(call: Call): void {
  const found = call.lookupStringWrite(2);
  if (found === 0) throw NO_SPECIFIED_KEY;
  const entry = borrowEditable(call, found);
  const { bytes, start, end } = stored;

  if (call.is(1, 'GETREG')) {
    makeDense(call, entry);
    call.reply.array(REGISTER_COUNT);
    for (let index = 0; index < REGISTER_COUNT; index++)
      call.reply.integer(denseRegister(stored.bytes, stored.start, index));
  } else if (call.is(1, 'DECODE')) {
    if (isDense(bytes, start)) throw NOT_SPARSE;
    call.reply.bulkText(describeRuns(bytes, start, end));
  } else if (call.is(1, 'ENCODING')) {
    call.reply.simple(isDense(bytes, start) ? 'dense' : 'sparse');
  } else if (call.is(1, 'TODENSE')) {
    call.reply.integer(makeDense(call, entry) ? 1 : 0);
  } else {
    throw new ErrorReply(`ERR Unknown PFDEBUG subcommand '${printedText(call.text(1))}'`);
  }
}

/** Gives the key that is argument 2 its dense form; whether it had the other one. */
function makeDense(call: Call, entry: Ref): boolean {
  if (isDense(stored.bytes, stored.start)) return false;
  prepare(call, entry);
  if (!built.becomeDense()) throw CORRUPT;
  store(call, entry, 2);
  // Not a change of what was added, but of the bytes: it is logged.
  call.keyspace.addDirty(1);
  return true;
}

/** PFSELFTEST */
function pfSelfTest(call: Call): void {
  const failure = selfTest(call.keyspace.random, call.config.values['hll-sparse-max-bytes']);
  if (failure !== undefined) throw new ErrorReply(`ERR TESTFAILED ${failure}`);
  call.reply.ok();
}

/** Points `stored` at the entry's value. @throws NOT_A_HYPERLOGLOG */
function borrow(call: Call, entry: Ref): BorrowedBytes {
  call.strings.borrow(entry, stored);
  if (!isHyperLogLog(stored.bytes, stored.start, stored.end)) throw NOT_A_HYPERLOGLOG;
  return stored;
}

/** The same for a value that may be changed, which Redis makes `raw` at once. The entry may move. */
function borrowEditable(call: Call, entry: Ref): Ref {
  const { length } = borrow(call, entry);
  if (call.database.encodingOf(entry) === ENCODING_RAW) return entry;
  return call.strings.edit(call.database, entry, length, stored, 0, 0);
}

/** Makes `built` a copy of the entry's value, which is in `stored`, or an empty value without an entry. */
function prepare(call: Call, entry: Ref): void {
  built.sparseBytesMax = call.config.values['hll-sparse-max-bytes'];
  if (entry === 0) {
    built.clear();
    return;
  }
  const { bytes, start, end } = borrow(call, entry);
  built.load(bytes, start, end);
}

/** Stores `built` as the value of the key that is an argument, and points `stored` at it. */
function store(call: Call, entry: Ref, keyIndex: number): void {
  const { database, request, strings } = call;
  const { buffer } = request;
  const { bytes, length } = built;
  if (entry === 0) {
    strings.createZeroes(database, buffer, request.start(keyIndex), request.end(keyIndex), length, stored);
  } else {
    strings.edit(database, entry, length, stored);
  }
  copyBytes(stored.bytes, stored.start, bytes, 0, length);
}

function replyCardinality(call: Call, cardinality: number | bigint): void {
  if (Number.isSafeInteger(cardinality)) call.reply.integer(Number(cardinality));
  else call.reply.bigInteger(BigInt(cardinality));
}
