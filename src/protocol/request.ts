/** One command as it arrived: its arguments are slices of the input, not copies. */

const ARGUMENTS_INITIAL = 16;
const EMPTY = Buffer.alloc(0);

export class Request {
  /** What the offsets point into: borrowed, valid until the command has run. */
  buffer: Buffer = EMPTY;
  count = 0;
  /**
   * Hash of the first key, and the first entry of its bucket, when the engine has looked ahead
   * (engine/read-ahead.ts).
   */
  keyIndex = 0;
  keyHash = 0;
  bucketHead = 0;
  starts: Int32Array = new Int32Array(ARGUMENTS_INITIAL);
  ends: Int32Array = new Int32Array(ARGUMENTS_INITIAL);

  /** Adds an argument. */
  push(start: number, end: number): void {
    const index = this.count;
    if (index === this.starts.length) this.#grow();
    this.starts[index] = start;
    this.ends[index] = end;
    this.count = index + 1;
  }

  start(index: number): number {
    return this.starts[index]!;
  }

  end(index: number): number {
    return this.ends[index]!;
  }

  length(index: number): number {
    return this.ends[index]! - this.starts[index]!;
  }

  /** The argument, borrowed. */
  borrow(index: number): Buffer {
    return this.buffer.subarray(this.starts[index], this.ends[index]);
  }

  /** The argument as text; bytes above 127 as Latin-1. */
  text(index: number): string {
    return this.buffer.toString('latin1', this.starts[index], this.ends[index]);
  }

  /** A copy of its own, with a buffer of its own: a command queued by MULTI. */
  copy(): Request {
    const first = this.starts[0]!;
    const copy = new Request();
    copy.buffer = Buffer.from(this.buffer.subarray(first, this.ends[this.count - 1]));
    copy.starts = this.starts.slice(0, this.count);
    copy.ends = this.ends.slice(0, this.count);
    for (let i = 0; i < this.count; i++) {
      copy.starts[i] = copy.starts[i]! - first;
      copy.ends[i] = copy.ends[i]! - first;
    }
    copy.count = this.count;
    return copy;
  }

  /** A request made of separate arguments. */
  static of(args: readonly Uint8Array[]): Request {
    const request = new Request();
    request.buffer = Buffer.concat(args);
    let position = 0;
    for (const arg of args) {
      request.push(position, position + arg.length);
      position += arg.length;
    }
    return request;
  }

  #grow(): void {
    const starts = new Int32Array(this.starts.length * 2);
    const ends = new Int32Array(this.ends.length * 2);
    starts.set(this.starts);
    ends.set(this.ends);
    this.starts = starts;
    this.ends = ends;
  }
}
