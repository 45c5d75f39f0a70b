/** Bits of strings (Redis 7.0 bitops.c). */
import { ENCODING_RAW, TYPE_STRING } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_STRING } from '../keyspace/notify.ts';
import { BLOCK_BYTES_MAX } from '../memory/allocator.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { assignedBitField, incrementedBitField, readBitField, writeBitField } from '../util/bit-field.ts';
import type { BitFieldOverflow, BitFieldType } from '../util/bit-field.ts';
import { combineBits, countBits, countBitsBetween, findBit, invertBits } from '../util/bits.ts';
import type { BitOperation } from '../util/bits.ts';
import { copyBytes } from '../util/bytes.ts';
import { parseInt64, parseInteger } from '../util/numbers.ts';
import { block, integer, key, oneOf, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { keysFrom, oneKey, withNotes } from './key-specs.ts';

const BAD_OFFSET = new ErrorReply('ERR bit offset is not an integer or out of range');
const BAD_BIT = new ErrorReply('ERR bit is not an integer or out of range');
const BIT_NOT_0_OR_1 = new ErrorReply('ERR The bit argument must be 1 or 0.');
const NOT_OF_MANY = new ErrorReply('ERR BITOP NOT must be called with a single source key.');
const BAD_FIELD_TYPE = new ErrorReply(
  'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.',
);
const BAD_OVERFLOW = new ErrorReply('ERR Invalid OVERFLOW type specified');
const ONLY_GET = new ErrorReply('ERR BITFIELD_RO only supports the GET subcommand');

export const BITMAP_COMMANDS = family({ group: 'bitmap', categories: ['bitmap'] }, [
  {
    name: 'bitcount',
    arity: -2,
    flags: ['readonly'],
    since: '2.6.0',
    summary: 'Count set bits in a string',
    complexity: 'O(N)',
    history: [['7.0.0', 'Added the `BYTE|BIT` option.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      block(
        'index',
        [
          integer('start'),
          integer('end'),
          oneOf('index_unit', [token('BYTE'), token('BIT')], { since: '7.0.0', optional: true }),
        ],
        { optional: true },
      ),
    ],
    run: bitCount,
  },
  {
    name: 'bitfield',
    arity: -2,
    flags: ['write', 'denyoom'],
    since: '3.2.0',
    summary: 'Perform arbitrary bitfield integer operations on strings',
    complexity: 'O(1) for each subcommand specified',
    keySpecs: [
      withNotes(
        'This command allows both access and modification of the key',
        oneKey(1, 'RW', 'access', 'update', 'variable_flags'),
      ),
    ],
    arguments: [
      key('key'),
      oneOf(
        'operation',
        [
          block('encoding_offset', [string('encoding'), integer('offset')], { token: 'GET' }),
          block('write', [
            oneOf('wrap_sat_fail', [token('WRAP'), token('SAT'), token('FAIL')], {
              token: 'OVERFLOW',
              optional: true,
            }),
            oneOf('write_operation', [
              block('encoding_offset_value', [string('encoding'), integer('offset'), integer('value')], {
                token: 'SET',
              }),
              block(
                'encoding_offset_increment',
                [string('encoding'), integer('offset'), integer('increment')],
                { token: 'INCRBY' },
              ),
            ]),
          ]),
        ],
        { optional: true, multiple: true },
      ),
    ],
    run: bitField,
  },
  {
    name: 'bitfield_ro',
    arity: -2,
    flags: ['readonly', 'fast'],
    since: '6.0.0',
    summary: 'Perform arbitrary bitfield integer operations on strings. Read-only variant of BITFIELD',
    complexity: 'O(1) for each subcommand specified',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      block('encoding_offset', [string('encoding'), integer('offset')], {
        token: 'GET',
        optional: true,
        multiple: true,
        multipleToken: true,
      }),
    ],
    run: bitFieldRo,
  },
  {
    name: 'bitop',
    arity: -4,
    flags: ['write', 'denyoom'],
    since: '2.6.0',
    summary: 'Perform bitwise operations between strings',
    complexity: 'O(N)',
    keySpecs: [oneKey(2, 'OW', 'update'), keysFrom(3, 'RO', 'access')],
    arguments: [string('operation'), key('destkey'), key('key', { keySpecIndex: 1, multiple: true })],
    run: bitOp,
  },
  {
    name: 'bitpos',
    arity: -3,
    flags: ['readonly'],
    since: '2.8.7',
    summary: 'Find first bit set or clear in a string',
    complexity: 'O(N)',
    history: [['7.0.0', 'Added the `BYTE|BIT` option.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      integer('bit'),
      block(
        'index',
        [
          integer('start'),
          block(
            'end_index',
            [
              integer('end'),
              oneOf('index_unit', [token('BYTE'), token('BIT')], { since: '7.0.0', optional: true }),
            ],
            { optional: true },
          ),
        ],
        { optional: true },
      ),
    ],
    run: bitPos,
  },
  {
    name: 'getbit',
    arity: 3,
    flags: ['readonly', 'fast'],
    since: '2.2.0',
    summary: 'Returns the bit value at offset in the string value stored at key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), integer('offset')],
    run: getBit,
  },
  {
    name: 'setbit',
    arity: 4,
    flags: ['write', 'denyoom'],
    since: '2.2.0',
    summary: 'Sets or clears the bit at offset in the string value stored at key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), integer('offset'), integer('value')],
    run: setBit,
  },
]);

/** The string that a command reads or edits. */
const value = new BorrowedBytes();

// Single bits -----------------------------------------------------------------------------------------------

/** GETBIT key offset */
function getBit(call: Call): void {
  const offset = bitOffset(call, 2);
  const entry = call.lookupStringRead(1);
  call.reply.integer(entry === 0 ? 0 : bitAt(call, entry, offset));
}

/** SETBIT key offset value */
function setBit(call: Call): void {
  const offset = bitOffset(call, 2);
  const bit = bitArgument(call, 3, BAD_BIT, BAD_BIT);
  const entry = call.lookupStringWrite(1);
  const place = Math.floor(offset / 8);
  const isThere = entry !== 0 && place < call.strings.length(entry);
  const old = isThere ? bitAt(call, entry, offset) : 0;

  if (!isThere || old !== bit || call.database.encodingOf(entry) !== ENCODING_RAW) {
    editBytes(call, entry, place, place + 1);
    const mask = 0x80 >> (offset & 7);
    const at = value.start + place;
    value.bytes[at] = bit === 1 ? value.bytes[at]! | mask : value.bytes[at]! & ~mask;
    if (!isThere || old !== bit) call.changed(1, NOTIFY_STRING, 'setbit');
  }
  call.reply.integer(old);
}

/** The bit of a string; those behind its end are 0. */
function bitAt(call: Call, entry: Ref, offset: number): number {
  call.strings.borrow(entry, value);
  const place = value.start + Math.floor(offset / 8);
  return place < value.end ? (value.bytes[place]! >> (7 - (offset & 7))) & 1 : 0;
}

/**
 * Hands out the string that is argument 1 in `value`, for writing the bytes [start, end); it is created or
 * extended with zeros if it does not reach so far.
 */
function editBytes(call: Call, entry: Ref, start: number, end: number): void {
  const { database, request, strings } = call;
  if (entry === 0) {
    strings.createZeroes(database, request.buffer, request.start(1), request.end(1), end, value);
  } else {
    strings.edit(database, entry, Math.max(strings.length(entry), end), value, start, end);
  }
}

/** The number of a bit that a string could have. @throws BAD_OFFSET */
function bitOffset(call: Call, index: number): number {
  const { request } = call;
  return checkedOffset(call, parseInteger(request.buffer, request.start(index), request.end(index)));
}

/** @throws BAD_OFFSET, also for NaN */
function checkedOffset(call: Call, offset: number): number {
  const bytesMax = Math.min(call.config.values['proto-max-bulk-len'], BLOCK_BYTES_MAX);
  if (!(offset >= 0 && offset < bytesMax * 8)) throw BAD_OFFSET;
  return offset;
}

/** An argument that is 0 or 1. */
function bitArgument(call: Call, index: number, notAnInteger: ErrorReply, otherInteger: ErrorReply): 0 | 1 {
  const { request } = call;
  const [start, end] = [request.start(index), request.end(index)];
  const bit = parseInteger(request.buffer, start, end);
  if (bit === 0 || bit === 1) return bit;
  const isInteger = !Number.isNaN(bit) || parseInt64(request.buffer, start, end) !== undefined;
  throw isInteger ? otherInteger : notAnInteger;
}

// Ranges ----------------------------------------------------------------------------------------------------

/** BITCOUNT key [start end [BYTE | BIT]] */
function bitCount(call: Call): void {
  const entry = call.lookupStringRead(1);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }
  if (call.argumentCount === 2) {
    call.strings.borrow(entry, value);
    call.reply.integer(countBits(value.bytes, value.start, value.end));
    return;
  }

  if (call.argumentCount !== 4 && call.argumentCount !== 5) throw SYNTAX_ERROR;
  const start = int64(call, 2);
  const end = int64(call, 3);
  // Both may lie before the first bit, where they would come out as that bit.
  if (start < 0 && end < 0 && start > end) {
    call.reply.integer(0);
    return;
  }
  const unitBits = call.argumentCount === 5 ? unitOf(call, 4) : 8;
  call.strings.borrow(entry, value);
  const units = (value.length * 8) / unitBits;
  const first = Math.max(0, fromEnd(start, units)) * unitBits;
  const last = Math.min(units - 1, Math.max(0, fromEnd(end, units))) * unitBits + unitBits - 1;
  call.reply.integer(first > last ? 0 : countBitsBetween(value.bytes, value.start, first, last));
}

/** BITPOS key bit [start [end [BYTE | BIT]]] */
function bitPos(call: Call): void {
  const bit = bitArgument(call, 2, NOT_AN_INTEGER, BIT_NOT_0_OR_1);
  const entry = call.lookupStringRead(1);
  if (entry === 0) {
    call.reply.integer(bit === 1 ? -1 : 0);
    return;
  }

  const { argumentCount } = call;
  if (argumentCount > 6) throw SYNTAX_ERROR;
  const start = argumentCount > 3 ? int64(call, 3) : 0;
  const unitBits = argumentCount > 5 ? unitOf(call, 5) : 8;
  const end = argumentCount > 4 ? int64(call, 4) : -1;
  call.strings.borrow(entry, value);
  const units = (value.length * 8) / unitBits;
  const first = Math.max(0, fromEnd(start, units)) * unitBits;
  const last = Math.min(units - 1, Math.max(0, fromEnd(end, units))) * unitBits + unitBits - 1;
  if (first > last) {
    call.reply.integer(-1);
    return;
  }
  const position = findBit(value.bytes, value.start, first, last, bit);
  // Without an end, the string is followed by zeros.
  call.reply.integer(position === -1 && bit === 0 && argumentCount < 5 ? value.length * 8 : position);
}

/** How many bits the argument's unit has. @throws SYNTAX_ERROR */
function unitOf(call: Call, index: number): number {
  if (call.is(index, 'BIT')) return 1;
  if (call.is(index, 'BYTE')) return 8;
  throw SYNTAX_ERROR;
}

/** Any int64, exact. @throws NOT_AN_INTEGER */
function int64(call: Call, index: number): number | bigint {
  const { request } = call;
  const small = parseInteger(request.buffer, request.start(index), request.end(index));
  return Number.isNaN(small) ? call.int64(index) : small;
}

/** An index, counted from the end when it is negative. It is compared with lengths, so it may be rounded. */
function fromEnd(index: number | bigint, length: number): number {
  return index < 0 ? Number(index) + length : Number(index);
}

// Whole strings ---------------------------------------------------------------------------------------------

/** What is computed before it is written; fits the processor's cache. */
const CHUNK_BYTES = 64 * 1024;
const chunk = Buffer.alloc(CHUNK_BYTES);

/** BITOP AND | OR | XOR | NOT destkey key [key ...] */
function bitOp(call: Call): void {
  const operation = bitOperation(call);
  if (operation === 'not' && call.argumentCount !== 4) throw NOT_OF_MANY;
  let length = 0;
  for (let index = 3; index < call.argumentCount; index++) {
    const entry = call.lookupStringRead(index);
    if (entry !== 0) length = Math.max(length, call.strings.length(entry));
  }

  if (length > 0) {
    const target = bitOpTarget(call, length);
    const sources = stringsOf(call, 3);
    for (let from = 0; from < length; from += CHUNK_BYTES) {
      const bytes = Math.min(CHUNK_BYTES, length - from);
      computeChunk(operation, sources, from, bytes);
      copyBytes(target.bytes, target.start + from, chunk, 0, bytes);
    }
    call.changed(2, NOTIFY_STRING, 'set');
  } else {
    const entry = call.lookupWrite(2);
    if (entry !== 0) {
      call.database.delete(entry);
      call.changed(2, NOTIFY_GENERIC, 'del');
    }
  }
  call.reply.integer(length);
}

function bitOperation(call: Call): BitOperation | 'not' {
  if (call.is(1, 'AND')) return 'and';
  if (call.is(1, 'OR')) return 'or';
  if (call.is(1, 'XOR')) return 'xor';
  if (call.is(1, 'NOT')) return 'not';
  throw SYNTAX_ERROR;
}

/**
 * Makes the key that is argument 2 a string of that length, without expiry. What it held stays until it is
 * written over: it may be one of the sources.
 */
function bitOpTarget(call: Call, length: number): BorrowedBytes {
  const { database, request, strings } = call;
  const target = new BorrowedBytes();
  const found = call.lookupWrite(2);
  if (found === 0) {
    strings.createZeroes(database, request.buffer, request.start(2), request.end(2), length, target);
    return target;
  }
  const persistent = database.clearExpiry(found);
  const isString = database.typeOf(persistent) === TYPE_STRING;
  const entry = isString ? persistent : strings.overwrite(database, persistent, chunk, 0, 0, ENCODING_RAW);
  strings.edit(database, entry, length, target);
  return target;
}

/** The strings of the keys from argument `first` on, without another access being counted. */
function stringsOf(call: Call, first: number): BorrowedBytes[] {
  const { database, request } = call;
  const sources: BorrowedBytes[] = [];
  for (let index = first; index < call.argumentCount; index++) {
    const source = new BorrowedBytes();
    const entry = database.lookup(request.buffer, request.start(index), request.end(index));
    if (entry !== 0) call.strings.borrow(entry, source);
    sources.push(source);
  }
  return sources;
}

/** Computes `length` bytes of the result, from byte `from` on, into `chunk`. */
function computeChunk(
  operation: BitOperation | 'not',
  sources: readonly BorrowedBytes[],
  from: number,
  length: number,
): void {
  for (let i = 0; i < sources.length; i++) {
    const { bytes, start, end } = sources[i]!;
    const first = Math.min(start + from, end);
    const last = Math.min(first + length, end);
    const here = last - first;
    if (i === 0) copyBytes(chunk, 0, bytes, first, last);
    else if (operation !== 'not') combineBits(operation, chunk, 0, bytes, first, last);
    // Shorter strings are followed by zeros, which change nothing but in an AND.
    if (i === 0 || operation === 'and') chunk.fill(0, here, length);
  }
  if (operation === 'not') invertBits(chunk, 0, length);
}

// Fields ----------------------------------------------------------------------------------------------------

interface FieldOperation {
  readonly kind: 'get' | 'set' | 'incrby';
  readonly type: BitFieldType;
  /** Of its first bit. */
  readonly offset: number;
  readonly overflow: BitFieldOverflow;
  /** What is set or added. */
  readonly operand: number | bigint;
}

/** BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET | INCRBY type offset value ...] */
function bitField(call: Call): void {
  const operations = parseFieldOperations(call);
  const writes = operations.filter(({ kind }) => kind !== 'get');
  if (writes.length === 0) readFields(call, operations);
  else changeFields(call, operations, writes);
}

/** BITFIELD_RO key [GET type offset ...] */
function bitFieldRo(call: Call): void {
  const operations = parseFieldOperations(call);
  if (operations.some(({ kind }) => kind !== 'get')) throw ONLY_GET;
  readFields(call, operations);
}

function readFields(call: Call, operations: readonly FieldOperation[]): void {
  const entry = call.lookupStringRead(1);
  if (entry === 0) value.start = value.end = 0;
  else call.strings.borrow(entry, value);

  call.reply.array(operations.length);
  for (const { offset, type } of operations)
    replyField(call, readBitField(value.bytes, value.start, value.end, offset, type));
}

function changeFields(
  call: Call,
  operations: readonly FieldOperation[],
  writes: readonly FieldOperation[],
): void {
  const entry = call.lookupStringWrite(1);
  const oldLength = entry === 0 ? 0 : call.strings.length(entry);
  const start = Math.min(...writes.map(({ offset }) => Math.floor(offset / 8)));
  const end = Math.max(...writes.map(({ offset, type }) => Math.ceil((offset + type.bits) / 8)));
  editBytes(call, entry, start, end);

  call.reply.array(operations.length);
  let changes = 0;
  for (const operation of operations) {
    const { kind, offset, overflow, operand, type } = operation;
    const old = readBitField(value.bytes, value.start, value.end, offset, type);
    if (kind === 'get') {
      replyField(call, old);
      continue;
    }
    const next =
      kind === 'set'
        ? assignedBitField(type, overflow, operand)
        : incrementedBitField(type, overflow, old, operand);
    if (next === undefined) {
      call.reply.null();
      continue;
    }
    writeBitField(value.bytes, value.start, offset, type, next);
    replyField(call, kind === 'set' ? old : next);
    if (end > oldLength || next !== old) changes++;
  }
  if (changes === 0) return;
  call.changed(1, NOTIFY_STRING, 'setbit');
  call.keyspace.addDirty(changes - 1);
}

function replyField(call: Call, field: number | bigint): void {
  if (typeof field === 'number') call.reply.integer(field);
  else call.reply.bigInteger(field);
}

/** @throws SYNTAX_ERROR and whatever is wrong with an operation's arguments */
function parseFieldOperations(call: Call): FieldOperation[] {
  const operations: FieldOperation[] = [];
  let overflow: BitFieldOverflow = 'wrap';
  for (let index = 2; index < call.argumentCount;) {
    const followers = call.argumentCount - index - 1;
    if (call.is(index, 'OVERFLOW') && followers >= 1) {
      overflow = overflowOf(call, index + 1);
      index += 2;
      continue;
    }
    const kind = fieldOperationKind(call, index, followers);
    const type = fieldType(call, index + 1);
    const offset = fieldOffset(call, index + 2, type);
    const operand = kind === 'get' ? 0 : int64(call, index + 3);
    operations.push({ kind, type, offset, overflow, operand });
    index += kind === 'get' ? 3 : 4;
  }
  return operations;
}

function fieldOperationKind(call: Call, index: number, followers: number): FieldOperation['kind'] {
  if (call.is(index, 'GET') && followers >= 2) return 'get';
  if (call.is(index, 'SET') && followers >= 3) return 'set';
  if (call.is(index, 'INCRBY') && followers >= 3) return 'incrby';
  throw SYNTAX_ERROR;
}

function overflowOf(call: Call, index: number): BitFieldOverflow {
  if (call.is(index, 'WRAP')) return 'wrap';
  if (call.is(index, 'SAT')) return 'sat';
  if (call.is(index, 'FAIL')) return 'fail';
  throw BAD_OVERFLOW;
}

const LOWER_I = 0x69;
const LOWER_U = 0x75;

/** `i1` to `i64`, `u1` to `u63`; a zero byte ends it. @throws BAD_FIELD_TYPE */
function fieldType(call: Call, index: number): BitFieldType {
  const { request } = call;
  const { buffer } = request;
  const start = request.start(index);
  const zeroByte = call.bytes(index).indexOf(0);
  const bits = parseInteger(buffer, start + 1, zeroByte < 0 ? request.end(index) : start + zeroByte);
  const isSigned = request.length(index) > 0 && buffer[start] === LOWER_I;
  const isUnsigned = request.length(index) > 0 && buffer[start] === LOWER_U;
  if (!(isSigned || isUnsigned) || !(bits >= 1 && bits <= (isSigned ? 64 : 63))) throw BAD_FIELD_TYPE;
  return { isSigned, bits };
}

const NUMBER_SIGN = 0x23;

/** A bit's number, or `#` and that of a field when all before it are of the same size. @throws BAD_OFFSET */
function fieldOffset(call: Call, index: number, type: BitFieldType): number {
  const { request } = call;
  const start = request.start(index);
  if (request.length(index) === 0 || request.buffer[start] !== NUMBER_SIGN) return bitOffset(call, index);
  const count = parseInt64(request.buffer, start + 1, request.end(index));
  if (count === undefined) throw BAD_OFFSET;
  // Redis multiplies int64s without a look at what is lost.
  return checkedOffset(call, Number(BigInt.asIntN(64, count * BigInt(type.bits))));
}
