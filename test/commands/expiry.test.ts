/** Behaviour of keys with a limited life. */
import { behaviour, error, integerBetween, OK, on, NULL_ARRAY, QUEUED, wait } from './behaviour.ts';

const WRONG_COUNT = (name: string) => error(`ERR wrong number of arguments for '${name}' command`);
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NX_WITH_OTHERS = error('ERR NX and XX, GT or LT options at the same time are not compatible');
const GT_WITH_LT = error('ERR GT and LT options at the same time are not compatible');
const INVALID = (name: string) => error(`ERR invalid expire time in '${name}' command`);
const FAR = 4102444800000;

behaviour('EXPIRE and PEXPIRE count from now', [
  ['EXPIRE k 100', 0],
  ['SET k v', OK],
  ['EXPIRE k 100', 1],
  ['TTL k', integerBetween(95, 100)],
  ['PTTL k', integerBetween(95_000, 100_000)],
  ['PEXPIRE k 50000', 1],
  ['TTL k', integerBetween(45, 50)],
  ['PEXPIRE k 1', 1],
  wait(5),
  ['GET k', null],
  ['EXPIRE k 100', 0],
]);

behaviour('EXPIREAT and PEXPIREAT name the moment', [
  ['EXPIREAT k 4102444800', 0],
  ['PEXPIREAT k 4102444800000', 0],
  ['SET k v', OK],
  ['EXPIREAT k 4102444800', 1],
  ['PEXPIRETIME k', FAR],
  ['EXPIRETIME k', FAR / 1000],
  ['PEXPIREAT k 4102444800499', 1],
  ['EXPIRETIME k', FAR / 1000],
  ['PEXPIREAT k 4102444800500', 1],
  ['EXPIRETIME k', FAR / 1000 + 1],
  ['PEXPIRETIME k', FAR + 500],
  ['GET k', 'v'],
]);

behaviour('a time in the past deletes the key', [
  ['MSET a 1 b 1 c 1 d 1 e 1', OK],
  ['EXPIRE a 0', 1],
  ['EXPIRE b -1', 1],
  ['PEXPIRE c -9223372036854775808', 1],
  ['EXPIREAT d 1', 1],
  ['PEXPIREAT e 0', 1],
  ['DBSIZE', 0],
  ['EXPIRE a -1', 0],
]);

behaviour('TTL and its kin of keys without a life, and of none', [
  ['TTL k', -2],
  ['PTTL k', -2],
  ['EXPIRETIME k', -2],
  ['PEXPIRETIME k', -2],
  ['SET k v', OK],
  ['TTL k', -1],
  ['PTTL k', -1],
  ['EXPIRETIME k', -1],
  ['PEXPIRETIME k', -1],
]);

behaviour('PERSIST ends a limit', [
  ['PERSIST k', 0],
  ['SET k v', OK],
  ['PERSIST k', 0],
  ['EXPIRE k 100', 1],
  ['PERSIST k', 1],
  ['PERSIST k', 0],
  ['TTL k', -1],
  ['GET k', 'v'],
  ['PERSIST', WRONG_COUNT('persist')],
]);

behaviour('long values keep their bytes when a life comes and goes', [
  [['SET', 'k', 'x'.repeat(5000)], OK],
  ['EXPIRE k 100', 1],
  [['GET', 'k'], 'x'.repeat(5000)],
  ['PERSIST k', 1],
  [['GET', 'k'], 'x'.repeat(5000)],
]);

behaviour('NX, XX, GT and LT ask for the life before', [
  ['SET k v', OK],
  ['PEXPIREAT k 4102444800000 XX', 0],
  ['PEXPIREAT k 4102444800000 GT', 0],
  ['PEXPIREAT k 4102444800000 XX LT', 0],
  ['PEXPIREAT k 4102444800000 LT', 1],
  ['PERSIST k', 1],
  ['PEXPIREAT k 4102444800000 nx', 1],
  ['PEXPIREAT k 4102444900000 NX', 0],
  ['PEXPIREAT k 4102444800000 GT', 0],
  ['PEXPIREAT k 4102444800000 LT', 0],
  ['PEXPIREAT k 4102444800001 LT', 0],
  ['PEXPIREAT k 4102444800001 GT', 1],
  ['PEXPIREAT k 4102444800002 XX GT', 1],
  ['PEXPIREAT k 4102444799999 XX GT', 0],
  ['PEXPIREAT k 4102444799999 LT LT', 1],
  ['PEXPIRETIME k', FAR - 1],
  ['EXPIRE k 5 GT', 0],
  ['EXPIRE k -5 GT', 0],
  ['EXPIRE k -5 XX LT', 1],
  ['EXISTS k', 0],
]);

behaviour('options that do not go together', [
  ['EXPIRE k 1 NX XX', NX_WITH_OTHERS],
  ['PEXPIRE k 1 NX GT', NX_WITH_OTHERS],
  ['EXPIREAT k 1 LT NX', NX_WITH_OTHERS],
  ['PEXPIREAT k 1 GT LT', GT_WITH_LT],
  ['EXPIRE k 1 XX GT LT', GT_WITH_LT],
  ['EXPIRE k x FOO', error('ERR Unsupported option FOO')],
  ['EXPIRE k x NX GT', NX_WITH_OTHERS],
  ['EXPIRE k 1 NX GT FOO', error('ERR Unsupported option FOO')],
  [['EXPIRE', 'k', '1', 'a\r\nb\r\n'], error('ERR Unsupported option a  b')],
  [['EXPIRE', 'k', '1', 'a\0b'], error('ERR Unsupported option a')],
]);

behaviour('times that are no integers or too far away', [
  ['EXPIRE k x', NOT_AN_INTEGER],
  ['EXPIRE k 1.5', NOT_AN_INTEGER],
  ['EXPIRE k 9223372036854775808', NOT_AN_INTEGER],
  ['EXPIRE k 9223372036854775807', INVALID('expire')],
  ['EXPIRE k -9223372036854775808', INVALID('expire')],
  ['EXPIRE k 9223372036854775', INVALID('expire')],
  ['EXPIREAT k 9223372036854776', INVALID('expireat')],
  ['EXPIREAT k -9223372036854776', INVALID('expireat')],
  ['EXPIREAT k 9223372036854775', 0],
  ['PEXPIRE k 9223372036854775807', INVALID('pexpire')],
  ['PEXPIRE k -9223372036854775808', 0],
  ['PEXPIREAT k 9223372036854775807', 0],
  ['SET k v', OK],
  ['PEXPIREAT k 9223372036854775807', 1],
  ['PEXPIRETIME k', 9223372036854775807n],
  ['EXPIRETIME k', 9223372036854776],
  ['PEXPIREAT k 9223372036854775807 GT', 0],
  ['GET k', 'v'],
]);

behaviour('the number of arguments', [
  ['EXPIRE k', WRONG_COUNT('expire')],
  ['PEXPIRE k', WRONG_COUNT('pexpire')],
  ['EXPIREAT k', WRONG_COUNT('expireat')],
  ['PEXPIREAT k', WRONG_COUNT('pexpireat')],
  ['TTL', WRONG_COUNT('ttl')],
  ['PTTL k k', WRONG_COUNT('pttl')],
  ['EXPIRETIME', WRONG_COUNT('expiretime')],
  ['PEXPIRETIME k k', WRONG_COUNT('pexpiretime')],
]);

behaviour('a life that begins, ends or is over touches those who watch the key', [
  ['SET k v', OK],
  on('other', 'WATCH k', OK),
  on('other', 'MULTI', OK),
  on('other', 'GET k', QUEUED),
  ['EXPIRE k 100', 1],
  on('other', 'EXEC', NULL_ARRAY),
  on('other', 'WATCH k', OK),
  on('other', 'MULTI', OK),
  on('other', 'GET k', QUEUED),
  ['PERSIST k', 1],
  on('other', 'EXEC', NULL_ARRAY),
  ['PEXPIRE k 100', 1],
  on('other', 'WATCH k', OK),
  on('other', 'MULTI', OK),
  on('other', 'GET k', QUEUED),
  wait(120),
  ['EXISTS k', 0],
  on('other', 'EXEC', NULL_ARRAY),
]);

behaviour('keys that nobody asks for go by themselves', [
  ['SET k v PX 1', OK],
  ['SET other v', OK],
  wait(400),
  ['DBSIZE', 1],
]);
