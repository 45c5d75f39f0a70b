/**
 * JSON text on its way into a file. Bytes stand in it as a string if they are UTF-8 and that does not cost
 * too much, and otherwise as `{"base64":"…"}`.
 */
import { isUtf8 } from 'node:buffer';
import { ChunkOutput } from './chunk-output.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const ASCII_END = 0x80;

/** What stands for a character that a JSON string cannot have as it is. */
const ESCAPES: readonly (string | undefined)[] = Array.from({ length: 256 }, (_, byte) => escapeOf(byte));

/** Base64 is made in pieces of this size: a multiple of three, so that only the last one is padded. */
const BASE64_PIECE_BYTES = 510;

/**
 * Text that would grow by more than this share when it is escaped is not read by anybody: with `\u0000` for
 * each byte a bitmap would make the file six times as large. Short strings stay text whatever is in them.
 */
const ESCAPES_SHARE_MAX = 1 / 2;
const ESCAPES_BYTES_MIN = 64;
/** By how much a byte grows. */
const ESCAPE_BYTES = Uint8Array.from(ESCAPES, (escape) => (escape === undefined ? 0 : escape.length - 1));

function escapeOf(byte: number): string | undefined {
  if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) return undefined;
  return JSON.stringify(String.fromCharCode(byte)).slice(1, -1);
}

/** What bytes need in order to stand in JSON. */
export type TextForm = 'plain' | 'escaped' | 'binary';

export function textFormOf(bytes: Uint8Array, start: number, end: number): TextForm {
  let escapesBytes = 0;
  let isAscii = true;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    escapesBytes += ESCAPE_BYTES[byte]!;
    if (byte >= ASCII_END) isAscii = false;
  }
  if (escapesBytes > ESCAPES_BYTES_MIN && escapesBytes > (end - start) * ESCAPES_SHARE_MAX) return 'binary';
  if (isAscii) return escapesBytes === 0 ? 'plain' : 'escaped';
  return isUtf8(bytes.subarray(start, end)) ? 'escaped' : 'binary';
}

export class JsonOutput extends ChunkOutput {
  /** A string or `{"base64":…}`. */
  writeBytesValue(bytes: Uint8Array, start: number, end: number): void {
    const form = textFormOf(bytes, start, end);
    if (form === 'binary') {
      this.writeText('{"base64":"');
      this.writeBase64(bytes, start, end);
      this.writeText('"}');
    } else {
      this.writeByte(QUOTE);
      this.writeStringContent(bytes, start, end, form);
      this.writeByte(QUOTE);
    }
  }

  writeWholeBytesValue(bytes: Uint8Array): void {
    this.writeBytesValue(bytes, 0, bytes.length);
  }

  /** What stands between the quotes. */
  writeStringContent(bytes: Uint8Array, start: number, end: number, form: 'plain' | 'escaped'): void {
    if (form === 'plain') {
      this.writeBytes(bytes, start, end);
      return;
    }
    let runStart = start;
    for (let i = start; i < end; i++) {
      const escape = ESCAPES[bytes[i]!];
      if (escape === undefined) continue;
      this.writeBytes(bytes, runStart, i);
      this.writeText(escape);
      runStart = i + 1;
    }
    this.writeBytes(bytes, runStart, end);
  }

  writeBase64(bytes: Uint8Array, start: number, end: number): void {
    for (let piece = start; piece < end; piece += BASE64_PIECE_BYTES) {
      const length = Math.min(BASE64_PIECE_BYTES, end - piece);
      this.writeText(Buffer.from(bytes.buffer, bytes.byteOffset + piece, length).toString('base64'));
    }
  }

  /** Values with commas between them. */
  writeArray<Item>(items: Iterable<Item>, writeItem: (item: Item) => void): void {
    let separator = '[';
    for (const item of items) {
      this.writeText(separator);
      writeItem(item);
      separator = ',';
    }
    this.writeText(separator === '[' ? '[]' : ']');
  }
}
