/**
 * A segment of the arena: shared memory of a WebAssembly module whose one function moves bytes within it.
 *
 * JavaScript can move bytes of shared memory only with atomic accesses, byte by byte unless both ranges are
 * aligned alike: 4 KiB take 2 to 3 µs. `memory.copy` is the C library's memmove: 40 ns, and 12 ns for a few
 * bytes. The store's lock orders the accesses, so nothing has to be atomic. The module is assembled here:
 *
 *     (import "" "memory" (memory 16384 16384 shared))
 *     (func (export "move") (param $target i32) (param $source i32) (param $length i32)
 *       (memory.copy (local.get $target) (local.get $source) (local.get $length)))
 */
import { moveBytes } from '../util/move-bytes.ts';

export const SEGMENT_BYTES = 2 ** 30;
const WASM_PAGE_BYTES = 64 * 1024;
const SEGMENT_WASM_PAGES = SEGMENT_BYTES / WASM_PAGE_BYTES;

/** Moves `length` bytes; the two ranges may overlap. */
export type MoveBytes = (target: number, source: number, length: number) => void;

/* WebAssembly core specification, section 5, with the threads and bulk memory proposals. */
const I32 = 0x7f;
const FUNCTION_TYPE = 0x60;
const KIND_FUNCTION = 0;
const KIND_MEMORY = 2;
const SHARED_WITH_MAXIMUM = 3;
const LOCAL_GET = 0x20;
const END = 0x0b;
const MEMORY_COPY = [0xfc, 0x0a, 0, 0];

// prettier-ignore
const MODULE_BYTES = Uint8Array.from([
  0, ...ascii('asm'), 1, 0, 0, 0,
  ...section(1, [1, FUNCTION_TYPE, 3, I32, I32, I32, 0]),
  ...section(2, [1, 0, ...name('memory'), KIND_MEMORY, SHARED_WITH_MAXIMUM,
    ...unsigned(SEGMENT_WASM_PAGES), ...unsigned(SEGMENT_WASM_PAGES)]),
  ...section(3, [1, 0]),
  ...section(7, [1, ...name('move'), KIND_FUNCTION, 0]),
  ...section(10, [1, 12, 0, LOCAL_GET, 0, LOCAL_GET, 1, LOCAL_GET, 2, ...MEMORY_COPY, END]),
]);

/** What we use of WebAssembly: TypeScript knows it only together with browsers. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (limits: object) => SegmentMemory;
}

/** A `WebAssembly.Memory`: threads hand it to each other as it is. */
export interface SegmentMemory {
  readonly buffer: SharedArrayBuffer;
}

/**
 * Plain memory where there is no WebAssembly (it can be switched off), or no address space for its margins.
 */
export type Segment = SegmentMemory | SharedArrayBuffer;

const api = (globalThis as { readonly WebAssembly?: WebAssemblyApi }).WebAssembly;
let compiled: object | undefined;

/** A new segment, or undefined when the operating system does not grant the address space. */
export function newSegment(): Segment | undefined {
  const limits = { initial: SEGMENT_WASM_PAGES, maximum: SEGMENT_WASM_PAGES, shared: true };
  const memory = api && unlessRefused(() => new api.Memory(limits));
  return memory ?? unlessRefused(() => new SharedArrayBuffer(SEGMENT_BYTES));
}

function unlessRefused<T>(reserve: () => T): T | undefined {
  try {
    return reserve();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

export function bufferOf(segment: Segment): SharedArrayBuffer {
  return segment instanceof SharedArrayBuffer ? segment : segment.buffer;
}

/** What moves bytes within that segment. */
export function moverOf(segment: Segment): MoveBytes {
  if (api === undefined || segment instanceof SharedArrayBuffer) {
    const bytes = new Uint8Array(bufferOf(segment));
    return (target, source, length) => moveBytes(bytes, target, source, source + length);
  }
  compiled ??= new api.Module(MODULE_BYTES);
  const { exports } = new api.Instance(compiled, { '': { memory: segment } });
  return (exports as { readonly move: MoveBytes }).move;
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function name(text: string): number[] {
  return [text.length, ...ascii(text)];
}

function ascii(text: string): number[] {
  return [...Buffer.from(text, 'latin1')];
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return [...bytes, rest];
}
