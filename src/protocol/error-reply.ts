/**
 * Error replies: a command throws one, the engine catches it once and sends it. They are no `Error`s:
 * capturing a stack costs microseconds, and a client may cause thousands a second.
 */
export class ErrorReply {
  /** The line without the leading `-`: an upper-case code, a space, the text. */
  readonly line: string;
  /** The same as bytes, with `-` and CRLF. */
  readonly bytes: Buffer;

  constructor(line: string) {
    // A reply is one line: what a client has put into it must not end it early (networking.c,
    // afterErrorReply).
    this.line = line.replace(/[\r\n]+$/, '').replace(/[\r\n]/g, ' ');
    this.bytes = Buffer.from(`-${this.line}\r\n`, 'latin1');
    Object.freeze(this);
  }

  /** The code: the first word. */
  get code(): string {
    const space = this.line.indexOf(' ');
    return space < 0 ? this.line : this.line.slice(0, space);
  }
}
