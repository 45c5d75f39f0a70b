import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel } from 'node:worker_threads';
import { RelayedSocket, WINDOW_BYTES, closeSocket, relay } from './relayed-socket.ts';

interface Ends {
  /** The other end of the connection. */
  readonly client: Socket;
  /** What the keeper has accepted. */
  readonly accepted: Socket;
  /** What the serving thread has. */
  readonly relayed: RelayedSocket;
}

async function connectEnds(context: TestContext): Promise<Ends> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [accepted] = (await once(server, 'connection')) as [Socket];
  accepted.on('error', () => {});
  client.on('error', () => {});
  const { port1, port2 } = new MessageChannel();
  relay(accepted, port1);
  const relayed = new RelayedSocket(port2);
  context.after(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  return { client, accepted, relayed };
}

/** All that a socket has received, as it grows. */
function collect(socket: Socket | RelayedSocket): { text: string; byteCount: number } {
  const received = { text: '', byteCount: 0 };
  socket.on('data', (chunk: Buffer) => {
    received.byteCount += chunk.length;
    if (received.text.length < 1000) received.text += chunk.toString('latin1');
  });
  return received;
}

/** Waits for something that is certain to come. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

/** Waits until that figure does not change any more. */
async function settled(figure: () => number): Promise<number> {
  let seen = figure();
  for (let same = 0; same < 200; same++) {
    await nextTurn();
    if (figure() === seen) continue;
    seen = figure();
    same = 0;
  }
  return seen;
}

void test('passes on what either side writes', async (context) => {
  const { client, relayed } = await connectEnds(context);
  const requests = collect(relayed);
  const replies = collect(client);

  client.write('PING\r\n');
  await until(() => requests.text === 'PING\r\n');
  relayed.write(Buffer.from('+PONG\r\n'), () => {});
  await until(() => replies.text === '+PONG\r\n');
  assert.equal(relayed.writableLength, 0);
});

void test('a piece of a larger buffer is passed on alone', async (context) => {
  const { client, relayed } = await connectEnds(context);
  const replies = collect(client);

  relayed.write(Buffer.from('before:piece:after').subarray(7, 12), () => {});
  await until(() => replies.byteCount > 0);
  assert.equal(replies.text, 'piece');
});

void test('a client that has sent all it will can still read', async (context) => {
  const { client, relayed } = await connectEnds(context);
  const requests = collect(relayed);
  const replies = collect(client);

  client.end('QUIT\r\n');
  await once(relayed, 'end');
  assert.equal(requests.text, 'QUIT\r\n');
  relayed.write(Buffer.from('+OK\r\n'), () => {});
  relayed.close();
  await once(client, 'close');
  assert.equal(replies.text, '+OK\r\n');
});

void test('what was written before the end is sent, however much', async (context) => {
  const { client, accepted, relayed } = await connectEnds(context);
  const replies = collect(client);
  const size = 64 * WINDOW_BYTES;

  relayed.write(Buffer.alloc(size, 'x'), () => {});
  relayed.close();
  assert.ok(relayed.destroyed);
  client.on('end', () => client.end());
  await Promise.all([once(client, 'close'), once(accepted, 'close')]);
  assert.equal(replies.byteCount, size);
});

void test('a paused side stops its client from sending, and goes on where it was', async (context) => {
  const { client, relayed } = await connectEnds(context);
  const requests = collect(relayed);
  const size = 256 * WINDOW_BYTES;

  relayed.pause();
  client.end(Buffer.alloc(size, 'x'));
  await settled(() => client.writableLength);
  assert.equal(requests.byteCount, 0);
  assert.ok(client.writableLength > 0, 'the client could send it all');
  relayed.resume();
  await once(relayed, 'end');
  assert.equal(requests.byteCount, size);
});

void test('a listener that pauses gets nothing more, not even the end', async () => {
  const { port1, port2 } = new MessageChannel();
  const relayed = new RelayedSocket(port2);
  const seen: string[] = [];
  relayed.on('data', (chunk: Buffer) => {
    seen.push(chunk.toString());
    relayed.pause();
  });
  relayed.on('end', () => seen.push('end'));

  port1.postMessage(Buffer.from('a'));
  port1.postMessage(Buffer.from('b'));
  port1.postMessage('end');
  await settled(() => seen.length);
  assert.deepEqual(seen, ['a']);
  relayed.resume();
  await settled(() => seen.length);
  assert.deepEqual(seen, ['a', 'b']);
  relayed.resume();
  await until(() => seen.length === 3);
  assert.deepEqual(seen, ['a', 'b', 'end']);
  relayed.close();
});

void test('a client that does not read makes the other side wait', async (context) => {
  const { client, relayed } = await connectEnds(context);
  client.pause();
  const piece = Buffer.alloc(WINDOW_BYTES, 'x');
  let written = 0;
  const write = (): void => {
    while (relayed.writableLength === 0 && written < 1024) {
      written++;
      relayed.write(piece, write);
    }
  };

  write();
  const stuckAt = await settled(() => written);
  assert.ok(stuckAt < 1024, 'nothing stopped it');
  assert.ok(relayed.writableLength >= WINDOW_BYTES);
  const replies = collect(client);
  client.resume();
  await until(() => replies.byteCount === 1024 * WINDOW_BYTES);
});

void test('a client that resets the connection ends it', async (context) => {
  const { client, relayed } = await connectEnds(context);
  client.resetAndDestroy();
  await once(relayed, 'close');
  assert.ok(relayed.destroyed);
  relayed.write(Buffer.from('to nobody'), () => {});
});

void test('a client that is gone before its thread was there ends at once', async (context) => {
  const { accepted } = await connectEnds(context);
  accepted.destroy();
  const { port1, port2 } = new MessageChannel();
  relay(accepted, port1);
  await once(new RelayedSocket(port2), 'close');
});

void test('a side whose port is closed closes the socket, as when its thread has died', async (context) => {
  const { client, accepted, relayed } = await connectEnds(context);
  client.resume();
  const closed = Promise.all([once(accepted, 'close'), once(client, 'end')]);
  relayed.close();
  await closed;
});

void test('a client that leaves its last replies unread is given up', async (context) => {
  const { client, accepted } = await connectEnds(context);
  client.pause();
  const piece = Buffer.alloc(WINDOW_BYTES, 'x');
  while (accepted.writableLength < 100 * WINDOW_BYTES) accepted.write(piece);
  closeSocket(accepted);
  await once(accepted, 'close');
});
