/** Behaviour of WAIT on a server without replicas. */
import { behaviour, blocks, error, matching, OK, on, QUEUED, receives, simple } from './behaviour.ts';

behaviour('WAIT waits for nobody, or until the time is up', [
  ['SET k v', OK],
  ['WAIT 0 0', 0],
  ['WAIT -1 0', 0],
  ['WAIT 1 1', 0],
  ['PING', simple('PONG')],
  ['WAIT x 1', error('ERR value is not an integer or out of range')],
  ['WAIT 1 x', error('ERR timeout is not an integer or out of range')],
  ['WAIT 1 -1', error('ERR timeout is negative')],
  ['WAIT 1', error("ERR wrong number of arguments for 'wait' command")],
  on('other', 'GET k', 'v'),
]);

behaviour('WAIT in a transaction does not wait', [
  ['MULTI', OK],
  ['WAIT 1 0', QUEUED],
  ['EXEC', [0]],
]);

behaviour('clients that wait are counted', [
  blocks('forever', 'BLPOP nothing 0'),
  blocks('a while', 'BLPOP nothing 100'),
  ['INFO clients', matching(/blocked_clients:2\r[^]*clients_in_timeout_table:1\r/)],
  ['RPUSH nothing a b', 2],
  receives('forever', ['nothing', 'a']),
  receives('a while', ['nothing', 'b']),
  ['INFO clients', matching(/blocked_clients:0\r[^]*clients_in_timeout_table:0\r/)],
]);
