import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ManualClock } from './clock.ts';
import { Log } from './log.ts';

const directory = mkdtempSync(join(tmpdir(), 'log-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const LOG_MODULE = new URL('./log.js', import.meta.url).href;

test('lines have the format of Redis', () => {
  const file = join(directory, 'format.log');
  const clock = new ManualClock(new Date(2024, 2, 5, 4, 7, 9, 42).getTime());
  const log = new Log({ level: 'debug', file, pid: 12345, clock });
  log.debug('a');
  log.verbose('b');
  log.role = 'C';
  log.notice('c');
  log.warning('d');
  const time = '05 Mar 2024 04:07:09.042';
  const expected = [
    `12345:M ${time} . a`,
    `12345:M ${time} - b`,
    `12345:C ${time} * c`,
    `12345:C ${time} # d`,
  ];
  assert.equal(readFileSync(file, 'utf8'), `${expected.join('\n')}\n`);
});

test('lines below the level are dropped', () => {
  const file = join(directory, 'level.log');
  const log = new Log({ file });
  log.verbose('no');
  log.notice('yes');
  log.level = 'warning';
  log.notice('no');
  assert.match(readFileSync(file, 'utf8'), /^\d+:M .* \* yes\n$/);
});

test('a file can be rotated between two lines', () => {
  const file = join(directory, 'rotated.log');
  const log = new Log({ file });
  log.notice('before');
  renameSync(file, `${file}.1`);
  log.notice('after');
  assert.match(readFileSync(`${file}.1`, 'utf8'), /before\n$/);
  assert.match(readFileSync(file, 'utf8'), /^\S+ .* after\n$/);
});

test('a file that cannot be written is no error', () => {
  new Log({ file: join(directory, 'missing', 'x.log') }).notice('lost');
});

/** Runs `code` in a process of its own, with `Log` imported; standard output is a pipe. */
function startScript(code: string): ReturnType<typeof spawn> {
  const script = `import { Log } from ${JSON.stringify(LOG_MODULE)};\n${code}`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('a slow reader of standard output gets every line', async () => {
  // Touching process.stdout makes Node switch the pipe to non-blocking mode, so that writes fail with EAGAIN.
  const child = startScript(`
    process.stdout._handle?.setBlocking?.(false);
    const log = new Log();
    for (let i = 0; i < 300; i++) log.notice('x'.repeat(1000) + i);
  `);
  await new Promise((resolve) => setTimeout(resolve, 200));
  let output = '';
  for await (const chunk of child.stdout!) output += String(chunk);
  const lines = output.trimEnd().split('\n');
  assert.equal(lines.length, 300);
  assert.ok(lines.every((line, i) => line.endsWith(`x${i}`)));
});

test('a reader that has gone away is no error', async () => {
  const child = startScript(`
    process.stdout.on('error', () => {});
    setTimeout(() => {
      const log = new Log();
      for (let i = 0; i < 100; i++) log.notice('nobody reads this');
      process.exitCode = 7;
    }, 100);
  `);
  child.stdout!.destroy();
  assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 7);
});

test('worker threads append whole lines to the same file', async () => {
  const file = join(directory, 'threads.log');
  const code = `
    const { workerData } = require('node:worker_threads');
    import(workerData.module).then(({ Log }) => {
      const log = new Log({ file: workerData.file });
      for (let i = 0; i < 50; i++) log.notice(workerData.name + ' says one thing in one piece');
    });`;
  const exits = ['one', 'two'].map((name) => {
    const worker = new Worker(code, { eval: true, workerData: { name, file, module: LOG_MODULE } });
    return new Promise((resolve) => worker.once('exit', resolve));
  });
  await Promise.all(exits);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 100);
  for (const line of lines) assert.match(line, /^\d+:M .* \* (one|two) says one thing in one piece$/);
});
