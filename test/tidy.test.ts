/** The style that matters and that no linter checks. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LINE_COLUMNS_MAX = 110;
const FILE_LINES_MAX = 1000;

const sourcePath = fileURLToPath(new URL('../../src/', import.meta.url));
const sources = readdirSync(sourcePath, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
  .map((path) => ({ path, lines: readFileSync(join(sourcePath, path), 'utf8').split('\n') }));

/** Where a line of src/ is as it must not be: `path:line`. */
function linesWhere(isWrong: (line: string) => boolean): string[] {
  return sources.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => (isWrong(line) ? [`${path}:${index + 1}`] : [])),
  );
}

test(`no line is longer than ${LINE_COLUMNS_MAX} columns`, () => {
  assert.deepEqual(
    linesWhere((line) => [...line].length > LINE_COLUMNS_MAX),
    [],
  );
});

test(`no file is longer than ${FILE_LINES_MAX} lines`, () => {
  const long = sources.filter(({ lines }) => lines.length > FILE_LINES_MAX + 1);
  assert.deepEqual(
    long.map(({ path }) => path),
    [],
  );
});

test('nothing names a path of the machine it was written on', () => {
  assert.deepEqual(
    linesWhere((line) => /(?<![\w.])\/(home|root|Users|tmp|work)\//.test(line)),
    [],
  );
});

test('nothing is left to be done', () => {
  assert.deepEqual(
    linesWhere((line) => /\b(TODO|FIXME|XXX|HACK)\b/.test(line)),
    [],
  );
});
