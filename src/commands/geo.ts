/** Places on earth, kept in sorted sets (Redis 7.0 geo.c). */
import { TYPE_SORTED_SET } from '../keyspace/entry.ts';
import { NOTIFY_SORTED_SET } from '../keyspace/notify.ts';
import { IF_ABSENT, IF_PRESENT } from '../keyspace/sorted-set-values.ts';
import type { Ref } from '../memory/arena.ts';
import { distance, geohashText, positionOf, scoreOf } from '../util/geohash.ts';
import { block, double, integer, key, oneOf, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { positionArgument, replyDistance, replyPosition, unitArgument } from './geo-arguments.ts';
import {
  geoRadius,
  geoRadiusByMember,
  geoRadiusByMemberRo,
  geoRadiusRo,
  geoSearch,
  geoSearchStore,
} from './geo-search.ts';
import { oneKey } from './key-specs.ts';

export const GEO_COMMANDS = family({ group: 'geo', categories: ['geo'] }, [
  {
    name: 'geoadd',
    arity: -5,
    flags: ['write', 'denyoom'],
    since: '3.2.0',
    summary: 'Add one or more geospatial items in the geospatial index represented using a sorted set',
    complexity: 'O(log(N)) for each item added, where N is the number of elements in the sorted set.',
    history: [['6.2.0', 'Added the `CH`, `NX` and `XX` options.']],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [
      key('key'),
      oneOf('condition', [token('NX'), token('XX')], { since: '6.2.0', optional: true }),
      { ...token('CH', { since: '6.2.0', optional: true }), name: 'change' },
      block('longitude_latitude_member', [double('longitude'), double('latitude'), string('member')], {
        multiple: true,
      }),
    ],
    run: geoAdd,
  },
  {
    name: 'geodist',
    arity: -4,
    flags: ['readonly'],
    since: '3.2.0',
    summary: 'Returns the distance between two members of a geospatial index',
    complexity: 'O(log(N))',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('member1'),
      string('member2'),
      oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')], { optional: true }),
    ],
    run: geoDist,
  },
  {
    name: 'geohash',
    arity: -2,
    flags: ['readonly'],
    since: '3.2.0',
    summary: 'Returns members of a geospatial index as standard geohash strings',
    complexity: 'O(log(N)) for each member requested, where N is the number of elements in the sorted set.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('member', { multiple: true })],
    run: geoHash,
  },
  {
    name: 'geopos',
    arity: -2,
    flags: ['readonly'],
    since: '3.2.0',
    summary: 'Returns longitude and latitude of members of a geospatial index',
    complexity: 'O(N) where N is the number of members requested.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('member', { multiple: true })],
    run: geoPos,
  },
  {
    name: 'georadius',
    arity: -6,
    flags: ['write', 'denyoom'],
    since: '3.2.0',
    summary:
      'Query a sorted set representing a geospatial index to fetch members matching a ' +
      'given maximum distance from a point',
    complexity:
      'O(N+log(M)) where N is the number of elements inside the bounding box of the ' +
      'circular area delimited by center and radius and M is the number of items inside ' +
      'the index.',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument',
    history: [
      ['6.2.0', 'Added the `ANY` option for `COUNT`.'],
      ['7.0.0', 'Added support for uppercase unit names.'],
    ],
    keySpecs: [
      oneKey(1, 'RO', 'access'),
      {
        flags: ['OW', 'update'],
        beginSearch: { type: 'keyword', keyword: 'STORE', startFrom: 6 },
        findKeys: { type: 'range', lastKey: 0, keyStep: 1, limit: 0 },
      },
      {
        flags: ['OW', 'update'],
        beginSearch: { type: 'keyword', keyword: 'STOREDIST', startFrom: 6 },
        findKeys: { type: 'range', lastKey: 0, keyStep: 1, limit: 0 },
      },
    ],
    arguments: [
      key('key'),
      double('longitude'),
      double('latitude'),
      double('radius'),
      oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')]),
      token('WITHCOORD', { optional: true }),
      token('WITHDIST', { optional: true }),
      token('WITHHASH', { optional: true }),
      block(
        'count',
        [integer('count', { token: 'COUNT' }), token('ANY', { since: '6.2.0', optional: true })],
        { optional: true },
      ),
      oneOf('order', [token('ASC'), token('DESC')], { optional: true }),
      key('key', { keySpecIndex: 1, token: 'STORE', optional: true }),
      key('key', { keySpecIndex: 2, token: 'STOREDIST', optional: true }),
    ],
    run: geoRadius,
  },
  {
    name: 'georadius_ro',
    arity: -6,
    flags: ['readonly'],
    since: '3.2.10',
    summary: 'A read-only variant for GEORADIUS',
    complexity:
      'O(N+log(M)) where N is the number of elements inside the bounding box of the ' +
      'circular area delimited by center and radius and M is the number of items inside ' +
      'the index.',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`GEOSEARCH` with the `BYRADIUS` argument',
    history: [['6.2.0', 'Added the `ANY` option for `COUNT`.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      double('longitude'),
      double('latitude'),
      double('radius'),
      oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')]),
      token('WITHCOORD', { optional: true }),
      token('WITHDIST', { optional: true }),
      token('WITHHASH', { optional: true }),
      block(
        'count',
        [integer('count', { token: 'COUNT' }), token('ANY', { since: '6.2.0', optional: true })],
        { optional: true },
      ),
      oneOf('order', [token('ASC'), token('DESC')], { optional: true }),
    ],
    run: geoRadiusRo,
  },
  {
    name: 'georadiusbymember',
    arity: -5,
    flags: ['write', 'denyoom'],
    since: '3.2.0',
    summary:
      'Query a sorted set representing a geospatial index to fetch members matching a ' +
      'given maximum distance from a member',
    complexity:
      'O(N+log(M)) where N is the number of elements inside the bounding box of the ' +
      'circular area delimited by center and radius and M is the number of items inside ' +
      'the index.',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments',
    history: [['7.0.0', 'Added support for uppercase unit names.']],
    keySpecs: [
      oneKey(1, 'RO', 'access'),
      {
        flags: ['OW', 'update'],
        beginSearch: { type: 'keyword', keyword: 'STORE', startFrom: 5 },
        findKeys: { type: 'range', lastKey: 0, keyStep: 1, limit: 0 },
      },
      {
        flags: ['OW', 'update'],
        beginSearch: { type: 'keyword', keyword: 'STOREDIST', startFrom: 5 },
        findKeys: { type: 'range', lastKey: 0, keyStep: 1, limit: 0 },
      },
    ],
    arguments: [
      key('key'),
      string('member'),
      double('radius'),
      oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')]),
      token('WITHCOORD', { optional: true }),
      token('WITHDIST', { optional: true }),
      token('WITHHASH', { optional: true }),
      block('count', [integer('count', { token: 'COUNT' }), token('ANY', { optional: true })], {
        optional: true,
      }),
      oneOf('order', [token('ASC'), token('DESC')], { optional: true }),
      key('key', { keySpecIndex: 1, token: 'STORE', optional: true }),
      key('key', { keySpecIndex: 2, token: 'STOREDIST', optional: true }),
    ],
    run: geoRadiusByMember,
  },
  {
    name: 'georadiusbymember_ro',
    arity: -5,
    flags: ['readonly'],
    since: '3.2.10',
    summary: 'A read-only variant for GEORADIUSBYMEMBER',
    complexity:
      'O(N+log(M)) where N is the number of elements inside the bounding box of the ' +
      'circular area delimited by center and radius and M is the number of items inside ' +
      'the index.',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('member'),
      double('radius'),
      oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')]),
      token('WITHCOORD', { optional: true }),
      token('WITHDIST', { optional: true }),
      token('WITHHASH', { optional: true }),
      block('count', [integer('count', { token: 'COUNT' }), token('ANY', { optional: true })], {
        optional: true,
      }),
      oneOf('order', [token('ASC'), token('DESC')], { optional: true }),
    ],
    run: geoRadiusByMemberRo,
  },
  {
    name: 'geosearch',
    arity: -7,
    flags: ['readonly'],
    since: '6.2.0',
    summary:
      'Query a sorted set representing a geospatial index to fetch members inside an ' +
      'area of a box or a circle.',
    complexity:
      'O(N+log(M)) where N is the number of elements in the grid-aligned bounding box ' +
      'area around the shape provided as the filter and M is the number of items inside ' +
      'the shape',
    history: [['7.0.0', 'Added support for uppercase unit names.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      oneOf('from', [
        string('member', { token: 'FROMMEMBER' }),
        block('longitude_latitude', [double('longitude'), double('latitude')], { token: 'FROMLONLAT' }),
      ]),
      oneOf('by', [
        block('circle', [
          double('radius', { token: 'BYRADIUS' }),
          oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')]),
        ]),
        block('box', [
          double('width', { token: 'BYBOX' }),
          double('height'),
          oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')]),
        ]),
      ]),
      oneOf('order', [token('ASC'), token('DESC')], { optional: true }),
      block('count', [integer('count', { token: 'COUNT' }), token('ANY', { optional: true })], {
        optional: true,
      }),
      token('WITHCOORD', { optional: true }),
      token('WITHDIST', { optional: true }),
      token('WITHHASH', { optional: true }),
    ],
    run: geoSearch,
  },
  {
    name: 'geosearchstore',
    arity: -8,
    flags: ['write', 'denyoom'],
    since: '6.2.0',
    summary:
      'Query a sorted set representing a geospatial index to fetch members inside an ' +
      'area of a box or a circle, and store the result in another key.',
    complexity:
      'O(N+log(M)) where N is the number of elements in the grid-aligned bounding box ' +
      'area around the shape provided as the filter and M is the number of items inside ' +
      'the shape',
    history: [['7.0.0', 'Added support for uppercase unit names.']],
    keySpecs: [oneKey(1, 'OW', 'update'), oneKey(2, 'RO', 'access')],
    arguments: [
      key('destination'),
      key('source', { keySpecIndex: 1 }),
      oneOf('from', [
        string('member', { token: 'FROMMEMBER' }),
        block('longitude_latitude', [double('longitude'), double('latitude')], { token: 'FROMLONLAT' }),
      ]),
      oneOf('by', [
        block('circle', [
          double('radius', { token: 'BYRADIUS' }),
          oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')]),
        ]),
        block('box', [
          double('width', { token: 'BYBOX' }),
          double('height'),
          oneOf('unit', [token('M'), token('KM'), token('FT'), token('MI')]),
        ]),
      ]),
      oneOf('order', [token('ASC'), token('DESC')], { optional: true }),
      block('count', [integer('count', { token: 'COUNT' }), token('ANY', { optional: true })], {
        optional: true,
      }),
      token('STOREDIST', { optional: true }),
    ],
    run: geoSearchStore,
  },
]);

/** GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...] */
function geoAdd(call: Call): void {
  const { first, conditions, countsChanged } = addOptions(call);
  const count = (call.argumentCount - first) / 3;
  if (!Number.isInteger(count) || conditions === (IF_ABSENT | IF_PRESENT)) throw SYNTAX_ERROR;
  const scores: number[] = [];
  for (let index = first; index < call.argumentCount; index += 3)
    scores.push(scoreOf(positionArgument(call, index)));
  if (count === 0) throw SYNTAX_ERROR;

  let entry = call.lookupTypedWrite(1, TYPE_SORTED_SET);
  let added = 0;
  let updated = 0;
  for (const [i, score] of scores.entries()) {
    const member = first + i * 3 + 2;
    if (entry !== 0) {
      const outcome = update(call, entry, member, score, conditions);
      if (outcome === 'added') added++;
      else if (outcome === 'updated') updated++;
    } else if ((conditions & IF_PRESENT) === 0) {
      entry = createSet(call, member, score);
      added++;
    }
  }

  if (added + updated > 0) {
    call.changed(1, NOTIFY_SORTED_SET, 'zadd');
    call.keyspace.addDirty(added + updated - 1);
    if (call.isPropagating) propagateScores(call, first, scores);
  }
  call.reply.integer(countsChanged ? added + updated : added);
}

/** The options, and where the first place is. */
function addOptions(call: Call): { first: number; conditions: number; countsChanged: boolean } {
  let conditions = 0;
  let countsChanged = false;
  for (let index = 2; ; index++) {
    if (index === call.argumentCount) return { first: index, conditions, countsChanged };
    if (call.is(index, 'NX')) conditions |= IF_ABSENT;
    else if (call.is(index, 'XX')) conditions |= IF_PRESENT;
    else if (call.is(index, 'CH')) countsChanged = true;
    else return { first: index, conditions, countsChanged };
  }
}

function update(call: Call, entry: Ref, memberIndex: number, score: number, conditions: number) {
  const { buffer } = call.request;
  const [start, end] = [call.request.start(memberIndex), call.request.end(memberIndex)];
  return call.keyspace.sortedSets.update(call.database, entry, buffer, start, end, score, conditions);
}

/** Adds the key that is argument 1, with one member. */
function createSet(call: Call, memberIndex: number, score: number): Ref {
  const { database, keyspace, request } = call;
  return keyspace.sortedSets.createWith(
    database,
    request.buffer,
    request.start(1),
    request.end(1),
    request.buffer,
    request.start(memberIndex),
    request.end(memberIndex),
    score,
  );
}

/** Places are logged as the scores that they have got; the name is in lower case, as Redis writes it. */
function propagateScores(call: Call, first: number, scores: readonly number[]): void {
  const args: (string | Uint8Array)[] = ['zadd'];
  for (let index = 1; index < first; index++) args.push(call.bytes(index));
  for (const [i, score] of scores.entries()) args.push(String(score), call.bytes(first + i * 3 + 2));
  call.propagateAs(...args);
}

/** GEODIST key member1 member2 [M | KM | FT | MI] */
function geoDist(call: Call): void {
  if (call.argumentCount > 5) throw SYNTAX_ERROR;
  const unitMeters = call.argumentCount === 5 ? unitArgument(call, 4) : 1;
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  const score1 = memberScore(call, entry, 2);
  const score2 = memberScore(call, entry, 3);

  if (Number.isNaN(score1) || Number.isNaN(score2)) call.reply.null();
  else replyDistance(call, distance(positionOf(score1), positionOf(score2)) / unitMeters);
}

/** GEOHASH key [member [member ...]] */
function geoHash(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  call.reply.array(call.argumentCount - 2);
  for (let index = 2; index < call.argumentCount; index++) {
    const score = memberScore(call, entry, index);
    if (Number.isNaN(score)) call.reply.null();
    else call.reply.bulkText(geohashText(positionOf(score)));
  }
}

/** GEOPOS key [member [member ...]] */
function geoPos(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  call.reply.array(call.argumentCount - 2);
  for (let index = 2; index < call.argumentCount; index++) {
    const score = memberScore(call, entry, index);
    if (Number.isNaN(score)) call.reply.nullArray();
    else replyPosition(call, positionOf(score));
  }
}

/** The score of the member that is an argument; NaN when there is none. */
function memberScore(call: Call, entry: Ref, index: number): number {
  if (entry === 0) return Number.NaN;
  const { buffer } = call.request;
  const [start, end] = [call.request.start(index), call.request.end(index)];
  return call.keyspace.sortedSets.scoreOf(call.database, entry, buffer, start, end);
}
