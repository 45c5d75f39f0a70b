/**
 * What write commands leave in the append-only file: their effects, the very records that a real Redis
 * writes. Loading them again must give the same data at any later time, whatever the clock says then.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COLLECTION_STEPS, FIELD_EXPIRY_STEPS, type Step } from './support/collection-steps.ts';
import { onEveryImplementation, startFor } from './support/implementations.ts';
import { describeReply, type RespClient } from './support/resp-client.ts';
import { infoField } from './support/server-info.ts';
import type { ServerProcess } from './support/server-process.ts';
import { waitUntil } from './support/wait-until.ts';

/** DUMP of the string `v`, as every version since 7.0 reads it. */
const PAYLOAD = Buffer.from('0001760a009108ceb219388ace', 'hex');

/** `{ms+1000}` and `{s+1000}` are the Unix times, in ms and in s, of 1000 seconds after the start. */
const STEPS: readonly Step[] = [
  ['DEBUG SET-ACTIVE-EXPIRE 0'],

  ['SET k v', 'SELECT 0', 'SET k v'],
  ['set k v NX'],
  ['SET k v XX', 'SET k v XX'],
  ['SET n1 v nx', 'SET n1 v nx'],
  ['SET k v EX 1000', 'SET k v PXAT {ms+1000}'],
  ['SET k v PX 2000000', 'SET k v PXAT {ms+2000}'],
  ['SET k v EXAT {s+3000}', 'SET k v PXAT {ms+3000}'],
  ['SET k v PXAT {ms+4000}', 'SET k v PXAT {ms+4000}'],
  ['set k v pxat {ms+4000} get', 'SET k v PXAT {ms+4000}'],
  ['SET k v GET', 'SET k v'],
  ['set k v get GET XX KEEPTTL', 'set k v XX KEEPTTL'],
  ['SET k v EX 1000 NX'],
  ['SET k v EX 1000 XX GET', 'SET k v PXAT {ms+1000}'],
  ['SET k v KEEPTTL', 'SET k v KEEPTTL'],
  ['SETEX k 1000 w', 'SET k w PXAT {ms+1000}'],
  ['PSETEX k 2000000 w', 'SET k w PXAT {ms+2000}'],
  ['SETNX k x'],
  ['SETNX n2 w', 'SETNX n2 w'],
  ['GETSET k w', 'SET k w'],
  ['GETSET n3 w', 'SET n3 w'],
  ['MSET a 1 b 2 a 3', 'MSET a 1 b 2 a 3'],
  ['MSETNX a 1 c 2'],
  ['MSETNX d 1 e 2', 'MSETNX d 1 e 2'],
  ['APPEND k x', 'APPEND k x'],
  ['APPEND n4 x', 'APPEND n4 x'],
  ['APPEND k {empty}', 'APPEND k {empty}'],
  ['SETRANGE k 2 zz', 'SETRANGE k 2 zz'],
  ['SETRANGE k 2 {empty}'],
  ['SETRANGE n5 0 {empty}'],

  ['INCR i', 'INCR i'],
  ['INCRBY i 0', 'INCRBY i 0'],
  ['DECR i', 'DECR i'],
  ['DECRBY i 2', 'DECRBY i 2'],
  ['INCRBYFLOAT i 1.5', 'SET i -0.5 KEEPTTL'],
  ['INCRBYFLOAT f 3.0e2', 'SET f 300 KEEPTTL'],
  ['INCRBYFLOAT f 0', 'SET f 300 KEEPTTL'],

  ['GETDEL n1', 'DEL n1'],
  ['GETDEL n1'],
  ['SET g v', 'SET g v'],
  ['GETEX g'],
  ['GETEX g EX 1000', 'PEXPIREAT g {ms+1000}'],
  ['GETEX g PX 2000000', 'PEXPIREAT g {ms+2000}'],
  ['GETEX g EXAT {s+3000}', 'PEXPIREAT g {ms+3000}'],
  ['GETEX g PXAT {ms+4000}', 'PEXPIREAT g {ms+4000}'],
  ['GETEX g PERSIST', 'PERSIST g'],
  ['GETEX g PERSIST'],
  ['GETEX g EXAT 1', 'DEL g'],
  ['GETEX g EX 10'],

  ['SET e v', 'SET e v'],
  ['EXPIRE e 1000', 'PEXPIREAT e {ms+1000}'],
  ['EXPIRE e 1000 NX'],
  ['EXPIRE e 2000 XX', 'PEXPIREAT e {ms+2000} XX'],
  ['expire e 3000 gt', 'PEXPIREAT e {ms+3000} gt'],
  ['EXPIRE e 1000 GT'],
  ['EXPIRE e 1000 LT', 'PEXPIREAT e {ms+1000} LT'],
  ['PEXPIRE e 2000000', 'PEXPIREAT e {ms+2000}'],
  ['EXPIREAT e {s+3000}', 'PEXPIREAT e {ms+3000}'],
  ['PEXPIREAT e {ms+4000}', 'PEXPIREAT e {ms+4000}'],
  ['pexpireat e {ms+5000} gt', 'pexpireat e {ms+5000} gt'],
  ['PERSIST e', 'PERSIST e'],
  ['PERSIST e'],
  ['EXPIRE none 100'],
  ['EXPIRE e -1', 'DEL e'],
  ['EXPIRE e -1'],
  ['SET e v', 'SET e v'],
  ['PEXPIREAT e 1', 'DEL e'],

  ['SET e v', 'SET e v'],
  ['DEL e none', 'DEL e none'],
  ['DEL e none'],
  ['MSET e v e2 v', 'MSET e v e2 v'],
  ['UNLINK e e2', 'UNLINK e e2'],
  ['UNLINK e e2'],
  ['SET r v', 'SET r v'],
  ['RENAME r r2', 'RENAME r r2'],
  ['RENAME r2 r2'],
  ['RENAMENX r2 r2'],
  ['RENAMENX r2 r3', 'RENAMENX r2 r3'],
  ['RENAMENX r3 k'],
  ['COPY r3 c', 'COPY r3 c'],
  ['COPY r3 c'],
  ['COPY r3 c REPLACE', 'COPY r3 c REPLACE'],
  ['COPY r3 c DB 1', 'COPY r3 c DB 1'],
  ['MOVE c 1'],
  ['MOVE c 3', 'MOVE c 3'],
  ['SELECT 3'],
  ['MOVE c 5', 'SELECT 3', 'MOVE c 5'],
  ['SWAPDB 3 4', 'SWAPDB 3 4'],
  ['SWAPDB 4 4', 'SWAPDB 4 4'],
  ['SELECT 0'],

  ['RESTORE s 0 {payload}', 'SELECT 0', 'RESTORE s 0 {payload}'],
  ['restore s 1000000 {payload} replace', 'restore s {ms+1000} {payload} replace ABSTTL'],
  ['RESTORE s {ms+2000} {payload} ABSTTL REPLACE', 'RESTORE s {ms+2000} {payload} ABSTTL REPLACE'],
  [
    'RESTORE s 1000000 {payload} REPLACE IDLETIME 5',
    'RESTORE s {ms+1000} {payload} REPLACE IDLETIME 5 ABSTTL',
  ],
  ['RESTORE-ASKING s 0 {payload} REPLACE FREQ 5', 'RESTORE-ASKING s 0 {payload} REPLACE FREQ 5'],
  ['RESTORE s 1 {payload} REPLACE ABSTTL', 'DEL s'],
  ['RESTORE s 1 {payload} REPLACE ABSTTL'],
  ['RESTORE s 1 {payload} ABSTTL'],

  // Keys that nobody has noticed to be dead yet.
  ['SET e v PXAT 1', 'SET e v PXAT 1'],
  ['GET e', 'DEL e'],
  ['SET e v PXAT 1', 'SET e v PXAT 1'],
  ['DEL e', 'DEL e'],
  ['SET e v PXAT 1', 'SET e v PXAT 1'],
  ['EXISTS e', 'DEL e'],
  ['SET e v EXAT 1', 'SET e v PXAT 1000'],
  ['SET e w', 'MULTI', 'DEL e', 'SET e w', 'EXEC'],
  ['SET e 5 PXAT 1', 'SET e 5 PXAT 1'],
  ['INCR e', 'MULTI', 'DEL e', 'INCR e', 'EXEC'],
  ['SET e v PXAT 1', 'SET e v PXAT 1'],
  ['RENAME r3 e', 'MULTI', 'DEL e', 'RENAME r3 e', 'EXEC'],
  ['SET e v PXAT 1', 'SET e v PXAT 1'],
  ['RESTORE e 0 {payload} REPLACE', 'RESTORE e 0 {payload} REPLACE'],
  ['SET e v PXAT 1', 'SET e v PXAT 1'],
  ['SET e2 v PXAT 1', 'SET e2 v PXAT 1'],
  ['MGET e e2', 'MULTI', 'DEL e', 'DEL e2', 'EXEC'],

  ['MULTI'],
  ['GET k'],
  ['SET m 1'],
  ['EXEC', 'SET m 1'],
  ['MULTI'],
  ['SET m 1'],
  ['GET m'],
  ['EXPIRE m 1000'],
  ['SELECT 2'],
  ['SET m 5'],
  ['EXEC', 'MULTI', 'SET m 1', 'PEXPIREAT m {ms+1000}', 'SELECT 2', 'SET m 5', 'EXEC'],
  ['SELECT 0'],
  ['MULTI'],
  ['GET k'],
  ['EXEC'],
  ['MULTI'],
  ['INCR k'],
  ['INCR a'],
  ['EXEC', 'SELECT 0', 'INCR a'],

  ['CONFIG SET lazyfree-lazy-expire yes lazyfree-lazy-user-del yes lazyfree-lazy-server-del yes'],
  ['SET e v', 'SET e v'],
  ['EXPIRE e -1', 'UNLINK e'],
  ['SET e v', 'SET e v'],
  ['GETDEL e', 'UNLINK e'],
  ['SET e v', 'SET e v'],
  ['GETEX e PXAT 1', 'UNLINK e'],
  ['SET e v', 'SET e v'],
  ['DEL e', 'DEL e'],
  ['SET e v', 'SET e v'],
  ['RESTORE e 1 {payload} REPLACE ABSTTL', 'DEL e'],
  ['SET e v PXAT 1', 'SET e v PXAT 1'],
  ['TOUCH e', 'UNLINK e'],

  ['DEBUG POPULATE 2'],
  ['DEBUG LOADAOF'],
  ['DEBUG RELOAD'],
  ['FLUSHDB', 'FLUSHDB'],
  ['FLUSHDB SYNC', 'FLUSHDB SYNC'],
  ['flushall', 'flushall'],
  ['FLUSHALL ASYNC', 'FLUSHALL ASYNC'],
];

const BLOCKED = '{blocked} ';

onEveryImplementation('write commands are logged as their effects', async (implementation, context) => {
  const server = await startFor(context, implementation, {
    args: ['--appendonly', 'yes', '--appendfsync', 'always', '--enable-debug-command', 'yes'],
  });
  const startMillis = Date.now();
  const client = await server.connect();
  const ownSteps = implementation.variant === undefined ? [] : FIELD_EXPIRY_STEPS;
  const steps = [...STEPS, ...COLLECTION_STEPS, ...ownSteps];
  for (const [command] of steps) {
    if (command.startsWith(BLOCKED)) await runBlocked(server, client, command.slice(BLOCKED.length));
    else await run(client, command, startMillis);
  }
  client.close();

  const file = readFileSync(join(server.directory, 'appendonlydir', 'appendonly.aof.1.incr.aof'));
  assert.deepEqual(
    recordsOf(file).map((words) => describeRecord(words, startMillis)),
    steps.flatMap(([, ...records]) => records),
  );
});

async function run(client: RespClient, command: string, startMillis: number): Promise<void> {
  const words = command.split(' ').map((word) => wordOf(word, startMillis));
  const reply = await client.command(...words);
  const isError = reply.kind === 'scalar' && reply.tag === '-';
  assert.ok(!isError, `${command}: ${describeReply(reply)}`);
}

/** Another client sends the command; returns when it waits. It goes with the server. */
async function runBlocked(server: ServerProcess, client: RespClient, command: string): Promise<void> {
  const countBlocked = async () => Number(await infoField(client, 'blocked_clients'));
  const countBefore = await countBlocked();
  const other = await server.connect();
  other.send(...command.split(' '));
  await waitUntil(`${command} waits`, async () => (await countBlocked()) > countBefore);
}

function wordOf(text: string, startMillis: number): string | Buffer {
  if (text === '{payload}') return PAYLOAD;
  if (text === '{empty}') return '';
  const time = /^\{(ms|s)\+(\d+)\}$/.exec(text);
  if (time === null) return text;
  const millis = startMillis + Number(time[2]) * 1000;
  return String(time[1] === 'ms' ? millis : Math.floor(millis / 1000));
}

/**
 * Our own SELECT is in lower case, to tell it from one of Redis: aof-writer-encoder.ts. Redis writes the sides
 * of an LMOVE in lower case when it has served a client that waited.
 */
function describeRecord(words: readonly Buffer[], startMillis: number): string {
  return words
    .map((word) => describeWord(word, startMillis))
    .join(' ')
    .replace(/^select /, 'SELECT ')
    .replace(/^LMOVE .* (left|right) (left|right)$/, (text) =>
      text.replaceAll(/ (left|right)\b/g, (side) => side.toUpperCase()),
    );
}

/** As the steps say it: all times there are whole thousands of seconds after the start, give or take some. */
function describeWord(word: Buffer, startMillis: number): string {
  if (word.equals(PAYLOAD)) return '{payload}';
  if (word.length === 0) return '{empty}';
  const text = word.toString('latin1');
  if (/^any\d$/.test(text)) return '{any}';
  // The latter is the id of a stream entry.
  const time = /^(1\d{12})(-0)?$/.exec(text);
  if (time === null) return text;
  return `{ms+${Math.round((Number(time[1]) - startMillis) / 1_000_000) * 1000}}${time[2] ?? ''}`;
}

/** The commands of an append-only file; lines with a `#` between them are remarks. */
function recordsOf(file: Buffer): Buffer[][] {
  let position = 0;
  const readLine = (): string => {
    const end = file.indexOf('\r\n', position);
    assert.notEqual(end, -1, `a line without end at byte ${position}`);
    const line = file.toString('latin1', position, end);
    position = end + 2;
    return line;
  };
  const readWord = (): Buffer => {
    const length = Number(readLine().slice(1));
    const word = file.subarray(position, position + length);
    position += length + 2;
    return word;
  };

  const records: Buffer[][] = [];
  while (position < file.length) {
    const header = readLine();
    if (header.startsWith('*')) records.push(Array.from({ length: Number(header.slice(1)) }, readWord));
  }
  return records;
}
