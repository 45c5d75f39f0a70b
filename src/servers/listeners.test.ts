/** Which sockets stay, come and go, on a machine of which the test says what can be had. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants } from 'node:os';
import { AF_INET, AF_INET6 } from '../system/libc.ts';
import { doOverlap, tcpAddresses } from './bind-addresses.ts';
import { changeListeners } from './listeners.ts';
import type { ListenOutcome, Listener } from './listeners.ts';

const { EADDRINUSE, EADDRNOTAVAIL } = constants.errno;

/** Sockets of this machine, the server's and a stranger's. */
class Machine {
  readonly taken: Listener[] = [];
  readonly steps: string[] = [];
  readonly warnings: string[] = [];
  #lastPort = 9000;

  change(present: readonly Listener[], bind: string, port: number): ListenOutcome<Listener> {
    const steps = changeListeners({
      present,
      wanted: tcpAddresses(bind.split(' ').filter(Boolean), port),
      kind: 'TCP',
      log: { warning: (line) => void this.warnings.push(line) },
      close: (listener) => {
        this.steps.push(`-${nameOf(listener)}`);
        this.taken.splice(this.taken.indexOf(listener), 1);
      },
    });
    let step = steps.next();
    while (step.done !== true) step = steps.next(this.#open(step.value));
    return step.value;
  }

  #open({ address }: Listener): Listener | number {
    if (!('port' in address)) return -EADDRNOTAVAIL;
    const port = address.port === 0 ? ++this.#lastPort : address.port;
    const listener = { address: { ...address, port } };
    if (address.host.startsWith('192.')) return -EADDRNOTAVAIL;
    if (this.taken.some((other) => doOverlap(other.address, listener.address))) return -EADDRINUSE;
    this.steps.push(`+${nameOf(listener)}`);
    this.taken.push(listener);
    return listener;
  }
}

function nameOf({ address }: Listener): string {
  return 'port' in address ? `${address.host}:${address.port}` : address.path;
}

void test('what stays is not touched; what is in the way goes first, the rest last', () => {
  const machine = new Machine();
  const { listeners } = machine.change([], '127.0.0.1 127.0.0.2 ::1', 7000);
  machine.steps.length = 0;
  const next = machine.change(listeners, '127.0.0.1 0:0::1', 7000);
  assert.deepEqual(machine.steps, ['-127.0.0.2:7000'], 'one IPv6 address has many spellings');
  machine.steps.length = 0;
  const all = machine.change(next.listeners, '::1 *', 7000);
  assert.deepEqual(machine.steps, ['-127.0.0.1:7000', '+0.0.0.0:7000']);
  machine.steps.length = 0;
  const moved = machine.change(all.listeners, '127.0.0.1', 7001);
  assert.deepEqual(machine.steps, ['+127.0.0.1:7001', '-::1:7000', '-0.0.0.0:7000']);
  assert.deepEqual(moved, { listeners: machine.taken, failure: undefined });
  assert.deepEqual(machine.warnings, []);
});

void test('when one cannot be had, all is as before', () => {
  const machine = new Machine();
  let { listeners } = machine.change([], '127.0.0.1 ::1', 7000);
  machine.taken.push({ address: { family: AF_INET, host: '127.0.0.2', port: 7000 } });
  const before = machine.taken.map(nameOf).sort();
  for (const bind of ['::* *', '127.0.0.3 127.0.0.2', '127.0.0.1 192.0.2.1', '127.0.0.1 -127.0.0.2']) {
    const outcome = machine.change(listeners, bind, 7000);
    assert.equal(outcome.failure, 'Failed listening on port 7000 (TCP), aborting.', bind);
    assert.deepEqual(machine.taken.map(nameOf).sort(), before, bind);
    assert.deepEqual(outcome.listeners.map(nameOf).sort(), ['127.0.0.1:7000', '::1:7000']);
    ({ listeners } = outcome);
  }
  assert.match(machine.warnings.at(-1)!, /listening socket 127\.0\.0\.2:7000: bind: Address already in use/);
});

void test('a free port is the same for all addresses, and optional ones may be missing', () => {
  const machine = new Machine();
  const { listeners, failure } = machine.change([], '127.0.0.1 -192.0.2.1 ::1', 0);
  assert.equal(failure, undefined);
  assert.deepEqual(listeners.map(nameOf), ['127.0.0.1:9001', '::1:9001']);
  assert.equal(machine.warnings.length, 1);
});

void test('addresses that exclude each other', () => {
  const at = (host: string, port = 1) =>
    ({ family: host.includes(':') ? AF_INET6 : AF_INET, host, port }) as const;
  assert.ok(doOverlap(at('127.0.0.1'), at('0.0.0.0')));
  assert.ok(doOverlap(at('::'), at('::1')));
  assert.ok(!doOverlap(at('127.0.0.1'), at('127.0.0.2')));
  assert.ok(!doOverlap(at('0.0.0.0'), at('::')));
  assert.ok(!doOverlap(at('0.0.0.0'), at('0.0.0.0', 2)));
});
