import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError, readReply } from './reply-reader.ts';

const STREAM = Buffer.from(
  '+OK\r\n-ERR no\r\n:-7\r\n$5\r\na\r\nbc\r\n$-1\r\n*-1\r\n*2\r\n$1\r\nx\r\n*1\r\n:1\r\n$0\r\n\r\n',
);
const REPLIES = [
  'OK',
  new CommandError('ERR no'),
  -7,
  Buffer.from('a\r\nbc'),
  null,
  null,
  [Buffer.from('x'), [1]],
  Buffer.alloc(0),
];

function readAll(bytes: Buffer): { readonly replies: unknown[]; readonly end: number } {
  const replies: unknown[] = [];
  let end = 0;
  for (let next = readReply(bytes, 0); next !== undefined; next = readReply(bytes, end)) {
    replies.push(next.reply);
    end = next.end;
  }
  return { replies, end };
}

test('every kind of reply', () => {
  assert.deepEqual(readAll(STREAM), { replies: REPLIES, end: STREAM.length });
});

test('a reply that is cut anywhere is waited for', () => {
  for (let cut = 0; cut < STREAM.length; cut++) {
    const { replies, end } = readAll(STREAM.subarray(0, cut));
    assert.deepEqual(replies, REPLIES.slice(0, replies.length));
    assert.deepEqual(readAll(STREAM.subarray(end)).replies, REPLIES.slice(replies.length), `cut at ${cut}`);
  }
});

test('something else than RESP2 is an error', () => {
  assert.throws(() => readReply(Buffer.from('%1\r\n+a\r\n:1\r\n'), 0), /RESP2/);
});
