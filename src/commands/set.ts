/** Sets (Redis 7.0 t_set.c). */
import { TYPE_SET } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_SET } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { globMatch } from '../util/glob.ts';
import { parseInt64 } from '../util/numbers.ts';
import { integer, key, pattern, string } from './arguments.ts';
import type { Call } from './call.ts';
import { NOT_POSITIVE, SYNTAX_ERROR, WRONG_TYPE } from './errors.ts';
import { family } from './family.ts';
import { keysFrom, oneKey } from './key-specs.ts';
import { SCAN_BUCKETS_PER_ELEMENT, scanCursor, scanOptions } from './scan-options.ts';
import { sDiff, sDiffStore, sInter, sInterCard, sInterStore, sUnion, sUnionStore } from './set-operations.ts';

const COUNT_OUT_OF_RANGE = new ErrorReply(
  'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807',
);
const INT64_MIN = -(2n ** 63n);
/**
 * Up to this share of a set (1/3), random members are drawn one by one (t_set.c,
 * SRANDMEMBER_SUB_STRATEGY_MUL).
 */
const DRAWN_SHARE = 3;
/** Below this share (1/5), what is left by SPOP is moved to a new set (t_set.c, SPOP_MOVE_STRATEGY_MUL). */
const KEPT_SHARE = 5;

export const SET_COMMANDS = family({ group: 'set', categories: ['set'] }, [
  {
    name: 'sadd',
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Add one or more members to a set',
    complexity:
      'O(1) for each element added, so O(N) to add N elements when the command is called ' +
      'with multiple arguments.',
    history: [['2.4.0', 'Accepts multiple `member` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [key('key'), string('member', { multiple: true })],
    run: sAdd,
  },
  {
    name: 'scard',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '1.0.0',
    summary: 'Get the number of members in a set',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key')],
    run: sCard,
  },
  {
    name: 'sdiff',
    arity: -2,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Subtract multiple sets',
    complexity: 'O(N) where N is the total number of elements in all given sets.',
    tips: ['nondeterministic_output_order'],
    keySpecs: [keysFrom(1, 'RO', 'access')],
    arguments: [key('key', { multiple: true })],
    run: sDiff,
  },
  {
    name: 'sdiffstore',
    arity: -3,
    flags: ['write', 'denyoom'],
    since: '1.0.0',
    summary: 'Subtract multiple sets and store the resulting set in a key',
    complexity: 'O(N) where N is the total number of elements in all given sets.',
    keySpecs: [oneKey(1, 'OW', 'update'), keysFrom(2, 'RO', 'access')],
    arguments: [key('destination'), key('key', { keySpecIndex: 1, multiple: true })],
    run: sDiffStore,
  },
  {
    name: 'sinter',
    arity: -2,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Intersect multiple sets',
    complexity:
      'O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.',
    tips: ['nondeterministic_output_order'],
    keySpecs: [keysFrom(1, 'RO', 'access')],
    arguments: [key('key', { multiple: true })],
    run: sInter,
  },
  {
    name: 'sintercard',
    arity: -3,
    flags: ['readonly'],
    since: '7.0.0',
    summary: 'Intersect multiple sets and return the cardinality of the result',
    complexity:
      'O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.',
    keySpecs: [
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      integer('numkeys'),
      key('key', { multiple: true }),
      integer('limit', { token: 'LIMIT', optional: true }),
    ],
    run: sInterCard,
  },
  {
    name: 'sinterstore',
    arity: -3,
    flags: ['write', 'denyoom'],
    since: '1.0.0',
    summary: 'Intersect multiple sets and store the resulting set in a key',
    complexity:
      'O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.',
    keySpecs: [oneKey(1, 'RW', 'update'), keysFrom(2, 'RO', 'access')],
    arguments: [key('destination'), key('key', { keySpecIndex: 1, multiple: true })],
    run: sInterStore,
  },
  {
    name: 'sismember',
    arity: 3,
    flags: ['readonly', 'fast'],
    since: '1.0.0',
    summary: 'Determine if a given value is a member of a set',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key'), string('member')],
    run: sIsMember,
  },
  {
    name: 'smembers',
    arity: 2,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Get all the members in a set',
    complexity: 'O(N) where N is the set cardinality.',
    tips: ['nondeterministic_output_order'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: sMembers,
  },
  {
    name: 'smismember',
    arity: -3,
    flags: ['readonly', 'fast'],
    since: '6.2.0',
    summary: 'Returns the membership associated with the given elements for a set',
    complexity: 'O(N) where N is the number of elements being checked for membership',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('member', { multiple: true })],
    run: sMIsMember,
  },
  {
    name: 'smove',
    arity: 4,
    flags: ['write', 'fast'],
    since: '1.0.0',
    summary: 'Move a member from one set to another',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'delete'), oneKey(2, 'RW', 'insert')],
    arguments: [key('source'), key('destination', { keySpecIndex: 1 }), string('member')],
    run: sMove,
  },
  {
    name: 'spop',
    arity: -2,
    flags: ['write', 'fast'],
    since: '1.0.0',
    summary: 'Remove and return one or multiple random members from a set',
    complexity: 'Without the count argument O(1), otherwise O(N) where N is the value of the passed count.',
    history: [['3.2.0', 'Added the `count` argument.']],
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RW', 'access', 'delete')],
    arguments: [key('key'), integer('count', { since: '3.2.0', optional: true })],
    run: sPop,
  },
  {
    name: 'srandmember',
    arity: -2,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Get one or multiple random members from a set',
    complexity:
      'Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.',
    history: [['2.6.0', 'Added the optional `count` argument.']],
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), integer('count', { since: '2.6.0', optional: true })],
    run: sRandMember,
  },
  {
    name: 'srem',
    arity: -3,
    flags: ['write', 'fast'],
    since: '1.0.0',
    summary: 'Remove one or more members from a set',
    complexity: 'O(N) where N is the number of members to be removed.',
    history: [['2.4.0', 'Accepts multiple `member` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), string('member', { multiple: true })],
    run: sRem,
  },
  {
    name: 'sscan',
    arity: -3,
    flags: ['readonly'],
    since: '2.8.0',
    summary: 'Incrementally iterate Set elements',
    complexity:
      'O(1) for every call. O(N) for a complete iteration, including enough command ' +
      'calls for the cursor to return back to 0. N is the number of elements inside the ' +
      'collection..',
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      integer('cursor'),
      pattern('pattern', { token: 'MATCH', optional: true }),
      integer('count', { token: 'COUNT', optional: true }),
    ],
    run: sScan,
  },
  {
    name: 'sunion',
    arity: -2,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Add multiple sets',
    complexity: 'O(N) where N is the total number of elements in all given sets.',
    tips: ['nondeterministic_output_order'],
    keySpecs: [keysFrom(1, 'RO', 'access')],
    arguments: [key('key', { multiple: true })],
    run: sUnion,
  },
  {
    name: 'sunionstore',
    arity: -3,
    flags: ['write', 'denyoom'],
    since: '1.0.0',
    summary: 'Add multiple sets and store the resulting set in a key',
    complexity: 'O(N) where N is the total number of elements in all given sets.',
    keySpecs: [oneKey(1, 'OW', 'update'), keysFrom(2, 'RO', 'access')],
    arguments: [key('destination'), key('key', { keySpecIndex: 1, multiple: true })],
    run: sUnionStore,
  },
]);

/** Borrowed member; module-level, for a command that is asked for often must not allocate. */
const member = new BorrowedBytes();

// Members ---------------------------------------------------------------------------------------------------

/** SADD key member [member ...] */
function sAdd(call: Call): void {
  const { database, request } = call;
  const { buffer } = request;
  const { sets } = call.keyspace;
  let entry = call.lookupTypedWrite(1, TYPE_SET);

  let added = 0;
  let next = 2;
  if (entry === 0) {
    entry = sets.createWith(
      database,
      buffer,
      request.start(1),
      request.end(1),
      buffer,
      request.start(2),
      request.end(2),
    );
    added++;
    next++;
  }
  for (; next < call.argumentCount; next++)
    if (sets.add(database, entry, buffer, request.start(next), request.end(next))) added++;

  countChanges(call, 'sadd', added);
  call.reply.integer(added);
}

/** Reports a change of so many members of the set that is the first key. */
function countChanges(call: Call, event: string, count: number): void {
  if (count === 0) return;
  call.changed(1, NOTIFY_SET, event);
  if (count > 1) call.keyspace.addDirty(count - 1);
}

/** SREM key member [member ...] */
function sRem(call: Call): void {
  const { database, request } = call;
  const { sets } = call.keyspace;
  const entry = call.lookupTypedWrite(1, TYPE_SET);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }

  let removed = 0;
  let left = sets.memberCount(database, entry);
  for (let i = 2; i < call.argumentCount && left > 0; i++) {
    if (!sets.remove(database, entry, request.buffer, request.start(i), request.end(i))) continue;
    removed++;
    left--;
  }
  if (left === 0) database.delete(entry);

  countChanges(call, 'srem', removed);
  if (left === 0) call.event(1, NOTIFY_GENERIC, 'del');
  call.reply.integer(removed);
}

/** SMOVE source destination member */
function sMove(call: Call): void {
  const { database, reply, request } = call;
  const { buffer } = request;
  const { sets } = call.keyspace;
  const source = call.lookupWrite(1);
  const target = call.lookupWrite(2);
  if (source === 0) {
    reply.integer(0);
    return;
  }
  if (database.typeOf(source) !== TYPE_SET) throw WRONG_TYPE;
  if (target !== 0 && database.typeOf(target) !== TYPE_SET) throw WRONG_TYPE;
  const start = request.start(3);
  const end = request.end(3);
  if (source === target || !sets.has(database, source, buffer, start, end)) {
    reply.integer(sets.has(database, source, buffer, start, end) ? 1 : 0);
    return;
  }

  // What may lack memory comes first.
  let isAdded = true;
  if (target === 0) sets.createWith(database, buffer, request.start(2), request.end(2), buffer, start, end);
  else isAdded = sets.add(database, target, buffer, start, end);
  sets.remove(database, source, buffer, start, end);
  const isEmptied = sets.memberCount(database, source) === 0;
  if (isEmptied) database.delete(source);

  call.changed(1, NOTIFY_SET, 'srem');
  if (isEmptied) call.event(1, NOTIFY_GENERIC, 'del');
  if (isAdded) call.changed(2, NOTIFY_SET, 'sadd');
  reply.integer(1);
}

/** SCARD key */
function sCard(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SET);
  call.reply.integer(entry === 0 ? 0 : call.keyspace.sets.memberCount(call.database, entry));
}

/** SISMEMBER key member */
function sIsMember(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SET);
  replyMembership(call, entry, 2);
}

/** SMISMEMBER key member [member ...] */
function sMIsMember(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SET);
  call.reply.array(call.argumentCount - 2);
  for (let i = 2; i < call.argumentCount; i++) replyMembership(call, entry, i);
}

function replyMembership(call: Call, entry: Ref, index: number): void {
  const { database, request } = call;
  const { sets } = call.keyspace;
  const isMember =
    entry !== 0 && sets.has(database, entry, request.buffer, request.start(index), request.end(index));
  call.reply.integer(isMember ? 1 : 0);
}

/** SMEMBERS key */
function sMembers(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SET);
  if (entry === 0) {
    call.reply.set(0);
    return;
  }
  call.reply.set(call.keyspace.sets.memberCount(call.database, entry));
  replyAllMembers(call, entry);
}

function replyAllMembers(call: Call, entry: Ref): void {
  const { reply } = call;
  call.keyspace.sets.forEach(call.database, entry, (bytes, start, end) => reply.bulk(bytes, start, end));
}

/** SSCAN key cursor [MATCH pattern] [COUNT count] */
function sScan(call: Call): void {
  const { database, reply } = call;
  const { sets } = call.keyspace;
  let cursor = scanCursor(call, 2);
  const entry = call.lookupTypedRead(1, TYPE_SET);
  if (entry === 0) {
    reply.array(2);
    reply.bulkInteger(0);
    reply.array(0);
    return;
  }
  const { count, pattern: glob } = scanOptions(call, 3, false);

  const found: number[] = [];
  let visitedCount = 0;
  const visit = (place: number): void => {
    visitedCount++;
    sets.borrow(database, entry, place, member);
    if (glob === undefined || globMatch(glob, member.bytes, member.start, member.end)) found.push(place);
  };
  let bucketsLeft = count * SCAN_BUCKETS_PER_ELEMENT;
  do cursor = sets.scan(database, entry, cursor, visit);
  while (cursor !== 0 && bucketsLeft-- > 0 && visitedCount < count);

  reply.array(2);
  reply.bulkInteger(cursor);
  reply.array(found.length);
  for (const place of found) replyMember(call, entry, place);
}

function replyMember(call: Call, entry: Ref, place: number): void {
  call.keyspace.sets.borrow(call.database, entry, place, member);
  call.reply.bulk(member.bytes, member.start, member.end);
}

// Random members --------------------------------------------------------------------------------------------

/** SRANDMEMBER key [count] */
function sRandMember(call: Call): void {
  const { database, reply } = call;
  const { sets } = call.keyspace;
  if (call.argumentCount > 3) throw SYNTAX_ERROR;
  if (call.argumentCount === 3) {
    replyRandomMembers(call);
    return;
  }
  const entry = call.lookupTypedRead(1, TYPE_SET);
  if (entry === 0) reply.null();
  else replyMember(call, entry, sets.random(database, entry));
}

function replyRandomMembers(call: Call): void {
  const { database, reply } = call;
  const { sets } = call.keyspace;
  const wanted = call.roundedInt64(2);
  if (!Number.isSafeInteger(wanted) && call.int64(2) === INT64_MIN) throw COUNT_OUT_OF_RANGE;
  const entry = call.lookupTypedRead(1, TYPE_SET);
  if (entry === 0 || wanted === 0) {
    reply.array(0);
    return;
  }

  if (wanted < 0) {
    reply.array(-wanted);
    for (let i = 0; i > wanted; i--) replyMember(call, entry, sets.random(database, entry));
    return;
  }
  const size = sets.memberCount(database, entry);
  reply.array(Math.min(wanted, size));
  if (wanted >= size) replyAllMembers(call, entry);
  else for (const place of randomPlaces(call, entry, wanted)) replyMember(call, entry, place);
}

/**
 * Places of so many different members, fewer than there are. Few are drawn one by one; of many, those to be
 * left out are drawn.
 */
function randomPlaces(call: Call, entry: Ref, count: number): Iterable<number> {
  const { database } = call;
  const { sets } = call.keyspace;
  const size = sets.memberCount(database, entry);
  const isFew = count * DRAWN_SHARE <= size;
  const drawn = new Set<number>();
  while (drawn.size < (isFew ? count : size - count)) drawn.add(sets.random(database, entry));
  if (isFew) return drawn;

  const places: number[] = [];
  sets.forEachPlace(database, entry, (place) => {
    if (!drawn.has(place)) places.push(place);
  });
  return places;
}

/** SPOP key [count] */
function sPop(call: Call): void {
  const { database, reply } = call;
  const { sets } = call.keyspace;
  if (call.argumentCount > 3) throw SYNTAX_ERROR;
  if (call.argumentCount === 3) {
    popMembers(call);
    return;
  }
  const entry = call.lookupTypedWrite(1, TYPE_SET);
  if (entry === 0) {
    reply.null();
    return;
  }

  const place = sets.random(database, entry);
  replyMember(call, entry, place);
  if (call.isPropagating) call.propagateAs('SREM', call.bytes(1), member.copy());
  sets.removeAt(database, entry, place);
  const isEmptied = sets.memberCount(database, entry) === 0;
  if (isEmptied) database.delete(entry);

  call.changed(1, NOTIFY_SET, 'spop');
  if (isEmptied) call.event(1, NOTIFY_GENERIC, 'del');
}

function popMembers(call: Call): void {
  const { database, reply } = call;
  const { sets } = call.keyspace;
  const wanted = positiveCount(call, 2);
  const entry = call.lookupTypedWrite(1, TYPE_SET);
  if (entry === 0 || wanted === 0) {
    reply.set(0);
    return;
  }

  const size = sets.memberCount(database, entry);
  const count = Math.min(wanted, size);
  reply.set(count);
  if (count === size) {
    // Redis answers as SUNION does, and a second look at the key counts as a hit.
    call.lookupRead(1);
    replyAllMembers(call, entry);
    database.delete(entry);
    call.propagateAs('DEL', call.bytes(1));
  } else if ((size - count) * KEPT_SHARE > count) {
    for (let i = 0; i < count; i++) popMember(call, entry);
  } else {
    popAllBut(call, entry, size - count);
  }

  countChanges(call, 'spop', count);
  if (count === size) call.event(1, NOTIFY_GENERIC, 'del');
}

/** @throws NOT_POSITIVE, also for what is no integer */
function positiveCount(call: Call, index: number): number {
  const { request } = call;
  const count = parseInt64(request.buffer, request.start(index), request.end(index));
  if (count === undefined || count < 0n) throw NOT_POSITIVE;
  return Number(count);
}

function popMember(call: Call, entry: Ref): void {
  const { sets } = call.keyspace;
  const place = sets.random(call.database, entry);
  replyMember(call, entry, place);
  if (call.isPropagating) call.alsoPropagate('SREM', call.bytes(1), member.copy());
  sets.removeAt(call.database, entry, place);
}

/** Of a set that loses most of its members, those that stay are moved to a new one. */
function popAllBut(call: Call, entry: Ref, keptCount: number): void {
  const { database, reply } = call;
  const { sets } = call.keyspace;
  const kept = sets.newSet();
  try {
    for (let left = keptCount; left > 0;) {
      sets.borrow(database, entry, sets.random(database, entry), member);
      if (sets.addTo(kept, member.bytes, member.start, member.end)) left--;
    }
  } catch (error) {
    sets.discard(kept);
    throw error;
  }
  sets.forEach(database, entry, (bytes, start, end) => {
    if (sets.contains(kept.value, kept.encoding, bytes, start, end)) return;
    reply.bulk(bytes, start, end);
    if (call.isPropagating) call.alsoPropagate('SREM', call.bytes(1), Buffer.from(bytes.slice(start, end)));
  });
  sets.replaceBy(database, entry, kept);
}
