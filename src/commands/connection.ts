/**
 * The connection itself: authentication, protocol, database, liveness (Redis 7.0 networking.c, acl.c,
 * server.c, db.c).
 */
import { REDIS_VERSION } from '../config/help.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { Request } from '../protocol/request.ts';
import { parseInt64 } from '../util/numbers.ts';
import { block, integer, string } from './arguments.ts';
import type { Call } from './call.ts';
import { setClientName } from './client-name.ts';
import { DATABASE_OUT_OF_RANGE, SYNTAX_ERROR, WRONG_PASSWORD, printedText, wrongArity } from './errors.ts';
import { family } from './family.ts';
import { argumentsFrom } from './secrets.ts';
import { SESSION_CLOSE_AFTER_REPLY, SESSION_SUBSCRIBER } from './session.ts';

const NO_PASSWORD_CONFIGURED = new ErrorReply(
  'ERR AUTH <password> called without any password configured for the default user. ' +
    'Are you sure your configuration is correct?',
);
const BAD_PROTOCOL_VERSION = new ErrorReply('ERR Protocol version is not an integer or out of range');
const UNSUPPORTED_PROTOCOL_VERSION = new ErrorReply('NOPROTO unsupported protocol version');
const HELLO_UNAUTHENTICATED = new ErrorReply(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH ' +
    '<user> <pass> option can be used to authenticate the client and select the RESP protocol version at ' +
    'the same time',
);
const DATABASE_NOT_AN_INT = new ErrorReply(
  'ERR value is out of range, value must between -2147483648 and 2147483647',
);

const DEFAULT_USER = 'default';

export const CONNECTION_COMMANDS = family({ group: 'connection', categories: ['connection'] }, [
  {
    name: 'auth',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    since: '1.0.0',
    summary: 'Authenticate to the server',
    complexity: 'O(N) where N is the number of passwords defined for the user',
    history: [['6.0.0', 'Added ACL style (username and password).']],
    arguments: [string('username', { since: '6.0.0', optional: true }), string('password')],
    secrets: argumentsFrom(1),
    run: auth,
  },
  {
    name: 'echo',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    since: '1.0.0',
    summary: 'Echo the given string',
    complexity: 'O(1)',
    arguments: [string('message')],
    run: echo,
  },
  {
    name: 'hello',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    since: '6.0.0',
    summary: 'Handshake with Redis',
    complexity: 'O(1)',
    history: [
      [
        '6.2.0',
        '`protover` made optional; when called without arguments the command reports the ' +
          "current connection's context.",
      ],
    ],
    arguments: [
      block(
        'arguments',
        [
          integer('protover'),
          block('username_password', [string('username'), string('password')], {
            token: 'AUTH',
            optional: true,
          }),
          string('clientname', { token: 'SETNAME', optional: true }),
        ],
        { optional: true },
      ),
    ],
    secrets: helloSecrets,
    run: hello,
  },
  {
    name: 'ping',
    arity: -1,
    flags: ['fast'],
    since: '1.0.0',
    summary: 'Ping the server',
    complexity: 'O(1)',
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    arguments: [string('message', { optional: true })],
    run: ping,
  },
  {
    name: 'quit',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    since: '1.0.0',
    summary: 'Close the connection',
    complexity: 'O(1)',
    run: quit,
  },
  {
    name: 'reset',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    since: '6.2.0',
    summary: 'Reset the connection',
    complexity: 'O(1)',
    run: reset,
  },
  {
    name: 'select',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    since: '1.0.0',
    summary: 'Change the selected database for the current connection',
    complexity: 'O(1)',
    arguments: [integer('index')],
    run: select,
  },
]);

/** AUTH [username] password */
function auth(call: Call): void {
  if (call.argumentCount > 3) throw SYNTAX_ERROR;
  const isOldForm = call.argumentCount === 2;
  const { access } = call.services;
  if (isOldForm && access.isOpen) throw NO_PASSWORD_CONFIGURED;

  const user = isOldForm ? DEFAULT_USER : call.text(1);
  if (!access.authenticate(call, user, call.bytes(isOldForm ? 1 : 2))) throw WRONG_PASSWORD;

  call.reply.ok();
}

/** ECHO message */
function echo({ request, reply }: Call): void {
  reply.bulk(request.buffer, request.start(1), request.end(1));
}

/** The user's name and the password. */
function helloSecrets(request: Request): number[] {
  for (let i = 2; i < request.count; i++) if (request.text(i).toLowerCase() === 'auth') return [i + 1, i + 2];
  return [];
}

/** HELLO [protover [AUTH username password] [SETNAME clientname]] */
function hello(call: Call): void {
  const { session } = call;
  const version = call.argumentCount > 1 ? protocolVersion(call) : session.protocolVersion;

  // As in Redis each option takes effect when it is read, also if a later one turns out to be wrong.
  let index = 2;
  while (index < call.argumentCount) index = helloOption(call, index);
  if (!session.isAuthenticated) throw HELLO_UNAUTHENTICATED;

  session.protocolVersion = version;
  call.reply.version = version;
  replyServerFacts(call);
}

function protocolVersion({ request }: Call): number {
  const version = parseInt64(request.buffer, request.start(1), request.end(1));
  if (version === undefined) throw BAD_PROTOCOL_VERSION;
  if (version < 2n || version > 3n) throw UNSUPPORTED_PROTOCOL_VERSION;
  return Number(version);
}

/** Carries out the option at `index` and returns the index of the next one. */
function helloOption(call: Call, index: number): number {
  const valueCount = call.argumentCount - index - 1;
  if (valueCount >= 2 && call.is(index, 'AUTH')) {
    const { access } = call.services;
    if (!access.authenticate(call, call.text(index + 1), call.bytes(index + 2))) throw WRONG_PASSWORD;
    return index + 3;
  }
  if (valueCount >= 1 && call.is(index, 'SETNAME')) {
    setClientName(call, index + 1);
    return index + 2;
  }
  throw new ErrorReply(`ERR Syntax error in HELLO option '${printedText(call.text(index))}'`);
}

function replyServerFacts({ reply, session }: Call): void {
  reply.map(7);
  reply.bulkText('server');
  reply.bulkText('redis');
  reply.bulkText('version');
  reply.bulkText(REDIS_VERSION);
  reply.bulkText('proto');
  reply.integer(session.protocolVersion);
  reply.bulkText('id');
  reply.integer(session.id);
  reply.bulkText('mode');
  reply.bulkText('standalone');
  reply.bulkText('role');
  reply.bulkText('master');
  reply.bulkText('modules');
  reply.array(0);
}

/** PING [message] */
function ping({ request, reply, command, session }: Call): void {
  if (request.count > 2) throw wrongArity(command.fullName);

  if (session.has(SESSION_SUBSCRIBER) && session.protocolVersion === 2) {
    // A client that reads messages with RESP2 expects an array (server.c, pingCommand).
    reply.array(2);
    reply.bulkText('pong');
    if (request.count === 1) reply.bulkText('');
    else reply.bulk(request.buffer, request.start(1), request.end(1));
    return;
  }
  if (request.count === 1) reply.simple('PONG');
  else reply.bulk(request.buffer, request.start(1), request.end(1));
}

/** QUIT */
function quit({ reply, session }: Call): void {
  reply.ok();
  session.raise(SESSION_CLOSE_AFTER_REPLY);
}

/** RESET */
function reset({ reply, session, services }: Call): void {
  services.server.resetSession(session);
  reply.version = session.protocolVersion;
  reply.simple('RESET');
}

/** SELECT index */
function select(call: Call): void {
  const index = call.int64(1);
  if (index !== BigInt.asIntN(32, index)) throw DATABASE_NOT_AN_INT;
  if (index < 0n || index >= BigInt(call.keyspace.databases.length)) throw DATABASE_OUT_OF_RANGE;

  call.session.databaseIndex = Number(index);
  call.reply.ok();
}
