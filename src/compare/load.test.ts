import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { LoadClients, type LoadRun, shares } from './load.ts';

const RUN: LoadRun = {
  commands: [
    { name: 'GET', keyPrefix: 'key:', hasValue: false, weight: 75 },
    { name: 'SET', keyPrefix: 'key:', hasValue: true, weight: 25 },
  ],
  pipeline: 4,
  valueBytes: 10,
  keysCount: 100,
};

/** Answers every command with a line, and counts what it saw. */
async function startServer(
  t: TestContext,
  answer: (socket: Socket, commandsCount: number) => void,
): Promise<{ port: number; seen: { text: string; connections: number } }> {
  const seen = { text: '', connections: 0 };
  const server: Server = createServer((socket) => {
    seen.connections++;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      seen.text += text;
      // Commands are small enough to arrive in one piece.
      answer(socket, text.split('*').length - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, seen };
}

const sayOk = (socket: Socket, commandsCount: number): void =>
  void socket.write('+OK\r\n'.repeat(commandsCount));

test('shares add up and differ by one at most', () => {
  assert.deepEqual(shares(10, 3), [3, 3, 4]);
  assert.deepEqual(shares(2, 2), [1, 1]);
  assert.deepEqual(shares(0, 2), [0, 0]);
});

test('a load sends as many requests as it was told, in both kinds', async (t) => {
  const { port, seen } = await startServer(t, sayOk);
  const clients = await LoadClients.open(port, 5, 2);
  assert.equal(seen.connections, 5);
  seen.text = '';

  const figures = await clients.run({ ...RUN, requestsMax: 1000 });
  await clients.close();

  assert.equal(figures.requestsCount, 1000);
  const count = (name: string): number => seen.text.split(`\r\n${name}\r\n`).length - 1;
  assert.equal(count('GET') + count('SET'), 1000);
  assert.ok(count('GET') > count('SET') && count('SET') > 0);
  assert.ok(figures.histogram.count >= 250 && figures.histogram.min > 0);
  assert.ok(figures.requestsPerSecond > 0 && figures.busyShare > 0);
});

test('a load with a time ends, and its clients can run again', async (t) => {
  const { port } = await startServer(t, sayOk);
  const clients = await LoadClients.open(port, 2, 1);
  const first = await clients.run({ ...RUN, millisMax: 20 });
  const second = await clients.run({ ...RUN, pipeline: 1, millisMax: 20 });
  await clients.close();
  assert.ok(first.requestsCount > 0 && second.requestsCount > 0);
});

test('an error reply is no result', async (t) => {
  const { port } = await startServer(
    t,
    (socket) => void socket.write('-ERR max number of clients reached\r\n'),
  );
  await assert.rejects(LoadClients.open(port, 3, 2), /max number of clients reached/);
});

test('a server that hangs up ends the load, whenever it does', async (t) => {
  let isOpen = true;
  const { port } = await startServer(t, (socket, commandsCount) => {
    if (isOpen) sayOk(socket, commandsCount);
    else socket.destroy();
  });
  const clients = await LoadClients.open(port, 2, 1);
  isOpen = false;
  await assert.rejects(clients.run({ ...RUN, millisMax: 5000 }), /closed a connection|ECONNRESET/);
  // The thread keeps its word: nobody was listening for a second failure.
  await assert.rejects(clients.run({ ...RUN, millisMax: 5000 }), /closed a connection|ECONNRESET/);
  await clients.close();
});
