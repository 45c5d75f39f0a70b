/** Bytes of any kind as text to look at. */

const UTF8 = new TextDecoder('utf-8', { fatal: true });
/** Control characters, but for the ends of lines and tabs; and what turns the direction of text around. */
// eslint-disable-next-line no-control-regex
const UNSHOWABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const BACKSLASH = 0x5c;

/**
 * The text that the bytes are in UTF-8, or with `\x00` for bytes outside of ASCII, as redis-cli shows them.
 * Longer text is cut, and ends with `…`.
 */
export function shownText(bytes: Buffer, charactersMax: number): string {
  // A character has four bytes at most; one that is cut in two must not make the whole of it binary.
  const start = bytes.subarray(0, charactersMax * 4);
  const text = decoded(start, start.length < bytes.length);
  if (text === undefined)
    return escaped(bytes.subarray(0, charactersMax)) + (bytes.length > charactersMax ? '…' : '');
  const characters = Array.from(text);
  const isCut = start.length < bytes.length || characters.length > charactersMax;
  return isCut ? `${characters.slice(0, charactersMax).join('')}…` : text;
}

function decoded(bytes: Buffer, isCut: boolean): string | undefined {
  for (let left = isCut ? 3 : 0; left >= 0; left--) {
    try {
      const text = UTF8.decode(bytes.subarray(0, bytes.length - left));
      if (!UNSHOWABLE.test(text)) return text;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

function escaped(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== BACKSLASH;
    text += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}
