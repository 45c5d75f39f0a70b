/** PFSELFTEST: that registers keep what is written to them, and that estimates are as good as promised. */
import {
  DENSE_BYTES,
  HyperLogLog,
  REGISTER_COUNT,
  REGISTER_MAX,
  denseRegister,
  elementPattern,
  estimate,
  setDenseRegister,
} from '../structures/hyperloglog.ts';
import type { RandomSource } from '../util/random.ts';

const REGISTER_ROUNDS = 100;
const ELEMENTS_MAX = 1_000_000;
/** The standard error of an estimate, of which we allow a few times as much. */
const STANDARD_ERROR = 1.04 / Math.sqrt(REGISTER_COUNT);
const ERRORS_ALLOWED = 6;

/** What is wrong, or undefined. */
export function selfTest(random: RandomSource, sparseBytesMax: number): string | undefined {
  return testRegisters(random) ?? testEstimates(random, sparseBytesMax);
}

function testRegisters(random: RandomSource): string | undefined {
  const bytes = new Uint8Array(DENSE_BYTES);
  const values = new Uint8Array(REGISTER_COUNT);
  for (let round = 0; round < REGISTER_ROUNDS; round++) {
    for (let index = 0; index < REGISTER_COUNT; index++) {
      values[index] = random.nextUint32() & REGISTER_MAX;
      setDenseRegister(bytes, 0, index, values[index]!);
    }
    for (let index = 0; index < REGISTER_COUNT; index++) {
      const value = denseRegister(bytes, 0, index);
      if (value !== values[index]) return `Register ${index} should be ${values[index]} but is ${value}`;
    }
  }
  return undefined;
}

/** Adds different elements to a sparse and a dense value, and looks at both after each power of ten. */
function testEstimates(random: RandomSource, sparseBytesMax: number): string | undefined {
  const [sparse, dense] = [new HyperLogLog(), new HyperLogLog()];
  sparse.sparseBytesMax = sparseBytesMax;
  sparse.clear();
  dense.clear();
  dense.becomeDense();
  const element = new Uint32Array([0, random.nextUint32()]);
  const bytes = new Uint8Array(element.buffer);
  const seed = random.nextUint32();

  let checkpoint = 1;
  for (let count = 1; count <= ELEMENTS_MAX; count++) {
    element[0] = count ^ seed;
    const pattern = elementPattern(bytes, 0, bytes.length);
    const [index, value] = [Math.floor(pattern / (REGISTER_MAX + 1)), pattern & REGISTER_MAX];
    dense.raise(index, value);
    sparse.raise(index, value);
    if (count !== checkpoint) continue;

    if (count < sparseBytesMax / 2 && sparse.isDense) return 'sparse encoding not used';
    const estimated = estimate(dense.bytes, 0, dense.length);
    if (estimated !== estimate(sparse.bytes, 0, sparse.length)) return 'dense/sparse disagree';
    const error = Math.abs(count - Number(estimated));
    // Of ten elements, two in one register are not that rare.
    const errorMax = count === 10 ? 1 : Math.ceil(STANDARD_ERROR * ERRORS_ALLOWED * count);
    if (error > errorMax) return `Too big error. card:${count} abserr:${error}`;
    checkpoint *= 10;
  }
  return undefined;
}
