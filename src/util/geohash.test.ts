import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  distance,
  distanceWithin,
  geohashText,
  isOnMap,
  positionOf,
  scoreOf,
  scoreRangesOf,
} from './geohash.ts';
import type { Position, Shape } from './geohash.ts';

const LATITUDE_MAX = 85.05112878;
const position: fc.Arbitrary<Position> = fc.record({
  longitude: fc.double({ min: -180, max: 180, noNaN: true }),
  latitude: fc.double({ min: -LATITUDE_MAX, max: LATITUDE_MAX, noNaN: true }),
});

/** The score by its definition: the bits of both indexes in turn, a longitude's first. */
function expectedScore({ longitude, latitude }: Position): number {
  const indexOf = (offset: number) => BigInt(Math.floor(offset * 2 ** 26));
  const column = indexOf((longitude + 180) / 360);
  const row = indexOf((latitude + LATITUDE_MAX) / (2 * LATITUDE_MAX));
  let score = 0n;
  for (let bit = 0n; bit < 27n; bit++) {
    score |= ((row >> bit) & 1n) << (2n * bit);
    score |= ((column >> bit) & 1n) << (2n * bit + 1n);
  }
  return Number(score);
}

test('a score is made of the bits of both indexes', () => {
  fc.assert(
    fc.property(position, (place) => {
      assert.equal(scoreOf(place), expectedScore(place));
    }),
  );
  assert.equal(scoreOf({ longitude: 13.361389, latitude: 38.115556 }), 3479099956230698);
  assert.equal(scoreOf({ longitude: 180, latitude: LATITUDE_MAX }), 2 ** 53 + 2 ** 52);
});

test('a score stands for a place within a meter, whose score it is', () => {
  fc.assert(
    fc.property(position, (place) => {
      const score = scoreOf(place);
      const found = positionOf(score);
      assert(isOnMap(found.longitude, found.latitude));
      assert(distance(place, found) < 1);
      if (place.longitude < 179.99 && place.latitude < 85) assert.equal(scoreOf(found), score);
    }),
  );
});

test('any score stands for some place', () => {
  for (const score of [
    -1,
    -0.5,
    0.9,
    2 ** 52,
    2 ** 53 + 2,
    2 ** 63,
    2 ** 64,
    -(2 ** 63),
    -(2 ** 70),
    Infinity,
    -Infinity,
  ]) {
    const { longitude, latitude } = positionOf(score);
    assert(isOnMap(longitude, latitude), String(score));
  }
  assert.deepEqual(positionOf(0.9), positionOf(0));
});

test('geohashes are the standard ones', () => {
  assert.equal(geohashText({ longitude: 13.361389, latitude: 38.115556 }), 'sqc8b49rny0');
  assert(geohashText({ longitude: -5.6, latitude: 42.6 }).startsWith('ezs42'));
});

test('distances are symmetric, and along a meridian as its degrees', () => {
  fc.assert(
    fc.property(position, position, (a, b) => {
      assert.equal(distance(a, b), distance(b, a));
      assert(distance(a, b) <= 20_020_741);
    }),
  );
  const degree = distance({ longitude: 7, latitude: 10 }, { longitude: 7, latitude: 11 });
  assert(Math.abs(degree - 111_226.3) < 0.1);
});

const shape: fc.Arbitrary<Shape> = fc
  .record({
    center: fc.record({
      longitude: fc.double({ min: -170, max: 170, noNaN: true }),
      latitude: fc.double({ min: -70, max: 70, noNaN: true }),
    }),
    size: fc.double({ min: 1, max: 500, noNaN: true }),
    isCircle: fc.boolean(),
  })
  .map(({ center, size, isCircle }) => {
    const common = { center, unitMeters: 1000 };
    return isCircle
      ? { ...common, kind: 'circle', radius: size }
      : { ...common, kind: 'box', width: size * 2, height: size };
  });

test('places in a shape have a score in one of its ranges', () => {
  const offset = fc.double({ min: -6, max: 6, noNaN: true });
  fc.assert(
    fc.property(shape, offset, offset, (area, east, north) => {
      const longitude = Math.max(-180, Math.min(180, area.center.longitude + east));
      const place = positionOf(scoreOf({ longitude, latitude: area.center.latitude + north }));
      if (distanceWithin(area, place) === undefined) return;
      const score = scoreOf(place);
      const holding = scoreRangesOf(area).filter(({ min, max }) => score >= min && score < max);
      assert.equal(holding.length, 1);
    }),
    { numRuns: 1000 },
  );
});
