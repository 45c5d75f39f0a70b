/**
 * docs/commands.md, made of the table of commands: `npm run docs` writes it, a test checks that it is up to
 * date and that servers agree with it.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from '../../src/commands/command.ts';
import { ALL_COMMANDS } from '../../src/commands/registry.ts';

export const COMMANDS_PAGE_URL = new URL('../../../docs/commands.md', import.meta.url);

/** What Redis 7.0 has and this server has not yet, by the part that will bring it. Subcommands as `a|b`. */
export const NOT_YET: Readonly<Record<string, readonly string[]>> = {
  scripting: [
    ...['eval', 'eval_ro', 'evalsha', 'evalsha_ro', 'fcall', 'fcall_ro'],
    ...container('script', 'debug exists flush help kill load'),
    ...container('function', 'delete dump flush help kill list load restore stats'),
  ],
  replication: ['failover', 'psync', 'replconf', 'replicaof', 'role', 'slaveof', 'sync'],
  cluster: [
    ...['asking', 'migrate', 'readonly', 'readwrite'],
    ...container(
      'cluster',
      'addslots addslotsrange bumpepoch count-failure-reports countkeysinslot delslots delslotsrange failover ' +
        'flushslots forget getkeysinslot help info keyslot links meet myid nodes replicas replicate reset ' +
        'saveconfig set-config-epoch setslot shards slaves slots',
    ),
  ],
  modules: container('module', 'help list load loadex unload'),
};

const GROUP_TITLES: Readonly<Record<string, string>> = {
  generic: 'Keys of any type',
  string: 'Strings',
  bitmap: 'Bitmaps',
  hyperloglog: 'HyperLogLog',
  list: 'Lists',
  set: 'Sets',
  'sorted-set': 'Sorted sets',
  geo: 'Geo',
  hash: 'Hashes',
  stream: 'Streams',
  pubsub: 'Publish and subscribe',
  transactions: 'Transactions',
  connection: 'Connection',
  server: 'Server',
};

/** The version whose commands are all to be there. */
const REFERENCE_VERSION = [7, 0, 15];

function container(name: string, subcommands: string): string[] {
  return [name, ...subcommands.split(' ').map((subcommand) => `${name}|${subcommand}`)];
}

/** Names of all rows, subcommands as `a|b`. */
export function completeNames(): string[] {
  return ALL_COMMANDS.flatMap((row) => [
    row.name,
    ...(row.subcommands ?? []).map((subcommand) => `${row.name}|${subcommand.name}`),
  ]);
}

/** Whether Redis 7.0 has the command too. */
export function isBeyondReference({ since }: Pick<Command, 'since'>): boolean {
  const parts = since.split('.').map(Number);
  const different = REFERENCE_VERSION.findIndex((part, index) => part !== parts[index]);
  return different !== -1 && parts[different]! > REFERENCE_VERSION[different]!;
}

export function commandsPage(): string {
  const lines = [
    '# Commands',
    '',
    'Every command of Redis 7.0, made from the table of commands by `npm run docs`. *Complete* means: every option, reply',
    'and error as Redis has them, except what [differences.md](differences.md) lists; in both modes, on every transport, and',
    'through the files.',
    '',
  ];
  for (const [group, title] of Object.entries(GROUP_TITLES)) {
    const rows = ALL_COMMANDS.filter((row) => row.group === group);
    lines.push(`## ${title}`, '', '| command | state | since Redis | |', '| --- | --- | --- | --- |');
    for (const row of rows.toSorted(byName)) lines.push(...rowLines(row));
    lines.push('');
  }
  lines.push('## Not yet', '', '| part | commands |', '| --- | --- |');
  for (const [part, names] of Object.entries(NOT_YET))
    lines.push(`| ${part} | ${names.map(displayName).join(', ')} |`);
  return `${lines.join('\n')}\n`;
}

function rowLines(row: Command, parent = ''): string[] {
  const name = `${parent}${row.name}`;
  const state = isBeyondReference(row) ? 'complete, beyond 7.0' : 'complete';
  const summary = row.summary.replaceAll('|', '\\|');
  return [
    `| ${displayName(name)} | ${state} | ${row.since} | ${summary} |`,
    ...(row.subcommands ?? []).toSorted(byName).flatMap((subcommand) => rowLines(subcommand, `${name}|`)),
  ];
}

function displayName(name: string): string {
  return `\`${name.toUpperCase().replace('|', ' ')}\``;
}

function byName(a: Command, b: Command): number {
  return a.name < b.name ? -1 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(COMMANDS_PAGE_URL, commandsPage());
