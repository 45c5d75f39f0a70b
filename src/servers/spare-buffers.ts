/**
 * Input buffers that a connection had of its own and needs no more, kept for the next connection with a
 * request that comes in pieces. Without them each large value would be received into new memory, and V8's
 * collector, which counts it, would run every few hundred of them.
 */
import type { NativeBuffer } from '../system/libc.ts';

/** Kept in all. */
const SPARE_BYTES_MAX = 4 * 1024 * 1024;
/** Smaller ones cost less than the search for one. */
const SPARE_BUFFER_BYTES_MIN = 16 * 1024;
/** A spare buffer may be so many times larger than what is asked for. */
const RATIO_MAX = 4;

export class SpareBuffers {
  readonly #spares: NativeBuffer[] = [];
  #spareBytes = 0;
  /** Given back in this wake-up: requests that wait to be run may still point into them. */
  #returned: NativeBuffer[] = [];

  /** A buffer of at least `byteCount` bytes, or undefined when there is none. */
  take(byteCount: number): NativeBuffer | undefined {
    for (let i = this.#spares.length - 1; i >= 0; i--) {
      const { length } = this.#spares[i]!.bytes;
      if (length < byteCount || length > byteCount * RATIO_MAX) continue;
      this.#spareBytes -= length;
      return this.#spares.splice(i, 1)[0];
    }
    return undefined;
  }

  /** Takes a buffer back; it is handed out again after `endWakeUp` only. */
  giveBack(buffer: NativeBuffer): void {
    if (buffer.bytes.length >= SPARE_BUFFER_BYTES_MIN) this.#returned.push(buffer);
  }

  /** All requests of the wake-up have run. */
  endWakeUp(): void {
    if (this.#returned.length === 0) return;
    for (const buffer of this.#returned) {
      if (this.#spareBytes + buffer.bytes.length > SPARE_BYTES_MAX) continue;
      this.#spares.push(buffer);
      this.#spareBytes += buffer.bytes.length;
    }
    this.#returned = [];
  }
}
