/**
 * Commands on streams. Ids are given, never made from the clock; and nothing is asked that tells how long ago
 * something was.
 */
import type { Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { maybe, oneOf, rule, several, type CommandRule } from './rule.ts';
import { integer, member, streamKey, value } from './values.ts';

const id = (random: SeededRandom): Argument => {
  if (random.chance(0.85)) return `${random.integer(0, 12)}-${random.integer(0, 6)}`;
  return random.pick([
    ...[
      '0',
      '5',
      '0-0',
      '18446744073709551615-18446744073709551615',
      '18446744073709551615',
      '1-',
      '-1-1',
      'x',
      '',
    ],
    ...['5-18446744073709551615', '1-18446744073709551616', '9223372036854775808-1'],
  ]);
};
const newId = (random: SeededRandom): Argument =>
  random.chance(0.3) ? `${random.integer(0, 12)}-*` : id(random);
const rangeId = (random: SeededRandom): Argument => {
  if (random.chance(0.4)) return random.pick(['-', '+']);
  return random.chance(0.2) ? `(${String(id(random))}` : id(random);
};
const count = (random: SeededRandom): Argument =>
  random.chance(0.85) ? String(random.integer(0, 5)) : integer(random);
const group = oneOf(['g1'], ['g1'], ['g2'], ['nothing']);
const consumer = oneOf(['c1'], ['c1'], ['c2'], ['c 3']);
const trimming = oneOf(
  ['MAXLEN', count],
  ['MAXLEN', '=', count],
  ['MINID', id],
  ['MINID', '=', id],
  ['MAXLEN', '~', count],
  ['MAXLEN', '~', count, 'LIMIT', count],
  ['MINID', '~', id, 'LIMIT', count],
  ['MAXLEN', count, 'LIMIT', '1'],
);
const fields = several(3, member, value);
const ids = several(4, id);

/** `STREAMS key … id …`, as many of each. */
function streams(lastWord: (random: SeededRandom) => Argument): (random: SeededRandom) => Argument[] {
  return (random) => {
    const size = random.integer(1, 2);
    const keys = Array.from({ length: size }, () => streamKey(random));
    const starts = Array.from({ length: size }, () => lastWord(random));
    return ['STREAMS', ...keys, ...starts];
  };
}

export const STREAM_RULES: readonly CommandRule[] = [
  rule(12, 'XADD', streamKey, maybe(0.15, 'NOMKSTREAM'), maybe(0.2, trimming), newId, fields),
  rule(2, 'XADD', streamKey, newId, 'a', '1', 'b', '2'),
  rule(4, 'XDEL', streamKey, ids),
  rule(3, 'XTRIM', streamKey, trimming),
  rule(3, 'XLEN', streamKey),
  rule(6, oneOf(['XRANGE'], ['XREVRANGE']), streamKey, rangeId, rangeId, maybe(0.4, 'COUNT', count)),
  rule(
    4,
    'XREAD',
    maybe(0.5, 'COUNT', count),
    maybe(0.1, 'BLOCK', '1'),
    streams((random) => (random.chance(0.9) ? id(random) : random.pick(['$', '>', '+']))),
  ),
  rule(
    6,
    'XGROUP',
    'CREATE',
    streamKey,
    group,
    oneOf(['$'], ['0'], [id]),
    maybe(0.6, 'MKSTREAM'),
    maybe(0.2, 'ENTRIESREAD', integer),
  ),
  rule(1, 'XGROUP', 'SETID', streamKey, group, oneOf(['$'], [id]), maybe(0.3, 'ENTRIESREAD', integer)),
  rule(1, 'XGROUP', 'DESTROY', streamKey, group),
  rule(2, 'XGROUP', oneOf(['CREATECONSUMER'], ['DELCONSUMER']), streamKey, group, consumer),
  rule(1, 'XGROUP', oneOf(['HELP'], ['FOO'], ['CREATE', streamKey])),
  rule(
    8,
    'XREADGROUP',
    'GROUP',
    group,
    consumer,
    maybe(0.5, 'COUNT', count),
    maybe(0.1, 'NOACK'),
    maybe(0.1, 'BLOCK', '1'),
    streams((random) =>
      random.chance(0.7) ? '>' : random.chance(0.8) ? id(random) : random.pick(['$', 'x']),
    ),
  ),
  rule(4, 'XACK', streamKey, group, ids),
  rule(3, 'XPENDING', streamKey, group),
  rule(2, 'XCLAIM', streamKey, group, consumer, '0', ids, claimOptions),
  rule(
    3,
    'XAUTOCLAIM',
    streamKey,
    group,
    consumer,
    '0',
    id,
    maybe(0.4, 'COUNT', count),
    maybe(0.3, 'JUSTID'),
  ),
  rule(2, 'XSETID', streamKey, id, maybe(0.3, 'ENTRIESADDED', integer, 'MAXDELETEDID', id)),
  rule(3, 'XINFO', 'STREAM', streamKey),
  rule(3, 'XINFO', 'GROUPS', streamKey),
  rule(1, 'XINFO', oneOf(['HELP'], ['FOO'], ['STREAM'], ['CONSUMERS', streamKey, 'nothing'])),
];

function claimOptions(random: SeededRandom): Argument[] {
  return several(
    3,
    maybe(
      0.5,
      oneOf(
        ['RETRYCOUNT', count],
        ['FORCE'],
        ['JUSTID'],
        ['LASTID', id],
        ['IDLE', '0'],
        ['TIME', '1'],
        ['RETRYCOUNT'],
      ),
    ),
  )(random);
}
