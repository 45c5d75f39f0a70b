/** Command lines as Redis splits and quotes them (Redis 7.0 sds.c, sdssplitargs and sdscatrepr). */

const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const BACKSLASH = 0x5c;
const LOWER_X = 0x78;

const ESCAPED_BYTES: ReadonlyMap<number, number> = new Map([
  [0x6e, 0x0a], // \n
  [0x72, 0x0d], // \r
  [0x74, 0x09], // \t
  [0x62, 0x08], // \b
  [0x61, 0x07], // \a
]);

const QUOTED_BYTES: ReadonlyMap<number, string> = new Map([
  [0x5c, '\\\\'],
  [0x22, '\\"'],
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x07, '\\a'],
  [0x08, '\\b'],
]);

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** What ends a word outside of quotes; vertical tab and form feed do not, although they separate words. */
function endsWord(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

/**
 * The words of `line[start, end)`, or undefined for unbalanced quotes. "Double quotes" know `\xHH` and `\n \r
 * \t \b \a`, 'single quotes' only `\'`; a closing quote must be followed by a space or the end. A zero byte
 * ends the line.
 */
export function splitArguments(line: Uint8Array, start: number, end: number): Buffer[] | undefined {
  const zeroByte = line.subarray(start, end).indexOf(0);
  const text = line.subarray(start, zeroByte < 0 ? end : start + zeroByte);
  const words: Buffer[] = [];
  // A word is never longer than its spelling, so one scratch array serves all of them.
  const scratch = new Uint8Array(text.length);
  let pos = 0;
  for (;;) {
    while (pos < text.length && isSpace(text[pos]!)) pos++;
    if (pos === text.length) return words;

    let length = 0;
    let closed = false;
    while (!closed && pos < text.length && !endsWord(text[pos]!)) {
      const byte = text[pos++]!;
      if (byte !== QUOTE && byte !== APOSTROPHE) {
        scratch[length++] = byte;
        continue;
      }
      const quoted = byte === QUOTE ? readDoubleQuoted : readSingleQuoted;
      const close = findClose(text, pos, byte);
      if (close < 0 || (close + 1 < text.length && !isSpace(text[close + 1]!))) return undefined;
      length = quoted({ text, pos, close, scratch, length });
      pos = close + 1;
      closed = true;
    }
    words.push(Buffer.from(scratch.subarray(0, length)));
  }
}

/** The index of the closing quote, or -1. Within single quotes a backslash protects nothing but a quote. */
function findClose(text: Uint8Array, from: number, quote: number): number {
  for (let i = from; i < text.length; i++) {
    if (text[i] === quote) return i;
    if (text[i] === BACKSLASH && (quote === QUOTE || text[i + 1] === APOSTROPHE)) i++;
  }
  return -1;
}

interface QuotedRange {
  text: Uint8Array;
  pos: number;
  close: number;
  scratch: Uint8Array;
  length: number;
}

/** Appends the unescaped text between the quotes to `scratch` and returns the new length. */
function readDoubleQuoted({ text, pos, close, scratch, length }: QuotedRange): number {
  let at = length;
  for (let i = pos; i < close; i++) {
    const byte = text[i]!;
    if (byte !== BACKSLASH) {
      scratch[at++] = byte;
      continue;
    }
    const escaped = text[++i]!;
    const high = escaped === LOWER_X ? hexValue(text[i + 1]) : -1;
    const low = high >= 0 ? hexValue(text[i + 2]) : -1;
    if (low >= 0) {
      scratch[at++] = high * 16 + low;
      i += 2;
    } else {
      scratch[at++] = ESCAPED_BYTES.get(escaped) ?? escaped;
    }
  }
  return at;
}

function readSingleQuoted({ text, pos, close, scratch, length }: QuotedRange): number {
  let at = length;
  for (let i = pos; i < close; i++) {
    if (text[i] === BACKSLASH && text[i + 1] === APOSTROPHE) i++;
    scratch[at++] = text[i]!;
  }
  return at;
}

/**
 * `bytes` in double quotes, with everything escaped that is not printable ASCII; `splitArguments` reads it
 * back.
 */
export function quoteBytes(bytes: Uint8Array): string {
  let quoted = '"';
  for (const byte of bytes) {
    const escape = QUOTED_BYTES.get(byte);
    if (escape !== undefined) quoted += escape;
    else if (byte >= 0x20 && byte < 0x7f) quoted += String.fromCharCode(byte);
    else quoted += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${quoted}"`;
}
