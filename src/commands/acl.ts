/** ACL: users and what they may do (Redis 7.0 acl.c, aclCommand). */
import { ErrorReply } from '../protocol/error-reply.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { Request } from '../protocol/request.ts';
import { randomHex } from '../util/random.ts';
import { integer, oneOf, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { ACL_CATEGORIES } from './command.ts';
import { printedText, unknownSubcommandOrArity } from './errors.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';
import { argumentsFrom } from './secrets.ts';
import type { Denial, SelectorDescription } from './services.ts';

const PASSWORD_BITS = 256;
const PASSWORD_BITS_MAX = 4096;
const HEX_DIGIT_BITS = 4;
const LOG_ENTRIES_SHOWN = 10;
const DEFAULT_USER = 'default';

const BAD_PASSWORD_BITS = new ErrorReply(
  'ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ' +
    `${PASSWORD_BITS_MAX}`,
);
const DEFAULT_USER_STAYS = new ErrorReply("ERR The 'default' user cannot be removed");
const NO_ACL_FILE = new ErrorReply(
  'ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL ' +
    'SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in ' +
    'order to store users in the Redis configuration.',
);
const NOT_SAVED = new ErrorReply(
  'ERR There was an error trying to save the ACLs. Please check the server logs for more information',
);

/** What DRYRUN answers to a command that would be denied. */
const DENIAL_OBJECTS: Record<Denial['reason'], (name: string) => string> = {
  command: (name) => `run the '${name}' command`,
  key: (name) => `access the '${name}' key`,
  channel: (name) => `access the '${name}' channel`,
};

export const ACL_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'acl',
    arity: -2,
    flags: [],
    since: '6.0.0',
    summary: 'A container for Access List Control commands ',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'cat',
        arity: -2,
        flags: ['noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'List the ACL categories or the commands inside a category',
        complexity: 'O(1) since the categories and commands are a fixed set.',
        arguments: [string('categoryname', { optional: true })],
        run: aclCat,
      },
      {
        name: 'deluser',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Remove the specified ACL users and the associated rules',
        complexity: 'O(1) amortized time considering the typical user.',
        arguments: [string('username', { multiple: true })],
        run: aclDelUser,
      },
      {
        name: 'dryrun',
        arity: -4,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '7.0.0',
        summary: 'Returns whether the user can execute the given command without executing the command.',
        complexity: 'O(1).',
        arguments: [string('username'), string('command'), string('arg', { optional: true, multiple: true })],
        run: aclDryRun,
      },
      {
        name: 'genpass',
        arity: -2,
        flags: ['noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Generate a pseudorandom secure password to use for ACL users',
        complexity: 'O(1)',
        arguments: [integer('bits', { optional: true })],
        run: aclGenPass,
      },
      {
        name: 'getuser',
        arity: 3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Get the rules for a specific ACL user',
        complexity: 'O(N). Where N is the number of password, command and pattern rules that the user has.',
        history: [
          ['6.2.0', 'Added Pub/Sub channel patterns.'],
          [
            '7.0.0',
            'Added selectors and changed the format of key and channel patterns from a list to their rule ' +
              'representation.',
          ],
        ],
        arguments: [string('username')],
        run: aclGetUser,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '6.0.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: aclHelp,
      },
      {
        name: 'list',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'List the current ACL rules in ACL config file format',
        complexity: 'O(N). Where N is the number of configured users.',
        run: aclList,
      },
      {
        name: 'load',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Reload the ACLs from the configured ACL file',
        complexity: 'O(N). Where N is the number of configured users.',
        run: aclLoad,
      },
      {
        name: 'log',
        arity: -2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'List latest events denied because of ACLs in place',
        complexity: 'O(N) with N being the number of entries shown.',
        arguments: [oneOf('operation', [integer('count'), token('RESET')], { optional: true })],
        run: aclLog,
      },
      {
        name: 'save',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Save the current ACL rules in the configured ACL file',
        complexity: 'O(N). Where N is the number of configured users.',
        run: aclSave,
      },
      {
        name: 'setuser',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Modify or create the rules for a specific ACL user',
        complexity: 'O(N). Where N is the number of rules provided.',
        history: [
          ['6.2.0', 'Added Pub/Sub channel patterns.'],
          ['7.0.0', 'Added selectors and key based permissions.'],
        ],
        arguments: [string('username'), string('rule', { optional: true, multiple: true })],
        secrets: argumentsFrom(2),
        run: aclSetUser,
      },
      {
        name: 'users',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'List the username of all the configured ACL rules',
        complexity: 'O(N). Where N is the number of configured users.',
        run: aclUsers,
      },
      {
        name: 'whoami',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Return the name of the user associated to the current connection',
        complexity: 'O(1)',
        run: aclWhoAmI,
      },
    ],
  },
]);

/** ACL CAT [categoryname] */
function aclCat(call: Call): void {
  requireCount(call, 3);
  if (call.argumentCount === 2) {
    replyTexts(call.reply, ACL_CATEGORIES);
    return;
  }
  const commands = call.services.access.commandsOf(call.text(2));
  if (commands === undefined)
    throw new ErrorReply(`ERR Unknown category '${printedText(call.text(2)).slice(0, 128)}'`);

  replyTexts(call.reply, commands);
}

/** ACL DELUSER username [username ...] */
function aclDelUser(call: Call): void {
  const names: string[] = [];
  for (let i = 2; i < call.argumentCount; i++) names.push(call.text(i));
  if (names.includes(DEFAULT_USER)) throw DEFAULT_USER_STAYS;

  const { access } = call.services;
  const deleted = names.filter((name) => access.deleteUser(name, call.session));
  call.reply.integer(deleted.length);
}

/** ACL DRYRUN username command [arg [arg ...]] */
function aclDryRun(call: Call): void {
  const { access, commands } = call.services;
  const user = call.text(2);
  if (!access.hasUser(user)) throw new ErrorReply(`ERR User '${printedText(user)}' not found`);
  const request = requestFrom(call.request, 3);
  const command = commands.resolve(request);
  // The index names a container when it does not know the subcommand.
  if (command === undefined || (command.subcommands !== undefined && request.count > 1))
    throw new ErrorReply(`ERR Command '${printedText(call.text(3))}' not found`);
  if (!command.acceptsCount(request.count))
    throw new ErrorReply(`ERR wrong number of arguments for '${command.fullName}' command`);

  const denial = access.dryRun(user, command, request);
  if (denial === undefined) {
    call.reply.ok();
    return;
  }
  const { reason, index } = denial;
  const name = reason === 'command' ? command.fullName : printedText(request.text(index));
  replyText(call.reply, `This user has no permissions to ${DENIAL_OBJECTS[reason](name)}`);
}

function requestFrom(request: Request, first: number): Request {
  const inner = new Request();
  inner.buffer = request.buffer;
  for (let i = first; i < request.count; i++) inner.push(request.start(i), request.end(i));
  return inner;
}

/** ACL GENPASS [bits] */
function aclGenPass(call: Call): void {
  requireCount(call, 3);
  const bits = call.argumentCount === 3 ? call.int64(2) : BigInt(PASSWORD_BITS);
  if (bits <= 0n || bits > BigInt(PASSWORD_BITS_MAX)) throw BAD_PASSWORD_BITS;

  const digitCount = Math.ceil(Number(bits) / HEX_DIGIT_BITS);
  replyText(call.reply, randomHex(Math.ceil(digitCount / 2)).slice(0, digitCount));
}

/** ACL GETUSER username */
function aclGetUser(call: Call): void {
  const { reply } = call;
  const user = call.services.access.describe(call.text(2));
  if (user === undefined) {
    reply.null();
    return;
  }
  const [root, ...selectors] = user.selectors;

  reply.map(6);
  reply.bulkText('flags');
  reply.set(user.flags.length);
  for (const flag of user.flags) reply.bulkText(flag);
  reply.bulkText('passwords');
  replyTexts(reply, user.passwords);
  replySelector(reply, root!);
  reply.bulkText('selectors');
  reply.array(selectors.length);
  for (const selector of selectors) {
    reply.map(3);
    replySelector(reply, selector);
  }
}

/** The fields of one selector. */
function replySelector(reply: ReplyWriter, { commands, keys, channels }: SelectorDescription): void {
  for (const text of ['commands', commands, 'keys', keys, 'channels', channels]) replyText(reply, text);
}

/** ACL HELP */
function aclHelp(call: Call): void {
  replyHelp(call, [
    'CAT [<category>]',
    '    List all commands that belong to <category>, or all command categories',
    '    when no category is specified.',
    'DELUSER <username> [<username> ...]',
    '    Delete a list of users.',
    'DRYRUN <username> <command> [<arg> ...]',
    '    Returns whether the user can execute the given command without executing the command.',
    'GETUSER <username>',
    "    Get the user's details.",
    'GENPASS [<bits>]',
    '    Generate a secure 256-bit user password. The optional `bits` argument can',
    '    be used to specify a different size.',
    'LIST',
    '    Show users details in config file format.',
    'LOAD',
    '    Reload users from the ACL file.',
    'LOG [<count> | RESET]',
    '    Show the ACL log entries.',
    'SAVE',
    '    Save the current config to the ACL file.',
    'SETUSER <username> <attribute> [<attribute> ...]',
    '    Create or modify a user with the specified attributes.',
    'USERS',
    '    List all the registered usernames.',
    'WHOAMI',
    '    Return the current connection username.',
  ]);
}

/** ACL LIST */
function aclList({ reply, services }: Call): void {
  replyTexts(reply, services.access.lines);
}

/** ACL LOAD */
function aclLoad({ reply, services, session }: Call): void {
  if (!services.access.hasFile) throw NO_ACL_FILE;
  const error = services.access.load(session);
  if (error !== undefined) throw new ErrorReply(`ERR ${error}`);

  reply.ok();
}

/** ACL LOG [count | RESET] */
function aclLog(call: Call): void {
  requireCount(call, 3);
  const { reply, services } = call;
  if (call.argumentCount === 3 && call.is(2, 'RESET')) {
    services.access.clearLog();
    reply.ok();
    return;
  }
  const count = call.argumentCount === 3 ? Math.max(0, call.roundedInt64(2)) : LOG_ENTRIES_SHOWN;

  const entries = services.access.logEntries(count);
  reply.array(entries.length);
  for (const entry of entries) {
    reply.map(7);
    reply.bulkText('count');
    reply.integer(entry.count);
    for (const field of ['reason', 'context', 'object'] as const) {
      reply.bulkText(field);
      replyText(reply, entry[field]);
    }
    reply.bulkText('username');
    replyText(reply, entry.user);
    reply.bulkText('age-seconds');
    reply.double((call.now - entry.time) / 1000);
    reply.bulkText('client-info');
    replyText(reply, entry.client);
  }
}

/** ACL SAVE */
function aclSave({ reply, services }: Call): void {
  if (!services.access.hasFile) throw NO_ACL_FILE;
  if (!services.access.save()) throw NOT_SAVED;

  reply.ok();
}

/** ACL SETUSER username [rule [rule ...]] */
function aclSetUser(call: Call): void {
  const rules: string[] = [];
  for (let i = 3; i < call.argumentCount; i++) rules.push(call.text(i));
  const error = call.services.access.setUser(call.text(2), rules, call.session);
  if (error !== undefined) throw new ErrorReply(`ERR ${error}`);

  call.reply.ok();
}

/** ACL USERS */
function aclUsers({ reply, services }: Call): void {
  replyTexts(reply, services.access.names);
}

/** ACL WHOAMI */
function aclWhoAmI({ reply, session }: Call): void {
  replyText(reply, session.user);
}

/** Refuses arguments beyond so many, as the container does. */
function requireCount(call: Call, countMax: number): void {
  if (call.argumentCount > countMax) throw unknownSubcommandOrArity(call.text(1), 'acl');
}

function replyTexts(reply: ReplyWriter, texts: readonly string[]): void {
  reply.array(texts.length);
  for (const text of texts) replyText(reply, text);
}

/** A string of bytes. */
function replyText(reply: ReplyWriter, text: string): void {
  reply.bulkBytes(Buffer.from(text, 'latin1'));
}
