/**
 * Pools of arguments: small enough that keys collide, odd enough that every parser of numbers is tried at its
 * edges.
 */
import type { SeededRandom } from '../support/seeded-random.ts';

/**
 * Keys that every command uses: text, binary, empty, glob characters, and one longer than any small-size
 * limit.
 */
const KEYS: readonly Buffer[] = [
  ...['k0', 'k1', 'k2', 'k3', 'K0', 'counter', 'a*b', 'k[1]', 'two words', 'ключ', ''].map((text) =>
    Buffer.from(text),
  ),
  Buffer.from([0x00, 0xff, 0x0d, 0x0a, 0x24, 0x2d, 0x31]),
  Buffer.alloc(1_500, 'long-key '),
];

/** Keys for values of up to 100 KB: LCS, quadratic in the length of its values, never sees these. */
const BIG_KEYS: readonly Buffer[] = ['big0', 'big1'].map((text) => Buffer.from(text));

/** Keys for LCS only, so that its values stay short. */
const LCS_KEYS: readonly Buffer[] = ['lcs0', 'lcs1', 'lcs2'].map((text) => Buffer.from(text));

/** Keys for places. */
const GEO_KEYS: readonly Buffer[] = ['geo0', 'geo1', 'geo2'].map((text) => Buffer.from(text));

/** Keys for one type each, mostly: what holds another type refuses nearly every command. */
const LIST_KEYS: readonly Buffer[] = ['l0', 'l1', 'l2'].map((text) => Buffer.from(text));
const SET_KEYS: readonly Buffer[] = ['s0', 's1', 's2', 's3'].map((text) => Buffer.from(text));
const HASH_KEYS: readonly Buffer[] = ['h0', 'h1', 'ha'].map((text) => Buffer.from(text));
const SORTED_SET_KEYS: readonly Buffer[] = ['z0', 'z1', 'z2'].map((text) => Buffer.from(text));
/** Sorted sets whose members all have the same score: only these have an order by bytes. */
const LEX_KEYS: readonly Buffer[] = ['y0', 'y1'].map((text) => Buffer.from(text));
const STREAM_KEYS: readonly Buffer[] = ['x0', 'x1'].map((text) => Buffer.from(text));

/**
 * Every key that a generated command may create on purpose: the audit at the end of an episode reads them
 * all.
 */
export const AUDITED_KEYS: readonly Buffer[] = [
  ...[...KEYS, ...BIG_KEYS, ...LCS_KEYS, ...GEO_KEYS],
  ...[...LIST_KEYS, ...SET_KEYS, ...HASH_KEYS, ...SORTED_SET_KEYS, ...LEX_KEYS, ...STREAM_KEYS],
];

const NOT_LEX_KEYS = AUDITED_KEYS.filter((key) => !LEX_KEYS.includes(key));

/** Now and then another type of key, for every command must refuse it. */
const OTHER_KEY_CHANCE = 0.03;

/** Integers at the edges of 31, 32, 53, 63 and 64 bits, and texts that are almost integers. */
// prettier-ignore
const EDGE_INTEGERS: readonly string[] = [
  '0', '1', '-1', '2', '-2', '7', '10', '-10', '99', '100', '255', '256', '1000', '9999', '10000', '10001',
  '2147483647', '2147483648', '-2147483648', '-2147483649', '4294967295', '4294967296', '9007199254740991',
  '9007199254740992', '9007199254740993', '-9007199254740993', '9223372036854775806', '9223372036854775807',
  '9223372036854775808', '18446744073709551615', '-9223372036854775807', '-9223372036854775808',
  '-9223372036854775809', '99999999999999999999', '', ' ', ' 1', '1 ', '+1', '-0', '00', '01', '--1', '-',
  '0x10', '1e5', '1.0', '1.5', 'abc', '1\0', '１',
];

/** Floating point numbers, and texts that are almost such. */
// prettier-ignore
const EDGE_FLOATS: readonly string[] = [
  '0', '-0', '0.0', '0.1', '0.2', '1.5', '-2.25', '3.0e3', '1e5', '1E-5', '1e17', '1e18',
  '123456789.123456789', '0.1234567890123456', '0.12345678901234567', '9007199254740993',
  '9223372036854775807', '1e300', '1e-300', '1.7976931348623157e308', '1e309', '5e-324', '1e4932', '1e-4950',
  '1e5000', '.5', '5.', '+1.5', '-.5e1', 'inf', '-inf', '+inf', 'INF', 'infinity', 'nan', '-nan', '0x1p3',
  '0xA', ' 1', '1 ', '1e', 'e1', '', 'abc', '1,5',
];

/** Arguments that belong nowhere, for the place of any other. */
const ODD_ARGUMENTS: readonly Buffer[] = [
  ...[
    '',
    '*',
    'NX',
    'XX',
    'GET',
    'EX',
    'PX',
    'LIMIT',
    'syntax',
    '-1',
    '\r\n',
    '%s%n',
    '${jndi}',
    "'",
    '"',
  ].map((text) => Buffer.from(text)),
  Buffer.from([0x00]),
  Buffer.from([0xff, 0xfe, 0xfd]),
  Buffer.alloc(200, 'x'),
];

const GLOB_PARTS = [
  '*',
  '?',
  'k',
  '0',
  '[01]',
  '[^0]',
  '[0-3]',
  '[a-z]',
  '[',
  ']',
  '\\*',
  '\\',
  'b',
  ' ',
  '[^',
  '[k-',
  '-',
];
/** At the edges of what a listpack or an intset holds in one way or another. */
const MEMBERS: readonly Buffer[] = [
  ...['', 'a', 'b', 'n', '127', '128', '-4096', '-4097', '32768', '8388608', '2147483648', '4294967296'].map(
    (text) => Buffer.from(text),
  ),
  ...['9223372036854775807', '-9223372036854775808', '9223372036854775808', '007', '1.5', 'nan'].map((text) =>
    Buffer.from(text),
  ),
  Buffer.alloc(63, 'm'),
  Buffer.alloc(64, 'm'),
  Buffer.alloc(65, 'm'),
  Buffer.alloc(5_000, 'long member '),
];
const WORDS = ['', 'a', 'hello', 'value', 'Hello World', 'with\r\nline', '{json:"x"}', 'naïve', 'true'];

export function key(random: SeededRandom): Buffer {
  return random.pick(KEYS);
}

export function bigKey(random: SeededRandom): Buffer {
  return random.pick(BIG_KEYS);
}

export function lcsKey(random: SeededRandom): Buffer {
  return random.pick(LCS_KEYS);
}

export function geoKey(random: SeededRandom): Buffer {
  return random.pick(GEO_KEYS);
}

/** A key of any type. */
export function anyKey(random: SeededRandom): Buffer {
  return random.pick(AUDITED_KEYS);
}

export function listKey(random: SeededRandom): Buffer {
  return random.pick(random.chance(OTHER_KEY_CHANCE) ? AUDITED_KEYS : LIST_KEYS);
}

export function setKey(random: SeededRandom): Buffer {
  return random.pick(random.chance(OTHER_KEY_CHANCE) ? AUDITED_KEYS : SET_KEYS);
}

export function hashKey(random: SeededRandom): Buffer {
  return random.pick(random.chance(OTHER_KEY_CHANCE) ? AUDITED_KEYS : HASH_KEYS);
}

/** Other keys but those of `lexKey`, which would get different scores. */
export function sortedSetKey(random: SeededRandom): Buffer {
  return random.pick(random.chance(OTHER_KEY_CHANCE) ? NOT_LEX_KEYS : SORTED_SET_KEYS);
}

/** Never another key: what comes of a range by bytes over different scores is chance, in Redis too. */
export function lexKey(random: SeededRandom): Buffer {
  return random.pick(LEX_KEYS);
}

export function streamKey(random: SeededRandom): Buffer {
  return random.pick(random.chance(OTHER_KEY_CHANCE) ? AUDITED_KEYS : STREAM_KEYS);
}

/** A member, field or element: few, so that they meet again; some are integers, some are long. */
export function member(random: SeededRandom): Buffer {
  if (random.chance(0.5)) return Buffer.from(`m${random.integer(0, 12)}`);
  if (random.chance(0.6)) return Buffer.from(String(random.integer(-3, 20)));
  return random.pick(MEMBERS);
}

export function oddArgument(random: SeededRandom): Buffer {
  return random.pick(ODD_ARGUMENTS);
}

/** An integer: small, at an edge, of random digits, or no integer at all. */
export function integer(random: SeededRandom): string {
  if (random.chance(0.4)) return String(random.integer(-20, 20));
  if (random.chance(0.3)) return (random.chance(0.5) ? '-' : '') + digits(random, random.integer(1, 20));
  return random.pick(EDGE_INTEGERS);
}

/** A floating point number, often of 17 significant digits and of any magnitude. */
export function float(random: SeededRandom): string {
  if (random.chance(0.4)) return random.pick(EDGE_FLOATS);
  const sign = random.chance(0.4) ? '-' : '';
  const number = `${sign}${digits(random, random.integer(1, 6))}.${digits(random, random.integer(1, 17))}`;
  return random.chance(0.3) ? `${number}e${random.integer(-25, 25)}` : number;
}

/** A short value: text, a number, binary, or at the lengths where Redis changes the encoding. */
export function value(random: SeededRandom): Buffer {
  const kind = random.integer(0, 9);
  if (kind <= 2) return Buffer.from(random.pick(WORDS));
  if (kind <= 5) return Buffer.from(integer(random));
  if (kind === 6) return Buffer.from(float(random));
  if (kind === 7) return random.bytes(random.integer(0, 30));
  if (kind === 8) return Buffer.alloc(random.integer(43, 46), 'e');
  return Buffer.alloc(random.integer(19, 22), '9');
}

/** A value of up to 100 KB. */
export function bigValue(random: SeededRandom): Buffer {
  return Buffer.alloc(
    random.pick([100, 1_000, 16_384, 40_000, 100_000]) + random.integer(-1, 1),
    'big value ',
  );
}

/** A glob pattern of random parts. */
export function pattern(random: SeededRandom): string {
  if (random.chance(0.3))
    return random.pick(['*', 'k*', '*0', 'k?', 'k0', '', 'a\\*b', 'k\\[1\\]', '*[*', 'nothing']);
  return Array.from({ length: random.integer(1, 5) }, () => random.pick(GLOB_PARTS)).join('');
}

export function databaseIndex(random: SeededRandom): string {
  if (random.chance(0.85)) return String(random.integer(0, 2));
  return random.pick(['15', '16', '-1', '1.0', 'abc', '', '99999999999999999999', '2147483648', '01', ' 1']);
}

/**
 * A relative time to live. Nothing above zero and below a hundred seconds, so that no key's life ends between
 * the same command on one server and on the other; and rarely the same twice, for GT and LT compare them.
 */
export function relativeTime(random: SeededRandom, unit: 'seconds' | 'milliseconds'): string {
  const edges = ['0', '-1', '-100', ...EDGE_INTEGERS.filter((text) => !/^[1-9]\d{0,9}$/.test(text))];
  if (random.chance(0.3)) return random.pick(edges);
  return String(unit === 'seconds' ? random.integer(100, 2_000_000) : random.integer(100_000, 2_000_000_000));
}

/** A Unix time: long past, far ahead, or at an edge. */
export function absoluteTime(random: SeededRandom, unit: 'seconds' | 'milliseconds'): string {
  const scale = unit === 'seconds' ? '' : '000';
  const pastAndFuture = [
    `1${scale}`,
    `1000000000${scale}`,
    `4102444800${scale}`,
    `4102444801${scale}`,
    `9999999999${scale}`,
  ];
  return random.chance(0.7) ? random.pick(pastAndFuture) : random.pick(EDGE_INTEGERS);
}

function digits(random: SeededRandom, count: number): string {
  return Array.from({ length: count }, () => random.integer(0, 9)).join('');
}
