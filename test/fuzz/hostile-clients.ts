/**
 * Clients that no server would wish for. Each function is one visit: it connects, misbehaves, and leaves;
 * what a well-behaved client would get in its place is checked where there is such a thing.
 */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import {
  describeReply,
  encodeCommand,
  RespClient,
  type Address,
  type Argument,
} from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** A value that exceeds every socket buffer in a few replies. */
export const BIG_KEY = 'fuzz:big';
export const BIG_VALUE = Buffer.alloc(1_000_000, 'big');

const PAUSE_MILLIS_MAX = 200;

export type Visit = (address: Address, random: SeededRandom) => Promise<void>;

export const VISITS: Readonly<Record<string, Visit>> = {
  'one byte at a time': async (address, random) => {
    const client = await RespClient.connect(address);
    const value = random.bytes(random.integer(0, 100));
    for (const byte of encodeCommand(['ECHO', value])) {
      client.write(Buffer.from([byte]));
      await nextTurn();
    }
    const reply = await client.readReply();
    assert.ok(reply.kind === 'scalar' && reply.bytes.equals(value), describeReply(reply));
    client.close();
  },

  slow: async (address, random) => {
    const client = await RespClient.connect(address);
    for (const piece of random.cut(encodeCommand(['ECHO', 'slow']), 5)) {
      client.write(piece);
      await sleep(random.integer(1, PAUSE_MILLIS_MAX));
    }
    assert.equal(describeReply(await client.readReply()), '"slow"');
    client.close();
  },

  'half-closing': async (address, random) => {
    const client = await RespClient.connect(address);
    const count = random.integer(1, 500);
    client.write('PING\r\n'.repeat(count));
    client.end();
    assert.equal((await client.readUntilClose()).toString(), '+PONG\r\n'.repeat(count));
    client.close();
  },

  'resetting in the middle of a command': async (address, random) => {
    const client = await RespClient.connect(address);
    const command = encodeCommand(['SET', 'fuzz:half', random.bytes(random.integer(0, 100_000))]);
    client.write(command.subarray(0, random.integer(0, command.length - 1)));
    if (random.chance(0.5)) await nextTurn();
    client.socket.resetAndDestroy();
  },

  'resetting in the middle of a reply': async (address, random) => {
    const client = await RespClient.connect(address);
    client.write(repeated(['GET', BIG_KEY], random.integer(1, 20)));
    await sleep(random.integer(0, 20));
    client.socket.resetAndDestroy();
  },

  'never reading': async (address, random) => {
    const client = await RespClient.connect(address);
    client.socket.pause();
    client.write(repeated(['GET', BIG_KEY], random.integer(20, 200)));
    await sleep(random.integer(100, 2_000));
    if (random.chance(0.5)) client.socket.resetAndDestroy();
    client.close();
  },

  'reading slowly': async (address, random) => {
    const client = await RespClient.connect(address);
    client.write(repeated(['GET', BIG_KEY], 5));
    for (let count = 0; count < 5; count += 1) {
      const reply = await client.readReply();
      assert.ok(reply.kind === 'scalar' && reply.bytes.equals(BIG_VALUE), 'a whole big value');
      client.socket.pause();
      await sleep(random.integer(1, PAUSE_MILLIS_MAX));
      client.socket.resume();
    }
    client.close();
  },

  'announcing what never comes': async (address, random) => {
    const client = await RespClient.connect(address);
    const announced = random.pick([
      '*1000000\r\n',
      '*2147483647\r\n',
      '*2\r\n$4\r\nECHO\r\n$536870912\r\n',
      '*1\r\n$1000000\r\n',
    ]);
    client.write(announced);
    if (random.chance(0.5))
      client.write(
        Buffer.alloc(random.integer(0, 300_000), announced.startsWith('*1000') ? '$1\r\na\r\n' : 'x'),
      );
    await sleep(random.integer(1, PAUSE_MILLIS_MAX));
    client.close();
  },

  'opening and leaving': async (address, random) => {
    const clients = await Promise.all(Array.from({ length: 30 }, () => RespClient.connect(address)));
    for (const client of clients) {
      if (random.chance(0.3)) client.write('PING');
      if (random.chance(0.5)) client.socket.resetAndDestroy();
      else client.close();
    }
  },

  flooding: async (address, random) => {
    const client = await RespClient.connect(address);
    const count = random.integer(1_000, 20_000);
    client.write(repeated(['ECHO', 'flood'], count));
    for (const reply of await client.readReplies(count)) assert.equal(describeReply(reply), '"flood"');
    client.close();
  },

  'leaving a transaction open': async (address, random) => {
    const client = await RespClient.connect(address);
    client.send('WATCH', BIG_KEY, 'fuzz:watched');
    client.send('MULTI');
    for (let count = random.integer(0, 100); count > 0; count -= 1)
      client.send('SET', 'fuzz:never', 'x'.repeat(1_000));
    if (random.chance(0.5)) await sleep(random.integer(1, PAUSE_MILLIS_MAX));
    client.close();
  },

  'sending a big value in pieces': async (address, random) => {
    const client = await RespClient.connect(address);
    const key = `fuzz:${random.uint32()}`;
    const value = random.bytes(random.integer(100_000, 2_000_000));
    for (const piece of random.cut(encodeCommand(['SET', key, value, 'EX', 600]), 50)) {
      client.write(piece);
      await nextTurn();
    }
    assert.equal(describeReply(await client.readReply()), '+OK');
    const reply = await client.command('GETDEL', key);
    assert.ok(reply.kind === 'scalar' && reply.bytes.equals(value), 'the value comes back');
    client.close();
  },
};

function repeated(command: readonly Argument[], count: number): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(encodeCommand(command)));
}
