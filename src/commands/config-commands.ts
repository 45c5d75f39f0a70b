/** CONFIG: the directives of redis.conf, at run time (Redis 7.0 config.c). */
import { encodeText } from '../config/config-text.ts';
import { directiveRow, findDirective } from '../config/directives.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { Request } from '../protocol/request.ts';
import { toLatin1 } from '../util/bytes.ts';
import { block, string } from './arguments.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';

export const CONFIG_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'config',
    arity: -2,
    flags: [],
    since: '2.0.0',
    summary: 'A container for server configuration commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'get',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.0.0',
        summary: 'Get the values of configuration parameters',
        complexity: 'O(N) when N is the number of configuration parameters provided',
        history: [['7.0.0', 'Added the ability to pass multiple pattern parameters in one call']],
        arguments: [block('parameter', [string('parameter')], { multiple: true })],
        run: configGet,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '5.0.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: configHelp,
      },
      {
        name: 'resetstat',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.0.0',
        summary: 'Reset the stats returned by INFO',
        complexity: 'O(1)',
        run: configResetStat,
      },
      {
        name: 'rewrite',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.8.0',
        summary: 'Rewrite the configuration file with the in memory configuration',
        complexity: 'O(1)',
        run: configRewrite,
      },
      {
        name: 'set',
        arity: -4,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.0.0',
        summary: 'Set configuration parameters to the given values',
        complexity: 'O(N) when N is the number of configuration parameters provided',
        history: [['7.0.0', 'Added the ability to set multiple parameters in one call.']],
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        arguments: [block('parameter_value', [string('parameter'), string('value')], { multiple: true })],
        secrets: configSecrets,
        run: configSet,
      },
    ],
  },
]);

/** CONFIG GET parameter [parameter ...] */
function configGet({ request, reply, services }: Call): void {
  const patterns: Uint8Array[] = [];
  for (let i = 2; i < request.count; i++) patterns.push(request.borrow(i));

  const found = services.config.get(patterns);
  reply.map(found.length);
  for (const [name, value] of found) {
    reply.bulkBytes(encodeText(name));
    reply.bulkBytes(typeof value === 'string' ? encodeText(value) : value);
  }
}

/** CONFIG HELP */
function configHelp(call: Call): void {
  replyHelp(call, [
    'GET <pattern>',
    '    Return parameters matching the glob-like <pattern> and their values.',
    'SET <directive> <value>',
    '    Set the configuration <directive> to <value>.',
    'RESETSTAT',
    '    Reset statistics reported by the INFO command.',
    'REWRITE',
    '    Rewrite the configuration file.',
  ]);
}

/** CONFIG RESETSTAT */
function configResetStat({ reply, services }: Call): void {
  services.server.resetStatistics();
  reply.ok();
}

/** CONFIG REWRITE */
function configRewrite({ reply, services }: Call): void {
  const failure = services.config.rewrite();
  if (failure !== undefined) throw failed(failure);

  reply.ok();
}

/** The values of passwords. */
function configSecrets(request: Request): number[] {
  const secrets: number[] = [];
  for (let i = 2; i + 1 < request.count; i += 2) {
    const listed = findDirective(request.text(i));
    if (listed !== undefined && directiveRow(listed.name).sensitive === true) secrets.push(i + 1);
  }
  return secrets;
}

/** CONFIG SET parameter value [parameter value ...] */
function configSet({ request, reply, services }: Call): void {
  if (request.count % 2 !== 0) throw SYNTAX_ERROR;
  const pairs: [name: Uint8Array, value: Uint8Array][] = [];
  for (let i = 2; i < request.count; i += 2) pairs.push([request.borrow(i), request.borrow(i + 1)]);

  const failure = services.config.set(pairs);
  if (failure !== undefined) throw failed(failure);

  reply.ok();
}

/** The error of a line that may quote what the client has sent, in the text form of configuration. */
function failed(line: string): ErrorReply {
  const bytes = encodeText(line);
  return new ErrorReply(toLatin1(bytes, 0, bytes.length));
}
