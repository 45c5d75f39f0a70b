/** DEBUG HTSTATS: how well a hash table is filled (Redis 7.0 dict.c, _dictGetStatsHt). */
import { formatFixed } from '../util/numbers.ts';

/** Longer chains are counted as one. */
const CHAIN_LENGTH_MAX = 49;

/** @param name what the table is for  @param chains length of each bucket's chain */
export function describeHashTable(index: number, name: string, chains: readonly number[]): string {
  const title = `Hash table ${index} stats (${name}):\n`;
  const elements = chains.reduce((sum, length) => sum + length, 0);
  if (elements === 0) return `${title}No stats available for empty dictionaries\n`;

  const size = chains.length;
  const used = chains.filter((length) => length > 0).length;
  const distribution = new Array<number>(CHAIN_LENGTH_MAX + 1).fill(0);
  for (const length of chains) distribution[Math.min(length, CHAIN_LENGTH_MAX)]! += 1;
  const average = formatFixed(elements / used, 2);
  const lines = [
    ` table size: ${size}`,
    ` number of elements: ${elements}`,
    ` different slots: ${used}`,
    ` max chain length: ${chains.reduce((longest, length) => Math.max(longest, length), 0)}`,
    ` avg chain length (counted): ${average}`,
    ` avg chain length (computed): ${average}`,
    ' Chain length distribution:',
  ];
  distribution.forEach((count, length) => {
    if (count === 0) return;
    const atLeast = length === CHAIN_LENGTH_MAX ? '>= ' : '';
    lines.push(`   ${atLeast}${length}: ${count} (${formatFixed(Math.fround((count / size) * 100), 2)}%)`);
  });
  return `${title}${lines.join('\n')}\n`;
}
