/**
 * Keys that key specs do not find where somebody has arranged the arguments so. Redis 7.0 asks for leave
 * only for what the specs find; a client could reach keys that its rules do not let it touch:
 *
 *     GEORADIUS places 0 0 1 km STORE mine STORE yours       stores to the last, the specs find the first
 *     XREADGROUP COUNT 1 GROUP g STREAMS STREAMS yours >     a consumer of that name
 */
import type { KeySpecFlag } from '../../commands/command.ts';
import type { FoundKey } from '../../commands/command-keys.ts';
import type { Request } from '../../protocol/request.ts';
import { equalsIgnoreCase } from '../../util/bytes.ts';

const STORED: readonly KeySpecFlag[] = ['OW', 'update'];
const READ: readonly KeySpecFlag[] = ['RO', 'access'];

/** Options of XREADGROUP before the streams, and how many arguments each has. */
const GROUP_READ_OPTIONS: readonly (readonly [option: string, argumentCount: number])[] = [
  ['COUNT', 1],
  ['BLOCK', 1],
  ['GROUP', 2],
  ['NOACK', 0],
];

const FINDERS: ReadonlyMap<string, (request: Request) => readonly FoundKey[]> = new Map([
  ['georadius', (request: Request) => storeKeys(request, 6)],
  ['georadiusbymember', (request: Request) => storeKeys(request, 5)],
  ['xreadgroup', streamKeys],
]);

/** @param name what Redis calls the command */
export function findHiddenKeys(name: string, request: Request): readonly FoundKey[] {
  return FINDERS.get(name)?.(request) ?? [];
}

function storeKeys(request: Request, optionsIndex: number): FoundKey[] {
  const keys: FoundKey[] = [];
  for (let i = optionsIndex; i < request.count - 1; i++)
    if (isWord(request, i, 'STORE') || isWord(request, i, 'STOREDIST'))
      keys.push({ index: i + 1, flags: STORED });
  return keys;
}

/** The first half of what stands behind STREAMS. */
function streamKeys(request: Request): FoundKey[] {
  let index = 1;
  while (index < request.count && !isWord(request, index, 'STREAMS')) {
    const at = index;
    const option = GROUP_READ_OPTIONS.find(([word]) => isWord(request, at, word));
    if (option === undefined) return [];
    index += 1 + option[1];
  }
  const count = Math.floor((request.count - index - 1) / 2);
  return Array.from({ length: Math.max(0, count) }, (_, i) => ({ index: index + 1 + i, flags: READ }));
}

function isWord(request: Request, index: number, word: string): boolean {
  return equalsIgnoreCase(request.buffer, request.start(index), request.end(index), word);
}
