/** A chat, with ioredis: rooms are channels, and whoever looks after them subscribes to a pattern. */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { runIfMain } from './run.ts';

export async function chat(url: string, print: (line: string) => void): Promise<void> {
  // Connected before it subscribes: what ioredis asks first, a subscriber may not ask any more.
  const clients = Array.from({ length: 4 }, () => new Redis(url, { lazyConnect: true }));
  const [alice, bob, moderator, speaker] = clients as [Redis, Redis, Redis, Redis];
  try {
    for (const client of clients) await client.connect();
    const heard = { alice: [] as string[], bob: [] as string[], moderator: [] as string[] };
    alice.on('message', (room: string, text: string) => heard.alice.push(`${room}: ${text}`));
    bob.on('message', (room: string, text: string) => heard.bob.push(`${room}: ${text}`));
    moderator.on('pmessage', (_: string, room: string, text: string) =>
      heard.moderator.push(`${room}: ${text}`),
    );
    await alice.subscribe('room:tea', 'room:news');
    await bob.subscribe('room:tea');
    await moderator.psubscribe('room:*');

    const listeners = await speaker.publish('room:tea', 'the kettle is on');
    await speaker.publish('room:news', 'rain tomorrow');
    print(`the first message went to ${listeners} listeners`);

    // Messages keep their order, so this one comes last.
    const last = once(moderator, 'pmessage');
    await speaker.publish('room:end', 'good night');
    await last;
    while (heard.moderator.length < 3 || heard.alice.length < 2 || heard.bob.length < 1) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const [name, messages] of Object.entries(heard)) print(`${name} heard ${messages.join(' | ')}`);
  } finally {
    for (const client of clients) client.disconnect();
  }
}

await runIfMain(import.meta.url, chat);
