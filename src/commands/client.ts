/** CLIENT: connections, seen and handled from one of them (Redis 7.0 networking.c). */
import { ErrorReply } from '../protocol/error-reply.ts';
import { parseInt64 } from '../util/numbers.ts';
import { block, integer, oneOf, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { setClientName } from './client-name.ts';
import { clientCaching, clientGetRedir, clientTracking, clientTrackingInfo } from './client-tracking.ts';
import { SYNTAX_ERROR, unknownSubcommandOrArity } from './errors.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';
import type { ClientInfo, ClientType } from './services.ts';
import {
  SESSION_NO_EVICT,
  SESSION_REPLY_OFF,
  SESSION_REPLY_SKIP,
  SESSION_REPLY_SKIP_NEXT,
} from './session.ts';

const NO_SUCH_CLIENT = new ErrorReply('ERR No such client');
const INVALID_CLIENT_ID = new ErrorReply('ERR Invalid client ID');
const CLIENT_ID_NOT_POSITIVE = new ErrorReply('ERR client-id should be greater than 0');
const UNKNOWN_PAUSE_MODE = new ErrorReply('ERR CLIENT PAUSE mode must be WRITE or ALL');
const TIMEOUT_NOT_AN_INTEGER = new ErrorReply('ERR timeout is not an integer or out of range');
const TIMEOUT_NEGATIVE = new ErrorReply('ERR timeout is negative');
const UNKNOWN_UNBLOCK_REASON = new ErrorReply('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');

export const CLIENT_COMMANDS = family({ group: 'connection', categories: ['connection'] }, [
  {
    name: 'client',
    arity: -2,
    flags: [],
    categories: [],
    since: '2.4.0',
    summary: 'A container for client connection commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'caching',
        arity: 3,
        flags: ['noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Instruct the server about tracking or not keys in the next request',
        complexity: 'O(1)',
        arguments: [oneOf('mode', [token('YES'), token('NO')])],
        run: clientCaching,
      },
      {
        name: 'getname',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        since: '2.6.9',
        summary: 'Get the current connection name',
        complexity: 'O(1)',
        run: clientGetName,
      },
      {
        name: 'getredir',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Get tracking notifications redirection client ID if any',
        complexity: 'O(1)',
        run: clientGetRedir,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '5.0.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: clientHelp,
      },
      {
        name: 'id',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        since: '5.0.0',
        summary: 'Returns the client ID for the current connection',
        complexity: 'O(1)',
        run: clientId,
      },
      {
        name: 'info',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        since: '6.2.0',
        summary: 'Returns information about the current client connection.',
        complexity: 'O(1)',
        tips: ['nondeterministic_output'],
        run: clientInfo,
      },
      {
        name: 'kill',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.4.0',
        summary: 'Kill the connection of a client',
        complexity: 'O(N) where N is the number of client connections',
        history: [
          ['2.8.12', 'Added new filter format.'],
          ['2.8.12', '`ID` option.'],
          ['3.2.0', 'Added `master` type in for `TYPE` option.'],
          [
            '5.0.0',
            'Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.',
          ],
          ['6.2.0', '`LADDR` option.'],
        ],
        arguments: [
          oneOf('filter', [
            string('ip:port', { deprecatedSince: '2.8.12' }),
            oneOf(
              'new-format',
              [
                integer('client-id', { token: 'ID', since: '2.8.12', optional: true }),
                oneOf(
                  'normal_master_slave_pubsub',
                  [
                    token('NORMAL'),
                    token('MASTER', { since: '3.2.0' }),
                    token('SLAVE'),
                    token('REPLICA', { since: '5.0.0' }),
                    token('PUBSUB'),
                  ],
                  { token: 'TYPE', since: '2.8.12', optional: true },
                ),
                string('username', { token: 'USER', optional: true }),
                string('ip:port', { token: 'ADDR', optional: true }),
                string('ip:port', { token: 'LADDR', since: '6.2.0', optional: true }),
                string('yes/no', { token: 'SKIPME', optional: true }),
              ],
              { multiple: true },
            ),
          ]),
        ],
        run: clientKill,
      },
      {
        name: 'list',
        arity: -2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.4.0',
        summary: 'Get the list of client connections',
        complexity: 'O(N) where N is the number of client connections',
        history: [
          ['2.8.12', 'Added unique client `id` field.'],
          ['5.0.0', 'Added optional `TYPE` filter.'],
          ['6.0.0', 'Added `user` field.'],
          ['6.2.0', 'Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter.'],
          ['7.0.0', 'Added `resp`, `multi-mem`, `rbs` and `rbp` fields.'],
          ['7.0.3', 'Added `ssub` field.'],
        ],
        tips: ['nondeterministic_output'],
        arguments: [
          oneOf(
            'normal_master_replica_pubsub',
            [token('NORMAL'), token('MASTER'), token('REPLICA'), token('PUBSUB')],
            { token: 'TYPE', since: '5.0.0', optional: true },
          ),
          block('id', [integer('client-id', { multiple: true })], {
            token: 'ID',
            since: '6.2.0',
            optional: true,
          }),
        ],
        run: clientList,
      },
      {
        name: 'no-evict',
        arity: 3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '7.0.0',
        summary: 'Set client eviction mode for the current connection',
        complexity: 'O(1)',
        arguments: [oneOf('enabled', [token('ON'), token('OFF')])],
        run: clientNoEvict,
      },
      {
        name: 'pause',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.9.50',
        summary: 'Stop processing commands from clients for some time',
        complexity: 'O(1)',
        history: [['6.2.0', '`CLIENT PAUSE WRITE` mode added along with the `mode` option.']],
        arguments: [
          integer('timeout'),
          oneOf('mode', [token('WRITE'), token('ALL')], { since: '6.2.0', optional: true }),
        ],
        run: clientPause,
      },
      {
        name: 'reply',
        arity: 3,
        flags: ['noscript', 'loading', 'stale'],
        since: '3.2.0',
        summary: 'Instruct the server whether to reply to commands',
        complexity: 'O(1)',
        arguments: [oneOf('on_off_skip', [token('ON'), token('OFF'), token('SKIP')])],
        run: clientReply,
      },
      {
        name: 'setname',
        arity: 3,
        flags: ['noscript', 'loading', 'stale'],
        since: '2.6.9',
        summary: 'Set the current connection name',
        complexity: 'O(1)',
        arguments: [string('connection-name')],
        run: clientSetName,
      },
      {
        name: 'tracking',
        arity: -3,
        flags: ['noscript', 'loading', 'stale'],
        since: '6.0.0',
        summary: 'Enable or disable server assisted client side caching support',
        complexity: 'O(1). Some options may introduce additional complexity.',
        arguments: [
          oneOf('status', [token('ON'), token('OFF')]),
          integer('client-id', { token: 'REDIRECT', optional: true }),
          string('prefix', { token: 'PREFIX', optional: true, multiple: true, multipleToken: true }),
          token('BCAST', { optional: true }),
          token('OPTIN', { optional: true }),
          token('OPTOUT', { optional: true }),
          token('NOLOOP', { optional: true }),
        ],
        run: clientTracking,
      },
      {
        name: 'trackinginfo',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        since: '6.2.0',
        summary: 'Return information about server assisted client side caching for the current connection',
        complexity: 'O(1)',
        run: clientTrackingInfo,
      },
      {
        name: 'unblock',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '5.0.0',
        summary: 'Unblock a client blocked in a blocking command from a different connection',
        complexity: 'O(log N) where N is the number of client connections',
        arguments: [
          integer('client-id'),
          oneOf('timeout_error', [token('TIMEOUT'), token('ERROR')], { optional: true }),
        ],
        run: clientUnblock,
      },
      {
        name: 'unpause',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '6.2.0',
        summary: 'Resume processing of clients that were paused',
        complexity: 'O(N) Where N is the number of paused clients',
        run: clientUnpause,
      },
    ],
  },
]);

/** CLIENT GETNAME */
function clientGetName({ session, reply }: Call): void {
  if (session.name === '') reply.null();
  else reply.bulkText(session.name);
}

/** CLIENT HELP */
function clientHelp(call: Call): void {
  replyHelp(call, [
    'CACHING (YES|NO)',
    '    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.',
    'GETREDIR',
    '    Return the client ID we are redirecting to when tracking is enabled.',
    'GETNAME',
    '    Return the name of the current connection.',
    'ID',
    '    Return the ID of the current connection.',
    'INFO',
    '    Return information about the current client connection.',
    'KILL <ip:port>',
    '    Kill connection made from <ip:port>.',
    'KILL <option> <value> [<option> <value> [...]]',
    '    Kill connections. Options are:',
    '    * ADDR (<ip:port>|<unixsocket>:0)',
    '      Kill connections made from the specified address',
    '    * LADDR (<ip:port>|<unixsocket>:0)',
    '      Kill connections made to specified local address',
    '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
    '      Kill connections by type.',
    '    * USER <username>',
    '      Kill connections authenticated by <username>.',
    '    * SKIPME (YES|NO)',
    '      Skip killing current connection (default: yes).',
    'LIST [options ...]',
    '    Return information about client connections. Options:',
    '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
    '      Return clients of specified type.',
    'UNPAUSE',
    '    Stop the current client pause, resuming traffic.',
    'PAUSE <timeout> [WRITE|ALL]',
    '    Suspend all, or just write, clients for <timeout> milliseconds.',
    'REPLY (ON|OFF|SKIP)',
    '    Control the replies sent to the current connection.',
    'SETNAME <name>',
    '    Assign the name <name> to the current connection.',
    'UNBLOCK <clientid> [TIMEOUT|ERROR]',
    '    Unblock the specified blocked client.',
    'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]',
    '         [OPTIN] [OPTOUT] [NOLOOP]',
    '    Control server assisted client side caching.',
    'TRACKINGINFO',
    '    Report tracking status for the current connection.',
    'NO-EVICT (ON|OFF)',
    '    Protect current client connection from eviction.',
  ]);
}

/** CLIENT ID */
function clientId({ session, reply }: Call): void {
  reply.integer(session.id);
}

/** CLIENT INFO */
function clientInfo({ session, services, reply }: Call): void {
  const { line } = services.clients.find(session.id)!;
  reply.verbatim('txt', `${line}\n`);
}

/**
 * CLIENT KILL ip:port | CLIENT KILL <ID id | TYPE type | USER user | ADDR ip:port | LADDR ip:port | SKIPME
 * yes|no> ...
 */
function clientKill(call: Call): void {
  const isOldForm = call.argumentCount === 3;
  const filter = isOldForm ? { address: call.text(2), skipsCaller: false } : killFilter(call);

  const { clients } = call.services;
  const victims = clients.list().filter((client) => isVictim(client, filter, call.session.id));
  if (isOldForm && victims.length === 0) throw NO_SUCH_CLIENT;

  for (const { id } of victims) clients.kill(id, call.session);
  if (isOldForm) call.reply.ok();
  else call.reply.integer(victims.length);
}

/** What a client must be to be killed; absent = anything. */
interface KillFilter {
  id?: bigint;
  type?: ClientType;
  user?: string;
  address?: string;
  localAddress?: string;
  skipsCaller: boolean;
}

/** Of an option that is given twice, the last one counts. */
function killFilter(call: Call): KillFilter {
  const filter: KillFilter = { skipsCaller: true };
  for (let i = 2; i < call.argumentCount; i += 2) {
    if (i + 1 === call.argumentCount) throw SYNTAX_ERROR;
    if (call.is(i, 'ID')) filter.id = clientIdToKill(call, i + 1);
    else if (call.is(i, 'TYPE')) filter.type = clientType(call, i + 1);
    else if (call.is(i, 'ADDR')) filter.address = call.text(i + 1);
    else if (call.is(i, 'LADDR')) filter.localAddress = call.text(i + 1);
    else if (call.is(i, 'USER')) filter.user = existingUser(call, i + 1);
    else if (call.is(i, 'SKIPME')) filter.skipsCaller = yesOrNo(call, i + 1);
    else throw SYNTAX_ERROR;
  }
  return filter;
}

function isVictim(client: ClientInfo, filter: KillFilter, callerId: number): boolean {
  if (filter.address !== undefined && client.address !== filter.address) return false;
  if (filter.localAddress !== undefined && client.localAddress !== filter.localAddress) return false;
  if (filter.type !== undefined && client.type !== filter.type) return false;
  if (filter.id !== undefined && BigInt(client.id) !== filter.id) return false;
  if (filter.user !== undefined && client.user !== filter.user) return false;
  return !(filter.skipsCaller && client.id === callerId);
}

function clientIdToKill({ request }: Call, index: number): bigint {
  const id = parseInt64(request.buffer, request.start(index), request.end(index));
  if (id === undefined || id < 1n) throw CLIENT_ID_NOT_POSITIVE;
  return id;
}

function existingUser(call: Call, index: number): string {
  if (!call.services.access.hasUser(call.text(index))) {
    throw new ErrorReply(`ERR No such user '${call.text(index)}'`);
  }
  return call.text(index);
}

function yesOrNo(call: Call, index: number): boolean {
  if (call.is(index, 'YES')) return true;
  if (call.is(index, 'NO')) return false;
  throw SYNTAX_ERROR;
}

/** Both words for replicas are understood (networking.c, getClientTypeByName). */
function clientType(call: Call, index: number): ClientType {
  if (call.is(index, 'NORMAL')) return 'normal';
  if (call.is(index, 'SLAVE') || call.is(index, 'REPLICA')) return 'replica';
  if (call.is(index, 'PUBSUB')) return 'pubsub';
  if (call.is(index, 'MASTER')) return 'master';
  throw new ErrorReply(`ERR Unknown client type '${call.text(index)}'`);
}

/** CLIENT LIST [TYPE type | ID id [id ...]] */
function clientList(call: Call): void {
  const { clients } = call.services;
  let chosen: ClientInfo[];
  if (call.argumentCount === 4 && call.is(2, 'TYPE')) {
    const type = clientType(call, 3);
    chosen = clients.list().filter((client) => client.type === type);
  } else if (call.argumentCount > 3 && call.is(2, 'ID')) {
    chosen = clientsByIds(call, 3);
  } else if (call.argumentCount === 2) {
    chosen = clients.list();
  } else {
    throw SYNTAX_ERROR;
  }

  call.reply.verbatim('txt', chosen.map(({ line }) => `${line}\n`).join(''));
}

/** The clients that the arguments from `first` on name, in that order; ids of nobody are passed over. */
function clientsByIds({ request, services }: Call, first: number): ClientInfo[] {
  const found: ClientInfo[] = [];
  for (let i = first; i < request.count; i++) {
    const id = parseInt64(request.buffer, request.start(i), request.end(i));
    if (id === undefined) throw INVALID_CLIENT_ID;
    const client = services.clients.find(Number(id));
    if (client !== undefined) found.push(client);
  }
  return found;
}

/** CLIENT NO-EVICT ON | OFF */
function clientNoEvict(call: Call): void {
  if (call.is(2, 'ON')) call.session.raise(SESSION_NO_EVICT);
  else if (call.is(2, 'OFF')) call.session.clear(SESSION_NO_EVICT);
  else throw SYNTAX_ERROR;

  call.reply.ok();
}

/** CLIENT PAUSE timeout [WRITE | ALL] */
function clientPause(call: Call): void {
  refuseMoreArguments(call, 4);
  const mode = call.argumentCount === 4 ? pauseMode(call, 3) : 'all';
  const until = pauseEnd(call, 2);

  call.services.clients.pause(mode, until);
  call.reply.ok();
}

function pauseMode(call: Call, index: number): 'all' | 'write' {
  if (call.is(index, 'WRITE')) return 'write';
  if (call.is(index, 'ALL')) return 'all';
  throw UNKNOWN_PAUSE_MODE;
}

/** Unix time in ms at which a pause of so many ms ends. */
function pauseEnd({ request, now }: Call, index: number): number {
  const millis = parseInt64(request.buffer, request.start(index), request.end(index));
  if (millis === undefined) throw TIMEOUT_NOT_AN_INTEGER;
  if (millis < 0n) throw TIMEOUT_NEGATIVE;
  // Beyond the range of int64 the time wraps to one that has passed long ago, and nothing is paused.
  return Number(BigInt.asIntN(64, millis + BigInt(now)));
}

/** CLIENT REPLY ON | OFF | SKIP */
function clientReply(call: Call): void {
  const { session } = call;
  if (call.is(2, 'ON')) {
    session.clear(SESSION_REPLY_OFF | SESSION_REPLY_SKIP);
    call.reply.ok();
  } else if (call.is(2, 'OFF')) {
    session.raise(SESSION_REPLY_OFF);
  } else if (call.is(2, 'SKIP')) {
    if (!session.has(SESSION_REPLY_OFF)) session.raise(SESSION_REPLY_SKIP_NEXT);
  } else {
    throw SYNTAX_ERROR;
  }
}

/** CLIENT SETNAME connection-name */
function clientSetName(call: Call): void {
  setClientName(call, 2);

  call.reply.ok();
}

/** CLIENT UNBLOCK client-id [TIMEOUT | ERROR] */
function clientUnblock(call: Call): void {
  refuseMoreArguments(call, 4);
  const how = call.argumentCount === 4 ? unblockReason(call, 3) : 'timeout';
  const id = call.int64(2);

  call.reply.integer(call.services.clients.unblock(Number(id), how) ? 1 : 0);
}

function unblockReason(call: Call, index: number): 'timeout' | 'error' {
  if (call.is(index, 'TIMEOUT')) return 'timeout';
  if (call.is(index, 'ERROR')) return 'error';
  throw UNKNOWN_UNBLOCK_REASON;
}

/** CLIENT UNPAUSE */
function clientUnpause({ services, reply }: Call): void {
  services.clients.unpause();
  reply.ok();
}

/** Arity gives a subcommand's least number of arguments; a few have a largest one too. */
function refuseMoreArguments(call: Call, countMax: number): void {
  if (call.argumentCount > countMax) throw unknownSubcommandOrArity(call.text(1), call.text(0));
}
