/** Sessions of a web application, with node-redis: a hash for each, which ends when nobody uses it. */
import { randomUUID } from 'node:crypto';
import { createClient } from 'redis';
import { runIfMain } from './run.ts';

const SESSION_SECONDS = 1800;

export async function sessions(url: string, print: (line: string) => void): Promise<void> {
  const client = createClient({ url });
  await client.connect();
  try {
    const id = randomUUID();
    const key = `session:${id}`;
    // Both or neither: a session without an end would stay for ever.
    await client
      .multi()
      .hSet(key, { user: 'alice', role: 'editor', visits: 0 })
      .expire(key, SESSION_SECONDS)
      .exec();

    for (const page of ['/', '/articles', '/articles/42']) {
      await client
        .multi()
        .hIncrBy(key, 'visits', 1)
        .hSet(key, 'last', page)
        .expire(key, SESSION_SECONDS)
        .exec();
    }
    const session = await client.hGetAll(key);
    print(
      `${session['user']} (${session['role']}) has seen ${session['visits']} pages, last ${session['last']}`,
    );
    print(`the session ends in ${await client.ttl(key)} seconds`);

    await client.del(key);
    print(`after the logout: ${JSON.stringify(await client.hGetAll(key))}`);
  } finally {
    client.destroy();
  }
}

await runIfMain(import.meta.url, sessions);
