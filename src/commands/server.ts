/** The server as a whole (Redis 7.0 server.c, db.c, lolwut.c). */
import { REDIS_VERSION } from '../config/help.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { parseInteger } from '../util/numbers.ts';
import { integer, oneOf, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { DATABASE_OUT_OF_RANGE, SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { ARTWORKS } from './lolwut.ts';

const SHUTDOWN_OPTIONS = ['NOSAVE', 'SAVE', 'NOW', 'FORCE', 'ABORT'] as const;

export const SERVER_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    since: '1.0.0',
    summary: 'Return the number of keys in the selected database',
    complexity: 'O(1)',
    tips: ['request_policy:all_shards', 'response_policy:agg_sum'],
    run: dbSize,
  },
  {
    name: 'flushall',
    arity: -1,
    flags: ['write'],
    categories: ['keyspace', 'dangerous'],
    since: '1.0.0',
    summary: 'Remove all keys from all databases',
    complexity: 'O(N) where N is the total number of keys in all databases',
    history: [
      ['4.0.0', 'Added the `ASYNC` flushing mode modifier.'],
      ['6.2.0', 'Added the `SYNC` flushing mode modifier.'],
    ],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    arguments: [
      oneOf('async', [token('ASYNC', { since: '4.0.0' }), token('SYNC', { since: '6.2.0' })], {
        optional: true,
      }),
    ],
    run: flushAll,
  },
  {
    name: 'flushdb',
    arity: -1,
    flags: ['write'],
    categories: ['keyspace', 'dangerous'],
    since: '1.0.0',
    summary: 'Remove all keys from the current database',
    complexity: 'O(N) where N is the number of keys in the selected database',
    history: [
      ['4.0.0', 'Added the `ASYNC` flushing mode modifier.'],
      ['6.2.0', 'Added the `SYNC` flushing mode modifier.'],
    ],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    arguments: [
      oneOf('async', [token('ASYNC', { since: '4.0.0' }), token('SYNC', { since: '6.2.0' })], {
        optional: true,
      }),
    ],
    run: flushDb,
  },
  {
    name: 'info',
    arity: -1,
    flags: ['loading', 'stale'],
    categories: ['dangerous'],
    since: '1.0.0',
    summary: 'Get information and statistics about the server',
    complexity: 'O(1)',
    history: [['7.0.0', 'Added support for taking multiple section arguments.']],
    tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
    arguments: [string('section', { optional: true, multiple: true })],
    run: info,
  },
  {
    name: 'lolwut',
    arity: -1,
    flags: ['readonly', 'fast'],
    since: '5.0.0',
    summary: 'Display some computer art and the Redis version',
    arguments: [integer('version', { token: 'VERSION', optional: true })],
    run: lolwut,
  },
  {
    name: 'shutdown',
    arity: -1,
    flags: ['admin', 'noscript', 'loading', 'stale', 'no_multi', 'allow_busy'],
    since: '1.0.0',
    summary: 'Synchronously save the dataset to disk and then shut down the server',
    complexity:
      'O(N) when saving, where N is the total number of keys in all databases when ' +
      'saving data, otherwise O(1)',
    history: [['7.0.0', 'Added the `NOW`, `FORCE` and `ABORT` modifiers.']],
    arguments: [
      oneOf('nosave_save', [token('NOSAVE'), token('SAVE')], { optional: true }),
      token('NOW', { since: '7.0.0', optional: true }),
      token('FORCE', { since: '7.0.0', optional: true }),
      token('ABORT', { since: '7.0.0', optional: true }),
    ],
    run: shutdown,
  },
  {
    name: 'swapdb',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['keyspace', 'dangerous'],
    since: '4.0.0',
    summary: 'Swaps two Redis databases',
    complexity: 'O(N) where N is the count of clients watching or blocking on keys from both databases.',
    arguments: [integer('index1'), integer('index2')],
    run: swapDb,
  },
  {
    name: 'time',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    since: '2.6.0',
    summary: 'Return the current server time',
    complexity: 'O(1)',
    tips: ['nondeterministic_output'],
    run: time,
  },
]);

const NO_SHUTDOWN = new ErrorReply('ERR No shutdown in progress.');
const INVALID_FIRST_DATABASE = new ErrorReply('ERR invalid first DB index');
const INVALID_SECOND_DATABASE = new ErrorReply('ERR invalid second DB index');

/** DBSIZE */
function dbSize(call: Call): void {
  call.reply.integer(call.database.keyCount);
}

/** FLUSHALL [ASYNC | SYNC] */
function flushAll(call: Call): void {
  flush(call, -1);
}

/** FLUSHDB [ASYNC | SYNC] */
function flushDb(call: Call): void {
  flush(call, call.session.databaseIndex);
}

function flush(call: Call, databaseIndex: number): void {
  const isLazy = wantsLazyFlush(call);

  const keyCount = call.services.server.flush(databaseIndex, isLazy);
  call.keyspace.addDirty(keyCount);
  // Propagated even when there was nothing to delete: a replica may have keys that we have not.
  call.propagateAs(...allArguments(call));

  call.reply.ok();
}

function wantsLazyFlush(call: Call): boolean {
  if (call.argumentCount === 1) return call.config.values['lazyfree-lazy-user-flush'];
  if (call.argumentCount === 2 && call.is(1, 'ASYNC')) return true;
  if (call.argumentCount === 2 && call.is(1, 'SYNC')) return false;
  throw SYNTAX_ERROR;
}

function allArguments(call: Call): Buffer[] {
  const args: Buffer[] = [];
  for (let i = 0; i < call.argumentCount; i++) args.push(Buffer.from(call.bytes(i)));
  return args;
}

/** INFO [section [section ...]] */
function info(call: Call): void {
  const sections: string[] = [];
  for (let i = 1; i < call.argumentCount; i++) sections.push(call.text(i).toLowerCase());
  call.reply.verbatim('txt', call.services.server.info(sections));
}

/** LOLWUT [VERSION version] [arguments of that version's artwork] */
function lolwut(call: Call): void {
  const hasVersion = call.argumentCount >= 3 && call.is(1, 'VERSION');
  const artwork = hasVersion ? ARTWORKS[Number(call.int64(2))] : undefined;
  if (artwork === undefined) {
    call.reply.verbatim('txt', `Redis ver. ${REDIS_VERSION}\n`);
    return;
  }

  const sizes = artwork.sizes.map((size, i) => {
    const index = 3 + i;
    return index < call.argumentCount ? clamp(Number(call.int64(index)), 1, size.max) : size.preset;
  });
  const drawing = artwork.draw(sizes, call.keyspace.random);
  call.reply.verbatim('txt', `${drawing}\n${artwork.caption} Redis ver. ${REDIS_VERSION}\n`);
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}

/** SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] | SHUTDOWN ABORT */
function shutdown(call: Call): void {
  let save: boolean | undefined;
  const given = new Set<string>();
  for (let i = 1; i < call.argumentCount; i++) {
    const option = SHUTDOWN_OPTIONS.find((word) => call.is(i, word));
    if (option === undefined) throw SYNTAX_ERROR;
    given.add(option);
  }
  if (given.has('SAVE')) save = true;
  if (given.has('NOSAVE')) save = false;
  const isAbort = given.has('ABORT');
  if ((isAbort && given.size > 1) || (given.has('SAVE') && given.has('NOSAVE'))) throw SYNTAX_ERROR;

  const { server } = call.services;
  if (isAbort) {
    if (!server.abortShutdown()) throw NO_SHUTDOWN;
    call.reply.ok();
    return;
  }
  server.shutdown({ save, now: given.has('NOW'), force: given.has('FORCE') });
}

/** SWAPDB index1 index2 */
function swapDb(call: Call): void {
  const first = databaseIndex(call, 1, INVALID_FIRST_DATABASE);
  const second = databaseIndex(call, 2, INVALID_SECOND_DATABASE);
  const { databases } = call.keyspace;
  if (databases[first] === undefined || databases[second] === undefined) throw DATABASE_OUT_OF_RANGE;

  if (first !== second) call.services.server.swapDatabases(first, second);
  call.keyspace.addDirty(1);

  call.reply.ok();
}

/** An argument as a C `int`. */
function databaseIndex(call: Call, index: number, error: ErrorReply): number {
  const { request } = call;
  const value = parseInteger(request.buffer, request.start(index), request.end(index));
  if (value !== (value | 0)) throw error;
  return value;
}

/** TIME */
function time(call: Call): void {
  const micros = call.services.server.unixMicros();
  call.reply.array(2);
  call.reply.bulkInteger(Math.floor(micros / 1_000_000));
  call.reply.bulkInteger(micros % 1_000_000);
}
