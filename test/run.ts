/**
 * Runs the tests: `node dist/test/run.js [NAME...]`.
 *
 * NAME selects the test files whose path contains it: a file (`listpack`), a component's folder (`protocol`),
 * or a part of a path (`commands/string`). It exists because `node --test` takes a directory on Node 20 and a
 * glob on Node 22, each refusing the other.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { bundleProgram } from '../scripts/bundle.ts';

/**
 * Files at a time: one more than cores, for the tests of whole servers wait now and then; but each may have six
 * of them, and those take memory.
 */
const CONCURRENCY = Math.min(availableParallelism() + 1, 4);
const FILE_MILLIS_MAX = 15 * 60_000;

/** Its files use the same servers, and starting those takes longer than most of the files. */
const SHARING_FOLDER = join('test', 'commands');
/** Processes that its files are dealt out to: enough that the others do not wait for the last of them. */
const SHARING_PROCESSES = 4;

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

/** What is run, each in a process: of the folder whose files share servers several files at a time. */
function processFiles(files: readonly string[]): string[] {
  const sharing = files.filter((path) => dirname(path) === SHARING_FOLDER);
  const others = files.filter((path) => !sharing.includes(path));
  // Whole servers take longest: what is short comes last, so that no core is idle in the end.
  const [short, long] = [others.filter(isUnitTest), others.filter((path) => !isUnitTest(path))];
  const hands = Array.from({ length: SHARING_PROCESSES }, (_, hand) =>
    sharing.filter((_path, index) => index % SHARING_PROCESSES === hand),
  );
  return [...hands.flatMap(oneFile), ...long, ...short];
}

function isUnitTest(path: string): boolean {
  return path.startsWith(`src${sep}`);
}

/** A file that has the tests of all of these. */
function oneFile(files: readonly string[], index: number): readonly string[] {
  if (files.length < 2) return files;
  const path = join('test', 'together', `commands-${index + 1}.js`);
  mkdirSync(join(distPath, dirname(path)), { recursive: true });
  const imports = files.map((file) => `import '../../${file.replaceAll(sep, '/')}';\n`);
  writeFileSync(join(distPath, path), imports.join(''));
  return [path];
}

// The servers that tests start run what the package runs.
await bundleProgram();
const all = testFiles();
const names = process.argv.slice(2);
const selected =
  names.length === 0
    ? all
    : all.filter((file) => names.some((name) => filesMatching(name, all).includes(file)));

const stream = run({
  files: processFiles(selected).map((path) => relative(process.cwd(), join(distPath, path))),
  concurrency: CONCURRENCY,
  timeout: FILE_MILLIS_MAX,
});
stream.on('test:fail', (event) => {
  if (event.todo === undefined || event.todo === false) process.exitCode = 1;
});
stream.compose(new spec()).pipe(process.stdout);
