import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc16 } from './crc16.ts';

test('check value and slots of the cluster specification', () => {
  assert.equal(crc16(Buffer.from('x123456789x'), 1, 10), 0x31c3);
  assert.equal(crc16(Buffer.from('foo'), 0, 3) % 16384, 12182);
  assert.equal(crc16(Buffer.alloc(0), 0, 0), 0);
});
