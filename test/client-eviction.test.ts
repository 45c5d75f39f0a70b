/**
 * `maxmemory-clients` on running servers: who goes for what, and who stays. The scenarios are those of Redis
 * 7.0 tests/unit/client-eviction.tcl.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe } from 'node:test';
import { CLIENT_LIMIT_BYTES_MIN } from '../src/engine/client-eviction.ts';
import { onEveryServer } from './support/implementations.ts';
import { keepingConfiguration, type Settings } from './support/kept-configuration.ts';
import {
  ConnectionClosedError,
  encodeCommand,
  type Argument,
  type RespClient,
} from './support/resp-client.ts';
import { infoField } from './support/server-info.ts';
import type { ServerProcess } from './support/server-process.ts';
import { waitUntil } from './support/wait-until.ts';

const MEGABYTE = 1024 * 1024;
const LIMIT_BYTES = 3_000_000;
const NAMES_MAX = 6000;
/** Less than what the smallest client with input takes, and more than what the figures of idle ones vary. */
const SLACK_BYTES = 50_000;
/** More than the buffers of a connection between two processes can take. */
const UNREAD_REPLIES_MAX = 400;
/** Replies of a megabyte: the system's buffers take some; with 64 unread the client is not read any more. */
const MEGABYTES_MAX = 40;

/** The connections of one test. */
class Scene {
  readonly #server: ServerProcess;
  readonly #open: RespClient[] = [];
  /** Looks on, and stays whatever happens. */
  readonly control: RespClient;
  readonly #evictedBefore: number;
  readonly #logStart: number;

  private constructor(server: ServerProcess, control: RespClient, evictedBefore: number) {
    this.#server = server;
    this.#open.push(control);
    this.control = control;
    this.#evictedBefore = evictedBefore;
    this.#logStart = server.output().length;
  }

  static async begin(server: ServerProcess): Promise<Scene> {
    const control = await server.connect();
    assert.equal(await control.text('CLIENT', 'NO-EVICT', 'ON'), '+OK');
    assert.equal(await control.text('CLIENT', 'SETNAME', 'control'), '+OK');
    assert.equal(await control.text('FLUSHALL'), '+OK');
    const scene = new Scene(server, control, Number(await infoField(control, 'evicted_clients')));
    await scene.waitUntilAlone();
    return scene;
  }

  /** Waits until the server has noticed that others have left: they take no part in what follows. */
  async waitUntilAlone(): Promise<void> {
    await waitUntil('the others are gone', async () => (await this.list()).length === 1);
  }

  async client(name = 'client'): Promise<RespClient> {
    const client = await this.#server.connect();
    this.#open.push(client);
    assert.equal(await client.text('CLIENT', 'SETNAME', name), '+OK');
    return client;
  }

  /** A client that has sent so many bytes of a command, and no more. */
  async clientWithInput(byteCount: number, name = 'client'): Promise<RespClient> {
    const client = await this.client(name);
    const id = (await client.text('CLIENT', 'ID')).slice(1);
    client.write(`*2\r\n$${byteCount}\r\n`);
    client.write(Buffer.alloc(byteCount, 'v'));
    await waitUntil('the input is there', async () => {
      const line = await this.control.text('CLIENT', 'LIST', 'ID', id);
      return Number(/ qbuf=(\d+) /.exec(line)?.[1]) >= byteCount;
    });
    return client;
  }

  async list(): Promise<Record<string, string>[]> {
    const reply = await this.control.command('CLIENT', 'LIST');
    const text = reply.kind === 'scalar' ? reply.bytes.toString() : '';
    const fieldsOf = (line: string) =>
      line.split(' ').map((field) => field.split('=', 2) as [string, string]);
    return text
      .trim()
      .split('\n')
      .map((line) => Object.fromEntries(fieldsOf(line)));
  }

  async count(name = 'client'): Promise<number> {
    return (await this.list()).filter((fields) => fields['name'] === name).length;
  }

  /** `tot-mem` of the first client of that name; undefined when there is none. */
  async memoryOf(name = 'client'): Promise<number | undefined> {
    const fields = (await this.list()).find((candidate) => candidate['name'] === name);
    return fields && Number(fields['tot-mem']);
  }

  async evictedCount(): Promise<number> {
    return Number(await infoField(this.control, 'evicted_clients')) - this.#evictedBefore;
  }

  async setLimit(bytes: number): Promise<void> {
    assert.equal(await this.control.text('CONFIG', 'SET', 'maxmemory-clients', String(bytes)), '+OK');
  }

  /** The client's connection ends, it was evicted, and the log says so. */
  async assertEvicted(client: RespClient, name = 'client'): Promise<void> {
    await client.readUntilClose();
    const line = new RegExp(
      ` \\* Evicting client: id=\\d+ addr=.* name=${name} .* tot-mem=\\d+ .* resp=2\\n`,
    );
    await waitUntil('the log says so', () => line.test(this.#server.output().slice(this.#logStart)));
    assert.equal(await this.count(name), 0);
    assert.equal(await this.evictedCount(), 1);
  }

  /** Ends the connections. */
  async end(): Promise<void> {
    await this.setLimit(0);
    for (const client of this.#open) if (client !== this.control) client.close();
    await this.waitUntilAlone();
    this.control.close();
  }
}

/** A test on every server, with a limit for its clients. */
function scenario(
  name: string,
  options: { readonly limitBytes?: number; readonly settings?: Settings },
  body: (scene: Scene) => Promise<void>,
): void {
  const { limitBytes = LIMIT_BYTES, settings = {} } = options;
  const limited = { 'maxmemory-clients': String(limitBytes), ...settings };
  onEveryServer(name, (server) =>
    keepingConfiguration(server, limited, async () => {
      const scene = await Scene.begin(server);
      try {
        await body(scene);
      } finally {
        await scene.end();
      }
    }),
  );
}

function numbered<Item>(count: number, make: (index: number) => Item): Item[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function pipeline(commands: readonly (readonly Argument[])[]): Buffer {
  return Buffer.concat(commands.map(encodeCommand));
}

describe('a client goes for', () => {
  scenario('its query buffer', {}, async (scene) => {
    const client = await scene.client();
    client.write(`*1\r\n$${LIMIT_BYTES}\r\n`);
    client.write(Buffer.alloc(LIMIT_BYTES, 'v'));
    await scene.assertEvicted(client);
  });

  scenario('its arguments, before the command is run', {}, async (scene) => {
    const client = await scene.client();
    assert.equal(await client.text('MSET', 'k', 'old', 'k2', Buffer.alloc(1_000_000, 'v')), '+OK');
    client.send('MSET', 'k', 'new', 'k2', Buffer.alloc(LIMIT_BYTES, 'v'));
    await scene.assertEvicted(client);
    assert.equal(await scene.control.text('GET', 'k'), '"old"');
  });

  scenario('many small arguments of a command that does not end', {}, async (scene) => {
    const client = await scene.client();
    client.write('*1000000\r\n');
    client.write('$10\r\n0123456789\r\n'.repeat(250_000));
    await scene.assertEvicted(client);
  });

  scenario('what it has queued by MULTI', {}, async (scene) => {
    const client = await scene.client();
    const set: Argument[] = ['SET', 'k', Buffer.alloc(LIMIT_BYTES / 4, 'v')];
    await client.command('MULTI');
    await client.command(...set);
    assert.equal(await client.text('EXEC'), '*[+OK]');
    client.write(pipeline([['MULTI'], ...numbered(5, () => set)]));
    await scene.assertEvicted(client);
  });

  scenario('many keys under WATCH', { limitBytes: CLIENT_LIMIT_BYTES_MIN }, async (scene) => {
    const client = await scene.client();
    client.write(pipeline(numbered(NAMES_MAX, (i) => ['WATCH', String(i)])));
    await scene.assertEvicted(client);
  });

  for (const command of ['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE']) {
    scenario(`many subscriptions by ${command}`, { limitBytes: CLIENT_LIMIT_BYTES_MIN }, async (scene) => {
      const client = await scene.client();
      client.write(pipeline(numbered(NAMES_MAX, (i) => [command, String(i)])));
      await scene.assertEvicted(client);
    });
  }

  scenario('many prefixes to be told of', { limitBytes: CLIENT_LIMIT_BYTES_MIN }, async (scene) => {
    const client = await scene.client();
    const prefix = (i: number): Argument[] => ['PREFIX', createHash('sha1').update(String(i)).digest('hex')];
    const prefixes = (round: number): Argument[] => numbered(200, (i) => prefix(round * 200 + i)).flat();
    client.write(pipeline(numbered(15, (i) => ['CLIENT', 'TRACKING', 'ON', 'BCAST', ...prefixes(i)])));
    await scene.assertEvicted(client);
  });

  scenario('replies that it does not read', {}, async (scene) => {
    assert.equal(await scene.control.text('SETRANGE', 'k', '200000', 'v'), ':200001');
    const client = await scene.client();
    client.socket.pause();
    for (let sent = 0; sent < UNREAD_REPLIES_MAX; sent++) {
      const memory = await scene.memoryOf();
      if (memory === undefined) break;
      // Its own thread ends it, after the replies of a turn: a megabyte at most.
      assert.ok(memory < LIMIT_BYTES + MEGABYTE, `${memory} bytes`);
      client.send('GET', 'k');
    }
    client.socket.resume();
    await scene.assertEvicted(client);
  });

  scenario('invalidation messages that it does not read', {}, async (scene) => {
    const listener = await scene.client('listener');
    const id = (await listener.text('CLIENT', 'ID')).slice(1);
    await listener.command('SUBSCRIBE', '__redis__:invalidate');
    listener.socket.pause();
    const tracker = await scene.client('tracker');
    assert.equal(await tracker.text('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id, 'BCAST'), '+OK');
    const key = Buffer.alloc(200 * 1024, 'k');
    for (let sent = 0; sent < UNREAD_REPLIES_MAX; sent++) {
      const memory = await scene.memoryOf('listener');
      if (memory === undefined) break;
      assert.ok(memory < LIMIT_BYTES, `${memory} bytes`);
      assert.equal(await scene.control.text('SET', key, 'v'), '+OK');
    }
    listener.socket.resume();
    await scene.assertEvicted(listener, 'listener');
    assert.equal(await scene.count('tracker'), 1);
  });
});

describe('the limit', () => {
  const maxmemory = 64 * MEGABYTE;
  const percentage = { settings: { maxmemory: String(maxmemory), 'maxmemory-clients': '2%' } };
  scenario('may be a percentage of maxmemory', percentage, async (scene) => {
    const limitBytes = Math.floor((maxmemory * 2) / 100);
    const halfBytes = Math.floor(limitBytes / 2);
    await scene.clientWithInput(halfBytes, 'half');
    const memory = await scene.memoryOf('half');
    assert.ok(memory !== undefined && memory >= halfBytes && memory < limitBytes, `${memory} bytes`);

    assert.equal(await scene.control.text('CONFIG', 'SET', 'maxmemory', String(maxmemory / 4)), '+OK');
    assert.equal(await scene.count('half'), 0, 'a lower maxmemory lowers the limit');
  });

  scenario(
    'is none as a percentage of no maxmemory',
    { settings: { 'maxmemory-clients': '1%' } },
    async (scene) => {
      await scene.clientWithInput(MEGABYTE);
      assert.equal(await scene.count(), 1);
    },
  );

  scenario('is held against what INFO tells', {}, async (scene) => {
    const before = Number(await infoField(scene.control, 'mem_clients_normal'));
    await scene.clientWithInput(MEGABYTE);
    await waitUntil('INFO has heard of it', async () => {
      const now = Number(await infoField(scene.control, 'mem_clients_normal'));
      return now >= before + MEGABYTE && now < LIMIT_BYTES;
    });
  });

  scenario('is never less than 128 KB', { limitBytes: 1 }, async (scene) => {
    const client = await scene.client();
    assert.equal(await client.text('PING'), '+PONG');
    assert.equal(await scene.evictedCount(), 0);
  });

  scenario(
    'when lowered makes clients go at once, and no more than must',
    { limitBytes: 0 },
    async (scene) => {
      for (let i = 0; i < 4; i++) await scene.clientWithInput(MEGABYTE);
      const sizes = (await scene.list()).map((fields) => Number(fields['tot-mem'])).sort((a, b) => a - b);
      const limitBytes = sum(sizes.slice(0, 3)) + SLACK_BYTES;

      const [, list] = await scene.control.pipeline([
        ['CONFIG', 'SET', 'maxmemory-clients', String(limitBytes)],
        ['CLIENT', 'LIST'],
      ]);
      const text = list?.kind === 'scalar' ? list.bytes.toString() : '';
      assert.equal(text.split(' name=client ').length - 1, 2);
      assert.equal(await scene.evictedCount(), 2);
    },
  );

  scenario('makes the largest go first', { limitBytes: 0 }, async (scene) => {
    const inputs = [128 * 1024, MEGABYTE, 3 * MEGABYTE];
    const nameOf = (byteCount: number): string => `input-${byteCount}`;
    for (const byteCount of [...inputs, ...inputs]) await scene.clientWithInput(byteCount, nameOf(byteCount));

    for (let left = inputs.length - 1; left >= 0; left--) {
      const staying = new Set(['control', ...inputs.slice(0, left).map(nameOf)]);
      const sizes = (await scene.list()).map((fields) =>
        staying.has(fields['name']!) ? Number(fields['tot-mem']) : 0,
      );
      await scene.setLimit(sum(sizes) + SLACK_BYTES);
      for (const [i, byteCount] of inputs.entries())
        assert.equal(await scene.count(nameOf(byteCount)), i < left ? 2 : 0);
    }
  });

  scenario(
    'spares the others when a client goes for its own output limit',
    { limitBytes: 10 * MEGABYTE, settings: { 'client-output-buffer-limit': `normal ${3 * MEGABYTE} 0 0` } },
    async (scene) => {
      await scene.control.command('SETRANGE', 'k', String(4 * MEGABYTE), 'v');
      await scene.clientWithInput(6 * MEGABYTE, 'input');
      for (const name of ['output-1', 'output-2']) {
        const client = await scene.client(name);
        client.send('GET', 'k');
        assert.equal((await client.readUntilClose()).length, 0, 'nothing of the reply is sent');
      }
      assert.equal(await scene.count('input'), 1);
      assert.equal(await scene.evictedCount(), 0);
    },
  );
});

describe('CLIENT NO-EVICT', () => {
  scenario('protects a client until it is switched off', {}, async (scene) => {
    const client = await scene.client();
    assert.equal(await client.text('CLIENT', 'NO-EVICT', 'ON'), '+OK');
    await client.command('MULTI');
    for (let i = 0; i < 5; i++)
      assert.equal(await client.text('SET', 'k', Buffer.alloc(MEGABYTE, 'v')), '+QUEUED');
    assert.ok((await scene.memoryOf())! > LIMIT_BYTES);
    assert.equal(await scene.count(), 1);

    client.send('DISCARD');
    client.send('CLIENT', 'NO-EVICT', 'OFF');
    await client.readReplies(2);
    client.write(`*1\r\n$${LIMIT_BYTES}\r\n`);
    client.write(Buffer.alloc(LIMIT_BYTES, 'v'));
    await scene.assertEvicted(client);
  });

  scenario('makes others go for what its client takes', {}, async (scene) => {
    const innocent = await scene.client('innocent');
    const client = await scene.client();
    assert.equal(await client.text('CLIENT', 'NO-EVICT', 'ON'), '+OK');
    client.write(`*2\r\n$${LIMIT_BYTES}\r\n`);
    client.write(Buffer.alloc(LIMIT_BYTES, 'v'));
    await scene.assertEvicted(innocent, 'innocent');
    assert.equal(await scene.count(), 1);
  });

  scenario('switched off ends a client that takes too much', { limitBytes: 1 }, async (scene) => {
    await scene.control.command('SETRANGE', 'k', String(MEGABYTE), 'v');
    const client = await scene.client();
    assert.equal(await client.text('CLIENT', 'NO-EVICT', 'ON'), '+OK');
    client.socket.pause();
    for (let sent = 0; sent < MEGABYTES_MAX && (await scene.memoryOf())! < 4 * MEGABYTE; sent++)
      client.send('GET', 'k');
    client.send('CLIENT', 'NO-EVICT', 'OFF');
    await waitUntil('the client is gone', async () => (await scene.count()) === 0);
    assert.equal(await scene.evictedCount(), 1);
  });
});

describe('a client that is evicted', () => {
  scenario('waits for nothing any more', {}, async (scene) => {
    const waiter = await scene.client('waiter');
    waiter.send('BLPOP', 'list', '0');
    await waitUntil('it waits', async () => (await infoField(scene.control, 'blocked_clients')) === '1');
    waiter.write(`*1\r\n$${MEGABYTE}\r\n`);
    waiter.write(Buffer.alloc(MEGABYTE, 'v'));
    await waitUntil('it has grown', async () => (await scene.memoryOf('waiter'))! > MEGABYTE);

    const replies = await scene.control.pipeline([
      ['CONFIG', 'SET', 'maxmemory-clients', String(MEGABYTE)],
      ['RPUSH', 'list', 'element'],
      ['LLEN', 'list'],
    ]);
    assert.deepEqual(
      replies.map((reply) => reply.kind === 'scalar' && reply.bytes.toString()),
      ['OK', '1', '1'],
    );
    await assert.rejects(waiter.readReply(), ConnectionClosedError);
  });
});
