/**
 * Reading redis.conf text: one directive a line, `#` comments, quotes as on a shell-like line, `include`.
 *
 * Repeated lines: `save` adds to the lines before it (the first one of all discards the defaults),
 * `client-output-buffer-limit` changes its class only, `user` and `rename-command` add, for all others the
 * last line counts. Rules and messages follow Redis 7.0 config.c, loadServerConfig and
 * loadServerConfigFromString; where Redis only counts lines, the message here names the file, too.
 */
import { isAbsolute, join, resolve } from 'node:path';
import { globMatch } from '../util/glob.ts';
import { splitArguments } from '../util/split-args.ts';
import type { Config } from './config.ts';
import { systemErrorText, type ConfigSystem } from './config-system.ts';
import { decodeText, encodeText } from './config-text.ts';
import {
  DEPRECATED_DIRECTIVES,
  asciiLowerCase,
  directiveRow,
  findDirective,
  type DirectiveName,
} from './directives.ts';
import { MULTIPLE_ARGUMENT_KINDS } from './value-kinds.ts';

/** Deeper chains of `include` are taken for a file that includes itself. */
const INCLUDE_DEPTH_MAX = 16;

/** A text to read directives from. */
export interface ConfigSource {
  /** The file that the text is from; absent for standard input and the command line. */
  readonly file?: string;
  readonly text: string;
  readonly firstLine: number;
}

/** The program as it names itself in messages. */
export interface ProgramName {
  readonly name: string;
  readonly version: string;
}

/**
 * Looks at the arguments of a `user` line, given the names of the users before it. Returns what is wrong.
 * What rules mean is known above this layer.
 */
export type UserCheck = (args: readonly string[], earlier: readonly string[]) => string | undefined;

export interface LoadOptions {
  readonly system: ConfigSystem;
  readonly program: ProgramName;
  readonly checkUser?: UserCheck;
}

export interface LoadResult {
  /** The whole message for the user, without a line end; the server must not start. */
  readonly error?: string;
  /** Directives that were mentioned, even if with their default. */
  readonly mentioned: ReadonlySet<DirectiveName>;
}

/** Reads the sources one after the other into `config`. */
export function loadConfigSources(
  config: Config,
  sources: readonly ConfigSource[],
  options: LoadOptions,
): LoadResult {
  const loader = new ConfigLoader(config, options);
  const error = loader.loadAll(sources);
  return error === undefined ? { mentioned: loader.mentioned } : { error, mentioned: loader.mentioned };
}

/** The file's text as a source, or the message that it cannot be opened. */
export function readConfigFile(path: string, system: ConfigSystem): ConfigSource | string {
  try {
    return { file: path, text: system.readFile(path), firstLine: 1 };
  } catch (error) {
    return `Fatal error, can't open config file '${path}': ${systemErrorText(error)}`;
  }
}

class ConfigLoader {
  readonly mentioned = new Set<DirectiveName>();
  readonly #config: Config;
  readonly #system: ConfigSystem;
  readonly #program: ProgramName;
  readonly #checkUser: UserCheck | undefined;
  /** Redis enters `dir` at once, so that later relative paths start there. */
  #workingDirectory: string;
  #includeDepth = 0;

  constructor(config: Config, { system, program, checkUser }: LoadOptions) {
    this.#config = config;
    this.#system = system;
    this.#program = program;
    this.#checkUser = checkUser;
    this.#workingDirectory = system.workingDirectory();
  }

  loadAll(sources: readonly ConfigSource[]): string | undefined {
    for (const source of sources) {
      const error = this.#loadSource(source);
      if (error !== undefined) return error;
    }
    const problem = this.#problemOfWhole();
    return problem === undefined ? undefined : this.#fatal(problem);
  }

  #loadSource(source: ConfigSource): string | undefined {
    for (const [index, rawLine] of source.text.split('\n').entries()) {
      const line = rawLine.replace(/^[ \t\r]+|[ \t\r]+$/g, '');
      if (line === '' || line.startsWith('#')) continue;

      const words = splitWords(line);
      if (words?.length === 0) continue;
      const include = words?.length === 2 && asciiLowerCase(words[0] ?? '') === 'include';
      if (include) {
        const error = this.#include(words[1] ?? '');
        if (error !== undefined) return error;
        continue;
      }
      const problem = words === undefined ? 'Unbalanced quotes in configuration line' : this.#runLine(words);
      if (problem !== undefined) {
        return this.#fatal(problem, { file: source.file, number: source.firstLine + index, text: line });
      }
    }
    return undefined;
  }

  /** Returns what is wrong with the line. */
  #runLine(words: readonly string[]): string | undefined {
    const word = asciiLowerCase(words[0] ?? '');
    const args = words.slice(1);
    const entry = findDirective(word);
    if (entry !== undefined) return this.#assign(entry.name, args);
    if (DEPRECATED_DIRECTIVES.has(word) && args.length === 1) return undefined;

    if (word === 'user' && args.length >= 1) {
      return this.#addUser(args);
    }
    if (word === 'rename-command' && args.length === 2) {
      this.#config.fileOnly.renamedCommands.push({ from: args[0] ?? '', to: args[1] ?? '' });
      return undefined;
    }
    if (word === 'loadmodule' && args.length >= 1) {
      return 'Modules cannot be loaded: they are built for the C interface of Redis';
    }
    if (word.includes('.')) {
      return args.length === 0
        ? 'Module config specified without value'
        : 'Modules cannot be loaded, so there is none to configure';
    }
    if (word === 'sentinel') return 'sentinel directive while not in sentinel mode';
    return 'Bad directive or wrong number of arguments';
  }

  #addUser(args: readonly string[]): string | undefined {
    const { users } = this.#config.fileOnly;
    const problem = this.#checkUser?.(
      args,
      users.map(([name = '']) => name),
    );
    if (problem === undefined) users.push(args);
    return problem;
  }

  #assign(name: DirectiveName, args: readonly string[]): string | undefined {
    const multiple = MULTIPLE_ARGUMENT_KINDS.has(directiveRow(name).kind);
    if (!multiple && args.length !== 1) return 'wrong number of arguments';
    // --save "900 1": one argument that holds several.
    const values = multiple && args.length === 1 && args[0] !== '' ? splitWords(args[0] ?? '') : args;
    if (values === undefined) return 'Unbalanced quotes in configuration line';

    const problem = this.#config.assign(name, values, {
      addSavePoints: this.mentioned.has(name),
      workingDirectory: this.#workingDirectory,
    });
    if (problem !== undefined) return problem;
    this.mentioned.add(name);
    return name === 'dir' ? this.#enterDirectory() : undefined;
  }

  #enterDirectory(): string | undefined {
    const { dir } = this.#config.values;
    const problem = this.#config.isDefault('dir') ? undefined : this.#system.directoryError(dir);
    this.#workingDirectory = dir;
    return problem;
  }

  #include(pattern: string): string | undefined {
    if (++this.#includeDepth > INCLUDE_DEPTH_MAX) {
      return this.#fatal(`Files include each other more than ${INCLUDE_DEPTH_MAX} levels deep: '${pattern}'`);
    }
    const paths = /[*?[]/.test(pattern) ? this.#glob(pattern) : [pattern];
    for (const path of paths) {
      const source = readConfigFile(resolve(this.#workingDirectory, path), this.#system);
      const error = typeof source === 'string' ? source : this.#loadSource(source);
      if (error !== undefined) return error;
    }
    this.#includeDepth--;
    return undefined;
  }

  /**
   * Existing paths that match, sorted; as with C's glob, `*` and `?` do not find names that start with a
   * dot.
   */
  #glob(pattern: string): string[] {
    const root = isAbsolute(pattern) ? '/' : this.#workingDirectory;
    let found = [root];
    for (const part of pattern.split('/').filter((name) => name !== '')) {
      found = found.flatMap((directory) => this.#matchPart(directory, part));
    }
    return found;
  }

  #matchPart(directory: string, part: string): string[] {
    if (part === '.' || part === '..') return [join(directory, part)];
    const patternBytes = encodeText(part);
    const names = this.#system.listDirectory(directory).filter((name) => {
      const bytes = encodeText(name);
      const hidden = name.startsWith('.') && !part.startsWith('.');
      return !hidden && globMatch(patternBytes, bytes, 0, bytes.length);
    });
    return names.sort().map((name) => join(directory, name));
  }

  #problemOfWhole(): string | undefined {
    const { logfile, replicaof } = this.#config.values;
    if (logfile !== '') {
      const problem = this.#system.logFileError(resolve(this.#workingDirectory, logfile));
      if (problem !== undefined) return `Can't open the log file: ${problem}`;
    }
    if (this.#config.values['cluster-enabled'] && replicaof !== undefined) {
      return 'replicaof directive not allowed in cluster mode';
    }
    return undefined;
  }

  #fatal(problem: string, line?: { file: string | undefined; number: number; text: string }): string {
    const { name, version } = this.#program;
    const text = [`*** FATAL CONFIG FILE ERROR (${name} ${version}) ***`];
    if (line !== undefined) {
      const file = line.file === undefined ? '' : ` '${line.file}'`;
      text.push(`Reading the configuration file${file}, at line ${line.number}`, `>>> '${line.text}'`);
    }
    return [...text, problem].join('\n');
  }
}

function splitWords(line: string): string[] | undefined {
  const bytes = encodeText(line);
  return splitArguments(bytes, 0, bytes.length)?.map(decodeText);
}
