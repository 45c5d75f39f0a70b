/**
 * The last step of the build: the compiled modules of `dist/src` are joined to a few files in `dist/program`,
 * which is what the package runs. Each thread of the server loads its own code, some 250 modules: from as
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

/** Positions in stack traces lead to the TypeScript sources where `node --enable-source-maps` is used. */
function readSourceMaps(): Plugin {
  return {
    name: 'source-maps',
    load(id) {
      return { code: readFileSync(id, 'utf8'), map: readFileSync(`${id}.map`, 'utf8') };
    },
  };
}

/** Joins the modules, unless none has changed since they were joined. */
export async function bundleProgram(): Promise<void> {
  if (isCurrent()) return;
  const bundle = await rollup({
    input: ['main', 'index'].map((name) => join(modulesPath, `${name}.js`)),
    external: [/^node:/, 'koffi'],
    plugins: [readSourceMaps(), joinWorkers()],
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
