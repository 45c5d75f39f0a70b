/**
 * Threads that run commands over one shared store: linearizable with the lock, and when a bug lets it go in
 * the middle of an action, the checker sees that.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Config } from '../../src/config/config.ts';
import { Arena } from '../../src/memory/arena.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { checkHistory, describeViolation, type Violation } from './checker.ts';
import type { History, Operation } from './history.ts';
import { planHistory, type Action } from './plan.ts';
import {
  WORD_COUNT,
  WORD_READY,
  type Locking,
  type StoreClientSettings,
  type StoreWork,
} from './store-client.worker.ts';

const CLIENTS = 3;
const SIZES = { clients: [CLIENTS, CLIENTS], actions: [4, 8], keys: [1, 2], burst: [1, 1] } as const;
const HISTORIES = 40;
/** Nearly every history shows the bug; that none of so many does is out of the question. */
const HISTORIES_TO_CATCH = 300;
/** Against a lock that loses a thread; nothing here depends on time. */
const HANG = { timeout: 120_000 };

class StoreClients {
  readonly #arena = Arena.create();
  readonly #words = new Int32Array(new SharedArrayBuffer(WORD_COUNT * 4));
  readonly #workers: Worker[];

  constructor() {
    const facts = { version: '', runId: '', startMillis: 0, executable: '', supervisor: 'no' as const };
    const shared = { arena: this.#arena.handle(), config: new Config().serialize(), process: facts };
    this.#workers = Array.from({ length: CLIENTS }, (_, index) => {
      const settings = {
        ...shared,
        words: this.#words,
        threadNumber: index + 1,
      } satisfies StoreClientSettings;
      return new Worker(new URL('./store-client.worker.js', import.meta.url), { workerData: settings });
    });
  }

  async run(locking: Locking, scripts: readonly (readonly Action[])[]): Promise<History> {
    Atomics.store(this.#words, WORD_READY, 0);
    const histories = this.#workers.map(async (worker, index) => {
      const work: StoreWork = { locking, clientCount: CLIENTS, script: scripts[index] ?? [] };
      worker.postMessage(work);
      const [operations] = (await once(worker, 'message')) as [Operation[]];
      return operations;
    });
    return (await Promise.all(histories)).flat();
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#arena.close();
  }
}

function storeClients(context: TestContext): StoreClients {
  const clients = new StoreClients();
  context.after(() => clients.dispose());
  return clients;
}

/** The script of each client in the history of that number, over keys of its own. */
type Scripts = (serial: number) => readonly (readonly Action[])[];

/** Runs histories until one is not linearizable. */
async function firstViolation(
  clients: StoreClients,
  locking: Locking,
  scripts: Scripts,
  historyCount: number,
): Promise<Violation | undefined> {
  for (let serial = 0; serial < historyCount; serial++) {
    const verdict = checkHistory(await clients.run(locking, scripts(serial)));
    assert.notEqual(verdict.kind, 'undecided');
    if (verdict.kind === 'violation') return verdict;
  }
  return undefined;
}

function randomScripts(context: TestContext, prefix: string): Scripts {
  const seed = SeededRandom.newSeed();
  context.diagnostic(`seed ${seed}`);
  return (serial) =>
    planHistory(seed + serial, `${prefix}:${serial}:`, SIZES).scripts.map((bursts) => bursts.flat());
}

for (const locking of ['server', 'one hold'] as const) {
  test(`threads with the lock are linearizable [${locking}]`, HANG, async (context) => {
    const clients = storeClients(context);
    const violation = await firstViolation(clients, locking, randomScripts(context, locking), HISTORIES);
    assert.equal(violation && describeViolation(violation), undefined);
  });
}

test('a lock that is let go in the middle is noticed', HANG, async (context) => {
  const scripts = randomScripts(context, 'planted');
  const violation = await firstViolation(storeClients(context), 'hold per step', scripts, HISTORIES_TO_CATCH);
  assert.ok(violation);
});

test('updates that are lost are noticed', HANG, async (context) => {
  const clients = storeClients(context);
  const incrementTimes = (count: number, key: string): Action[] =>
    Array.from({ length: count }, () => ({ commands: [{ name: 'INCR', key }], isTransaction: false }));
  const scripts: Scripts = (serial) =>
    Array.from({ length: CLIENTS }, () => incrementTimes(5, `counter:${serial}`));

  assert.equal(await firstViolation(clients, 'one hold', scripts, 5), undefined);
  const inOtherKeys: Scripts = (serial) => scripts(1000 + serial);
  assert.ok(await firstViolation(clients, 'hold per step', inOtherKeys, HISTORIES_TO_CATCH));
});

test('a transaction that is torn is noticed', HANG, async (context) => {
  const clients = storeClients(context);
  const writeTimes = (count: number, keys: readonly string[]): Action[] =>
    Array.from({ length: count }, (_, value) => ({
      commands: keys.map((key) => ({ name: 'SET', key, value: String(value) })),
      isTransaction: true,
    }));
  const readTimes = (count: number, keys: readonly string[]): Action[] =>
    Array.from({ length: count }, () => ({
      commands: keys.map((key) => ({ name: 'GET', key })),
      isTransaction: true,
    }));
  const scripts: Scripts = (serial) => {
    const keys = [`first:${serial}`, `second:${serial}`];
    // In the order of the writes a read may well stay behind them; against it the two must meet.
    return [writeTimes(5, keys), readTimes(5, keys), readTimes(5, keys.toReversed())];
  };

  assert.equal(await firstViolation(clients, 'one hold', scripts, 5), undefined);
  const inOtherKeys: Scripts = (serial) => scripts(1000 + serial);
  const violation = await firstViolation(clients, 'hold per step', inOtherKeys, HISTORIES_TO_CATCH);
  assert.equal(violation?.keys.length, 2);
});
