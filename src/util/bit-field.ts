/**
 * Integers of 1 to 64 bits at any bit of a string, and what becomes of those that do not fit (Redis 7.0
 * bitops.c, BITFIELD). The highest bit comes first.
 *
 * Fields of up to 32 bits, and results that are safe integers, are plain numbers; the rest goes through
 * BigInt.
 */

export interface BitFieldType {
  readonly isSigned: boolean;
  /** 1 to 64, 63 at most when unsigned. */
  readonly bits: number;
}

/** What happens to a value that does not fit: higher bits are lost, the nearest one is taken, nothing. */
export type BitFieldOverflow = 'wrap' | 'sat' | 'fail';

const NARROW_BITS_MAX = 32;
/** The sum of two numbers up to this is exact. */
const NARROW_MAGNITUDE_MAX = 2 ** 52;

/** The field at bit `offset` of the range; bits behind the range are 0. */
export function readBitField(
  bytes: Uint8Array,
  start: number,
  end: number,
  offset: number,
  type: BitFieldType,
): number | bigint {
  const { isSigned, bits } = type;
  if (bits <= NARROW_BITS_MAX) {
    const value = readNarrow(bytes, start, end, offset, bits);
    return isSigned && value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
  }
  const highBits = bits - NARROW_BITS_MAX;
  const high = readNarrow(bytes, start, end, offset, highBits);
  const low = readNarrow(bytes, start, end, offset + highBits, NARROW_BITS_MAX);
  const value = (BigInt(high) << BigInt(NARROW_BITS_MAX)) | BigInt(low);
  return isSigned ? BigInt.asIntN(bits, value) : value;
}

/** Writes a value that fits the type to the field at bit `offset`, all of which is there. */
export function writeBitField(
  bytes: Uint8Array,
  start: number,
  offset: number,
  type: BitFieldType,
  value: number | bigint,
): void {
  const { bits } = type;
  if (bits <= NARROW_BITS_MAX) {
    const narrow = Number(value);
    writeNarrow(bytes, start, offset, bits, narrow < 0 ? narrow + 2 ** bits : narrow);
    return;
  }
  const wide = BigInt.asUintN(bits, BigInt(value));
  const highBits = bits - NARROW_BITS_MAX;
  writeNarrow(bytes, start, offset, highBits, Number(wide >> BigInt(NARROW_BITS_MAX)));
  writeNarrow(
    bytes,
    start,
    offset + highBits,
    NARROW_BITS_MAX,
    Number(BigInt.asUintN(NARROW_BITS_MAX, wide)),
  );
}

function readNarrow(bytes: Uint8Array, start: number, end: number, offset: number, bits: number): number {
  let value = 0;
  let place = start + Math.floor(offset / 8);
  let free = 8 - (offset & 7);
  for (let left = bits; left > 0;) {
    const taken = Math.min(free, left);
    const byte = place < end ? bytes[place]! : 0;
    value = value * (1 << taken) + ((byte >> (free - taken)) & ((1 << taken) - 1));
    left -= taken;
    place++;
    free = 8;
  }
  return value;
}

/** @param value 0 to 2^bits - 1 */
function writeNarrow(bytes: Uint8Array, start: number, offset: number, bits: number, value: number): void {
  let rest = value;
  // From the last byte of the field to its first.
  const behind = offset + bits;
  let place = start + Math.floor((behind - 1) / 8);
  let unused = -behind & 7;
  for (let left = bits; left > 0;) {
    const taken = Math.min(8 - unused, left);
    const mask = (1 << taken) - 1;
    bytes[place] = (bytes[place]! & ~(mask << unused)) | ((rest % (1 << taken)) << unused);
    rest = Math.floor(rest / (1 << taken));
    left -= taken;
    place--;
    unused = 0;
  }
}

/** What a field that holds `old` becomes by adding an int64; undefined when it shall not change. */
export function incrementedBitField(
  type: BitFieldType,
  overflow: BitFieldOverflow,
  old: number | bigint,
  increment: number | bigint,
): number | bigint | undefined {
  if (isNarrow(type, increment)) {
    const sum = Number(old) + Number(increment);
    return fitted(type, overflow, sum, sum > 0);
  }
  const sum = BigInt(old) + BigInt(increment);
  return shapedFor(type, fittedWide(type, overflow, sum, sum > 0n));
}

/** What a field becomes by setting it to an int64; undefined when it shall not change. */
export function assignedBitField(
  type: BitFieldType,
  overflow: BitFieldOverflow,
  value: number | bigint,
): number | bigint | undefined {
  if (isNarrow(type, value)) {
    // Redis takes a negative value for an unsigned field as one of 64 bits: it is too large, not too small.
    return fitted(type, overflow, Number(value), value > 0 || !type.isSigned);
  }
  const wide = BigInt(value);
  const isTooLarge = type.isSigned ? wide > 0n || isTakenForLarge(type, wide) : true;
  return shapedFor(type, fittedWide(type, overflow, wide, isTooLarge));
}

/** The value in the form in which `readBitField` gives those of that type. */
function shapedFor(type: BitFieldType, value: bigint | undefined): number | bigint | undefined {
  return value !== undefined && type.bits <= NARROW_BITS_MAX ? Number(value) : value;
}

/**
 * How far it is from the value to the type's largest does not fit an int64: Redis sees an overflow there, so
 * that the lowest int64 saturates to the largest value of the field.
 */
function isTakenForLarge({ bits }: BitFieldType, value: bigint): boolean {
  return (1n << BigInt(bits - 1)) - 1n - value >= 1n << 63n;
}

function isNarrow(type: BitFieldType, operand: number | bigint): boolean {
  return type.bits <= NARROW_BITS_MAX && operand <= NARROW_MAGNITUDE_MAX && operand >= -NARROW_MAGNITUDE_MAX;
}

function fitted(
  { isSigned, bits }: BitFieldType,
  overflow: BitFieldOverflow,
  value: number,
  isTooLarge: boolean,
): number | undefined {
  const range = 2 ** bits;
  const lowest = isSigned ? -range / 2 : 0;
  const highest = lowest + range - 1;
  if (value >= lowest && value <= highest) return value;
  if (overflow === 'fail') return undefined;
  if (overflow === 'sat') return isTooLarge ? highest : lowest;
  const above = (value - lowest) % range;
  return (above < 0 ? above + range : above) + lowest;
}

function fittedWide(
  { isSigned, bits }: BitFieldType,
  overflow: BitFieldOverflow,
  value: bigint,
  isTooLarge: boolean,
): bigint | undefined {
  const wrapped = isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  if (wrapped === value) return value;
  if (overflow === 'fail') return undefined;
  if (overflow === 'wrap') return wrapped;
  const lowest = isSigned ? -(1n << BigInt(bits - 1)) : 0n;
  return isTooLarge ? lowest + (1n << BigInt(bits)) - 1n : lowest;
}
