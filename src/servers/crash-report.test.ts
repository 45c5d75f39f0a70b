import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Call } from '../commands/call.ts';
import { MUTEX_WORDS, Mutex } from '../memory/mutex.ts';
import { Request } from '../protocol/request.ts';
import { Log } from '../util/log.ts';
import { writeCrashReport, type CrashReportParts } from './crash-report.ts';

const directory = mkdtempSync(join(tmpdir(), 'crash-report-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const MINE = 2;
const ANOTHER = 3;
const LINE = 'id=7 addr=127.0.0.1:5000 cmd=set';

/** The report of a thread that dies with this error, and who has the lock then and afterwards. */
function reportOf(
  error: unknown,
  options: { owner?: number; words?: string[]; info?: () => string } = {},
): { readonly text: string; readonly ownerAfter: number } {
  const { owner, words, info = () => '# Server\r\nredis_version:7.0.15\r\n' } = options;
  const file = join(directory, 'server.log');
  rmSync(file, { force: true });
  const memory = new Int32Array(new SharedArrayBuffer(MUTEX_WORDS * 4));
  const mutex = new Mutex(memory, 0, MINE);
  if (owner !== undefined) new Mutex(memory, 0, owner).lock();
  const call = words && {
    request: Request.of(words.map((word) => Buffer.from(word))),
    session: { id: 7 },
    command: { fullName: 'set' },
  };
  const client = { id: 7, line: LINE };
  const from = {
    parts: {
      log: new Log({ file, level: 'warning' }),
      mutex,
      config: { values: { 'crash-log-enabled': true } },
      engine: { runningCall: call as unknown as Call | undefined },
    },
    services: { server: { info }, clients: { list: () => [client], find: () => client } },
  } as unknown as CrashReportParts;
  writeCrashReport(from, error);
  return { text: readFileSync(file, 'utf8'), ownerAfter: mutex.owner() };
}

test('error, stack, INFO, clients and the current client follow each other as in Redis', () => {
  const { text, ownerAfter } = reportOf(new Error('broken'), { owner: MINE, words: ['SET', 'k', 'secret'] });
  const parts = [
    '\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n',
    ' # !!! Software Failure. Press left mouse button to continue\n',
    ' # Guru Meditation: Error: broken #crash-report.test.',
    '\n------ STACK TRACE ------\n\nBacktrace:\nError: broken\n    at ',
    '\n------ INFO OUTPUT ------\n# Server\r\nredis_version:7.0.15\r\n',
    `\n------ CLIENT LIST OUTPUT ------\n${LINE}\n`,
    `\n------ CURRENT CLIENT INFO ------\n${LINE}\ncmd: set\nargc: 3\n`,
    'argv[0]: "SET"\nargv[1]: 1 bytes\nargv[2]: 6 bytes\n',
    '\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n',
  ];
  let position = -1;
  for (const part of parts) {
    const found = text.indexOf(part, position + 1);
    assert.ok(found > position, `${JSON.stringify(part)} comes next in ${text}`);
    position = found;
  }
  assert.doesNotMatch(text, /secret/);
  assert.equal(ownerAfter, MINE, 'what is half changed stays locked');
});

test('of very many arguments only the first are told', () => {
  const words = Array.from({ length: 1000 }, (_, i) => `word-${i}`);
  const { text } = reportOf(new Error('broken'), { owner: MINE, words });
  assert.match(text, /argc: 1000\n/);
  assert.match(text, /argv\[63\]: 7 bytes\nand 936 more\n/);
  assert.doesNotMatch(text, /argv\[64\]/);
});

test('outside of a command the lock is taken for the report only', () => {
  const { text, ownerAfter } = reportOf(new Error('broken'));
  assert.match(text, /CLIENT LIST OUTPUT/);
  assert.doesNotMatch(text, /CURRENT CLIENT INFO/);
  assert.equal(ownerAfter, 0);
});

test('a lock that another thread keeps is not waited for long', () => {
  const { text, ownerAfter } = reportOf(new Error('broken'), { owner: ANOTHER });
  assert.match(text, /another thread does not release the lock/);
  assert.doesNotMatch(text, /INFO OUTPUT/);
  assert.match(text, /REPORT END/);
  assert.equal(ownerAfter, ANOTHER);
});

test('a part that fails does not keep the others from being written', () => {
  const info = () => {
    throw new Error('no memory to look at');
  };
  const { text } = reportOf(new Error('broken'), { owner: MINE, words: ['GET', 'k'], info });
  assert.match(text, /INFO OUTPUT ------\n\(not possible: no memory to look at\)\n/);
  assert.match(text, /CURRENT CLIENT INFO/);
});

test('what is thrown need not be an error, nor have a stack', () => {
  assert.match(reportOf('a word', { owner: MINE }).text, /Guru Meditation: a word #unknown/);
  assert.match(reportOf(undefined, { owner: MINE }).text, /Guru Meditation: undefined #unknown/);
  const bare = new Error('bare');
  delete bare.stack;
  assert.match(reportOf(bare, { owner: MINE }).text, /Backtrace:\nError: bare\n/);
  const hostile = { toString: () => assert.fail('not a text') };
  assert.match(reportOf(hostile, { owner: MINE }).text, /REPORT END/);
});
