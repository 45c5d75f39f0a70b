/**
 * The last step of the build: the compiled modules of `dist/src` are joined to a few files in `dist/program`,
 * which is what the package runs: a file for each kind of thread, and those of the command. A thread loads
 * some 300 modules: from as many files a start takes twice as long (docs/decisions/0016).
 */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join as joinPath, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { decode, encode } from '@jridgewell/sourcemap-codec';
import {
  rollup,
  type AstNodeLocation,
  type Plugin,
  type ProgramNode,
  type RollupBuild,
} from '@rollup/wasm-node';

const ownPath = fileURLToPath(import.meta.url);
const modulesPath = fileURLToPath(new URL('../src/', import.meta.url));
const programPath = fileURLToPath(new URL('../program/', import.meta.url));

/** How modules name the files of their workers, and scripts that a page holds. */
const OWN_FILE = /new URL\('(\.[^']+\.js)', import\.meta\.url\)/g;

/** Comments that have their lines to themselves. */
const COMMENT_LINES = /^[ \t]*(?:\/\/.*|\/\*(?:(?!\*\/)[^])*\*\/[ \t]*)$/gm;

/** A script for a browser is read and put into its page as compiled: it stays where it is. */
const PAGE_SCRIPT = 'page.js';

/** Notes which threads are started with code of their own, and where they find it. */
function findWorkers(workers: Set<string>): Plugin {
  return {
    name: 'workers',
    transform(code, id) {
      const joined = code.replace(OWN_FILE, (_, path: string) => {
        const target = fileURLToPath(new URL(path, pathToFileURL(id)));
        if (basename(target) === PAGE_SCRIPT) {
          const fromProgram = relative(programPath, target).replaceAll(sep, '/');
          return `new URL('${fromProgram}', import.meta.url)`;
        }
        workers.add(target);
        return `new URL('./${basename(target)}', import.meta.url)`;
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
      const map = JSON.parse(readFileSync(`${id}.map`, 'utf8')) as SourceMap;
      return withConstantFunctions(code, map, this.parse(code).body as TopLevelNode[]);
    },
  };
}

type TopLevelNode = ProgramNode['body'][number] & AstNodeLocation;

interface SourceMap {
  version: number;
  sources: string[];
  names: string[];
  mappings: string;
}

/**
 * Makes constants of the functions of a module, at its top, where declarations would take effect:
 *
 *     export function getWord(…) {     becomes     export const getWord =
 *       …                                                 function getWord(…) {
 *     }                                              …
 *                                                  };
 *
 * A declared function is a variable, which optimised code has to read and to compare at each call; what a
 * constant holds is part of the code (docs/decisions/0016).
 */
function withConstantFunctions(code: string, map: SourceMap, body: readonly TopLevelNode[]) {
  const lines = code.split('\n');
  const mappings = decode(map.mappings);
  const head: string[] = [];
  const headMappings: typeof mappings = [];
  for (const node of [...body].reverse()) {
    const isExported = node.type === 'ExportNamedDeclaration';
    const declared = isExported ? node.declaration : node;
    if (declared?.type !== 'FunctionDeclaration') continue;
    const first = lineOf(code, node.start);
    const count = lineOf(code, node.end) - first + 1;
    const text = lines.splice(first, count);
    const name = `const ${declared.id.name} =`;
    const declaration = isExported ? 'export ' : '';
    head.unshift(
      declaration + name,
      text.join('\n').replace(declaration, ' '.repeat(declaration.length)) + ';',
    );
    headMappings.unshift([], ...mappings.splice(first, count));
  }
  return {
    code: [...head, ...lines].join('\n'),
    map: { ...map, mappings: encode([...headMappings, ...mappings]) },
  };
}

function lineOf(code: string, position: number): number {
  return code.slice(0, position).split('\n').length - 1;
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
  const workers = new Set<string>();
  const bundles = [
    await join(
      ['main', 'index'].map((name) => joinPath(modulesPath, `${name}.js`)),
      workers,
    ),
  ];
  for (const worker of workers) bundles.push(await join([worker], workers));
  rmSync(programPath, { recursive: true, force: true });
  // The main file last: it tells that all are there.
  for (const bundle of bundles.reverse()) await write(bundle);
}

/** The modules that the given ones need; adds the threads that they start to `workers`. */
async function join(input: string[], workers: Set<string>): Promise<RollupBuild> {
  return rollup({
    input,
    external: [/^node:/, 'koffi'],
    plugins: [readModules(), findWorkers(workers)],
    onLog: (_level, { message }) => {
      throw new Error(message);
    },
  });
}

async function write(bundle: RollupBuild): Promise<void> {
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
  const joined = statSync(joinPath(programPath, 'main.js'), { throwIfNoEntry: false });
  if (joined === undefined) return false;
  const modules = readdirSync(modulesPath, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js'))
    .map((path) => joinPath(modulesPath, path));
  return [...modules, ownPath].every((path) => statSync(path).mtimeMs < joined.mtimeMs);
}

if (process.argv[1] === ownPath) await bundleProgram();
