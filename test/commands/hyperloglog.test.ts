/** Behaviour of the HyperLogLog commands. The bytes of the values are part of it. */
import {
  HyperLogLog,
  REGISTER_COUNT,
  elementPattern,
  estimate,
  estimateOfRegisters,
  mergeRegisters,
  noteCardinality,
} from '../../src/structures/hyperloglog.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { behaviour, error, OK, simple, type Step } from './behaviour.ts';

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const NOT_A_HYPERLOGLOG = error('WRONGTYPE Key is not a valid HyperLogLog string value.');
const CORRUPT = error('INVALIDOBJ Corrupted HLL object detected');

/** What a key is said to hold after each step: the steps prove it, also to the real Redis. */
class ExpectedValue {
  readonly #value = new HyperLogLog();
  readonly key: string;

  constructor(key: string, sparseBytesMax = 3000) {
    this.key = key;
    this.#value.sparseBytesMax = sparseBytesMax;
    this.#value.clear();
  }

  add(elements: readonly Buffer[], isNew = false): Step {
    let isChanged = isNew;
    for (const element of elements) {
      const pattern = elementPattern(element, 0, element.length);
      if (this.#value.raise(Math.floor(pattern / 64), pattern % 64) === 'raised') isChanged = true;
    }
    if (isChanged) this.#value.invalidateCardinality();
    return [['PFADD', this.key, ...elements], isChanged ? 1 : 0];
  }

  count(): Step {
    const cardinality = estimate(this.#value.bytes, 0, this.#value.length) ?? 0;
    noteCardinality(this.#value.bytes, 0, cardinality);
    return [`PFCOUNT ${this.key}`, cardinality];
  }

  merge(...others: readonly ExpectedValue[]): Step {
    const registers = registersOf(this, ...others);
    if (others.some((other) => other.#value.isDense)) this.#value.becomeDense();
    registers.forEach((register, index) => {
      if (register > 0) this.#value.raise(index, register);
    });
    this.#value.invalidateCardinality();
    return [['PFMERGE', this.key, ...others.map(({ key }) => key)], OK];
  }

  get(): Step {
    return [`GET ${this.key}`, Buffer.from(this.#value.bytes.subarray(0, this.#value.length))];
  }

  registersInto(registers: Uint8Array): void {
    mergeRegisters(registers, this.#value.bytes, 0, this.#value.length);
  }
}

function registersOf(...values: readonly ExpectedValue[]): Uint8Array {
  const registers = new Uint8Array(REGISTER_COUNT);
  for (const value of values) value.registersInto(registers);
  return registers;
}

function countOfUnion(...values: readonly ExpectedValue[]): Step {
  return [`PFCOUNT ${values.map(({ key }) => key).join(' ')}`, estimateOfRegisters(registersOf(...values))];
}

function randomElements(random: SeededRandom, count: number): Buffer[] {
  return Array.from({ length: count }, () => {
    if (random.chance(0.3)) return Buffer.from(`element:${random.integer(0, 3000)}`);
    return Buffer.from(Array.from({ length: random.integer(0, 30) }, () => random.integer(0, 255)));
  });
}

/** Adds thousands of elements to three keys in batches, and looks at the bytes after each. */
function randomBatches(seed: number, sparseBytesMax: number): Step[] {
  const random = new SeededRandom(seed);
  const values = ['{h}1', '{h}2', '{h}3'].map((key) => new ExpectedValue(key, sparseBytesMax));
  const steps: Step[] = values.flatMap((value) => [value.add([], true), value.get()]);
  for (let batch = 0; batch < 60; batch++) {
    const value = random.pick(values);
    steps.push(value.add(randomElements(random, random.pick([1, 2, 10, 50, 200]))), value.get());
    if (random.chance(0.4)) steps.push(value.count(), value.get());
    if (random.chance(0.2)) steps.push(countOfUnion(random.pick(values), random.pick(values)));
    if (random.chance(0.1)) steps.push(value.merge(random.pick(values)), value.get());
  }
  const union = new ExpectedValue('{h}union', sparseBytesMax);
  return [...steps, union.merge(...values), union.get(), union.count(), union.get()];
}

behaviour('PFADD, PFCOUNT and PFMERGE give Redis’ bytes', randomBatches(1, 3000), { protocols: [2] });

behaviour(
  'the same when values become dense early',
  [
    ['CONFIG SET hll-sparse-max-bytes 200', OK],
    ...randomBatches(2, 200),
    // The log, loaded with other settings, would give other bytes.
    ['FLUSHALL', OK],
    ['CONFIG SET hll-sparse-max-bytes 3000', OK],
  ],
  { protocols: [2] },
);

behaviour(
  'the same when values stay sparse',
  [
    ['CONFIG SET hll-sparse-max-bytes 16000', OK],
    ...randomBatches(3, 16_000),
    // The log, loaded with other settings, would give other bytes.
    ['FLUSHALL', OK],
    ['CONFIG SET hll-sparse-max-bytes 3000', OK],
  ],
  { protocols: [2] },
);

behaviour('PFADD tells whether the estimate may have changed', [
  ['PFADD k', 1],
  ['PFADD k', 0],
  ['PFCOUNT k', 0],
  ['PFADD k a b c', 1],
  ['PFADD k a', 0],
  ['PFADD k a c b', 0],
  ['PFADD k a d', 1],
  ['PFCOUNT k', 4],
  ['OBJECT ENCODING k', 'raw'],
  ['TYPE k', simple('string')],
  ['PFADD', error("ERR wrong number of arguments for 'pfadd' command")],
]);

behaviour('PFCOUNT of several keys counts their union', [
  ['PFCOUNT none', 0],
  ['PFCOUNT none1 none2', 0],
  ['PFADD a 1 2 3', 1],
  ['PFADD b 3 4', 1],
  ['PFCOUNT a', 3],
  ['PFCOUNT a b', 4],
  ['PFCOUNT a none b a', 4],
  ['EXISTS none', 0],
]);

behaviour('PFMERGE unites into the first key', [
  ['PFMERGE new', OK],
  ['PFCOUNT new', 0],
  ['PFADD a 1 2 3', 1],
  ['PFADD b 3 4', 1],
  ['PFMERGE u a b none', OK],
  ['PFCOUNT u', 4],
  ['PFADD u 5', 1],
  ['PFMERGE u a', OK],
  ['PFCOUNT u', 5],
  ['PFDEBUG ENCODING u', simple('sparse')],
  ['PFDEBUG TODENSE a', 1],
  ['PFMERGE u a', OK],
  ['PFDEBUG ENCODING u', simple('dense')],
  ['PFCOUNT u', 5],
]);

behaviour('PFDEBUG shows and changes the representation', [
  ['PFDEBUG ENCODING none', error('ERR The specified key does not exist')],
  ['PFADD k foo bar', 1],
  ['PFDEBUG ENCODING k', simple('sparse')],
  ['PFDEBUG DECODE k', 'Z:7348 v:5,1 Z:2658 v:1,1 Z:6376'],
  ['PFDEBUG TODENSE k', 1],
  ['PFDEBUG TODENSE k', 0],
  ['STRLEN k', 12304],
  ['PFDEBUG ENCODING k', simple('dense')],
  ['PFDEBUG DECODE k', error('ERR HLL encoding is not sparse')],
  ['PFCOUNT k', 2],
  ['PFADD g foo', 1],
  ['PFDEBUG GETREG g', Array.from({ length: REGISTER_COUNT }, (_, index) => (index === 7348 ? 5 : 0))],
  ['PFDEBUG ENCODING g', simple('dense')],
  ['PFDEBUG FOO k', error("ERR Unknown PFDEBUG subcommand 'FOO'")],
  ['PFDEBUG ENCODING', error("ERR wrong number of arguments for 'pfdebug' command")],
]);

behaviour('PFSELFTEST finds nothing wrong', [['PFSELFTEST', OK]], { protocols: [2] });

behaviour('HyperLogLog commands are for HyperLogLogs only', [
  ['SADD s m', 1],
  ['PFADD s a', WRONG_TYPE],
  ['PFCOUNT s', WRONG_TYPE],
  ['PFCOUNT none s', WRONG_TYPE],
  ['PFMERGE s', WRONG_TYPE],
  ['PFDEBUG ENCODING s', WRONG_TYPE],
  ['SET text hello', OK],
  ['PFADD text a', NOT_A_HYPERLOGLOG],
  ['PFCOUNT text', NOT_A_HYPERLOGLOG],
  ['PFCOUNT text none', NOT_A_HYPERLOGLOG],
  ['PFMERGE none text', NOT_A_HYPERLOGLOG],
  ['PFDEBUG ENCODING text', NOT_A_HYPERLOGLOG],
  ['SET number 12', OK],
  ['PFADD number a', NOT_A_HYPERLOGLOG],
  [['SET', 'odd', Buffer.from('HYLL\x02\0\0\0\0\0\0\0\0\0\0\0')], OK],
  ['PFCOUNT odd', NOT_A_HYPERLOGLOG],
  ['EXISTS none', 0],
]);

behaviour('Corrupt values are told, and left as they are', [
  [['SET', 'k', Buffer.from('HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x43\xff\x80', 'latin1')], OK],
  ['PFCOUNT k', CORRUPT],
  ['PFCOUNT k none', CORRUPT],
  ['PFMERGE other k', CORRUPT],
  ['PFMERGE k', CORRUPT],
  ['PFADD k foo', CORRUPT],
  ['PFDEBUG TODENSE k', CORRUPT],
  ['PFDEBUG GETREG k', CORRUPT],
  ['PFDEBUG DECODE k', 'Z:1024 v:1,1'],
  ['GET k', Buffer.from('HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x43\xff\x80', 'latin1')],
  ['EXISTS other', 0],
]);

behaviour('Registers that no element gives', [
  [
    [
      'SET',
      'k',
      Buffer.concat([Buffer.from('HYLL'), Buffer.alloc(11), Buffer.from([0x80]), Buffer.alloc(12_288, 0xff)]),
    ],
    OK,
  ],
  ['PFCOUNT k', -9223372036854775808n],
  ['PFCOUNT k', -9223372036854775808n],
  ['PFADD k a', 0],
]);

behaviour('a noted cardinality is believed', [
  [['SET', 'k', Buffer.from('HYLL\x01\0\0\0\x01\0\0\0\0\0\0\x7f\x7f\xff', 'latin1')], OK],
  ['PFCOUNT k', 9151314442816847873n],
  [['SET', 'k', Buffer.from('HYLL\x01\0\0\0\x01\x02\0\0\0\0\0\0\x7f\xff', 'latin1')], OK],
  ['PFCOUNT k', 513],
  ['PFADD k a', 1],
  ['PFCOUNT k', 1],
]);
