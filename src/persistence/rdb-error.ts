/** A snapshot file (RDB or JSON) or DUMP payload that cannot be read, or a value that has no form in it. */
export class RdbError extends Error {
  override name = 'RdbError';
  /** What is wrong, without the place. */
  readonly reason: string;
  /** Bytes from the start of the file or payload to where it was noticed. */
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(`${reason} (at byte ${offset})`);
    this.reason = reason;
    this.offset = offset;
  }
}
