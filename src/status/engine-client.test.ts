import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { EngineClient, NoAnswerError } from './engine-client.ts';
import { CommandError } from './reply-reader.ts';

/** A client, the engine's end of its channel, and what arrives there, once it is so many messages. */
function connect(): {
  readonly client: EngineClient;
  readonly engine: MessagePort;
  readonly received: (count: number) => Promise<string>;
} {
  const { port1, port2 } = new MessageChannel();
  const messages: string[] = [];
  let tell = (): void => {};
  port2.on('message', (message: Uint8Array | number) => {
    if (typeof message !== 'number') messages.push(Buffer.from(message).toString());
    tell();
  });
  const received = async (count: number): Promise<string> => {
    while (messages.length < count) await new Promise<void>((resolve) => (tell = resolve));
    return messages.join('');
  };
  return { client: new EngineClient(port1), engine: port2, received };
}

test('replies come to who asked, however they are cut', async () => {
  const { client, engine, received } = connect();
  const first = client.run([['GET', Buffer.from('ä')], ['PING']]);
  const second = client.run([['DBSIZE']]);
  assert.equal(await received(2), '*2\r\n$3\r\nGET\r\n$2\r\nä\r\n*1\r\n$4\r\nPING\r\n*1\r\n$6\r\nDBSIZE\r\n');
  for (const byte of Buffer.from('$2\r\nab\r\n+PONG\r\n-ERR no\r\n'))
    engine.postMessage(new Uint8Array([byte]));
  assert.deepEqual(await first, [Buffer.from('ab'), 'PONG']);
  assert.deepEqual(await second, [new CommandError('ERR no')]);
  client.close();
});

test('an engine that does not answer, and one that hangs up', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const { client } = connect();
  const silent = assert.rejects(client.run([['PING']]), NoAnswerError);
  context.mock.timers.tick(5000);
  await silent;
  assert.ok(client.isClosed);
  await assert.rejects(client.run([['PING']]), NoAnswerError);

  const other = connect();
  const refused = other.client.run([['PING'], ['PING']]);
  other.engine.postMessage(new Uint8Array(Buffer.from('-ERR max number of clients reached\r\n')));
  other.engine.close();
  assert.deepEqual(await refused, [new CommandError('ERR max number of clients reached')]);
});
