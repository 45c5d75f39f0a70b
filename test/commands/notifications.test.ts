/** Behaviour of keyspace notifications: who is told of which event. */
import {
  ANYTHING,
  behaviour,
  integerBetween,
  OK,
  on,
  push,
  QUEUED,
  receives,
  sends,
  wait,
  type Expected,
  type Step,
} from './behaviour.ts';

const ALL_EVENTS = '__key*__:*';

/** What a listener to all events gets for one of them. */
function event(name: string, key: string, database = 0): Expected[] {
  return [
    push('pmessage', ALL_EVENTS, `__keyspace@${database}__:${key}`, name),
    push('pmessage', ALL_EVENTS, `__keyevent@${database}__:${name}`, key),
  ];
}

function listens(mask: string): Step[] {
  return [
    [`CONFIG SET notify-keyspace-events ${mask}`, OK],
    on('sub', `PSUBSCRIBE ${ALL_EVENTS}`, push('psubscribe', ALL_EVENTS, 1)),
  ];
}

const STOPS: Step = [['CONFIG', 'SET', 'notify-keyspace-events', ''], OK];

behaviour('without notify-keyspace-events nobody hears of anything', [
  STOPS,
  on('sub', `PSUBSCRIBE ${ALL_EVENTS}`, push('psubscribe', ALL_EVENTS, 1)),
  ['SET k v', OK],
  ['CONFIG SET notify-keyspace-events g$', OK],
  ['SET k v', OK],
  ['PUBLISH __keyend__: x', 1],
  receives('sub', push('pmessage', ALL_EVENTS, '__keyend__:', 'x')),
  STOPS,
]);

behaviour('an event is told to its key and to its name', [
  ...listens('KEA'),
  ['SET k v', OK],
  receives('sub', ...event('set', 'k')),
  ['SET k v EX 100', OK],
  receives('sub', ...event('set', 'k'), ...event('expire', 'k')),
  ['INCR n', 1],
  receives('sub', ...event('incrby', 'n')),
  ['RENAME k k2', OK],
  receives('sub', ...event('rename_from', 'k'), ...event('rename_to', 'k2')),
  ['MOVE k2 3', 1],
  receives('sub', ...event('move_from', 'k2'), ...event('move_to', 'k2', 3)),
  ['DEL n', 1],
  receives('sub', ...event('del', 'n')),
  ['GET nothing', null],
  ['MSET a 1 b 2', OK],
  receives('sub', ...event('set', 'a'), ...event('set', 'b')),
  STOPS,
]);

behaviour('K and E choose where, the other letters what', [
  ...listens('Kg'),
  ['SET k v', OK],
  ['DEL k', 1],
  receives('sub', push('pmessage', ALL_EVENTS, '__keyspace@0__:k', 'del')),
  ['CONFIG SET notify-keyspace-events E$', OK],
  ['SET k v', OK],
  receives('sub', push('pmessage', ALL_EVENTS, '__keyevent@0__:set', 'k')),
  ['DEL k', 1],
  ['SET k w', OK],
  receives('sub', push('pmessage', ALL_EVENTS, '__keyevent@0__:set', 'k')),
  STOPS,
]);

behaviour('new keys and misses are told of when they are asked for', [
  ...listens('KEmn'),
  ['SET k v', OK],
  receives('sub', ...event('new', 'k')),
  ['SET k w', OK],
  ['GET k', 'w'],
  ['GET none', null],
  receives('sub', ...event('keymiss', 'none')),
  ['EXISTS none2', 0],
  receives('sub', ...event('keymiss', 'none2')),
  ['TTL none3', -2],
  receives('sub', ...event('keymiss', 'none3')),
  ['OBJECT ENCODING none4', null],
  ['COPY k copy', 1],
  receives('sub', ...event('new', 'copy')),
  ['SETNX k x', 0],
  ['SETNX fresh x', 1],
  receives('sub', ...event('new', 'fresh')),
  STOPS,
]);

behaviour('a key whose time has passed is told of', [
  ...listens('KEx'),
  ['SET lazy v PX 1', OK],
  wait(5),
  ['GET lazy', null],
  receives('sub', ...event('expired', 'lazy')),
  ['SET active v PX 5', OK],
  receives('sub', ...event('expired', 'active')),
  ['SET k v', OK],
  ['CONFIG SET notify-keyspace-events KEg', OK],
  ['EXPIRE k 0', 1],
  receives('sub', ...event('del', 'k')),
  STOPS,
]);

behaviour('events of a transaction come while it runs', [
  ...listens('KE$'),
  ['MULTI', OK],
  ['SET k 1', QUEUED],
  ['INCR k', QUEUED],
  ['EXEC', [OK, 2]],
  receives('sub', ...event('set', 'k'), ...event('incrby', 'k')),
  STOPS,
]);

behaviour(
  'who changes a key can listen to it',
  [
    ['CONFIG SET notify-keyspace-events E$', OK],
    ['SUBSCRIBE __keyevent@0__:set', push('subscribe', '__keyevent@0__:set', 1)],
    sends('', 'SET k v'),
    receives('', push('message', '__keyevent@0__:set', 'k'), OK),
    sends('', 'MSET a 1 b 2'),
    receives('', push('message', '__keyevent@0__:set', 'a'), push('message', '__keyevent@0__:set', 'b'), OK),
    STOPS,
  ],
  { protocols: [3] },
);

behaviour('nobody is told when nothing has changed', [
  ...listens('KEA'),
  ['DEL none', 0],
  ['EXPIRE none 10', 0],
  ['SET k v', OK],
  ['SETNX k w', 0],
  ['PERSIST k', 0],
  ['GETSET k w', 'v'],
  ['DBSIZE', integerBetween(1, 1)],
  receives('sub', ...event('set', 'k'), ...event('set', 'k')),
  ['FLUSHALL', ANYTHING],
  ['SET last v', OK],
  receives('sub', ...event('set', 'last')),
  STOPS,
]);
