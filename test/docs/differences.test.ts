/** docs/differences.md says of the configuration what the directives say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  DIFFERENT_DEFAULTS,
  OWN_DIRECTIVES,
  directiveRow,
  type DirectiveName,
} from '../../src/config/directives.ts';
import { defaultText } from '../../src/config/value-kinds.ts';

const text = readFileSync(new URL('../../../docs/differences.md', import.meta.url), 'utf8');

test('the table of defaults is the list of different defaults, with ours and the reasons', () => {
  const section = /^## Defaults\n([^]*?)^## /m.exec(text)?.[1] ?? '';
  const rows = new Map<string, readonly string[]>();
  for (const line of section.split('\n').filter((row) => row.startsWith('| `'))) {
    const [, name, , ours, reason] = line.split('|').map((cell) => cell.trim().replace(/^`|`$/g, ''));
    rows.set(name!, [ours!, reason!]);
  }
  const expected = Object.entries(DIFFERENT_DEFAULTS).map(
    ([name, reason]) => [name, [defaultText(directiveRow(name as DirectiveName)), reason]] as const,
  );
  assert.deepEqual(rows, new Map<string, readonly string[]>(expected));
});

test('our own directives are named', () => {
  const sentence = /The directives ([^.]*?)\s+are our own\./.exec(text)?.[1] ?? '';
  const named = [...sentence.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
  assert.deepEqual(new Set(named), new Set<string>(OWN_DIRECTIVES));
});
