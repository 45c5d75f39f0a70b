/**
 * CRC64 as at the end of RDB files and DUMP payloads (Redis 7.0 crc64.c): the Jones polynomial
 * 0xad93d23594c935a9, reflected, start 0, no final xor.
 *
 * A 64-bit state is two int32 halves, so that V8 never allocates, and eight bytes are taken in one step:
 * table `k` holds what a byte contributes when `k` more bytes follow it ("slicing by eight"). Long input is
 * taken by a WebAssembly module that does the same (crc64-module.ts).
 */
import {
  INPUT_BYTES_MAX,
  INPUT_OFFSET,
  STATE_OFFSET,
  TABLES_OFFSET,
  createCrc64Module,
  type Crc64Module,
} from './crc64-module.ts';

/** The polynomial with its bits reversed, in two halves. */
const POLYNOMIAL_HIGH = 0x95ac9329;
const POLYNOMIAL_LOW = 0xac4bc9b5;

const SLICE_BYTES = 8;
const TABLE_LENGTH = 256;
/** For less, the way into the module and back takes longer than it saves. */
const MODULE_BYTES_MIN = 512;

/** Low and high halves of the tables, table `k` from `k * 256`. */
const LOW = new Int32Array(SLICE_BYTES * TABLE_LENGTH);
const HIGH = new Int32Array(SLICE_BYTES * TABLE_LENGTH);

function fillTables(): void {
  for (let byte = 0; byte < TABLE_LENGTH; byte++) {
    let low = byte;
    let high = 0;
    for (let bit = 0; bit < 8; bit++) {
      const carry = low & 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (carry === 1) {
        low ^= POLYNOMIAL_LOW;
        high ^= POLYNOMIAL_HIGH;
      }
    }
    LOW[byte] = low;
    HIGH[byte] = high;
  }
  for (let i = TABLE_LENGTH; i < LOW.length; i++) {
    const low = LOW[i - TABLE_LENGTH]!;
    const high = HIGH[i - TABLE_LENGTH]!;
    LOW[i] = ((low >>> 8) | (high << 24)) ^ LOW[low & 0xff]!;
    HIGH[i] = (high >>> 8) ^ HIGH[low & 0xff]!;
  }
}

fillTables();

/** The module and views of its memory. */
interface FastLoop {
  readonly update: Crc64Module['update'];
  readonly bytes: Uint8Array;
  /** Low and high half of the checksum. */
  readonly state: Int32Array;
}

/** Made when it is first needed; `undefined` where there is no WebAssembly. */
let fastLoop: FastLoop | 'not made' | undefined = 'not made';

function makeFastLoop(): FastLoop | undefined {
  const module = createCrc64Module();
  if (module === undefined) return undefined;
  const tables = new Int32Array(module.memory, TABLES_OFFSET, 2 * LOW.length);
  for (let i = 0; i < LOW.length; i++) {
    tables[2 * i] = LOW[i]!;
    tables[2 * i + 1] = HIGH[i]!;
  }
  return {
    update: module.update,
    bytes: new Uint8Array(module.memory),
    state: new Int32Array(module.memory, STATE_OFFSET, 2),
  };
}

/** A checksum under way. `low` and `high` are its halves as int32. */
export class Crc64 {
  low = 0;
  high = 0;

  update(bytes: Uint8Array, start: number, end: number): void {
    this.#updateInline(
      bytes,
      end - start < MODULE_BYTES_MIN ? start : this.#updateFast(bytes, start, end),
      end,
    );
  }

  /** Takes as much as makes whole slices; returns where the rest begins. */
  #updateFast(bytes: Uint8Array, start: number, end: number): number {
    if (fastLoop === 'not made') fastLoop = makeFastLoop();
    if (fastLoop === undefined) return start;
    const { update, bytes: memory, state } = fastLoop;
    state[0] = this.low;
    state[1] = this.high;
    let pos = start;
    while (end - pos >= SLICE_BYTES) {
      const length = Math.min(end - pos, INPUT_BYTES_MAX) & -SLICE_BYTES;
      memory.set(bytes.subarray(pos, pos + length), INPUT_OFFSET);
      update(INPUT_OFFSET, INPUT_OFFSET + length);
      pos += length;
    }
    this.low = state[0]!;
    this.high = state[1]!;
    return pos;
  }

  #updateInline(bytes: Uint8Array, start: number, end: number): void {
    let low = this.low;
    let high = this.high;
    let pos = start;
    for (const sliced = end - SLICE_BYTES; pos <= sliced; pos += SLICE_BYTES) {
      low ^= bytes[pos]! | (bytes[pos + 1]! << 8) | (bytes[pos + 2]! << 16) | (bytes[pos + 3]! << 24);
      high ^= bytes[pos + 4]! | (bytes[pos + 5]! << 8) | (bytes[pos + 6]! << 16) | (bytes[pos + 7]! << 24);
      const i7 = 0x700 | (low & 0xff);
      const i6 = 0x600 | ((low >>> 8) & 0xff);
      const i5 = 0x500 | ((low >>> 16) & 0xff);
      const i4 = 0x400 | (low >>> 24);
      const i3 = 0x300 | (high & 0xff);
      const i2 = 0x200 | ((high >>> 8) & 0xff);
      const i1 = 0x100 | ((high >>> 16) & 0xff);
      const i0 = high >>> 24;
      low = LOW[i7]! ^ LOW[i6]! ^ LOW[i5]! ^ LOW[i4]! ^ LOW[i3]! ^ LOW[i2]! ^ LOW[i1]! ^ LOW[i0]!;
      high = HIGH[i7]! ^ HIGH[i6]! ^ HIGH[i5]! ^ HIGH[i4]! ^ HIGH[i3]! ^ HIGH[i2]! ^ HIGH[i1]! ^ HIGH[i0]!;
    }
    for (; pos < end; pos++) {
      const i = (low ^ bytes[pos]!) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ LOW[i]!;
      high = (high >>> 8) ^ HIGH[i]!;
    }
    this.low = low;
    this.high = high;
  }

  reset(): void {
    this.low = 0;
    this.high = 0;
  }

  /** The checksum so far, unsigned. */
  get value(): bigint {
    return (BigInt(this.high >>> 0) << 32n) | BigInt(this.low >>> 0);
  }
}

/** Continues the checksum `crc` (0n at first) over `bytes[start, end)`. */
export function crc64(crc: bigint, bytes: Uint8Array, start: number, end: number): bigint {
  const state = new Crc64();
  state.low = Number(BigInt.asIntN(32, crc));
  state.high = Number(BigInt.asIntN(32, crc >> 32n));
  state.update(bytes, start, end);
  return state.value;
}
