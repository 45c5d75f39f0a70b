/** COMMAND: what commands there are, told from the rows of all families (Redis 7.0 server.c). */
import { ErrorReply } from '../protocol/error-reply.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { Request } from '../protocol/request.ts';
import { globMatch } from '../util/glob.ts';
import { oneOf, pattern, string } from './arguments.ts';
import type { Call } from './call.ts';
import { findKeys, hasKeys } from './command-keys.ts';
import type { FoundKey } from './command-keys.ts';
import { aclCategories, describeDocs, describeInfo } from './describe.ts';
import type { Description } from './describe.ts';
import { SYNTAX_ERROR, unknownSubcommand } from './errors.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';
import type { RuntimeCommand } from './runtime-command.ts';

const NO_SUCH_COMMAND = new ErrorReply('ERR Invalid command specified');
const COMMAND_WITHOUT_KEYS = new ErrorReply('ERR The command has no key arguments');
const BAD_ARGUMENT_COUNT = new ErrorReply('ERR Invalid number of arguments specified for command');
const BAD_ARGUMENTS = new ErrorReply('ERR Invalid arguments specified for command');

export const COMMAND_COMMANDS = family({ group: 'server', categories: ['connection'] }, [
  {
    name: 'command',
    arity: -1,
    flags: ['loading', 'stale'],
    since: '2.8.13',
    summary: 'Get array of Redis command details',
    complexity: 'O(N) where N is the total number of Redis commands',
    tips: ['nondeterministic_output_order'],
    run: command,
    subcommands: [
      {
        name: 'count',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '2.8.13',
        summary: 'Get total number of Redis commands',
        complexity: 'O(1)',
        run: commandCount,
      },
      {
        name: 'docs',
        arity: -2,
        flags: ['loading', 'stale'],
        since: '7.0.0',
        summary: 'Get array of specific Redis command documentation',
        complexity: 'O(N) where N is the number of commands to look up',
        tips: ['nondeterministic_output_order'],
        arguments: [string('command-name', { optional: true, multiple: true })],
        run: commandDocs,
      },
      {
        name: 'getkeys',
        arity: -4,
        flags: ['loading', 'stale'],
        since: '2.8.13',
        summary: 'Extract keys given a full Redis command',
        complexity: 'O(N) where N is the number of arguments to the command',
        run: commandGetKeys,
      },
      {
        name: 'getkeysandflags',
        arity: -4,
        flags: ['loading', 'stale'],
        since: '7.0.0',
        summary: 'Extract keys and access flags given a full Redis command',
        complexity: 'O(N) where N is the number of arguments to the command',
        run: commandGetKeysAndFlags,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '5.0.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: commandHelp,
      },
      {
        name: 'info',
        arity: -2,
        flags: ['loading', 'stale'],
        since: '2.8.13',
        summary: 'Get array of specific Redis command details, or all when no argument is given.',
        complexity: 'O(N) where N is the number of commands to look up',
        history: [['7.0.0', 'Allowed to be called with no argument to get info on all commands.']],
        tips: ['nondeterministic_output_order'],
        arguments: [string('command-name', { optional: true, multiple: true })],
        run: commandInfo,
      },
      {
        name: 'list',
        arity: -2,
        flags: ['loading', 'stale'],
        since: '7.0.0',
        summary: 'Get an array of Redis command names',
        complexity: 'O(N) where N is the total number of Redis commands',
        tips: ['nondeterministic_output_order'],
        arguments: [
          oneOf(
            'filterby',
            [
              string('module-name', { token: 'MODULE' }),
              string('category', { token: 'ACLCAT' }),
              pattern('pattern', { token: 'PATTERN' }),
            ],
            { token: 'FILTERBY', optional: true },
          ),
        ],
        run: commandList,
      },
    ],
  },
]);

/** COMMAND */
function command(call: Call): void {
  // The one container that is a command by itself gets to see what is no subcommand of it.
  if (call.argumentCount > 1) throw unknownSubcommand(call.text(1), call.command.fullName);

  replyInfo(call, call.services.commands.topLevel);
}

/** COMMAND COUNT */
function commandCount({ reply, services }: Call): void {
  reply.integer(services.commands.topLevel.length);
}

/** COMMAND DOCS [command-name [command-name ...]] */
function commandDocs(call: Call): void {
  const { reply, services } = call;
  const commands = namedCommands(call) ?? services.commands.topLevel;
  const known = commands.filter((each) => each !== undefined);

  reply.map(known.length);
  for (const { fullName, row } of known) {
    reply.bulkText(fullName);
    write(reply, describeDocs(row));
  }
}

/** COMMAND GETKEYS command [arg [arg ...]] */
function commandGetKeys({ request, reply, services }: Call): void {
  const inner = requestFrom(request, 2);
  const keys = keysOf(services.commands.resolve(inner), inner);

  reply.array(keys.length);
  for (const { index } of keys) reply.bulkBytes(inner.borrow(index));
}

/** COMMAND GETKEYSANDFLAGS command [arg [arg ...]] */
function commandGetKeysAndFlags({ request, reply, services }: Call): void {
  const inner = requestFrom(request, 2);
  const keys = keysOf(services.commands.resolve(inner), inner);

  reply.array(keys.length);
  for (const { index, flags } of keys) {
    reply.array(2);
    reply.bulkBytes(inner.borrow(index));
    write(reply, { statusSet: flags });
  }
}

/** The request that the arguments from `first` on make, without copying them. */
function requestFrom(request: Request, first: number): Request {
  const inner = new Request();
  inner.buffer = request.buffer;
  for (let i = first; i < request.count; i++) inner.push(request.start(i), request.end(i));
  return inner;
}

function keysOf(named: RuntimeCommand | undefined, request: Request): readonly FoundKey[] {
  // The index names a container when it does not know the subcommand; a request here always has one.
  if (named === undefined || named.subcommands !== undefined) throw NO_SUCH_COMMAND;
  if (!hasKeys(named.row)) throw COMMAND_WITHOUT_KEYS;
  if (!named.acceptsCount(request.count)) throw BAD_ARGUMENT_COUNT;

  const keys = findKeys(named.row, request);
  if (keys.length === 0 && !named.row.flags.includes('no_mandatory_keys')) throw BAD_ARGUMENTS;
  return keys;
}

/** COMMAND HELP */
function commandHelp(call: Call): void {
  replyHelp(call, [
    '(no subcommand)',
    '    Return details about all Redis commands.',
    'COUNT',
    '    Return the total number of commands in this Redis server.',
    'LIST',
    '    Return a list of all commands in this Redis server.',
    'INFO [<command-name> ...]',
    '    Return details about multiple Redis commands.',
    '    If no command names are given, documentation details for all',
    '    commands are returned.',
    'DOCS [<command-name> ...]',
    '    Return documentation details about multiple Redis commands.',
    '    If no command names are given, documentation details for all',
    '    commands are returned.',
    'GETKEYS <full-command>',
    '    Return the keys from a full Redis command.',
    'GETKEYSANDFLAGS <full-command>',
    '    Return the keys and the access flags from a full Redis command.',
  ]);
}

/** COMMAND INFO [command-name [command-name ...]] */
function commandInfo(call: Call): void {
  replyInfo(call, namedCommands(call) ?? call.services.commands.topLevel);
}

/**
 * What the arguments behind the subcommand name, undefined for a name of nothing; no names at all =
 * undefined.
 */
function namedCommands({ request, services }: Call): (RuntimeCommand | undefined)[] | undefined {
  if (request.count === 2) return undefined;
  const named: (RuntimeCommand | undefined)[] = [];
  for (let i = 2; i < request.count; i++) named.push(services.commands.findByFullName(request.text(i)));
  return named;
}

function replyInfo({ reply }: Call, commands: readonly (RuntimeCommand | undefined)[]): void {
  reply.array(commands.length);
  for (const each of commands) {
    if (each === undefined) reply.null();
    else write(reply, describeInfo(each.row, each.parent?.fullName));
  }
}

/** COMMAND LIST [FILTERBY MODULE module-name | FILTERBY ACLCAT category | FILTERBY PATTERN pattern] */
function commandList(call: Call): void {
  const { reply, services } = call;
  const isListed = call.argumentCount === 2 ? () => true : listFilter(call);

  const listed = services.commands.all.filter(isListed);
  reply.array(listed.length);
  for (const { fullName } of listed) reply.bulkText(fullName);
}

function listFilter(call: Call): (command: RuntimeCommand) => boolean {
  if (call.argumentCount !== 5 || !call.is(2, 'FILTERBY')) throw SYNTAX_ERROR;
  // There are no modules, so no command is of one.
  if (call.is(3, 'MODULE')) return () => false;
  if (call.is(3, 'ACLCAT')) {
    const wanted = call.text(4).toLowerCase();
    return ({ row }) => aclCategories(row).some((category) => category === wanted);
  }
  if (call.is(3, 'PATTERN')) {
    const wanted = call.bytes(4);
    return ({ fullName }) => globMatch(wanted, Buffer.from(fullName, 'latin1'), 0, fullName.length, true);
  }
  throw SYNTAX_ERROR;
}

/** Encodes what describe.ts has computed. */
function write(reply: ReplyWriter, description: Description): void {
  if (typeof description === 'string') {
    reply.bulkText(description);
  } else if (typeof description === 'number') {
    reply.integer(description);
  } else if (isArray(description)) {
    reply.array(description.length);
    for (const item of description) write(reply, item);
  } else if (isMap(description)) {
    reply.map(description.size);
    for (const [name, value] of description) {
      reply.bulkText(name);
      write(reply, value);
    }
  } else if ('set' in description) {
    reply.set(description.set.length);
    for (const member of description.set) write(reply, member);
  } else {
    reply.set(description.statusSet.length);
    for (const status of description.statusSet) reply.simple(status);
  }
}

/** `Array.isArray` that knows arrays which are readonly. */
function isArray(description: Description): description is readonly Description[] {
  return Array.isArray(description);
}

/** Asked before `'set' in …`: a map has a method of that name. */
function isMap(description: Description): description is ReadonlyMap<string, Description> {
  return description instanceof Map;
}
