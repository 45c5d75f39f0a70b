/**
 * The command line and the environment.
 *
 * As in Redis 7.0 server.c, main(): the first argument may be a configuration file; every `--name value …`
 * becomes a line of configuration that is read behind the file; `-` as the first or last argument reads
 * standard input. Beyond that: `--name=value` for every directive, a bare port number as the first
 * argument, REDIS_CLONE_PORT.
 */
import { resolve } from 'node:path';
import { quoteBytes, splitArguments } from '../util/split-args.ts';
import { Config } from './config.ts';
import {
  loadConfigSources,
  readConfigFile,
  type ConfigSource,
  type ProgramName,
  type UserCheck,
} from './config-file.ts';
import { NODE_CONFIG_SYSTEM, systemErrorText, type ConfigSystem } from './config-system.ts';
import { encodeText } from './config-text.ts';
import { DIRECTIVE_NAMES } from './directives.ts';
import { effectWarning } from './effect-warning.ts';
import { helpText, versionText } from './help.ts';

export const PORT_VARIABLE = 'REDIS_CLONE_PORT';

export type CommandLine =
  | {
      readonly action: 'run';
      readonly config: Config;
      /** Absolute path, if there is one. */
      readonly configFile?: string;
      /** What the log should say before the server starts: settings that are accepted without effect. */
      readonly warnings: readonly string[];
    }
  | { readonly action: 'help' | 'version'; readonly text: string }
  /** The text goes to standard error, the exit code is 1. */
  | { readonly action: 'error'; readonly text: string };

export interface CommandLineOptions {
  readonly program: ProgramName;
  readonly system?: ConfigSystem;
  readonly checkUser?: UserCheck;
}

/** Switches of redis-server that need a reason why they are not here. */
const REFUSED_SWITCHES: ReadonlyMap<string, string> = new Map([
  ['--sentinel', 'there is no Sentinel mode; redis-sentinel can be used beside this server'],
  ['--test-memory', 'memory is not tested here; use memtester or memtest86+'],
  [
    '--check-system',
    'the system check of Redis concerns fork() and copy-on-write, which this server does not use',
  ],
]);

/** `argv` is without the interpreter and the script: `process.argv.slice(2)`. */
export function parseCommandLine(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  { program, system = NODE_CONFIG_SYSTEM, checkUser }: CommandLineOptions,
): CommandLine {
  const args = readArguments(argv);
  if (args.action === 'help') return { action: 'help', text: helpText(program) };
  if (args.action === 'version') return { action: 'version', text: versionText(program) };
  if (args.action === 'error') return args;

  const sources = collectSources(args, system);
  if (typeof sources === 'string') return { action: 'error', text: sources };

  const config = new Config({ workingDirectory: system.workingDirectory() });
  const { error, mentioned } = loadConfigSources(config, sources, {
    system,
    program,
    ...(checkUser && { checkUser }),
  });
  if (error !== undefined) return { action: 'error', text: error };

  const environmentPort = env[PORT_VARIABLE];
  if (environmentPort !== undefined && environmentPort !== '' && !mentioned.has('port')) {
    const problem = config.assign('port', [environmentPort]);
    if (problem !== undefined) {
      return {
        action: 'error',
        text: `Bad value in environment: ${PORT_VARIABLE}='${environmentPort}': ${problem}`,
      };
    }
  }

  const warnings = warningsOf(config);
  if (args.file === undefined) return { action: 'run', config, warnings };
  const configFile = resolve(system.workingDirectory(), args.file);
  config.configFile = configFile;
  return { action: 'run', config, configFile, warnings };
}

interface Arguments {
  readonly action: 'run';
  readonly file: string | undefined;
  readonly fromStandardInput: boolean;
  /** Lines of configuration. */
  readonly options: string;
}

type ReadArguments =
  | Arguments
  | { readonly action: 'help' }
  | { readonly action: 'version' }
  | { readonly action: 'error'; readonly text: string };

function readArguments(argv: readonly string[]): ReadArguments {
  const [firstArg] = argv;
  if (firstArg === '-h') return { action: 'help' };
  if (firstArg === '-v') return { action: 'version' };

  const isPort = firstArg !== undefined && /^[0-9]+$/.test(firstArg);
  const isFile = firstArg !== undefined && !isPort && !firstArg.startsWith('-');
  const options = new OptionLines();
  if (isPort) {
    options.startOption('port');
    options.addArgument(firstArg);
  }

  let fromStandardInput = false;
  for (let i = isPort || isFile ? 1 : 0; i < argv.length; i++) {
    const arg = argv[i] ?? '';
    const isLast = i === argv.length - 1;
    if (arg === '-' && (i === 0 || isLast)) {
      fromStandardInput = true;
    } else if (options.awaitsValue || !arg.startsWith('--')) {
      options.addArgument(arg);
    } else {
      if (arg === '--help') return { action: 'help' };
      if (arg === '--version') return { action: 'version' };
      const refusal = REFUSED_SWITCHES.get(arg);
      if (refusal !== undefined) return { action: 'error', text: `${arg} is not available: ${refusal}.` };
      options.addOption(arg, argv[i + 1]);
    }
  }
  return { action: 'run', file: isFile ? firstArg : undefined, fromStandardInput, options: options.text };
}

/** Builds the lines of configuration that options stand for. */
class OptionLines {
  text = '';
  /** The last option has no argument yet: the next one is its value, even if it starts with dashes. */
  awaitsValue = false;

  startOption(line: string): void {
    if (this.text !== '') this.text += '\n';
    this.text += `${line} `;
  }

  addArgument(arg: string): void {
    this.text += `${quoteBytes(encodeText(arg))} `;
    this.awaitsValue = false;
  }

  addOption(arg: string, next: string | undefined): void {
    const assignment = /^--([a-z0-9_.-]+)=(.*)$/is.exec(arg);
    if (assignment !== null) {
      const [, name = '', value = ''] = assignment;
      this.startOption(name);
      this.addArgument(value);
      return;
    }
    this.startOption(arg.slice(2));
    const bytes = encodeText(arg);
    // "--port 6380" as one argument brings its value with it.
    this.awaitsValue = splitArguments(bytes, 0, bytes.length)?.length === 1;
    // A program that builds its options from an empty list writes --save without a value: no save points.
    if (this.awaitsValue && arg.toLowerCase() === '--save' && (next === undefined || next.startsWith('--'))) {
      this.addArgument('');
    }
  }
}

/**
 * File, then standard input, then options: what comes last counts. Or the message that one cannot be read.
 */
function collectSources(args: Arguments, system: ConfigSystem): ConfigSource[] | string {
  const sources: ConfigSource[] = [];
  if (args.file !== undefined) {
    const file = readConfigFile(resolve(system.workingDirectory(), args.file), system);
    if (typeof file === 'string') return file;
    sources.push(file);
  }
  if (args.fromStandardInput) {
    try {
      sources.push({ text: system.readStandardInput(), firstLine: 1 });
    } catch (error) {
      return `Fatal error, can't read config from stdin: ${systemErrorText(error)}`;
    }
  }
  if (args.options !== '') {
    // Redis counts on from the text before, and puts a line end between.
    const linesBefore = sources.reduce((count, { text }) => count + text.split('\n').length - 1, 0);
    sources.push({ text: args.options, firstLine: linesBefore + 2 });
  }
  return sources;
}

function warningsOf(config: Config): string[] {
  return DIRECTIVE_NAMES.flatMap((name) => effectWarning(config, name) ?? []);
}
