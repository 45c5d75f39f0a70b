/**
 * Sine, cosine and arc sine, correctly rounded but for one result in billions. `Math.sin` and its like differ
 * from C's in the last bit of about every fifth result, and distances that are stored show that bit.
 *
 * Computed with numbers of twice the precision (T. J. Dekker, "A floating-point technique for extending the
 * available precision", 1971): a power series whose first terms are such pairs.
 */

/** The sum of two doubles, of which the second is below half a unit of the first's last bit. */
class Pair {
  high = 0;
  low = 0;

  set(high: number, low: number): void {
    this.high = high;
    this.low = low;
  }

  add(high: number, low: number): void {
    const sum = this.high + high;
    const added = sum - this.high;
    const lost = this.high - (sum - added) + (high - added);
    this.#normalize(sum, lost + this.low + low);
  }

  multiply(high: number, low: number): void {
    const product = this.high * high;
    // Each factor in two halves of 26 bits, whose products are exact.
    const scaledA = SPLITTER * this.high;
    const a1 = scaledA - (scaledA - this.high);
    const a2 = this.high - a1;
    const scaledB = SPLITTER * high;
    const b1 = scaledB - (scaledB - high);
    const b2 = high - b1;
    const lost = a2 * b2 - (product - a1 * b1 - a2 * b1 - a1 * b2);
    this.#normalize(product, lost + (this.high * low + this.low * high));
  }

  #normalize(high: number, low: number): void {
    this.high = high + low;
    this.low = low - (this.high - high);
  }
}

const SPLITTER = 2 ** 27 + 1;
const HALF_PI = Math.PI / 2;
/** What a double cannot hold of half of pi. */
const HALF_PI_LOW = 6.123233995736766e-17;

/** Terms of the series as pairs, and behind them as doubles: more would not change the result. */
const PAIR_TERMS = 3;
const TERMS = 11;

/** 1 / n! with alternating signs, for n = first, first + 2, …: the terms of a series behind its first. */
function coefficients(first: number): Pair[] {
  let factorial = 1;
  return Array.from({ length: TERMS }, (_, i) => {
    const n = first + 2 * i;
    factorial *= n * (n - 1);
    const rest = new Pair();
    const high = 1 / factorial;
    rest.set(high, 0);
    rest.multiply(-factorial, 0);
    rest.add(1, 0);
    const sign = i % 2 === 0 ? -1 : 1;
    const coefficient = new Pair();
    coefficient.set(sign * high, (sign * rest.high) / factorial);
    return coefficient;
  });
}

const SINE_TERMS = coefficients(3);
const COSINE_TERMS = coefficients(2);

const angle = new Pair();
const square = new Pair();
const sum = new Pair();

/** The sine of an angle of at most 4. */
export function sine(radians: number): number {
  sineOf(reduce(radians));
  return sum.high;
}

/** The cosine of an angle of at most 4. */
export function cosine(radians: number): number {
  sineOf(reduce(radians) + 1);
  return sum.high;
}

export function arcSine(ratio: number): number {
  const guess = Math.asin(ratio);
  if (Number.isNaN(guess)) return guess;
  // One step of Newton's method. What is missing is so small that its own precision does not matter.
  const quarter = reduce(guess);
  sineOf(quarter + 1);
  const slope = sum.high;
  sineOf(quarter);
  const missing = ratio - sum.high - sum.low;
  return slope === 0 ? guess : guess + missing / slope;
}

/** Takes off so many right angles, leaving at most half of one in `angle`; returns how many. */
function reduce(radians: number): number {
  const quarters = Math.round(radians / HALF_PI);
  angle.set(radians, 0);
  angle.add(-quarters * HALF_PI, 0);
  angle.add(-quarters * HALF_PI_LOW, 0);
  square.set(angle.high, angle.low);
  square.multiply(angle.high, angle.low);
  return quarters;
}

/** Leaves the sine of `angle` and so many right angles in `sum`. */
function sineOf(quarters: number): void {
  if ((quarters & 1) === 0) {
    addTerms(SINE_TERMS);
    sum.multiply(angle.high, angle.low);
    sum.add(angle.high, angle.low);
  } else {
    addTerms(COSINE_TERMS);
    sum.add(1, 0);
  }
  if ((quarters & 2) !== 0) sum.set(-sum.high, -sum.low);
}

/** The series in `square`, without its first term. */
function addTerms(terms: readonly Pair[]): void {
  let rest = 0;
  for (let i = TERMS - 1; i >= PAIR_TERMS; i--) rest = rest * square.high + terms[i]!.high;
  sum.set(rest, 0);
  for (let i = PAIR_TERMS - 1; i >= 0; i--) {
    sum.multiply(square.high, square.low);
    sum.add(terms[i]!.high, terms[i]!.low);
  }
  sum.multiply(square.high, square.low);
}
