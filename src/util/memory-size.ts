/** Amounts of memory as Redis reads them in its configuration and prints them in INFO. */
import { formatFixed } from './numbers.ts';

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['', 1n],
  ['b', 1n],
  ['k', 1000n],
  ['kb', 1024n],
  ['m', 1000n ** 2n],
  ['mb', 1024n ** 2n],
  ['g', 1000n ** 3n],
  ['gb', 1024n ** 3n],
]);

const MEMORY_DIGITS_MAX = 127;
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * Bytes in `text`, such as "1gb" or "512K"; undefined when it is no such thing (Redis 7.0 util.c, memtoull).
 * As in Redis, no digits are zero, too many of them 2^64 - 1, and the product with the unit wraps around at
 * 2^64.
 */
export function parseMemorySize(text: string): bigint | undefined {
  const match = /^(\d*)([a-z]*)$/i.exec(text);
  if (match === null) return undefined;
  const [, digits = '', unit = ''] = match;
  const factor = UNITS.get(unit.toLowerCase());
  if (factor === undefined || digits.length > MEMORY_DIGITS_MAX) return undefined;

  const amount = BigInt(digits);
  return BigInt.asUintN(64, (amount > UINT64_MAX ? UINT64_MAX : amount) * factor);
}

/** Bytes for people: 1.50K, 3.00G (Redis 7.0 server.c, bytesToHuman). */
export function bytesToHuman(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  let amount = bytes / 1024;
  for (const unit of ['K', 'M', 'G', 'T']) {
    if (amount < 1024) return formatFixed(amount, 2) + unit;
    amount /= 1024;
  }
  return `${formatFixed(amount, 2)}P`;
}

/** A share in percent with two decimals, as in `used_memory_peak_perc:98.76%`. */
export function formatPercent(part: number, whole: number): string {
  return `${formatFixed((part / whole) * 100, 2)}%`;
}
