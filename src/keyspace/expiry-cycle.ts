/**
 * Deletes keys whose time has passed although nobody asks for them (Redis 7.0 expire.c, activeExpireCycle).
 *
 * It looks at a small sample of the keys that expire, and goes on with a database while many of the sample
 * were dead: the share of dead keys that wait stays at about a tenth, and looking costs next to nothing when
 * there are few. Redis draws its samples from a hash table; here they follow each other through the index of
 * expiring keys, so a round of samples looks at every key once.
 */
import type { Clock } from '../util/clock.ts';
import type { Database } from './database.ts';
import type { Keyspace } from './keyspace.ts';

const SAMPLE_KEYS = 20;
const SAMPLE_KEYS_PER_EFFORT = SAMPLE_KEYS / 4;
const ACCEPTABLE_DEAD_PERCENT = 10;
/**
 * Hashes with fields that expire that are looked at in a cycle, and fields that are deleted of one at a time.
 */
const SAMPLE_HASHES = 20;
const FIELDS_AT_ONCE_MAX = 1000;
/** Weights of one cycle in the running estimate of dead keys, and of one sample in the average life. */
const CYCLE_WEIGHT = 0.05;
const SAMPLE_WEIGHT = 0.02;

export interface ExpireCycleOptions {
  /** The cycle ends after the first sample beyond this. */
  readonly budgetMicros: number;
  readonly clock: Clock;
  /** `active-expire-effort`, 1 to 10: larger samples, and fewer dead keys that are accepted. */
  readonly effort: number;
}

interface Tally {
  sampledCount: number;
  deadCount: number;
}

/**
 * One cycle over all databases, dead or alive as of `keyspace.now`.
 * @returns true when the time was up before the dead keys were: go on soon
 */
export function activeExpireCycle(keyspace: Keyspace, options: ExpireCycleOptions): boolean {
  if (!keyspace.mayDeleteExpired) return false;
  const { clock, budgetMicros } = options;
  const start = clock.monotonicMicros();
  const tally: Tally = { sampledCount: 0, deadCount: 0 };

  const deadline = start + budgetMicros;
  const isCutShort = expireAll(keyspace, options, tally, deadline) || expireFields(keyspace, clock, deadline);

  if (isCutShort) keyspace.count('expiredTimeCapReached', 1);
  keyspace.count('expireCycleMicros', clock.monotonicMicros() - start);
  const deadRatio = tally.sampledCount === 0 ? 0 : tally.deadCount / tally.sampledCount;
  const before = keyspace.counter('expiredStaleRatio');
  keyspace.setCounter('expiredStaleRatio', deadRatio * CYCLE_WEIGHT + before * (1 - CYCLE_WEIGHT));
  return isCutShort;
}

function expireAll(
  keyspace: Keyspace,
  { clock, effort }: ExpireCycleOptions,
  tally: Tally,
  deadlineMicros: number,
): boolean {
  const { databases } = keyspace;
  const sampleSize = SAMPLE_KEYS + SAMPLE_KEYS_PER_EFFORT * (effort - 1);
  const acceptablePercent = ACCEPTABLE_DEAD_PERCENT - (effort - 1);
  // Each cycle begins elsewhere: one database with many dead keys must not take the time of all others.
  const first = keyspace.random.nextUint32() % databases.length;
  for (let i = 0; i < databases.length; i++) {
    const database = databases[(first + i) % databases.length]!;
    if (database.expiringCount === 0) database.averageTtl = 0;
    while (database.expiringCount > 0) {
      if (tally.sampledCount > 0 && clock.monotonicMicros() > deadlineMicros) return true;
      const sampledCount = Math.min(sampleSize, database.expiringCount);
      const deadCount = expireSample(keyspace, database, sampledCount);
      tally.sampledCount += sampledCount;
      tally.deadCount += deadCount;
      if (Math.floor((deadCount * 100) / sampledCount) <= acceptablePercent) break;
    }
  }
  return false;
}

/**
 * Deletes fields of hashes whose time has passed: of the next hashes of each database's index, which each
 * know which of their fields expires first. True when the time was up.
 */
function expireFields({ databases, hashes }: Keyspace, clock: Clock, deadlineMicros: number): boolean {
  for (const database of databases) {
    for (let left = Math.min(SAMPLE_HASHES, database.fieldExpiringCount); left > 0; left--) {
      // Fields of the last hash may have been the last to expire, or the hash was deleted.
      const count = database.fieldExpiringCount;
      if (count === 0) break;
      const place = Math.min(database.fieldCursor, count);
      database.fieldCursor = place === 0 ? count - 1 : place - 1;
      hashes.expireFields(database, database.fieldExpiringAt(database.fieldCursor), FIELDS_AT_ONCE_MAX);
      if (clock.monotonicMicros() > deadlineMicros) return true;
    }
  }
  return false;
}

/**
 * Looks at the next keys of the database's index, deletes the dead ones and returns how many there were.
 *
 * The cursor, the number of keys left in the round, goes down. Deleting moves the index's last key into the
 * gap: one that the round has seen already, and none is passed over, whoever deletes keys between two
 * samples.
 */
function expireSample(keyspace: Keyspace, database: Database, sampledCount: number): number {
  let cursor = Math.min(database.expiryCursor, database.expiringCount);
  let deadCount = 0;
  let lifeMillis = 0;
  for (let i = 0; i < sampledCount; i++) {
    if (cursor === 0) cursor = database.expiringCount;
    const entry = database.expiringAt(--cursor);
    if (database.isExpired(entry)) {
      database.expire(entry);
      deadCount++;
    } else {
      lifeMillis += Math.max(0, database.expiryOf(entry) - keyspace.now);
    }
  }
  database.expiryCursor = cursor;
  updateAverageTtl(database, lifeMillis, sampledCount - deadCount);
  return deadCount;
}

function updateAverageTtl(database: Database, lifeMillis: number, livingCount: number): void {
  if (livingCount === 0) return;
  const average = lifeMillis / livingCount;
  const before = database.averageTtl === 0 ? average : database.averageTtl;
  database.averageTtl = before * (1 - SAMPLE_WEIGHT) + average * SAMPLE_WEIGHT;
}
