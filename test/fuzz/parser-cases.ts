/** Makes byte streams that a request parser may get wrong: almost right, lying, nested, cut, and noise. */
import { encodeCommand, type Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** Every case starts in an empty database of its own, so that the same bytes get the same replies again. */
export const CASE_PREFIX = Buffer.from('SELECT 9\r\nFLUSHDB\r\n');

/** Below the 64 KB at which Redis' answer to a line without end depends on how the bytes are cut. */
const CASE_BYTES_MAX = 50_000;

/**
 * Commands whose replies depend on the case's own bytes alone, and that do no harm however they are spoilt.
 */
const COMMANDS: readonly (readonly Argument[])[] = [
  ['PING'],
  ['PING', 'x'],
  ['ECHO', 'some text'],
  ['ECHO', ''],
  ['ECHO', Buffer.from([0, 0xff, 0x0d, 0x0a])],
  ['SET', 'key', 'value'],
  ['SET', 'key', '*1\r\n$4\r\nPING\r\n'],
  ['GET', 'key'],
  ['GET'],
  ['INCR', 'count'],
  ['APPEND', 'key', 'x'.repeat(300)],
  ['MSET', 'a', '1', 'b', '2'],
  ['MGET', 'a', 'b', 'key'],
  ['DEL', 'key'],
  ['MULTI'],
  ['EXEC'],
  ['NOSUCH', 'thing', "with 'quotes'"],
];

// prettier-ignore
const LINES: readonly string[] = [
  'PING\r\n', 'PING\n', '  ECHO  hi \r\n', 'ECHO "a b"\r\n', "ECHO 'a b'\n", 'ECHO "\\x00\\xff"\r\n', '\r\n',
  '\n', 'ECHO "a\r\n', "ECHO 'a\r\n", 'ECHO "a"b\r\n', 'SET k "\\"\r\n', 'ECHO \\x41\r\n', 'ECHO ""\r\n',
  '\t\r\n', 'GET key\r\n',
];

// prettier-ignore
const LENGTHS: readonly string[] = [
  '0', '1', '2', '3', '4', '10', '-1', '-2', '00', '01', '+1', ' 1', '1 ', '', '1x', '0x4', '1.0',
  '1048576', '1048577', '2147483647', '2147483648', '4294967296', '536870911', '536870912', '536870913',
  '9223372036854775807', '9223372036854775808', '-9223372036854775808', '18446744073709551616',
  '9'.repeat(40),
];

const NOISE = Array.from('*$\r\n\r\n0123456789-+ "\'\\x:_PINGECHO');

type Maker = (random: SeededRandom) => Buffer;

const MAKERS: Readonly<Record<string, Maker>> = {
  'mutated commands': (random) => mutate(random, pipeline(random)),
  'mixed inline and arrays': (random) => {
    const parts = Array.from({ length: random.integer(1, 12) }, () =>
      random.chance(0.5) ? Buffer.from(random.pick(LINES), 'latin1') : encodeCommand(random.pick(COMMANDS)),
    );
    return Buffer.concat(parts);
  },
  'lying lengths': lyingLengths,
  'mutated lines': (random) =>
    mutate(random, Buffer.from(random.pick(LINES) + random.pick(LINES) + random.pick(LINES))),
  'nested arrays': (random) => {
    const depth = random.integer(1, 50);
    return Buffer.concat([Buffer.from(`*${random.integer(1, 3)}\r\n`.repeat(depth)), pipeline(random)]);
  },
  'noise of protocol characters': (random) => {
    const characters = Array.from({ length: random.integer(1, 200) }, () => random.pick(NOISE));
    return Buffer.from(characters.join(''), 'latin1');
  },
  'random bytes': (random) => random.bytes(random.integer(1, 400)),
  'cut short': (random) => {
    const whole = pipeline(random);
    return whole.subarray(0, random.integer(0, whole.length));
  },
};

export interface ParserCase {
  readonly kind: string;
  readonly bytes: Buffer;
}

/** One case of a random kind. */
export function parserCase(random: SeededRandom): ParserCase {
  const kind = random.pick(Object.keys(MAKERS));
  const bytes = MAKERS[kind]?.(random) ?? Buffer.alloc(0);
  return { kind, bytes: bytes.subarray(0, CASE_BYTES_MAX) };
}

function pipeline(random: SeededRandom): Buffer {
  const commands = Array.from({ length: random.integer(1, 15) }, () => random.pick(COMMANDS));
  return Buffer.concat(commands.map(encodeCommand));
}

/** A command with some of its headers replaced. */
function lyingLengths(random: SeededRandom): Buffer {
  const command = random.pick(COMMANDS);
  const lie = (truth: number) => (random.chance(0.3) ? random.pick(LENGTHS) : String(truth + lieBy(random)));
  const parts: (string | Buffer)[] = [`*${lie(command.length)}\r\n`];
  for (const word of command) {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
    parts.push(`$${lie(bytes.length)}\r\n`, bytes, random.chance(0.95) ? '\r\n' : 'xx');
  }
  const after = random.chance(0.5) ? pipeline(random) : Buffer.alloc(0);
  return Buffer.concat([...parts.map((part) => Buffer.from(part)), after]);
}

function lieBy(random: SeededRandom): number {
  return random.chance(0.7) ? 0 : random.integer(-3, 3);
}

/** One to eight small damages. */
function mutate(random: SeededRandom, original: Buffer): Buffer {
  let bytes = original;
  for (let count = random.integer(1, 8); count > 0; count -= 1) bytes = damage(random, bytes);
  return bytes;
}

function damage(random: SeededRandom, bytes: Buffer): Buffer {
  const start = random.integer(0, bytes.length);
  const end = Math.min(bytes.length, start + random.integer(1, 10));
  const slice = bytes.subarray(start, end);
  const [before, after] = [bytes.subarray(0, start), bytes.subarray(end)];
  switch (random.integer(0, 4)) {
    case 0:
      return Buffer.concat([before, after]);
    case 1:
      return Buffer.concat([before, random.bytes(slice.length), after]);
    case 2:
      return Buffer.concat([before, slice, slice, after]);
    case 3:
      return Buffer.concat([before, Buffer.from(random.pick(NOISE)), slice, after]);
    default:
      return Buffer.concat([before, Buffer.from(random.pick(LENGTHS)), slice, after]);
  }
}
