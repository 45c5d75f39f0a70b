/** Clients that wait for elements of lists. */
import assert from 'node:assert/strict';
import { encodeReply } from '../support/resp-client.ts';
import {
  ANYTHING,
  behaviour,
  blocks,
  disconnect,
  error,
  NULL_ARRAY,
  OK,
  on,
  QUEUED,
  receives,
  simple,
  wait,
} from './behaviour.ts';
import type { Step } from './behaviour.ts';

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const UNBLOCKED = error('UNBLOCKED client unblocked via CLIENT UNBLOCK');

behaviour('BLPOP and BRPOP wait for an element', [
  blocks('a', 'BLPOP k 0'),
  ['RPUSH k 1 2 3', 3],
  receives('a', ['k', '1']),
  ['LRANGE k 0 -1', ['2', '3']],
  ['DEL k', 1],
  blocks('a', 'BRPOP none k other 0'),
  ['RPUSH k 1 2 3', 3],
  receives('a', ['k', '3']),
  ['LRANGE k 0 -1', ['1', '2']],
  on('a', 'PING', simple('PONG')),
]);

behaviour('the last element served takes the key along', [
  blocks('a', 'BLPOP k 0'),
  ['LPUSH k v', 1],
  receives('a', ['k', 'v']),
  ['EXISTS k', 0],
  ['DBSIZE', 0],
]);

behaviour('those who wait longest are served first', [
  blocks('a', 'BLPOP k 0'),
  blocks('b', 'BRPOP k 0'),
  blocks('c', 'BLPOP k 0'),
  ['RPUSH k 1', 1],
  receives('a', ['k', '1']),
  ['RPUSH k 2 3 4', 3],
  receives('b', ['k', '4']),
  receives('c', ['k', '2']),
  ['LRANGE k 0 -1', ['3']],
]);

behaviour('a client is served from the key that came first', [
  blocks('a', 'BLPOP x y z 0'),
  ['MULTI', OK],
  ['RPUSH z 1', QUEUED],
  ['RPUSH x 2', QUEUED],
  ['EXEC', [1, 1]],
  receives('a', ['z', '1']),
  ['LRANGE x 0 -1', ['2']],
]);

behaviour('a key named twice is waited for once', [
  blocks('a', 'BLPOP k k 0'),
  ['RPUSH k 1 2', 2],
  receives('a', ['k', '1']),
  ['LRANGE k 0 -1', ['2']],
  blocks('a', 'BLMPOP 0 3 j j j LEFT COUNT 1'),
  ['RPUSH j 1 2', 2],
  receives('a', ['j', ['1']]),
]);

behaviour('BLMPOP takes what is there, up to its count', [
  blocks('a', 'BLMPOP 0 2 x k RIGHT COUNT 2'),
  blocks('b', 'BLMPOP 0 2 k x LEFT COUNT 10'),
  ['RPUSH k 1 2 3 4 5', 5],
  receives('a', ['k', ['5', '4']]),
  receives('b', ['k', ['1', '2', '3']]),
  ['EXISTS k', 0],
]);

behaviour('BLMOVE and BRPOPLPUSH wait for their source', [
  blocks('a', 'BLMOVE k l RIGHT LEFT 0'),
  ['RPUSH k 1 2 3', 3],
  receives('a', '3'),
  ['DEL k', 1],
  blocks('a', 'BRPOPLPUSH k l 0'),
  ['RPUSH k 4', 1],
  receives('a', '4'),
  blocks('a', 'BLMOVE k l left right 0'),
  ['LPUSH k 5', 1],
  receives('a', '5'),
  ['LRANGE l 0 -1', ['4', '3', '5']],
  ['EXISTS k', 0],
]);

behaviour('an element goes on from list to list', [
  blocks('a', 'BLMOVE one two LEFT LEFT 0'),
  blocks('b', 'BRPOPLPUSH two three 0'),
  blocks('c', 'BLPOP three 0'),
  ['LPUSH one v', 1],
  receives('a', 'v'),
  receives('b', 'v'),
  receives('c', ['three', 'v']),
  ['DBSIZE', 0],
]);

behaviour('lists that feed each other serve everybody once', [
  blocks('a', 'BRPOPLPUSH one two 0'),
  blocks('b', 'BRPOPLPUSH two one 0'),
  ['RPUSH one v', 1],
  receives('a', 'v'),
  receives('b', 'v'),
  ['LRANGE one 0 -1', ['v']],
  ['EXISTS two', 0],
]);

behaviour('a list may be moved to itself', [
  blocks('a', 'BLMOVE k k LEFT RIGHT 0'),
  ['RPUSH k 1 2 3', 3],
  receives('a', '1'),
  ['LRANGE k 0 -1', ['2', '3', '1']],
]);

behaviour('a destination of another type is an error when it comes to that', [
  ['SET s v', OK],
  blocks('a', 'BLMOVE k s LEFT LEFT 0'),
  blocks('b', 'BLPOP k 0'),
  ['RPUSH k 1', 1],
  receives('a', WRONG_TYPE),
  receives('b', ['k', '1']),
  ['GET s', 'v'],
  ['EXISTS k', 0],
]);

behaviour('keys of other types wake nobody', [
  blocks('a', 'BLPOP k 0'),
  ['SET k v', OK],
  ['DEL k', 1],
  ['RPUSH other 1', 1],
  ['SELECT 1', OK],
  ['RPUSH k elsewhere', 1],
  ['SELECT 0', OK],
  ['RPUSH k 1', 1],
  receives('a', ['k', '1']),
]);

behaviour('what is pushed and taken again in one transaction wakes nobody', [
  blocks('a', 'BLPOP k 0'),
  ['MULTI', OK],
  ['RPUSH k 1', QUEUED],
  ['DEL k', QUEUED],
  ['EXEC', [1, 1]],
  ['MULTI', OK],
  ['RPUSH k 1', QUEUED],
  ['DEL k', QUEUED],
  ['SET k v', QUEUED],
  ['EXEC', [1, 1, OK]],
  ['DEL k', 1],
  ['MULTI', OK],
  ['RPUSH k 1', QUEUED],
  ['LPUSH k 0', QUEUED],
  ['LPOP k', QUEUED],
  ['EXEC', [1, 2, '0']],
  receives('a', ['k', '1']),
]);

behaviour('other ways for a list to come', [
  ['RPUSH source 1 2', 2],
  blocks('a', 'BLPOP k 0'),
  ['RENAME source k', OK],
  receives('a', ['k', '1']),
  ['RENAME k source', OK],
  blocks('a', 'BLPOP k 0'),
  ['COPY source k', 1],
  receives('a', ['k', '2']),
  blocks('a', 'BLPOP k 0'),
  ['LMOVE source k LEFT LEFT', '2'],
  receives('a', ['k', '2']),
  ['SELECT 1', OK],
  ['RPUSH k 3', 1],
  ['SELECT 0', OK],
  blocks('a', 'BLPOP k 0'),
  on('b', 'SELECT 1', OK),
  on('b', 'MOVE k 0', 1),
  receives('a', ['k', '3']),
  on('b', 'RPUSH k 4', 1),
  blocks('a', 'BLPOP k 0'),
  ['SWAPDB 0 1', OK],
  receives('a', ['k', '4']),
]);

behaviour('in a transaction nobody waits', [
  ['MULTI', OK],
  ['BLPOP k 0', QUEUED],
  ['BRPOP k 0', QUEUED],
  ['BLMPOP 0 1 k LEFT', QUEUED],
  ['BLMOVE k l LEFT LEFT 0', QUEUED],
  ['BRPOPLPUSH k l 0', QUEUED],
  ['RPUSH k 1 2 3 4 5', QUEUED],
  ['BLPOP k 0', QUEUED],
  ['BRPOP k 0', QUEUED],
  ['BLMPOP 0 1 k LEFT', QUEUED],
  ['BLMOVE k l LEFT LEFT 0', QUEUED],
  ['BRPOPLPUSH k l 0', QUEUED],
  [
    'EXEC',
    [NULL_ARRAY, NULL_ARRAY, NULL_ARRAY, null, null, 5, ['k', '1'], ['k', '5'], ['k', ['2']], '3', '4'],
  ],
]);

behaviour('waiting ends when the time is up', [
  ['BLPOP k 0.01', NULL_ARRAY],
  ['BRPOP k 0.01', NULL_ARRAY],
  ['BLMPOP 0.01 1 k LEFT', NULL_ARRAY],
  ['BLMOVE k l LEFT LEFT 0.01', NULL_ARRAY],
  ['BRPOPLPUSH k l 0.01', NULL_ARRAY],
  ['RPUSH k v', 1],
  ['LPOP k', 'v'],
]);

behaviour('a client that has waited in vain gets nothing later', [
  on('a', 'BLPOP k 0.01', NULL_ARRAY),
  ['RPUSH k v', 1],
  on('a', 'LLEN k', 1),
  ['DEL k', 1],
  blocks('b', 'BLPOP k 0'),
  disconnect('b'),
  blocks('a', 'BLPOP k 0'),
  ['RPUSH k w', 1],
  receives('a', ['k', 'w']),
]);

/** Unblocks the one client that waits. */
function unblock(...how: readonly string[]): Step {
  return async (clients) => {
    const observer = await clients.get('');
    const list = encodeReply(await observer.command('CLIENT', 'LIST')).toString();
    const line = list.split('\n').find((candidate) => / flags=b/.test(candidate)) ?? '';
    const id = /id=(\d+)/.exec(line)?.[1] ?? '0';
    assert.equal(await observer.text('CLIENT', 'UNBLOCK', id, ...how), ':1');
  };
}

behaviour('CLIENT UNBLOCK ends waiting', [
  blocks('a', 'BLPOP k 0'),
  unblock(),
  receives('a', NULL_ARRAY),
  blocks('a', 'BLMOVE k l LEFT LEFT 0'),
  unblock('TIMEOUT'),
  receives('a', NULL_ARRAY),
  blocks('a', 'BLMPOP 0 1 k LEFT'),
  unblock('ERROR'),
  receives('a', UNBLOCKED),
  ['RPUSH k v', 1],
  on('a', 'BRPOP k 0', ['k', 'v']),
]);

behaviour('commands that follow wait with the client', [
  async (clients) => {
    const client = await clients.get('a');
    client.send('BLPOP', 'k', 0);
    client.send('RPUSH', 'log', 'after');
  },
  wait(50),
  ['EXISTS log', 0],
  ['RPUSH k v', 1],
  receives('a', ['k', 'v']),
  receives('a', 1),
  ['LRANGE log 0 -1', ['after']],
]);

behaviour('a client that waits and wants no reply gets none', [
  blocks('a', 'BLPOP k 0'),
  ['RPUSH k 1', 1],
  receives('a', ['k', '1']),
  async (clients) => {
    const client = await clients.get('a');
    client.send('CLIENT', 'REPLY', 'SKIP');
    client.send('BLPOP', 'k', 0);
    client.send('RPUSH', 'log', 'after');
  },
  wait(50),
  ['RPUSH k 2', 1],
  receives('a', 1),
  ['EXISTS k', 0],
]);

behaviour('a waiting client is seen by CLIENT LIST', [
  blocks('a', 'BLPOP k 0'),
  ['CLIENT LIST', ANYTHING],
  ['RPUSH k v', 1],
  receives('a', ['k', 'v']),
]);
