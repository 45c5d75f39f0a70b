/** What becomes of the configuration, and of those who wait, when sockets could be changed and when not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from '../config/config.ts';
import { ClientTable } from '../engine/client-table.ts';
import { adoptConfig, publishConfig, publishedConfig } from '../engine/config-sharing.ts';
import { Mailboxes } from '../engine/mailboxes.ts';
import { STATE_LISTEN_FOLLOWED, STATE_LISTEN_PORTS, STATE_LISTEN_REQUESTS } from '../engine/shared-state.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { CONTROL_MUTEX } from '../memory/control-block.ts';
import { Mutex } from '../memory/mutex.ts';
import { Log } from '../util/log.ts';
import { ListenOwner, PLAIN } from './listen-owner.ts';
import { SERVING_THREAD } from './shared-parts.ts';

/** A thread that listens, with sockets that follow to where `failure` lets them. */
function listener() {
  const arena = Arena.create();
  const config = new Config();
  config.assign('bind', ['127.0.0.1']);
  config.assign('port', ['7000']);
  const allocator = new Allocator(arena);
  const mutex = new Mutex(arena.control, CONTROL_MUTEX, SERVING_THREAD);
  const own = new Config();
  own.load(config.serialize());
  const parts = {
    allocator,
    mutex,
    config: own,
    mailboxes: new Mailboxes(allocator),
    clientTable: new ClientTable(allocator),
    log: new Log({ level: 'warning', file: '/dev/null' }),
    wake: () => {},
    engine: { enter: () => void adoptConfig(allocator, own), leave: () => {}, published: () => {} },
  };
  const transport = {
    port: 7000,
    failure: undefined as string | undefined,
    relisten: (): string | undefined => {
      if (transport.failure === undefined) transport.port = parts.config.values.port;
      return transport.failure;
    },
  };
  const owner = new ListenOwner(parts, { kind: PLAIN, transport, onChange: () => {} });
  owner.opened();
  /** What CONFIG SET in another thread does. */
  const ask = (bind: string, port: number): number => {
    config.assign('bind', [bind]);
    config.assign('port', [String(port)]);
    parts.mutex.hold(() => publishConfig(parts.allocator, config));
    return Atomics.add(arena.control, STATE_LISTEN_REQUESTS, 1) + 1;
  };
  const known = (): readonly [string, number] => {
    const { values } = parts.mutex.hold(() => publishedConfig(parts.allocator));
    return [values.bind.join(' '), values.port];
  };
  return { owner, transport, ask, known, control: arena.control };
}

void test('sockets that follow are told of', () => {
  const { owner, ask, known, control } = listener();
  const request = ask('127.0.0.2', 7001);
  owner.follow();
  assert.deepEqual(known(), ['127.0.0.2', 7001]);
  assert.equal(control[STATE_LISTEN_FOLLOWED + PLAIN], request);
  assert.equal(control[STATE_LISTEN_PORTS + PLAIN], 7001);
});

void test('where sockets cannot follow, the configuration says again what is true', () => {
  const { owner, transport, ask, known, control } = listener();
  transport.failure = 'Failed listening on port 7001 (TCP), aborting.';
  const request = ask('127.0.0.2', 7001);
  owner.follow();
  assert.deepEqual(known(), ['127.0.0.1', 7000]);
  assert.equal(control[STATE_LISTEN_FOLLOWED + PLAIN], request, 'nobody waits for ever');
  assert.equal(control[STATE_LISTEN_PORTS + PLAIN], 7000);

  transport.failure = undefined;
  ask('127.0.0.2', 7001);
  owner.follow();
  assert.deepEqual(known(), ['127.0.0.2', 7001]);
});
