/** Stacks for the log, with the places of the TypeScript sources: what runs was compiled and joined. */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

const PLACE = /(file:\/\/[^\s()]+\.js):(\d+):(\d+)/g;

/** The stack of an error, or what else was thrown. Never throws. */
export function stackText(error: unknown): string {
  if (!(error instanceof Error) || error.stack === undefined) return String(error);
  const maps = new Map<string, SourceMap | undefined>();
  return error.stack.replace(PLACE, (place, url: string, line: string, column: string) => {
    if (!maps.has(url)) maps.set(url, readSourceMap(url));
    // A map counts lines and columns from 0, a stack from 1.
    const entry = maps.get(url)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !('originalSource' in entry)) return place;
    const source = new URL(entry.originalSource, url).href;
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

/** Read only now, when it is needed: reading all at the start would take as long as the start. */
function readSourceMap(url: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${fileURLToPath(url)}.map`, 'utf8')));
  } catch {
    return undefined;
  }
}
