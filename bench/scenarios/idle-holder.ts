/** Opens connections, says one PING on each, and holds them until told to finish; a process of its own. */
import { workerJob } from '../../src/compare/worker-process.ts';
import { RespConnection } from '../../src/compare/resp.ts';

export interface IdleJob {
  readonly port: number;
  readonly count: number;
}

export interface IdleOpened {
  readonly openedCount: number;
}

/**
 * A source address has some 28,000 ephemeral ports, and ended connections keep theirs for a minute: spread
 * over several addresses (every 127.x.y.z is loopback) and leave 127.0.0.1 to the busy clients.
 */
const CONNECTIONS_PER_ADDRESS = 4000;
const HOSTS_PER_NETWORK = 200;
const OPENING_AT_ONCE = 100;

async function openAll({ port, count }: IdleJob): Promise<RespConnection[]> {
  const connections: RespConnection[] = [];
  while (connections.length < count) {
    const from = connections.length;
    const wave = Math.min(OPENING_AT_ONCE, count - from);
    const opened = await Promise.all(Array.from({ length: wave }, (_, at) => openOne(port, from + at)));
    connections.push(...opened);
  }
  return connections;
}

async function openOne(port: number, index: number): Promise<RespConnection> {
  const address = Math.floor(index / CONNECTIONS_PER_ADDRESS);
  const network = 1 + Math.floor(address / HOSTS_PER_NETWORK);
  const host = 1 + (address % HOSTS_PER_NETWORK);
  const connection = await RespConnection.open(port, `127.0.${network}.${host}`);
  // The answer proves that the server has accepted the connection and set up what it keeps for it.
  await connection.command('PING');
  return connection;
}

const { job, finished } = await workerJob<IdleJob>();
const connections = await openAll(job);
process.send?.({ openedCount: connections.length } satisfies IdleOpened);
await finished;
for (const connection of connections) connection.reset();
process.exit(0);
