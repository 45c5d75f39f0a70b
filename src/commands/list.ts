/** Lists (Redis 7.0 t_list.c). */
import { TYPE_LIST } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_LIST } from '../keyspace/notify.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { ListPosition } from '../structures/quicklist.ts';
import { double, integer, key, oneOf, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { NO_SUCH_KEY, SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { oneKey } from './key-specs.ts';
import { blMove, brPopLPush, lMove, rPopLPush } from './list-move.ts';
import { blPop, blmPop, brPop, lPop, lmPop, rPop } from './list-pop.ts';
import { replyRange } from './list-range.ts';
import { lPos } from './list-search.ts';

const INDEX_OUT_OF_RANGE = new ErrorReply('ERR index out of range');

export const LIST_COMMANDS = family({ group: 'list', categories: ['list'] }, [
  {
    name: 'blmove',
    arity: 6,
    flags: ['write', 'denyoom', 'noscript', 'blocking'],
    since: '6.2.0',
    summary:
      'Pop an element from a list, push it to another list and return it; or block until one is available',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'delete'), oneKey(2, 'RW', 'insert')],
    arguments: [
      key('source'),
      key('destination', { keySpecIndex: 1 }),
      oneOf('wherefrom', [token('LEFT'), token('RIGHT')]),
      oneOf('whereto', [token('LEFT'), token('RIGHT')]),
      double('timeout'),
    ],
    run: blMove,
  },
  {
    name: 'blmpop',
    arity: -5,
    flags: ['write', 'blocking'],
    since: '7.0.0',
    summary: 'Pop elements from a list, or block until one is available',
    complexity: 'O(N+M) where N is the number of provided keys and M is the number of elements returned.',
    keySpecs: [
      {
        flags: ['RW', 'access', 'delete'],
        beginSearch: { type: 'index', index: 2 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      double('timeout'),
      integer('numkeys'),
      key('key', { multiple: true }),
      oneOf('where', [token('LEFT'), token('RIGHT')]),
      integer('count', { token: 'COUNT', optional: true }),
    ],
    run: blmPop,
  },
  {
    name: 'blpop',
    arity: -3,
    flags: ['write', 'noscript', 'blocking'],
    since: '2.0.0',
    summary: 'Remove and get the first element in a list, or block until one is available',
    complexity: 'O(N) where N is the number of provided keys.',
    history: [['6.0.0', '`timeout` is interpreted as a double instead of an integer.']],
    keySpecs: [
      {
        flags: ['RW', 'access', 'delete'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'range', lastKey: -2, keyStep: 1, limit: 0 },
      },
    ],
    arguments: [key('key', { multiple: true }), double('timeout')],
    run: blPop,
  },
  {
    name: 'brpop',
    arity: -3,
    flags: ['write', 'noscript', 'blocking'],
    since: '2.0.0',
    summary: 'Remove and get the last element in a list, or block until one is available',
    complexity: 'O(N) where N is the number of provided keys.',
    history: [['6.0.0', '`timeout` is interpreted as a double instead of an integer.']],
    keySpecs: [
      {
        flags: ['RW', 'access', 'delete'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'range', lastKey: -2, keyStep: 1, limit: 0 },
      },
    ],
    arguments: [key('key', { multiple: true }), double('timeout')],
    run: brPop,
  },
  {
    name: 'brpoplpush',
    arity: 4,
    flags: ['write', 'denyoom', 'noscript', 'blocking'],
    since: '2.2.0',
    summary:
      'Pop an element from a list, push it to another list and return it; or block until one is available',
    complexity: 'O(1)',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`BLMOVE` with the `RIGHT` and `LEFT` arguments',
    history: [['6.0.0', '`timeout` is interpreted as a double instead of an integer.']],
    keySpecs: [oneKey(1, 'RW', 'access', 'delete'), oneKey(2, 'RW', 'insert')],
    arguments: [key('source'), key('destination', { keySpecIndex: 1 }), double('timeout')],
    run: brPopLPush,
  },
  {
    name: 'lindex',
    arity: 3,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Get an element from a list by its index',
    complexity:
      'O(N) where N is the number of elements to traverse to get to the element at ' +
      'index. This makes asking for the first or the last element of the list O(1).',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), integer('index')],
    run: lIndex,
  },
  {
    name: 'linsert',
    arity: 5,
    flags: ['write', 'denyoom'],
    since: '2.2.0',
    summary: 'Insert an element before or after another element in a list',
    complexity:
      'O(N) where N is the number of elements to traverse before seeing the value pivot. ' +
      'This means that inserting somewhere on the left end on the list (head) can be ' +
      'considered O(1) and inserting somewhere on the right end (tail) is O(N).',
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [
      key('key'),
      oneOf('where', [token('BEFORE'), token('AFTER')]),
      string('pivot'),
      string('element'),
    ],
    run: lInsert,
  },
  {
    name: 'llen',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '1.0.0',
    summary: 'Get the length of a list',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key')],
    run: lLen,
  },
  {
    name: 'lmove',
    arity: 5,
    flags: ['write', 'denyoom'],
    since: '6.2.0',
    summary: 'Pop an element from a list, push it to another list and return it',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'delete'), oneKey(2, 'RW', 'insert')],
    arguments: [
      key('source'),
      key('destination', { keySpecIndex: 1 }),
      oneOf('wherefrom', [token('LEFT'), token('RIGHT')]),
      oneOf('whereto', [token('LEFT'), token('RIGHT')]),
    ],
    run: lMove,
  },
  {
    name: 'lmpop',
    arity: -4,
    flags: ['write'],
    since: '7.0.0',
    summary: 'Pop elements from a list',
    complexity: 'O(N+M) where N is the number of provided keys and M is the number of elements returned.',
    keySpecs: [
      {
        flags: ['RW', 'access', 'delete'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      integer('numkeys'),
      key('key', { multiple: true }),
      oneOf('where', [token('LEFT'), token('RIGHT')]),
      integer('count', { token: 'COUNT', optional: true }),
    ],
    run: lmPop,
  },
  {
    name: 'lpop',
    arity: -2,
    flags: ['write', 'fast'],
    since: '1.0.0',
    summary: 'Remove and get the first elements in a list',
    complexity: 'O(N) where N is the number of elements returned',
    history: [['6.2.0', 'Added the `count` argument.']],
    keySpecs: [oneKey(1, 'RW', 'access', 'delete')],
    arguments: [key('key'), integer('count', { since: '6.2.0', optional: true })],
    run: lPop,
  },
  {
    name: 'lpos',
    arity: -3,
    flags: ['readonly'],
    since: '6.0.6',
    summary: 'Return the index of matching elements on a list',
    complexity:
      'O(N) where N is the number of elements in the list, for the average case. When ' +
      'searching for elements near the head or the tail of the list, or when the MAXLEN ' +
      'option is provided, the command may run in constant time.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('element'),
      integer('rank', { token: 'RANK', optional: true }),
      integer('num-matches', { token: 'COUNT', optional: true }),
      integer('len', { token: 'MAXLEN', optional: true }),
    ],
    run: lPos,
  },
  {
    name: 'lpush',
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Prepend one or multiple elements to a list',
    complexity:
      'O(1) for each element added, so O(N) to add N elements when the command is called ' +
      'with multiple arguments.',
    history: [['2.4.0', 'Accepts multiple `element` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [key('key'), string('element', { multiple: true })],
    run: lPush,
  },
  {
    name: 'lpushx',
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.2.0',
    summary: 'Prepend an element to a list, only if the list exists',
    complexity:
      'O(1) for each element added, so O(N) to add N elements when the command is called ' +
      'with multiple arguments.',
    history: [['4.0.0', 'Accepts multiple `element` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [key('key'), string('element', { multiple: true })],
    run: lPushX,
  },
  {
    name: 'lrange',
    arity: 4,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Get a range of elements from a list',
    complexity:
      'O(S+N) where S is the distance of start offset from HEAD for small lists, from ' +
      'nearest end (HEAD or TAIL) for large lists; and N is the number of elements in ' +
      'the specified range.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), integer('start'), integer('stop')],
    run: lRange,
  },
  {
    name: 'lrem',
    arity: 4,
    flags: ['write'],
    since: '1.0.0',
    summary: 'Remove elements from a list',
    complexity: 'O(N+M) where N is the length of the list and M is the number of elements removed.',
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), integer('count'), string('element')],
    run: lRem,
  },
  {
    name: 'lset',
    arity: 4,
    flags: ['write', 'denyoom'],
    since: '1.0.0',
    summary: 'Set the value of an element in a list by its index',
    complexity:
      'O(N) where N is the length of the list. Setting either the first or the last ' +
      'element of the list is O(1).',
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), integer('index'), string('element')],
    run: lSet,
  },
  {
    name: 'ltrim',
    arity: 4,
    flags: ['write'],
    since: '1.0.0',
    summary: 'Trim a list to the specified range',
    complexity: 'O(N) where N is the number of elements to be removed by the operation.',
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), integer('start'), integer('stop')],
    run: lTrim,
  },
  {
    name: 'rpop',
    arity: -2,
    flags: ['write', 'fast'],
    since: '1.0.0',
    summary: 'Remove and get the last elements in a list',
    complexity: 'O(N) where N is the number of elements returned',
    history: [['6.2.0', 'Added the `count` argument.']],
    keySpecs: [oneKey(1, 'RW', 'access', 'delete')],
    arguments: [key('key'), integer('count', { since: '6.2.0', optional: true })],
    run: rPop,
  },
  {
    name: 'rpoplpush',
    arity: 3,
    flags: ['write', 'denyoom'],
    since: '1.2.0',
    summary: 'Remove the last element in a list, prepend it to another list and return it',
    complexity: 'O(1)',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`LMOVE` with the `RIGHT` and `LEFT` arguments',
    keySpecs: [oneKey(1, 'RW', 'access', 'delete'), oneKey(2, 'RW', 'insert')],
    arguments: [key('source'), key('destination', { keySpecIndex: 1 })],
    run: rPopLPush,
  },
  {
    name: 'rpush',
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Append one or multiple elements to a list',
    complexity:
      'O(1) for each element added, so O(N) to add N elements when the command is called ' +
      'with multiple arguments.',
    history: [['2.4.0', 'Accepts multiple `element` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [key('key'), string('element', { multiple: true })],
    run: rPush,
  },
  {
    name: 'rpushx',
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.2.0',
    summary: 'Append an element to a list, only if the list exists',
    complexity:
      'O(1) for each element added, so O(N) to add N elements when the command is called ' +
      'with multiple arguments.',
    history: [['4.0.0', 'Accepts multiple `element` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [key('key'), string('element', { multiple: true })],
    run: rPushX,
  },
]);

/** Whatever element a handler has in hand, and where it stands. */
const element = new BorrowedBytes();
const position = new ListPosition();

// Pushing ---------------------------------------------------------------------------------------------------

/** LPUSH key element [element ...] */
function lPush(call: Call): void {
  push(call, true, false);
}

/** RPUSH key element [element ...] */
function rPush(call: Call): void {
  push(call, false, false);
}

/** LPUSHX key element [element ...] */
function lPushX(call: Call): void {
  push(call, true, true);
}

/** RPUSHX key element [element ...] */
function rPushX(call: Call): void {
  push(call, false, true);
}

function push(call: Call, isHead: boolean, mustExist: boolean): void {
  const { database, keyspace, request } = call;
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0 && mustExist) {
    call.reply.integer(0);
    return;
  }

  const added = request.count - 2;
  const oldLength = entry === 0 ? 0 : keyspace.lists.length(database.valueOf(entry));
  keyspace.lists.push(database, entry, isHead, request);

  call.changed(1, NOTIFY_LIST, isHead ? 'lpush' : 'rpush');
  if (added > 1) keyspace.addDirty(added - 1);
  call.reply.integer(oldLength + added);
}

/** LINSERT key BEFORE | AFTER pivot element */
function lInsert(call: Call): void {
  const isAfter = call.is(2, 'AFTER');
  if (!isAfter && !call.is(2, 'BEFORE')) throw SYNTAX_ERROR;
  const { database, keyspace, reply, request } = call;
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) {
    reply.integer(0);
    return;
  }
  const { lists } = keyspace;
  const list = database.valueOf(entry);
  lists.quicklist.seek(list, 0, position);
  if (!lists.quicklist.find(position, request.buffer, request.start(3), request.end(3))) {
    reply.integer(-1);
    return;
  }

  borrowArgument(call, 4);
  lists.insert(database, entry, position, isAfter, element);

  call.changed(1, NOTIFY_LIST, 'linsert');
  reply.integer(lists.length(list));
}

// Reading ---------------------------------------------------------------------------------------------------

/** LLEN key */
function lLen(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_LIST);
  call.reply.integer(entry === 0 ? 0 : call.keyspace.lists.length(call.database.valueOf(entry)));
}

/** LINDEX key index */
function lIndex(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_LIST);
  if (entry === 0) {
    call.reply.null();
    return;
  }
  const index = call.roundedInt64(2);
  const { quicklist } = call.keyspace.lists;
  if (!quicklist.seek(call.database.valueOf(entry), index, position)) {
    call.reply.null();
    return;
  }
  quicklist.borrow(position, element);
  call.reply.bulk(element.bytes, element.start, element.end);
}

/** LRANGE key start stop */
function lRange(call: Call): void {
  const start = call.roundedInt64(2);
  const stop = call.roundedInt64(3);
  const entry = call.lookupTypedRead(1, TYPE_LIST);
  if (entry === 0) {
    call.reply.array(0);
    return;
  }
  const list = call.database.valueOf(entry);
  const length = call.keyspace.lists.length(list);
  const first = firstOfRange(start, length);
  replyRange(call, list, first, rangeCount(first, stop, length));
}

// Changing --------------------------------------------------------------------------------------------------

/** LSET key index element */
function lSet(call: Call): void {
  const { database, request } = call;
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) throw NO_SUCH_KEY;
  const index = call.roundedInt64(2);

  const { lists } = call.keyspace;
  if (!lists.set(database, entry, index, request.buffer, request.start(3), request.end(3)))
    throw INDEX_OUT_OF_RANGE;

  call.changed(1, NOTIFY_LIST, 'lset');
  call.reply.ok();
}

/** LREM key count element */
function lRem(call: Call): void {
  const count = call.roundedInt64(2);
  const { database, keyspace } = call;
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }
  const length = keyspace.lists.length(database.valueOf(entry));

  borrowArgument(call, 3);
  const limit = count === 0 ? Infinity : Math.abs(count);
  const removed = keyspace.lists.removeEqual(database, entry, count >= 0, limit, element);

  if (removed > 0) {
    call.changed(1, NOTIFY_LIST, 'lrem');
    keyspace.addDirty(removed - 1);
    if (removed === length) call.event(1, NOTIFY_GENERIC, 'del');
  }
  call.reply.integer(removed);
}

/** LTRIM key start stop */
function lTrim(call: Call): void {
  const start = call.roundedInt64(2);
  const stop = call.roundedInt64(3);
  const { database, keyspace } = call;
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) {
    call.reply.ok();
    return;
  }
  const length = keyspace.lists.length(database.valueOf(entry));
  const first = firstOfRange(start, length);
  const kept = rangeCount(first, stop, length);

  const isEmptied = keyspace.lists.trim(database, entry, first, kept);

  call.changed(1, NOTIFY_LIST, 'ltrim');
  // Nothing removed is an event, but no change to be saved or propagated.
  keyspace.addDirty(length - kept - 1);
  if (isEmptied) call.event(1, NOTIFY_GENERIC, 'del');
  call.reply.ok();
}

function borrowArgument(call: Call, index: number): void {
  element.bytes = call.request.buffer;
  element.start = call.request.start(index);
  element.end = call.request.end(index);
}

/** The first index of a range whose start may be negative: from the end. */
function firstOfRange(start: number, length: number): number {
  return Math.max(0, start < 0 ? start + length : start);
}

/** Elements of the range that begins at `first`; 0 = it is empty. */
function rangeCount(first: number, stop: number, length: number): number {
  const last = Math.min(length - 1, stop < 0 ? stop + length : stop);
  return Math.max(0, last - first + 1);
}
