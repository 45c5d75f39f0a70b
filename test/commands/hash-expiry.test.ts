/** Behaviour of hash fields that expire, which came after Redis 7.0. */
import { OK, behaviour, error, integerBetween, map, unordered, wait, type Step } from './behaviour.ts';

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const FIELDS_MISSING = error('ERR Mandatory argument FIELDS is missing or not at the right position');
const NOT_POSITIVE = error('ERR Parameter `numFields` should be greater than 0');
const MISMATCH = error('ERR The `numfields` parameter must match the number of arguments');
/** 2100-01-01, Unix time in seconds. */
const FAR = 4_102_444_800;

/** Redis 7.0, which is what is installed where these tests run, has none of this. */
function behaviourSince74(name: string, steps: readonly Step[]): void {
  behaviour(name, steps, { since: '7.4' });
}

behaviourSince74('HEXPIRE and HTTL, HPEXPIRE and HPTTL', [
  ['HSET h a 1 b 2 c 3', 3],
  ['HEXPIRE h 100 FIELDS 2 a nosuch', [1, -2]],
  ['HTTL h FIELDS 3 a b nosuch', [integerBetween(98, 100), -1, -2]],
  ['HPEXPIRE h 50000 FIELDS 1 b', [1]],
  ['HPTTL h FIELDS 2 b c', [integerBetween(40_000, 50_000), -1]],
  ['HTTL h FIELDS 1 b', [integerBetween(40, 50)]],
  ['HGETALL h', unordered('a', '1', 'b', '2', 'c', '3')],
  ['OBJECT ENCODING h', 'hashtable'],
  ['HEXPIRE nosuch 10 FIELDS 2 a b', [-2, -2]],
  ['HTTL nosuch FIELDS 2 a b', [-2, -2]],
  ['HPTTL nosuch FIELDS 1 a', [-2]],
]);

behaviourSince74('HEXPIREAT and HEXPIRETIME, HPEXPIREAT and HPEXPIRETIME', [
  ['HSET h a 1 b 2', 2],
  [`HEXPIREAT h ${FAR} FIELDS 1 a`, [1]],
  [`HPEXPIREAT h ${FAR}001 FIELDS 1 b`, [1]],
  ['HEXPIRETIME h FIELDS 3 a b c', [FAR, FAR + 1, -2]],
  ['HPEXPIRETIME h FIELDS 2 a b', [FAR * 1000, FAR * 1000 + 1]],
  ['HEXPIRETIME nosuch FIELDS 1 a', [-2]],
  ['HPEXPIRETIME nosuch FIELDS 1 a', [-2]],
]);

behaviourSince74('NX, XX, GT and LT', [
  ['HSET h a 1 b 2', 2],
  [`HEXPIREAT h ${FAR} XX FIELDS 1 a`, [0]],
  [`HEXPIREAT h ${FAR} GT FIELDS 1 a`, [0]],
  [`HEXPIREAT h ${FAR} NX FIELDS 1 a`, [1]],
  [`HEXPIREAT h ${FAR} nx FIELDS 2 a b`, [0, 1]],
  [`HEXPIREAT h ${FAR} GT FIELDS 1 a`, [0]],
  [`HEXPIREAT h ${FAR + 10} GT FIELDS 1 a`, [1]],
  [`HEXPIREAT h ${FAR + 10} LT FIELDS 1 a`, [0]],
  [`HEXPIREAT h ${FAR} LT FIELDS 1 a`, [1]],
  [`HEXPIREAT h ${FAR + 20} XX FIELDS 1 a`, [1]],
  ['HPERSIST h FIELDS 1 a', [1]],
  [`HEXPIREAT h ${FAR} LT FIELDS 1 a`, [1]],
  ['HEXPIRETIME h FIELDS 2 a b', [FAR, FAR]],
]);

behaviourSince74('a time in the past deletes at once', [
  ['HSET h a 1 b 2', 2],
  ['HEXPIREAT h 1 FIELDS 2 a nosuch', [2, -2]],
  ['HGETALL h', map(['b', '2'])],
  ['OBJECT ENCODING h', 'listpack'],
  ['HEXPIRE h 0 GT FIELDS 1 b', [0]],
  ['HPEXPIRE h 0 FIELDS 2 b b', [2, -2]],
  ['EXISTS h', 0],
]);

behaviourSince74('HPERSIST', [
  ['HSET h a 1 b 2', 2],
  [`HEXPIREAT h ${FAR} FIELDS 1 a`, [1]],
  ['HPERSIST h FIELDS 3 a b c', [1, -1, -2]],
  ['HTTL h FIELDS 1 a', [-1]],
  ['HPERSIST h FIELDS 1 a', [-1]],
  ['HPERSIST nosuch FIELDS 2 a b', [-2, -2]],
]);

behaviourSince74('fields vanish when their time has come, and the hash with the last', [
  ['HSET h a 1 b 2', 2],
  ['HSET gone a 1 b 2', 2],
  ['HPEXPIRE h 1 FIELDS 1 a', [1]],
  ['HPEXPIRE gone 1 FIELDS 2 a b', [1, 1]],
  wait(10),
  ['HGET h a', null],
  ['HLEN h', 1],
  ['HEXISTS h a', 0],
  ['HGETALL h', map(['b', '2'])],
  ['HGETALL gone', map()],
  ['EXISTS gone', 0],
  ['HSETNX h a new', 1],
  ['HTTL h FIELDS 1 a', [-1]],
]);

behaviourSince74('fields vanish although nobody asks for them', [
  ['HSET h a 1', 1],
  ['HSET kept a 1 b 2', 2],
  ['HPEXPIRE h 1 FIELDS 1 a', [1]],
  ['HPEXPIRE kept 1 FIELDS 1 a', [1]],
  wait(1000),
  ['DBSIZE', 1],
  ['MEMORY USAGE h', null],
  ['HKEYS kept', ['b']],
]);

behaviourSince74('HSET ends what HEXPIRE began, HINCRBY does not', [
  ['HSET h a 1 b 2', 2],
  [`HEXPIREAT h ${FAR} FIELDS 2 a b`, [1, 1]],
  ['HINCRBY h a 100000', 100_001],
  ['HINCRBYFLOAT h b 0.12345678', '2.12345678'],
  ['HEXPIRETIME h FIELDS 2 a b', [FAR, FAR]],
  ['HSET h a 5', 0],
  ['HEXPIRETIME h FIELDS 2 a b', [-1, FAR]],
  ['HDEL h b', 1],
  ['HGETALL h', map(['a', '5'])],
]);

behaviourSince74('COPY, RENAME, MOVE and SWAPDB take the times along', [
  ['HSET h a 1 b 2', 2],
  [`HEXPIREAT h ${FAR} FIELDS 1 a`, [1]],
  ['COPY h c', 1],
  ['HPERSIST c FIELDS 1 a', [1]],
  ['HEXPIRETIME h FIELDS 2 a b', [FAR, -1]],
  ['RENAME h r', OK],
  ['HEXPIRETIME r FIELDS 1 a', [FAR]],
  ['MOVE r 1', 1],
  ['SWAPDB 0 1', OK],
  ['HEXPIRETIME r FIELDS 1 a', [FAR]],
  ['EXPIRE r 1000', 1],
  ['PERSIST r', 1],
  ['HPEXPIRE r 1 FIELDS 2 a b', [1, 1]],
  wait(10),
  ['HLEN r', 0],
  ['EXISTS r', 0],
]);

behaviourSince74('a hash whose fields expire can be replaced and deleted', [
  ['HSET h a 1', 1],
  [`HEXPIREAT h ${FAR} FIELDS 1 a`, [1]],
  ['SET h string', OK],
  ['GET h', 'string'],
  ['HSET i a 1', 1],
  [`HEXPIREAT i ${FAR} FIELDS 1 a`, [1]],
  ['DEL i', 1],
  ['HSET i a 1', 1],
  ['HTTL i FIELDS 1 a', [-1]],
  [`HEXPIREAT i ${FAR} FIELDS 1 a`, [1]],
  ['HDEL i a', 1],
  ['EXISTS i', 0],
]);

behaviourSince74('the commands refuse', [
  ['HSET h a 1', 1],
  ['SET s x', OK],
  ['HEXPIRE s 10 FIELDS 1 a', WRONG_TYPE],
  ['HTTL s FIELDS 1 a', WRONG_TYPE],
  ['HPERSIST s FIELDS 1 a', WRONG_TYPE],
  ['HEXPIRE h x FIELDS 1 a', NOT_AN_INTEGER],
  ['HEXPIRE h 9223372036854775808 FIELDS 1 a', NOT_AN_INTEGER],
  ['HEXPIRE h -1 FIELDS 1 a', error('ERR invalid expire time, must be >= 0')],
  ['HEXPIRE h 9223372036854775807 FIELDS 1 a', error("ERR invalid expire time in 'hexpire' command")],
  ['HPEXPIREAT h 70368744177664 FIELDS 1 a', error("ERR invalid expire time in 'hpexpireat' command")],
  ['HPEXPIREAT h 70368744177663 FIELDS 1 a', [1]],
  ['HEXPIRE h 10 NOSUCH 1 a', FIELDS_MISSING],
  ['HEXPIRE h 10 NX XX FIELDS 1 a', FIELDS_MISSING],
  ['HEXPIRE h 10 FIELDS 0 a', NOT_POSITIVE],
  ['HEXPIRE h 10 FIELDS x a', NOT_POSITIVE],
  ['HEXPIRE h 10 FIELDS 2 a', MISMATCH],
  ['HEXPIRE h 10 FIELDS 1 a b', MISMATCH],
  ['HEXPIRE h 10 NX FIELDS 1', MISMATCH],
  ['HTTL h NOSUCH 1 a', FIELDS_MISSING],
  ['HTTL h FIELDS 0 a', error('ERR Number of fields must be a positive integer')],
  ['HTTL h FIELDS 2 a', MISMATCH],
  ['HPERSIST h FIELDS x a', error('ERR Number of fields must be a positive integer')],
  ['HEXPIRE h 10 FIELDS 1', error("ERR wrong number of arguments for 'hexpire' command")],
  ['HTTL h FIELDS 1', error("ERR wrong number of arguments for 'httl' command")],
]);
