import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpareBuffers } from './spare-buffers.ts';

function bufferOf(byteCount: number) {
  return { bytes: Buffer.alloc(byteCount), address: 0 };
}

test('a buffer is handed out again after the wake-up in which it was given back, and only once', () => {
  const spares = new SpareBuffers();
  const buffer = bufferOf(64 * 1024);
  spares.giveBack(buffer);
  assert.equal(spares.take(64 * 1024), undefined);
  spares.endWakeUp();
  assert.equal(spares.take(60 * 1024), buffer);
  assert.equal(spares.take(60 * 1024), undefined);
});

test('neither a smaller buffer nor a much larger one is handed out', () => {
  const spares = new SpareBuffers();
  spares.giveBack(bufferOf(64 * 1024));
  spares.endWakeUp();
  assert.equal(spares.take(64 * 1024 + 1), undefined);
  assert.equal(spares.take(15 * 1024), undefined);
  assert.notEqual(spares.take(16 * 1024), undefined);
});

test('what is kept is bounded, and small buffers are not kept', () => {
  const spares = new SpareBuffers();
  for (let i = 0; i < 10; i++) spares.giveBack(bufferOf(1024 * 1024));
  spares.giveBack(bufferOf(1024));
  spares.endWakeUp();
  let count = 0;
  while (spares.take(1024 * 1024) !== undefined) count++;
  assert.equal(count, 4);
  assert.equal(spares.take(1024), undefined);
});
