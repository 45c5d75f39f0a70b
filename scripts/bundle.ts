/**
 * The last step of the build: the compiled modules of `dist/src` are joined to a few files in `dist/program`,
 * which is what the package runs. Each thread of the server loads its own code, some 300 modules: from as
 * many files a start takes twice as long (docs/decisions/0016).
 */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rollup, type Plugin } from '@rollup/wasm-node';

const ownPath = fileURLToPath(import.meta.url);
const modulesPath = fileURLToPath(new URL('../src/', import.meta.url));
const programPath = fileURLToPath(new URL('../program/', import.meta.url));

/** How modules name the files of their workers, and scripts that a page holds. */
const OWN_FILE = /new URL\('(\.[^']+\.js)', import\.meta\.url\)/g;

/** Comments that have their lines to themselves. */
const COMMENT_LINES = /^[ \t]*(?:\/\/.*|\/\*(?:(?!\*\/)[^])*\*\/[ \t]*)$/gm;

/** A script for a browser is read and put into its page as compiled: it stays where it is. */
const PAGE_SCRIPT = 'page.js';

/** Code that a thread of its own runs is joined too, from the place that starts it. */
function joinWorkers(): Plugin {
  return {
    name: 'workers',
    transform(code, id) {
      const joined = code.replace(OWN_FILE, (_, path: string) => {
        const target = fileURLToPath(new URL(path, pathToFileURL(id)));
        if (basename(target) === PAGE_SCRIPT) {
          const fromProgram = relative(programPath, target).replaceAll(sep, '/');
          return `new URL('${fromProgram}', import.meta.url)`;
        }
        const name = basename(target, '.js');
        return `new URL(import.meta.ROLLUP_FILE_URL_${this.emitFile({ type: 'chunk', id: target, name })})`;
      });
      // No line moves.
      return { code: joined, map: null };
    },
  };
}

/**
 * Each thread keeps the text of its code: without comments, and in Latin-1, of which V8 needs a byte for each
 * character, it is less than half as large. Lines stay lines, so the maps to the TypeScript sources hold.
 */
function readModules(): Plugin {
  return {
    name: 'modules',
    load(id) {
      const code = withoutComments(readFileSync(id, 'utf8')).replace(/[^\0-\xff]/g, escapeUnit);
      return { code, map: readFileSync(`${id}.map`, 'utf8') };
    },
  };
}

/** Not in a module with a text over several lines, where such a line may be something else. */
function withoutComments(source: string): string {
  const hasLongText = source.split('\n').some((line) => line.split('`').length % 2 === 0);
  return hasLongText ? source : source.replace(COMMENT_LINES, (lines) => lines.replace(/[^\n]/g, ''));
}

/** How strings and regular expressions may spell what is beyond Latin-1. */
function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Joins the modules, unless none has changed since they were joined. */
export async function bundleProgram(): Promise<void> {
  if (isCurrent()) return;
  const bundle = await rollup({
    input: ['main', 'index'].map((name) => join(modulesPath, `${name}.js`)),
    external: [/^node:/, 'koffi'],
    plugins: [readModules(), joinWorkers()],
    onLog: (_level, { message }) => {
      throw new Error(message);
    },
  });
  rmSync(programPath, { recursive: true, force: true });
  await bundle.write({
    dir: programPath,
    format: 'es',
    sourcemap: true,
    chunkFileNames: '[name].js',
    generatedCode: { constBindings: true },
  });
  await bundle.close();
}

function isCurrent(): boolean {
  const joined = statSync(join(programPath, 'main.js'), { throwIfNoEntry: false });
  if (joined === undefined) return false;
  const modules = readdirSync(modulesPath, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js'))
    .map((path) => join(modulesPath, path));
  return [...modules, ownPath].every((path) => statSync(path).mtimeMs < joined.mtimeMs);
}

if (process.argv[1] === ownPath) await bundleProgram();
