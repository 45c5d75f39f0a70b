/**
 * An event log with a group of workers, with node-redis: each event goes to one worker, and what a worker that
 * died has not acknowledged is claimed by another (XAUTOCLAIM).
 */
import { createClient } from 'redis';
import { runIfMain } from './run.ts';

const STREAM = 'events';
const GROUP = 'mailers';
const EVENTS = 6;

export async function streamWorkers(url: string, print: (line: string) => void): Promise<void> {
  const client = newClient(url);
  await client.connect();
  try {
    await client.del(STREAM);
    await client.xGroupCreate(STREAM, GROUP, '$', { MKSTREAM: true });
    for (let i = 1; i <= EVENTS; i++) await client.xAdd(STREAM, '*', { type: 'signup', user: `user${i}` });

    // The first takes two events and dies before it acknowledges the second.
    const [first, second] = await take(client, 'worker-1', 2);
    await client.xAck(STREAM, GROUP, first!.id);
    print(`worker-1 has sent to ${first!.message['user']}, and died with ${second!.message['user']}`);

    const rest = await take(client, 'worker-2', EVENTS);
    await client.xAck(
      STREAM,
      GROUP,
      rest.map(({ id }) => id),
    );
    print(`worker-2 has sent to ${rest.map(({ message }) => message['user']).join(', ')}`);

    const claimed = await client.xAutoClaim(STREAM, GROUP, 'worker-2', 0, '0-0');
    for (const entry of claimed.messages) {
      if (entry === null) continue;
      print(`worker-2 claims ${entry.message['user']}`);
      await client.xAck(STREAM, GROUP, entry.id);
    }
    const { pending } = await client.xPending(STREAM, GROUP);
    print(`pending: ${pending}, events in the log: ${await client.xLen(STREAM)}`);
  } finally {
    client.destroy();
  }
}

function newClient(url: string) {
  return createClient({ url });
}

interface Entry {
  readonly id: string;
  readonly message: Record<string, string>;
}

async function take(
  client: ReturnType<typeof newClient>,
  worker: string,
  count: number,
): Promise<readonly Entry[]> {
  const streams = await client.xReadGroup(GROUP, worker, [{ key: STREAM, id: '>' }], { COUNT: count });
  return (streams as unknown as { messages: Entry[] }[] | null)?.[0]?.messages ?? [];
}

await runIfMain(import.meta.url, streamWorkers);
