import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandTemplate, encodeCommand, ReplyCounter } from './resp.ts';

test('a template writes the command for the key it is given', () => {
  const template = new CommandTemplate('SET', { value: 'abc' });
  const into = Buffer.alloc(template.byteLength + 1);

  const end = template.write(into, 1, 9_876_543);

  assert.equal(end, into.length);
  assert.deepEqual(into.subarray(1), encodeCommand(['SET', 'key:000009876543', 'abc']));
});

test('replies are counted however they are cut', () => {
  const replies = Buffer.from('+OK\r\n:-12\r\n$5\r\na\r\nbc\r\n$-1\r\n$0\r\n\r\n+PONG\r\n');
  for (let size = 1; size <= replies.length; size++) {
    const counter = new ReplyCounter();
    let count = 0;
    for (let at = 0; at < replies.length; at += size) count += counter.feed(replies.subarray(at, at + size));
    assert.equal(count, 6, `pieces of ${size} bytes`);
  }
});

test('an error reply is thrown with its text', () => {
  const counter = new ReplyCounter();
  assert.throws(() => counter.feed(Buffer.from('-ERR unknown command\r\n')), /ERR unknown command/);
});
