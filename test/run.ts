/**
 * Runs the tests: `node dist/test/run.js [NAME...]`.
 *
 * NAME selects the test files whose path contains it: a file (`listpack`), a component's folder (`protocol`),
 * or a part of a path (`commands/string`). It exists because `node --test` takes a directory on Node 20 and a
 * glob on Node 22, each refusing the other.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

/** Files at a time: whole-server tests start several processes each. */
const CONCURRENCY = 2;
const FILE_MILLIS_MAX = 15 * 60_000;

const distPath = fileURLToPath(new URL('..', import.meta.url));

/**
 * Paths of all compiled tests below dist/src and dist/test, relative to dist, in a stable order. What is left
 * from a source file that was removed is no test any more.
 */
function testFiles(): string[] {
  const files = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(distPath, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.test.js'))
      .map((path) => join(folder, path))
      .filter((path) => existsSync(join(distPath, '..', path.replace(/\.js$/, '.ts')))),
  );
  return files.sort();
}

/**
 * The files that a name selects, or the end of the run when there are none: a misspelt name must not pass.
 */
function filesMatching(name: string, files: readonly string[]): string[] {
  const sourceName = name.replaceAll('\\', '/').replace(/\.ts$/, '.js');
  const matching = files.filter((path) => path.replaceAll('\\', '/').includes(sourceName));
  if (matching.length === 0) {
    console.error(
      `No test matches "${name}". Names are parts of paths such as src/protocol or commands/string.`,
    );
    process.exit(1);
  }
  return matching;
}

const all = testFiles();
const names = process.argv.slice(2);
const selected =
  names.length === 0
    ? all
    : all.filter((file) => names.some((name) => filesMatching(name, all).includes(file)));

const stream = run({
  files: selected.map((path) => relative(process.cwd(), join(distPath, path))),
  concurrency: CONCURRENCY,
  timeout: FILE_MILLIS_MAX,
});
stream.on('test:fail', (event) => {
  if (event.todo === undefined || event.todo === false) process.exitCode = 1;
});
stream.compose(new spec()).pipe(process.stdout);
