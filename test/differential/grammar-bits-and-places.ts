/** Random commands on bitmaps, HyperLogLogs and places. */
import type { SeededRandom } from '../support/seeded-random.ts';
import { maybe, oneOf, rule, several } from './rule.ts';
import type { CommandRule, Part } from './rule.ts';
import { geoKey, integer, key, value } from './values.ts';

// Bitmaps ---------------------------------------------------------------------------------------------------

/** The number of a bit: near, seldom at an edge. Far ones would make values of half a gigabyte. */
function bitOffset(random: SeededRandom): string {
  if (random.chance(0.9)) return String(random.integer(0, 300));
  return random.pick(['30000', '4294967296', '-1', 'x', '', '01', '9223372036854775808', '#1']);
}

function fieldOffset(random: SeededRandom): string {
  if (random.chance(0.3)) return `#${random.integer(0, 20)}`;
  if (random.chance(0.03)) return random.pick(['#-1', '#', '#2305843009213693952', '#9223372036854775807']);
  return bitOffset(random);
}

function fieldType(random: SeededRandom): string {
  if (random.chance(0.04)) return random.pick(['u64', 'i65', 'i0', 'U8', 'x8', '', 'i08']);
  if (random.chance(0.5)) return random.pick(['u1', 'u8', 'i8', 'i16', 'u32', 'i33', 'u63', 'i64']);
  return random.chance(0.5) ? `u${random.integer(1, 63)}` : `i${random.integer(1, 64)}`;
}

const range = oneOf(
  [],
  [integer, integer],
  [integer, integer],
  [integer, integer, oneOf(['BYTE'], ['BIT'], ['x'])],
);
const getField: Part[] = ['GET', fieldType, fieldOffset];
const fieldOperation = oneOf(
  getField,
  ['SET', fieldType, fieldOffset, integer],
  ['INCRBY', fieldType, fieldOffset, integer],
  ['INCRBY', fieldType, fieldOffset, integer],
  ['OVERFLOW', oneOf(['WRAP'], ['SAT'], ['FAIL'], ['SAT'], ['FAIL'], ['x'])],
);

export const BITMAP_RULES: readonly CommandRule[] = [
  rule(6, 'SETBIT', key, bitOffset, oneOf(['0'], ['1'], ['1'], ['1'], ['2'])),
  rule(4, 'GETBIT', key, bitOffset),
  rule(5, 'BITCOUNT', key, range),
  rule(5, 'BITPOS', key, oneOf(['0'], ['1'], ['0'], ['1'], ['2']), oneOf([range], [integer])),
  rule(4, 'BITOP', oneOf(['AND'], ['OR'], ['XOR']), key, several(4, key)),
  rule(2, 'BITOP', 'NOT', key, several(1, key)),
  rule(8, 'BITFIELD', key, several(4, fieldOperation)),
  rule(2, 'BITFIELD_RO', key, maybe(0.9, several(3, oneOf(getField, getField, getField, [fieldOperation])))),
];

// HyperLogLogs ----------------------------------------------------------------------------------------------

export const HYPERLOGLOG_RULES: readonly CommandRule[] = [
  rule(8, 'PFADD', key, maybe(0.9, several(20, value))),
  rule(4, 'PFCOUNT', key),
  rule(3, 'PFCOUNT', several(4, key)),
  rule(4, 'PFMERGE', key, maybe(0.9, several(3, key))),
  rule(2, 'PFDEBUG', oneOf(['ENCODING'], ['DECODE'], ['TODENSE'], ['FOO']), key),
];

// Places ----------------------------------------------------------------------------------------------------

function degrees(random: SeededRandom, most: number): string {
  if (random.chance(0.04)) return random.pick(['180', '-180', '180.1', '85.05112878', '-86', 'x', '', 'inf']);
  const around = random.chance(0.6) ? 5 : most;
  return ((random.fraction() * 2 - 1) * around).toFixed(random.integer(0, 12));
}

const place: Part[] = [(random) => degrees(random, 180), (random) => degrees(random, 85)];
const member = (random: SeededRandom) => `place${random.integer(0, 40)}`;
const unit = oneOf(['m'], ['km'], ['km'], ['ft'], ['MI'], ['parsec']);

function size(random: SeededRandom): string {
  if (random.chance(0.05)) return random.pick(['0', '-1', 'x', 'inf', '1e300', '']);
  return (10 ** random.integer(0, 7) * random.fraction()).toFixed(random.integer(0, 3));
}

const count = maybe(0.4, 'COUNT', oneOf(['1'], ['3'], ['10'], [integer]), maybe(0.3, 'ANY'));
const order = oneOf([], ['ASC'], ['DESC']);
const details = [maybe(0.3, 'WITHDIST'), maybe(0.3, 'WITHCOORD'), maybe(0.3, 'WITHHASH')];
const center = oneOf(['FROMMEMBER', member], ['FROMLONLAT', ...place]);
const extent = oneOf(['BYRADIUS', size, unit], ['BYBOX', size, size, unit]);

/** Distances are not stored: once in a hundred, their last digit is another one. */
export const GEO_RULES: readonly CommandRule[] = [
  rule(
    10,
    'GEOADD',
    geoKey,
    oneOf([], [], ['NX'], ['XX'], ['CH'], ['NX', 'XX']),
    several(8, ...place, member),
  ),
  rule(3, 'GEODIST', geoKey, member, member, maybe(0.6, unit)),
  rule(2, 'GEOHASH', geoKey, several(3, member)),
  rule(2, 'GEOPOS', geoKey, several(3, member)),
  rule(6, 'GEOSEARCH', geoKey, center, extent, order, count, ...details),
  rule(3, 'GEOSEARCHSTORE', geoKey, geoKey, center, extent, order, count, maybe(0.05, ...details)),
  rule(3, oneOf(['GEORADIUS'], ['GEORADIUS_RO']), geoKey, ...place, size, unit, count, order, ...details),
  rule(
    3,
    oneOf(['GEORADIUSBYMEMBER'], ['GEORADIUSBYMEMBER_RO']),
    geoKey,
    member,
    size,
    unit,
    order,
    ...details,
  ),
  rule(2, 'GEORADIUS', geoKey, ...place, size, unit, count, order, 'STORE', geoKey),
  rule(2, 'GEORADIUSBYMEMBER', geoKey, member, size, unit, order, count, 'STORE', geoKey),
  rule(1, oneOf(['DEL'], ['TYPE'], ['GEODIST'], ['BITCOUNT'], ['PFCOUNT'], ['GET']), geoKey),
  rule(1, oneOf(['GEOADD'], ['GEOHASH'], ['GEOPOS']), key, ...place, member),
];
