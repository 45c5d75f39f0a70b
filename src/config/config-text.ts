/**
 * Text of configuration as strings. Values are mostly paths and words, so UTF-8 is decoded; but a password
 * may hold any byte. A byte that is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte
 * (Python calls this "surrogateescape"), which no valid text contains: encoding gives back exactly the
 * bytes that came in.
 */

const ESCAPE_BASE = 0xdc00;
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

export function decodeText(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return decodeLossless(bytes);
  }
}

function decodeLossless(bytes: Uint8Array): string {
  let text = '';
  let pos = 0;
  while (pos < bytes.length) {
    const length = sequenceLength(bytes, pos);
    if (length === 0) {
      text += String.fromCharCode(ESCAPE_BASE + (bytes[pos] ?? 0));
      pos += 1;
    } else {
      text += strictDecoder.decode(bytes.subarray(pos, pos + length));
      pos += length;
    }
  }
  return text;
}

/** Length of the valid UTF-8 sequence at `pos`, 0 if there is none. */
function sequenceLength(bytes: Uint8Array, pos: number): number {
  const first = bytes[pos] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  try {
    strictDecoder.decode(bytes.subarray(pos, pos + length));
    return length;
  } catch {
    return 0;
  }
}

export function encodeText(text: string): Uint8Array {
  if (!/[\udc80-\udcff]/.test(text)) return encoder.encode(text);

  const parts: Uint8Array[] = [];
  // By code points: the second half of a valid surrogate pair is not an escaped byte.
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isEscapedByte = code >= ESCAPE_BASE + 0x80 && code <= ESCAPE_BASE + 0xff;
    parts.push(isEscapedByte ? Uint8Array.of(code - ESCAPE_BASE) : encoder.encode(character));
  }
  return Buffer.concat(parts);
}
