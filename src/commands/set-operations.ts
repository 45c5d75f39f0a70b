/** Intersection, union and difference of sets (Redis 7.0 t_set.c). */
import { TYPE_SET } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_SET } from '../keyspace/notify.ts';
import type { LooseSet, MemberVisitor } from '../keyspace/set-values.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';

const NOT_A_KEY_COUNT = new ErrorReply('ERR numkeys should be greater than 0');
const TOO_MANY_KEYS = new ErrorReply("ERR Number of keys can't be greater than number of args");
const NEGATIVE_LIMIT = new ErrorReply("ERR LIMIT can't be negative");

/** SINTER key [key ...] */
export function sInter(call: Call): void {
  const entries = lookupSets(call, 1, call.argumentCount);
  const { reply } = call;
  const mark = reply.beginArray();
  let count = 0;
  forEachCommon(call, entries, Infinity, (bytes, start, end) => {
    reply.bulk(bytes, start, end);
    count++;
  });
  reply.endSet(mark, count);
}

/** SINTERCARD numkeys key [key ...] [LIMIT limit] */
export function sInterCard(call: Call): void {
  const keyCount = call.integerFrom(1, 1, NOT_A_KEY_COUNT);
  if (keyCount > call.argumentCount - 2) throw TOO_MANY_KEYS;
  let limit = 0;
  for (let i = 2 + keyCount; i < call.argumentCount; i += 2) {
    if (!call.is(i, 'LIMIT') || i + 1 === call.argumentCount) throw SYNTAX_ERROR;
    limit = call.integerFrom(i + 1, 0, NEGATIVE_LIMIT);
  }
  const entries = lookupSets(call, 2, 2 + keyCount);

  let count = 0;
  forEachCommon(call, entries, limit === 0 ? Infinity : limit, () => count++);
  call.reply.integer(count);
}

/** SINTERSTORE destination key [key ...] */
export function sInterStore(call: Call): void {
  const entries = lookupSets(call, 2, call.argumentCount);
  const { sets } = call.keyspace;
  const result = filled(call, (target) => {
    forEachCommon(call, entries, Infinity, (bytes, start, end) => sets.addTo(target, bytes, start, end));
  });
  store(call, result, 'sinterstore');
}

/** SUNION key [key ...] */
export function sUnion(call: Call): void {
  const entries = lookupSets(call, 1, call.argumentCount);
  const result = filled(call, (target) => unite(call, entries, target));
  replyWith(call, result);
}

/** SUNIONSTORE destination key [key ...] */
export function sUnionStore(call: Call): void {
  const entries = lookupSets(call, 2, call.argumentCount);
  const result = filled(call, (target) => unite(call, entries, target));
  store(call, result, 'sunionstore');
}

/** SDIFF key [key ...] */
export function sDiff(call: Call): void {
  const entries = lookupSets(call, 1, call.argumentCount);
  const result = filled(call, (target) => subtract(call, entries, target));
  replyWith(call, result);
}

/** SDIFFSTORE destination key [key ...] */
export function sDiffStore(call: Call): void {
  const entries = lookupSets(call, 2, call.argumentCount);
  const result = filled(call, (target) => subtract(call, entries, target));
  store(call, result, 'sdiffstore');
}

// What they share -------------------------------------------------------------------------------------------

/** The entries of the keys that are arguments from `first` to before `end`; 0 = none. @throws WRONG_TYPE */
function lookupSets(call: Call, first: number, end: number): Ref[] {
  const entries: Ref[] = [];
  for (let i = first; i < end; i++) entries.push(call.lookupTypedRead(i, TYPE_SET));
  return entries;
}

/** A new set; who gets it passes it on to `replyWith` or `store`. */
function filled(call: Call, fill: (target: LooseSet) => void): LooseSet {
  const { sets } = call.keyspace;
  const result = sets.newSet();
  try {
    fill(result);
  } catch (error) {
    sets.discard(result);
    throw error;
  }
  return result;
}

/** Replies the members of a set, and discards it. */
function replyWith(call: Call, result: LooseSet): void {
  const { reply } = call;
  const { sets } = call.keyspace;
  reply.set(sets.length(result.value, result.encoding));
  sets.forEachOf(result.value, result.encoding, (bytes, start, end) => reply.bulk(bytes, start, end));
  sets.discard(result);
}

/**
 * Makes a set the value of the first key, and replies how many members it has. An empty set deletes the key.
 */
function store(call: Call, result: LooseSet, event: string): void {
  const { database, request } = call;
  const { sets } = call.keyspace;
  const count = sets.length(result.value, result.encoding);
  if (count === 0) {
    sets.discard(result);
    const old = call.lookupWrite(1);
    if (old !== 0) {
      database.delete(old);
      call.changed(1, NOTIFY_GENERIC, 'del');
    }
    call.reply.integer(0);
    return;
  }
  try {
    const { encoding, value } = result;
    database.storeWith(request.buffer, request.start(1), request.end(1), TYPE_SET, encoding, value);
  } catch (error) {
    sets.discard(result);
    throw error;
  }
  call.changed(1, NOTIFY_SET, event);
  call.reply.integer(count);
}

/** Visits, up to a limit, the members of the smallest set that are in all others. */
function forEachCommon(call: Call, entries: readonly Ref[], limit: number, visit: MemberVisitor): void {
  const { database } = call;
  const { sets } = call.keyspace;
  if (entries.includes(0)) return;
  const [smallest, ...others] = entries
    .map((entry) => ({ entry, count: sets.memberCount(database, entry) }))
    .sort((a, b) => a.count - b.count)
    .map(({ entry }) => entry);
  if (smallest === undefined) return;

  const rest = others.filter((entry) => entry !== smallest);
  let found = 0;
  sets.forEach(
    database,
    smallest,
    (bytes, start, end) => {
      if (found === limit) return;
      for (const entry of rest) if (!sets.has(database, entry, bytes, start, end)) return;
      found++;
      visit(bytes, start, end);
    },
    () => found === limit,
  );
}

function unite(call: Call, entries: readonly Ref[], target: LooseSet): void {
  const { sets } = call.keyspace;
  for (const entry of entries) {
    if (entry === 0) continue;
    sets.forEach(call.database, entry, (bytes, start, end) => sets.addTo(target, bytes, start, end));
  }
}

/**
 * Puts into `target` the members of the first set that are in no other: by looking for each of them in the
 * others, or by removing from a copy what is in the others; whichever has less to do (t_set.c,
 * sunionDiffGenericCommand).
 */
function subtract(call: Call, entries: readonly Ref[], target: LooseSet): void {
  const { database } = call;
  const { sets } = call.keyspace;
  const [first, ...others] = entries;
  if (first === undefined || first === 0 || others.includes(first)) return;

  const rest = others
    .filter((entry) => entry !== 0)
    .map((entry) => ({ entry, count: sets.memberCount(database, entry) }))
    // The larger a set, the sooner it may exclude a member.
    .sort((a, b) => b.count - a.count);
  const firstCount = sets.memberCount(database, first);
  const lookingWork = (firstCount * entries.length) / 2;
  const removingWork = rest.reduce((sum, { count }) => sum + count, firstCount);

  if (lookingWork <= removingWork) {
    sets.forEach(database, first, (bytes, start, end) => {
      for (const { entry } of rest) if (sets.has(database, entry, bytes, start, end)) return;
      sets.addTo(target, bytes, start, end);
    });
    return;
  }
  sets.forEach(database, first, (bytes, start, end) => sets.addTo(target, bytes, start, end));
  for (const { entry } of rest)
    sets.forEach(database, entry, (bytes, start, end) => sets.removeFrom(target, bytes, start, end));
}
