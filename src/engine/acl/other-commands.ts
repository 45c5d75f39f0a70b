/**
 * Commands of Redis 7.0 that this server does not have, as far as rules of users may name them. A rule
 * such as `-eval` or `+replicaof`, brought along from a Redis, must not stop this server from starting,
 * and means what it meant there. A command that is added to the server leaves this table
 * (rules.test.ts).
 */
import type { AclCategory } from '../../commands/command.ts';

export interface OtherCommand {
  readonly name: string;
  readonly categories: readonly AclCategory[];
  readonly subcommands?: readonly OtherCommand[];
}

const ADMIN: readonly AclCategory[] = ['admin', 'slow', 'dangerous'];
const SLOW: readonly AclCategory[] = ['slow'];
const SCRIPTING: readonly AclCategory[] = ['slow', 'scripting'];
const FUNCTION_WRITE: readonly AclCategory[] = ['write', 'slow', 'scripting'];
const FAST_CONNECTION: readonly AclCategory[] = ['fast', 'connection'];

export const OTHER_COMMANDS: readonly OtherCommand[] = [
  ...named(FAST_CONNECTION, 'asking', 'readonly', 'readwrite'),
  ...named(ADMIN, 'failover', 'psync', 'replconf', 'replicaof', 'slaveof', 'sync'),
  ...named(['admin', 'fast', 'dangerous'], 'role'),
  ...named(['keyspace', 'write', 'slow', 'dangerous'], 'migrate'),
  ...named(SCRIPTING, 'eval', 'eval_ro', 'evalsha', 'evalsha_ro', 'fcall', 'fcall_ro'),
  container('cluster', [
    ...named(ADMIN, 'addslots', 'addslotsrange', 'bumpepoch', 'count-failure-reports', 'delslots'),
    ...named(ADMIN, 'delslotsrange', 'failover', 'flushslots', 'forget', 'meet', 'replicas', 'replicate'),
    ...named(ADMIN, 'reset', 'saveconfig', 'set-config-epoch', 'setslot', 'slaves'),
    ...named(SLOW, 'countkeysinslot', 'getkeysinslot', 'help', 'info', 'keyslot', 'links', 'myid'),
    ...named(SLOW, 'nodes', 'shards', 'slots'),
  ]),
  container('function', [
    ...named(SCRIPTING, 'dump', 'help', 'kill', 'list', 'stats'),
    ...named(FUNCTION_WRITE, 'delete', 'flush', 'load', 'restore'),
  ]),
  container('module', [...named(ADMIN, 'list', 'load', 'loadex', 'unload'), ...named(SLOW, 'help')]),
  container('script', named(SCRIPTING, 'debug', 'exists', 'flush', 'help', 'kill', 'load')),
];

function named(categories: readonly AclCategory[], ...names: readonly string[]): OtherCommand[] {
  return names.map((name) => ({ name, categories }));
}

function container(name: string, subcommands: readonly OtherCommand[]): OtherCommand {
  return { name, categories: SLOW, subcommands };
}
