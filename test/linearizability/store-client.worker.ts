/**
 * A client of lock.test.ts: a thread that runs the engine over the shared store, without sockets, and takes
 * the lock in one of several ways, one of them wrong.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Services } from '../../src/commands/services.ts';
import { Session } from '../../src/commands/session.ts';
import { Transactions } from '../../src/engine/transactions.ts';
import { Request } from '../../src/protocol/request.ts';
import type { ThreadSettings } from '../../src/servers/shared-parts.ts';
import { attachThread, type ThreadParts } from '../../src/servers/thread-parts.ts';
import { describeReply, ReplyDecoder, type Reply } from '../support/resp-client.ts';
import type { Operation } from './history.ts';
import { applyCommand, wordsOf, type Command } from './model.ts';
import type { Action } from './plan.ts';
import { repliesOfExec } from './runner.ts';

/**
 * - `server`: as a server does it, one hold for each request; EXEC runs the transaction.
 * - `one hold`: an action in small steps under one hold; INCR is GET and then SET.
 * - `hold per step`: the same steps, and the lock is let go between them. That is the bug; each step by itself
 *   is safe, so that nothing but the replies suffers.
 */
export type Locking = 'server' | 'one hold' | 'hold per step';

export interface StoreClientSettings extends ThreadSettings {
  /** The words below, shared by all clients. */
  readonly words: Int32Array;
}

export interface StoreWork {
  readonly locking: Locking;
  readonly clientCount: number;
  readonly script: readonly Action[];
}

/** The clock. */
const WORD_TIME = 0;
/** Clients that are ready; they begin together. */
export const WORD_READY = 1;
/** Steps taken, by all clients. */
const WORD_STEPS = 2;
export const WORD_COUNT = 3;

/** Between two steps a client waits for a step of another, which it gets only if the lock lets it. */
const STEP_WAIT_MILLIS_MAX = 1;

class StoreClient {
  readonly #parts: ThreadParts;
  readonly #words: Int32Array;
  readonly #session: Session;

  constructor(settings: StoreClientSettings) {
    this.#words = settings.words;
    this.#parts = attachThread(settings);
    this.#session = new Session(settings.threadNumber, 0);
    const { engine, keyspace } = this.#parts;
    const transactions = new Transactions({
      keyspace,
      runQueued: (call, queued) => engine.runQueued(call, queued),
      failed: () => {},
    });
    // The commands of a history ask nothing of the other services.
    engine.connect({ transactions } as unknown as Services, () => {});
  }

  run({ locking, clientCount, script }: StoreWork): Operation[] {
    this.#meet(clientCount);
    return script.map((action) => {
      const invoked = this.#tick();
      const replies = this.#runners[locking](action);
      return { client: this.#session.id, ...action, invoked, returned: this.#tick(), replies };
    });
  }

  /** Waits until all clients are here. */
  #meet(clientCount: number): void {
    let ready = Atomics.add(this.#words, WORD_READY, 1) + 1;
    Atomics.notify(this.#words, WORD_READY);
    while (ready < clientCount) {
      Atomics.wait(this.#words, WORD_READY, ready);
      ready = Atomics.load(this.#words, WORD_READY);
    }
  }

  #tick(): number {
    return Atomics.add(this.#words, WORD_TIME, 1);
  }

  readonly #runners: Record<Locking, (action: Action) => string[]> = {
    server: ({ commands, isTransaction }) => {
      const execute = (words: readonly string[]) => this.#underLock(() => this.#execute(words));
      if (!isTransaction) return commands.map((command) => describeReply(execute(wordsOf(command))));
      execute(['MULTI']);
      for (const command of commands) execute(wordsOf(command));
      return repliesOfExec(execute(['EXEC']));
    },
    'one hold': (action) => this.#underLock(() => this.#takeSteps(action, (step) => step())),
    'hold per step': (action) => this.#takeSteps(action, (step) => this.#underLock(step)),
  };

  #takeSteps(action: Action, take: <Result>(step: () => Result) => Result): string[] {
    const steps = this.#stepsOf(action);
    for (;;) {
      const { done, value } = take(() => steps.next());
      if (done === true) return value;
      this.#letOthersStep();
    }
  }

  /** Runs an action, with a break wherever a bug may let the lock go. */
  *#stepsOf({ commands }: Action): Generator<void, string[]> {
    const replies: string[] = [];
    for (const command of commands) {
      if (replies.length > 0) yield;
      if (command.name === 'INCR') replies.push(yield* this.#increment(command));
      else replies.push(describeReply(this.#execute(wordsOf(command))));
    }
    return replies;
  }

  /** INCR as a client would do it that does not know it. */
  *#increment({ key }: Command): Generator<void, string> {
    const read = this.#execute(['GET', key]);
    if (read.kind === 'scalar' && read.tag === '-') return describeReply(read);
    yield;
    const before = read.kind === 'scalar' ? read.bytes.toString() : undefined;
    const { value, reply } = applyCommand(before, { name: 'INCR', key });
    if (value !== undefined && value !== before) this.#execute(['SET', key, value]);
    return reply;
  }

  #letOthersStep(): void {
    Atomics.wait(this.#words, WORD_STEPS, Atomics.load(this.#words, WORD_STEPS), STEP_WAIT_MILLIS_MAX);
  }

  #underLock<Result>(action: () => Result): Result {
    const { mutex, engine } = this.#parts;
    return mutex.hold(() => {
      engine.enter();
      const result = action();
      engine.leave();
      return result;
    });
  }

  /** Runs a real command. Under the lock. */
  #execute(words: readonly string[]): Reply {
    const { engine, reply } = this.#parts;
    reply.reset();
    engine.execute(this.#session, Request.of(words.map((word) => Buffer.from(word))));
    Atomics.add(this.#words, WORD_STEPS, 1);
    Atomics.notify(this.#words, WORD_STEPS);
    const decoder = new ReplyDecoder();
    decoder.push(Buffer.from(reply.buffer.subarray(0, reply.position)));
    return decoder.next()!;
  }
}

// The test imports the names above; only a thread has work.
if (!isMainThread) {
  const client = new StoreClient(workerData as StoreClientSettings);
  parentPort!.on('message', (work: StoreWork) => parentPort!.postMessage(client.run(work)));
}
