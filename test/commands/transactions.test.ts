/** Behaviour of MULTI, EXEC, DISCARD, WATCH and UNWATCH. */
import {
  behaviour,
  disconnect,
  error,
  errorStarting,
  NULL_ARRAY,
  OK,
  on,
  QUEUED,
  simple,
  wait,
  type Expected,
  type Step,
} from './behaviour.ts';

const ABORTED = error('EXECABORT Transaction discarded because of previous errors.');

behaviour('EXEC runs what was queued, and replies to all of it', [
  ['MULTI', OK],
  ['SET k 1', QUEUED],
  ['INCR k', QUEUED],
  on('other', 'GET k', null),
  ['GET k', QUEUED],
  ['MGET k missing', QUEUED],
  ['EXEC', [OK, 2, '2', ['2', null]]],
  on('other', 'GET k', '2'),
  ['EXEC', error('ERR EXEC without MULTI')],
]);

behaviour('an empty transaction', [
  ['MULTI', OK],
  ['EXEC', []],
]);

behaviour('an error while running leaves the other commands alone', [
  ['MULTI', OK],
  ['SET k text', QUEUED],
  ['INCR k', QUEUED],
  ['SET k after', QUEUED],
  ['EXEC', [OK, error('ERR value is not an integer or out of range'), OK]],
  ['GET k', 'after'],
]);

behaviour('a command that is refused while queueing makes EXEC abort', [
  ['MULTI', OK],
  ['SET k v', QUEUED],
  ['NOSUCH a', errorStarting("ERR unknown command 'NOSUCH'")],
  ['SET k w', QUEUED],
  ['EXEC', ABORTED],
  ['GET k', null],
  ['EXEC', error('ERR EXEC without MULTI')],
  ['MULTI', OK],
  ['GET', error("ERR wrong number of arguments for 'get' command")],
  ['EXEC', ABORTED],
  ['MULTI', OK],
  ['CLIENT NOSUCH', error("ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.")],
  ['EXEC', ABORTED],
  ['MULTI', OK],
  [
    'EXEC x',
    error("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"),
  ],
  ['EXEC', error('ERR EXEC without MULTI')],
]);

behaviour('DISCARD forgets the queue, the error and the watched keys', [
  ['DISCARD', error('ERR DISCARD without MULTI')],
  ['WATCH k', OK],
  ['MULTI', OK],
  ['SET k v', QUEUED],
  ['NOSUCH', errorStarting('ERR unknown command')],
  ['DISCARD', OK],
  ['GET k', null],
  on('other', 'SET k w', OK),
  ['MULTI', OK],
  ['GET k', QUEUED],
  ['EXEC', ['w']],
]);

behaviour('MULTI and WATCH inside of MULTI are errors that abort nothing', [
  ['MULTI', OK],
  ['MULTI', error('ERR MULTI calls can not be nested')],
  ['WATCH k', error('ERR WATCH inside MULTI is not allowed')],
  ['PING', QUEUED],
  ['EXEC', [simple('PONG')]],
]);

behaviour('UNWATCH inside of MULTI comes too late', [
  ['WATCH k', OK],
  on('other', 'SET k v', OK),
  ['MULTI', OK],
  ['UNWATCH', QUEUED],
  ['EXEC', NULL_ARRAY],
]);

behaviour('arity', [
  ['WATCH', error("ERR wrong number of arguments for 'watch' command")],
  ['UNWATCH x', error("ERR wrong number of arguments for 'unwatch' command")],
  ['MULTI x', error("ERR wrong number of arguments for 'multi' command")],
  ['DISCARD x', error("ERR wrong number of arguments for 'discard' command")],
  ['EXEC x', errorStarting('EXECABORT Transaction discarded because of: wrong number of arguments')],
]);

/** `k` is watched, `steps` happen, and EXEC must give `expected`. */
function watched(name: string, steps: readonly Step[], expected: Expected): void {
  behaviour(`WATCH: ${name}`, [
    ['SET k v', OK],
    ['SET untouched v', OK],
    ['WATCH untouched k', OK],
    ...steps,
    ['MULTI', OK],
    ['PING', QUEUED],
    ['EXEC', expected],
    // EXEC forgets what was watched, whatever came out of it.
    on('other', 'SET k later', OK),
    ['MULTI', OK],
    ['PING', QUEUED],
    ['EXEC', RAN],
  ]);
}

const RAN: Expected = [simple('PONG')];

watched('nothing happens', [], RAN);
watched('it is read', [on('other', 'GET k', 'v')], RAN);
watched('another key changes', [on('other', 'SET l v', OK)], RAN);
watched('a write that changes nothing', [on('other', 'SETNX k w', 0)], RAN);
watched('somebody sets it', [on('other', 'SET k w', OK)], NULL_ARRAY);
watched('somebody sets it to the same', [on('other', 'SET k v', OK)], NULL_ARRAY);
watched('the client itself sets it', [['SET k w', OK]], NULL_ARRAY);
watched('it is deleted', [on('other', 'DEL k', 1)], NULL_ARRAY);
watched('it gets a time to live', [on('other', 'EXPIRE k 1000', 1)], NULL_ARRAY);
watched('it is renamed', [on('other', 'RENAME k l', OK)], NULL_ARRAY);
watched('another key is renamed to it', [['SET l w', OK], on('other', 'RENAME l k', OK)], NULL_ARRAY);
watched('FLUSHDB', [on('other', 'FLUSHDB', OK)], NULL_ARRAY);
watched(
  'FLUSHALL from another database',
  [on('other', 'SELECT 1', OK), on('other', 'FLUSHALL', OK), on('other', 'SELECT 0', OK)],
  NULL_ARRAY,
);
watched(
  'FLUSHDB of another database',
  [on('other', 'SELECT 1', OK), on('other', 'FLUSHDB', OK), on('other', 'SELECT 0', OK)],
  RAN,
);
watched('SWAPDB', [on('other', 'SWAPDB 0 1', OK)], NULL_ARRAY);
watched('SWAPDB of others', [on('other', 'SWAPDB 1 2', OK)], RAN);
watched('UNWATCH after the change', [on('other', 'SET k w', OK), ['UNWATCH', OK]], RAN);
watched('the other client sets it and leaves', [on('gone', 'SET k w', OK), disconnect('gone')], NULL_ARRAY);
watched('it is watched again after the change', [on('other', 'SET k w', OK), ['WATCH k', OK]], NULL_ARRAY);
watched(
  'the same key of another database changes',
  [on('other', 'SELECT 1', OK), on('other', 'SET k w', OK), on('other', 'SELECT 0', OK)],
  RAN,
);
watched(
  'it is watched in one database and EXEC is called in another',
  [['SELECT 1', OK], on('other', 'SET k w', OK)],
  NULL_ARRAY,
);

behaviour('WATCH: a key that comes into being', [
  ['WATCH missing', OK],
  on('other', 'SET missing v', OK),
  ['MULTI', OK],
  ['PING', QUEUED],
  ['EXEC', NULL_ARRAY],
]);

behaviour('WATCH: FLUSHALL and SWAPDB where the key is missing before and after', [
  ['WATCH missing', OK],
  on('other', 'FLUSHALL', OK),
  on('other', 'SWAPDB 0 1', OK),
  ['MULTI', OK],
  ['PING', QUEUED],
  ['EXEC', RAN],
]);

behaviour('WATCH: a key that dies meanwhile, noticed or not', [
  ['DEBUG SET-ACTIVE-EXPIRE 0', OK],
  ['SET k v PX 300', OK],
  ['WATCH k', OK],
  wait(310),
  ['MULTI', OK],
  ['PING', QUEUED],
  ['EXEC', NULL_ARRAY],
  ['SET l v PX 300', OK],
  ['WATCH l', OK],
  wait(310),
  on('other', 'GET l', null),
  ['MULTI', OK],
  ['PING', QUEUED],
  ['EXEC', NULL_ARRAY],
  ['DEBUG SET-ACTIVE-EXPIRE 1', OK],
]);

/** `k` is dead when it is watched, `steps` happen, and EXEC must give `expected`. */
function watchedDead(name: string, steps: readonly Step[], expected: Expected): void {
  behaviour(`WATCH of a dead key: ${name}`, [
    ['DEBUG SET-ACTIVE-EXPIRE 0', OK],
    ['SET k v PX 1', OK],
    wait(5),
    ['WATCH k', OK],
    ['DBSIZE', 1],
    ...steps,
    ['MULTI', OK],
    ['PING', QUEUED],
    ['EXEC', expected],
    ['DEBUG SET-ACTIVE-EXPIRE 1', OK],
  ]);
}

watchedDead('nothing happens', [], RAN);
watchedDead('it is removed', [on('other', 'GET k', null), ['DBSIZE', 0]], RAN);
watchedDead('somebody sets it', [on('other', 'SET k w', OK)], NULL_ARRAY);
watchedDead('somebody sets it after its removal', [['GET k', null], on('other', 'SET k w', OK)], NULL_ARRAY);
watchedDead('DEL finds nothing to delete', [on('other', 'DEL k', 0)], RAN);
watchedDead('FLUSHALL', [on('other', 'FLUSHALL', OK)], RAN);
watchedDead('set after FLUSHALL', [on('other', 'FLUSHALL', OK), on('other', 'SET k w', OK)], NULL_ARRAY);
watchedDead('SWAPDB with an empty database', [on('other', 'SWAPDB 0 1', OK)], RAN);
watchedDead(
  'SWAPDB brings a living one',
  [on('other', 'SELECT 1', OK), on('other', 'SET k w', OK), on('other', 'SWAPDB 0 1', OK)],
  NULL_ARRAY,
);
watchedDead(
  'SWAPDB brings another dead one',
  [on('other', 'SELECT 1', OK), on('other', 'SET k w PX 1', OK), wait(5), on('other', 'SWAPDB 0 1', OK)],
  RAN,
);

behaviour('WATCH: FLUSHALL and SWAPDB remove a key that has died meanwhile', [
  ['DEBUG SET-ACTIVE-EXPIRE 0', OK],
  ...['FLUSHALL', 'SWAPDB 0 1'].flatMap((command): Step[] => [
    ['SET k v PX 300', OK],
    ['WATCH k', OK],
    wait(310),
    on('other', command, OK),
    ['MULTI', OK],
    ['PING', QUEUED],
    ['EXEC', NULL_ARRAY],
  ]),
  ['DEBUG SET-ACTIVE-EXPIRE 1', OK],
]);

behaviour('SELECT within a transaction holds for what follows', [
  ['MULTI', OK],
  ['SET k zero', QUEUED],
  ['SELECT 1', QUEUED],
  ['SET k one', QUEUED],
  ['GET k', QUEUED],
  ['EXEC', [OK, OK, OK, 'one']],
  ['GET k', 'one'],
  ['SELECT 0', OK],
  ['GET k', 'zero'],
]);

behaviour('the arguments of queued commands are kept', [
  ['MULTI', OK],
  [['SET', 'bytes', Buffer.from([0, 0xff, 0x0d, 0x0a])], QUEUED],
  [['SET', 'large', Buffer.alloc(100_000, 0x61)], QUEUED],
  ['GET bytes', QUEUED],
  ['STRLEN large', QUEUED],
  ['EXEC', [OK, OK, Buffer.from([0, 0xff, 0x0d, 0x0a]), 100_000]],
]);
