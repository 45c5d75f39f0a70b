/** Messages between the clients of many threads: each arrives once and in order, and none waits for a slow one. */
import assert from 'node:assert/strict';
import { onEveryMixtureToo, startFor } from '../support/implementations.ts';
import { encodeReply, type Reply, type RespClient } from '../support/resp-client.ts';

const PUBLISHERS = 8;
const MESSAGES = 500;
const PIPELINE = 50;
const SUBSCRIBERS = 20;
const CHANNELS = 4;

/** What a subscriber listens to: a channel, and a pattern that may match it too. */
interface Subscriber {
  readonly client: RespClient;
  readonly channel: string;
  readonly pattern: string;
}

const PATTERNS = ['ch:*', 'ch:[01]', 'none*'];

function matchesPattern(pattern: string, channel: string): boolean {
  if (pattern === 'ch:[01]') return channel === 'ch:0' || channel === 'ch:1';
  return pattern === 'ch:*';
}

function channelOf(publisher: number, message: number): string {
  return `ch:${(publisher + message) % CHANNELS}`;
}

async function subscribe(client: RespClient, index: number): Promise<Subscriber> {
  // Half of them speak the new protocol.
  if (index % 2 === 1) await client.command('HELLO', '3');
  const channel = `ch:${index % CHANNELS}`;
  const pattern = PATTERNS[index % PATTERNS.length]!;
  await client.command('SUBSCRIBE', channel);
  await client.command('PSUBSCRIBE', pattern);
  return { client, channel, pattern };
}

/** Publishes all messages of one publisher and returns how many clients got them, as the server counts. */
async function publish(client: RespClient, publisher: number): Promise<number> {
  let receivers = 0;
  for (let first = 0; first < MESSAGES; first += PIPELINE) {
    const commands = Array.from({ length: PIPELINE }, (_, i) => {
      const message = first + i;
      return ['PUBLISH', channelOf(publisher, message), `${publisher}:${message}`];
    });
    for (const reply of await client.pipeline(commands)) receivers += Number(textOf(reply));
  }
  return receivers;
}

function textOf(reply: Reply): string {
  assert.equal(reply.kind, 'scalar', encodeReply(reply).toString());
  return reply.kind === 'scalar' ? reply.bytes.toString() : '';
}

/** What a subscriber must get of one publisher, in order: the channel's message, then the pattern's. */
function expectedOf({ channel, pattern }: Subscriber, publisher: number): string[] {
  const expected: string[] = [];
  for (let message = 0; message < MESSAGES; message++) {
    const sentTo = channelOf(publisher, message);
    if (sentTo === channel) expected.push(`message ${sentTo} ${publisher}:${message}`);
    if (matchesPattern(pattern, sentTo))
      expected.push(`pmessage ${pattern} ${sentTo} ${publisher}:${message}`);
  }
  return expected;
}

/** Reads what a subscriber gets, by publisher, until it has got as much as it must. */
async function receive({ client }: Subscriber, count: number): Promise<Map<number, string[]>> {
  const received = new Map<number, string[]>();
  for (let i = 0; i < count; i++) {
    const reply = await client.readReply();
    assert.equal(reply.kind, 'aggregate');
    const words = reply.kind === 'aggregate' ? reply.items.map(textOf) : [];
    const publisher = Number(words.at(-1)!.split(':')[0]);
    const list = received.get(publisher);
    if (list === undefined) received.set(publisher, [words.join(' ')]);
    else list.push(words.join(' '));
  }
  return received;
}

onEveryMixtureToo(
  'every subscriber gets every message once and in order',
  async (implementation, context) => {
    const server = await startFor(context, implementation);
    const connections = await Promise.all(
      Array.from({ length: PUBLISHERS + SUBSCRIBERS }, () => server.connect()),
    );
    const publishers = connections.slice(0, PUBLISHERS);
    const subscribers = await Promise.all(connections.slice(PUBLISHERS).map(subscribe));
    const everyPublisher = Array.from({ length: PUBLISHERS }, (_, publisher) => publisher);
    const expected = subscribers.map((subscriber) =>
      everyPublisher.map((publisher) => expectedOf(subscriber, publisher)),
    );
    const counts = expected.map((lists) => lists.reduce((sum, list) => sum + list.length, 0));

    const receiving = Promise.all(
      subscribers.map((subscriber, index) => receive(subscriber, counts[index]!)),
    );
    const receivers = await Promise.all(publishers.map(publish));
    const received = await receiving;

    for (const [index, lists] of expected.entries()) {
      for (const [publisher, list] of lists.entries())
        assert.deepEqual(received[index]!.get(publisher), list);
    }
    const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);
    assert.equal(total(receivers), total(counts));
    // Nothing comes after that.
    for (const { client, channel } of subscribers) {
      const words = (await client.text('UNSUBSCRIBE')).slice(1);
      assert.equal(words, `["unsubscribe", "${channel}", :1]`);
    }
    for (const client of connections) client.close();
  },
);

onEveryMixtureToo(
  'a subscriber that does not read is cut, and the others are not',
  async (implementation, context) => {
    const server = await startFor(context, implementation, {
      args: ['--client-output-buffer-limit', 'pubsub 1mb 0 0'],
    });
    const [publisher, slow, quick] = await Promise.all([
      server.connect(),
      server.connect(),
      server.connect(),
    ]);
    await slow.command('SUBSCRIBE', 'news');
    await quick.command('SUBSCRIBE', 'news');
    slow.socket.pause();

    const message = 'x'.repeat(64 * 1024);
    let sent = 0;
    let receivers = '2';
    while (receivers === '2') {
      assert(sent < MESSAGES, 'the slow subscriber is cut');
      receivers = textOf(await publisher.command('PUBLISH', 'news', `${sent++} ${message}`));
      const reply = await quick.readReply();
      assert(reply.kind === 'aggregate' && textOf(reply.items[2]!).startsWith(`${sent - 1} `));
    }
    assert.equal(receivers, '1');

    // It gets what was on its way, and then the end.
    slow.socket.resume();
    const rest = await slow.readUntilClose();
    assert(rest.length < sent * message.length);
    for (const client of [publisher, slow, quick]) client.close();
  },
);
