/** What the program says about itself: `--help`, `--version`, the lines at start. */
import type { ProgramName } from './config-file.ts';
import { defaultText } from './value-kinds.ts';
import { DIRECTIVE_NAMES, directiveRow, type DirectiveName } from './directives.ts';

const WIDTH_COLUMNS = 100;

/** Subcommands that end without serving, and what follows them (tools.ts). */
const TOOL_ARGUMENTS = {
  'check-aof': '[--fix | --truncate-to-timestamp SECONDS] FILE | MANIFEST',
  'check-rdb': 'FILE',
  convert: '[--force] IN OUT        between FILE.rdb, FILE.json and the directory of an AOF',
  doctor: '[PORT | /path/to/redis.conf] [--option value …]   what on this machine will hurt the server',
  compare: '[--quick] [--out FILE.html] [--help]   the architectures measured side by side',
} as const;

export type ToolName = keyof typeof TOOL_ARGUMENTS;

export function isToolName(word: string | undefined): word is ToolName {
  return word !== undefined && Object.hasOwn(TOOL_ARGUMENTS, word);
}

/** The version of Redis whose behaviour this server follows. */
export const REDIS_VERSION = '7.0.15';

export function versionText({ name, version }: ProgramName): string {
  return `${name} v=${version} redis_version=${REDIS_VERSION} node=${process.version}`;
}

export function helpText({ name }: ProgramName): string {
  const common = DIRECTIVE_NAMES.filter((directive) => directiveRow(directive).common);
  const others = DIRECTIVE_NAMES.filter((directive) => {
    const row = directiveRow(directive);
    return !row.common && !row.hidden;
  });
  return `Usage: ${name} [PORT | /path/to/redis.conf] [--option value …] [-]
       ${name} -                  read the configuration from standard input
       ${name} -h | --help
       ${name} -v | --version
${Object.entries(TOOL_ARGUMENTS)
  .map(([tool, args]) => `       ${name} ${tool} ${args}`)
  .join('\n')}

Examples:
  ${name}                                     serve on port 6379 of this machine
  ${name} 7000                                on port 7000
  ${name} --io=node --port=7000               with Node's own sockets
  ${name} /etc/redis/redis.conf --port 7000   a file, and an option that outdoes it
  ${name} --maxclients 100 --timeout 60
  ${name} --bind '*' --requirepass secret     open to the network, with a password
  echo 'maxmemory 128mb' | ${name} -
  ${name} check-aof --fix data/appendonlydir/appendonly.aof.manifest
  ${name} convert dump.rdb dump.json
  ${name} compare --quick
  REDIS_CLONE_PORT=7000 ${name}               if neither a file nor an option sets the port

Options (--name value or --name=value; the same names as in redis.conf and CONFIG SET):
${common.map(optionLine).join('\n')}

Further options, as in Redis ${REDIS_VERSION}:
${wrapWords(others.map((directive) => `--${directive}`))}
`;
}

function optionLine(name: DirectiveName): string {
  const row = directiveRow(name);
  const names = 'names' in row ? ` ${row.names.join('|')}` : '';
  const option = `  --${name}${names.length <= 25 ? names : ''}`;
  const unit = row.unit === undefined ? '' : `, in ${row.unit}`;
  const separator = option.length < 30 ? '' : `\n${' '.repeat(30)}`;
  const state = row.effect === 'later' ? 'no effect yet' : row.limitation;
  const note = state === undefined ? '' : ` (${state})`;
  return `${option.padEnd(30)}${separator}${row.summary}${unit}${note} [${defaultText(row) || '""'}]`;
}

function wrapWords(words: readonly string[]): string {
  const lines: string[] = [];
  let line = ' ';
  for (const word of words) {
    if (line.length + 1 + word.length > WIDTH_COLUMNS) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}

export interface BannerFacts extends ProgramName {
  readonly mode: string;
  readonly port: number;
  readonly pid: number;
  /** What clients can connect to: `127.0.0.1:6379`, `/run/redis.sock`. */
  readonly addresses?: readonly string[];
}

/** The lines for a person who has just started the server. */
export function banner({ name, version, mode, port, pid, addresses = [] }: BannerFacts): string {
  const at = addresses.length === 0 ? '' : ` at ${addresses.join(', ')}`;
  return `
   ▄▀▀▀▀▄   ${name} ${version} (compatible with Redis ${REDIS_VERSION})
   █ ▶  █   Mode: ${mode}
   ▀▄▄▄▄▀   Port: ${port}
            PID:  ${pid}

Ready to accept connections${at}
`;
}
