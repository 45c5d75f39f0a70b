/** Behaviour of unions, intersections and differences of sorted sets. */
import { OK, behaviour, double, error, scored } from './behaviour.ts';

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const SYNTAX_ERROR = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_A_WEIGHT = error('ERR weight value is not a float');
const NOT_A_LIMIT = error("ERR LIMIT can't be negative");

function noKeys(name: string) {
  return error(`ERR at least 1 input key is needed for '${name}' command`);
}

const prepare = [
  ['ZADD a 1 x 2 y 3 z', 3],
  [`ZADD b 10 y 20 z 30 ${'w'.repeat(65)}`, 3],
  ['ZREM b none', 0],
  ['SADD plain x y q', 3],
  ['SADD numbers 1 2 3', 3],
] as const;
const LONG = 'w'.repeat(65);

behaviour('ZUNION and ZUNIONSTORE', [
  ...prepare,
  ['ZUNION 2 a b', ['x', 'y', 'z', LONG]],
  ['ZUNION 2 a b WITHSCORES', scored(['x', '1'], ['y', '12'], ['z', '23'], [LONG, '30'])],
  ['ZUNION 2 a b WEIGHTS 2 0.5 WITHSCORES', scored(['x', '2'], ['y', '9'], [LONG, '15'], ['z', '16'])],
  ['ZUNION 2 a b AGGREGATE MIN WITHSCORES', scored(['x', '1'], ['y', '2'], ['z', '3'], [LONG, '30'])],
  ['ZUNION 2 a b aggregate max', ['x', 'y', 'z', LONG]],
  ['ZUNION 2 a plain WITHSCORES', scored(['q', '1'], ['x', '2'], ['y', '3'], ['z', '3'])],
  ['ZUNION 1 numbers WEIGHTS 3 WITHSCORES', scored(['1', '3'], ['2', '3'], ['3', '3'])],
  ['ZUNION 2 none nothing', []],
  ['ZUNIONSTORE d 2 a b', 4],
  ['OBJECT ENCODING d', 'skiplist'],
  ['ZUNIONSTORE d 2 a plain WEIGHTS 1 -1', 4],
  ['OBJECT ENCODING d', 'listpack'],
  ['ZRANGE d 0 -1 WITHSCORES', scored(['q', '-1'], ['x', '0'], ['y', '1'], ['z', '3'])],
  ['ZUNIONSTORE a 2 a a', 3],
  ['ZSCORE a z', double('6')],
  ['ZUNIONSTORE d 1 none', 0],
  ['EXISTS d', 0],
  ['ZUNIONSTORE d 1 a WITHSCORES', SYNTAX_ERROR],
]);

behaviour('ZINTER, ZINTERSTORE and ZINTERCARD', [
  ...prepare,
  ['ZINTER 2 a b WITHSCORES', scored(['y', '12'], ['z', '23'])],
  ['ZINTER 2 a b WEIGHTS 10 1 AGGREGATE MIN WITHSCORES', scored(['y', '10'], ['z', '20'])],
  ['ZINTER 3 a b plain', ['y']],
  ['ZINTER 2 a a WITHSCORES', scored(['x', '2'], ['y', '4'], ['z', '6'])],
  ['ZINTER 2 a none', []],
  ['ZINTERSTORE d 2 b a AGGREGATE MAX', 2],
  ['ZRANGE d 0 -1 WITHSCORES', scored(['y', '10'], ['z', '20'])],
  ['OBJECT ENCODING d', 'listpack'],
  ['ZINTERSTORE d 2 a none', 0],
  ['EXISTS d', 0],
  ['ZINTERCARD 2 a b', 2],
  ['ZINTERCARD 2 a b LIMIT 1', 1],
  ['ZINTERCARD 2 a b LIMIT 0', 2],
  ['ZINTERCARD 2 a none', 0],
  ['ZINTERCARD 2 a b LIMIT -1', NOT_A_LIMIT],
  ['ZINTERCARD 2 a b LIMIT x', NOT_A_LIMIT],
  ['ZINTERCARD 2 a b LIMIT', SYNTAX_ERROR],
  ['ZINTERCARD 2 a b WEIGHTS 1 1', SYNTAX_ERROR],
  ['ZINTERCARD 0 a', noKeys('zintercard')],
]);

behaviour('ZDIFF and ZDIFFSTORE', [
  ...prepare,
  ['ZDIFF 2 a b', ['x']],
  ['ZDIFF 2 b a WITHSCORES', scored([LONG, '30'])],
  ['ZDIFF 2 a plain WITHSCORES', scored(['z', '3'])],
  ['ZDIFF 2 plain b WITHSCORES', scored(['q', '1'], ['x', '1'])],
  ['ZDIFF 3 a none a', []],
  ['ZDIFF 1 none', []],
  ['ZDIFF 1 a WEIGHTS 1', SYNTAX_ERROR],
  ['ZDIFFSTORE d 2 a b', 1],
  ['ZRANGE d 0 -1 WITHSCORES', scored(['x', '1'])],
  ['ZDIFFSTORE d 2 a a', 0],
  ['EXISTS d', 0],
  ['ZDIFFSTORE d 2 a b WITHSCORES', SYNTAX_ERROR],
]);

behaviour('sums with infinity, and products of it with zero, are zero where they would be no number', [
  ['ZADD a inf m inf n', 2],
  ['ZADD b -inf m 1 n', 2],
  ['ZUNION 2 a b WITHSCORES', scored(['m', '0'], ['n', 'inf'])],
  ['ZINTER 2 a b WITHSCORES', scored(['m', '0'], ['n', 'inf'])],
  ['ZUNION 1 a WEIGHTS 0 WITHSCORES', scored(['m', '0'], ['n', '0'])],
  ['ZINTER 1 a WEIGHTS 0 WITHSCORES', scored(['m', '0'], ['n', '0'])],
  ['ZUNION 1 a WEIGHTS -inf WITHSCORES', scored(['m', '-inf'], ['n', '-inf'])],
]);

behaviour('arguments of unions, intersections and differences', [
  ['ZADD a 1 x', 1],
  ['SET s v', OK],
  ...['ZUNION', 'ZINTER', 'ZDIFF'].flatMap(
    (name) =>
      [
        [`${name} 0 a`, noKeys(name.toLowerCase())],
        [`${name} -1 a`, noKeys(name.toLowerCase())],
        [`${name} x a`, NOT_AN_INTEGER],
        [`${name} 2 a`, SYNTAX_ERROR],
        [`${name} 1 a b`, SYNTAX_ERROR],
        [`${name} 2 a s BAD`, WRONG_TYPE],
        [`${name}STORE d 0 a`, noKeys(`${name.toLowerCase()}store`)],
        [`${name}STORE d 2 a s`, WRONG_TYPE],
        [`${name}STORE d 3 a a`, SYNTAX_ERROR],
      ] as const,
  ),
  ['ZUNION 1 a WEIGHTS', SYNTAX_ERROR],
  ['ZUNION 1 a WEIGHTS x', NOT_A_WEIGHT],
  ['ZUNION 1 a WEIGHTS nan', NOT_A_WEIGHT],
  ['ZUNION 1 a WEIGHTS 1 2', SYNTAX_ERROR],
  ['ZUNION 1 a AGGREGATE', SYNTAX_ERROR],
  ['ZUNION 1 a AGGREGATE AVG', SYNTAX_ERROR],
]);
