/** The runner and the checker together, against servers that are right and servers that are not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ReplyDecoder, type Address } from '../support/resp-client.ts';
import { applyCommand, commandOf, type Command, type Value } from './model.ts';
import { runHistories } from './runner.ts';

const SEED = 1;
const HISTORIES = 100;

/** What the server does between the parts of an action, in which others have their turn. */
interface Gaps {
  readonly inIncrement: boolean;
  readonly inTransaction: boolean;
  /** Between the reply to a write and its effect. */
  readonly afterReply: boolean;
}

const NO_GAPS: Gaps = { inIncrement: false, inTransaction: false, afterReply: false };

/** Keeps values by the rules of the model; each connection is a flow of its own. */
class ModelServer {
  readonly #gaps: Gaps;
  readonly #values = new Map<string, Value>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer({ noDelay: true }, (socket) => {
    this.#sockets.add(socket);
    this.#serve(socket).catch((error: NodeJS.ErrnoException) => {
      // Clients drop their connections when they are done.
      if (!socket.destroyed || !/ECONNRESET|PREMATURE_CLOSE/.test(error.code ?? '')) throw error;
    });
  });

  constructor(gaps: Gaps) {
    this.#gaps = gaps;
  }

  async listen(): Promise<Address> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return { port: (this.#server.address() as AddressInfo).port };
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(socket: Socket): Promise<void> {
    const decoder = new ReplyDecoder();
    let queue: Command[] | undefined;
    for await (const chunk of socket) {
      decoder.push(chunk as Buffer);
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
        assert(frame.kind === 'aggregate');
        const words = frame.items.map((item) => (item.kind === 'scalar' ? item.bytes.toString() : ''));
        if (words[0] === 'MULTI') {
          queue = [];
          socket.write('+OK\r\n');
        } else if (words[0] === 'EXEC') {
          socket.write(await this.#runTransaction(queue ?? []));
          queue = undefined;
        } else if (queue === undefined) {
          socket.write(await this.#run(commandOf(words)));
        } else {
          queue.push(commandOf(words));
          socket.write('+QUEUED\r\n');
        }
      }
    }
  }

  async #runTransaction(commands: readonly Command[]): Promise<string> {
    let replies = `*${commands.length}\r\n`;
    for (const command of commands) {
      if (this.#gaps.inTransaction) await nextTurn();
      replies += this.#apply(command);
    }
    return replies;
  }

  async #run(command: Command): Promise<string> {
    if (command.name === 'INCR' && this.#gaps.inIncrement) {
      const { value, reply } = applyCommand(this.#values.get(command.key), command);
      await nextTurn();
      this.#values.set(command.key, value);
      return encoded(reply);
    }
    if (command.name !== 'SET' || !this.#gaps.afterReply) return this.#apply(command);
    setTimeout(() => this.#apply(command), 2);
    return encoded('+OK');
  }

  #apply(command: Command): string {
    const { value, reply } = applyCommand(this.#values.get(command.key), command);
    this.#values.set(command.key, value);
    return encoded(reply);
  }
}

function encoded(reply: string): string {
  if (reply === '(nil)') return '$-1\r\n';
  if (!reply.startsWith('"')) return `${reply}\r\n`;
  return `$${reply.length - 2}\r\n${reply.slice(1, -1)}\r\n`;
}

async function firstFailure(context: TestContext, gaps: Gaps): Promise<string | undefined> {
  const server = new ModelServer(gaps);
  context.after(() => server.close());
  const address = await server.listen();
  const { failure } = await runHistories({ address, seed: SEED, historyCount: HISTORIES });
  return failure;
}

test('a server that does one thing after the other passes', async (context) => {
  assert.equal(await firstFailure(context, NO_GAPS), undefined);
});

for (const gap of ['inIncrement', 'inTransaction', 'afterReply'] as const) {
  test(`a server with a gap is found out [${gap}]`, async (context) => {
    const failure = await firstFailure(context, { ...NO_GAPS, [gap]: true });
    assert.match(failure ?? '', /^Seed \d+\. Not linearizable: history:\d+:\d/);
  });
}
