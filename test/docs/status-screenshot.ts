/**
 * The picture of the status page in the README: `npm run screenshot`. It starts a server, keeps it at work for
 * a minute, and has a browser look at its page.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startChromium } from '../support/chromium.ts';
import { freePort } from '../support/free-port.ts';
import type { Argument, RespClient } from '../support/resp-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { startServer } from '../support/server-process.ts';

const IMAGE_PATH = fileURLToPath(new URL('../../../docs/images/status-page.png', import.meta.url));
const WORK_MILLIS = 60_000;
const SAVE_MILLIS = 17_000;
const CLIENTS = 6;
const BATCH_COMMANDS = 24;
const PAUSE_MILLIS = 4;
const USERS = 20_000;
const KEYS_SHOWN_PIXELS = 1500;

/** What an application might do with its users. */
function batch(random: SeededRandom): Argument[][] {
  return Array.from({ length: BATCH_COMMANDS }, () => {
    const user = Math.floor(random.fraction() ** 2 * USERS);
    const choice = random.fraction();
    if (choice < 0.55) return ['GET', `session:${user}`];
    if (choice < 0.75) return ['SET', `session:${user}`, `token-${user}`, 'EX', '3600'];
    if (choice < 0.85) return ['HSET', `user:${user}`, 'name', `name ${user}`, 'visits', String(user % 90)];
    if (choice < 0.95)
      return ['ZADD', 'leaderboard', String(Math.floor(random.fraction() * 1000)), `user:${user}`];
    return ['ZRANGE', 'leaderboard', '0', '400', 'WITHSCORES'];
  });
}

/** More work in the middle of a wave than at its ends. */
async function work(client: RespClient, random: SeededRandom, endMillis: number): Promise<void> {
  while (Date.now() < endMillis) {
    await client.pipeline(batch(random));
    await sleep(PAUSE_MILLIS * (1.5 + Math.sin(Date.now() / 6000)));
  }
}

const port = await freePort();
const server = await startServer({
  io: 'epoll',
  mode: 'threaded',
  args: [
    ...['--metrics-port', String(port), '--appendonly', 'yes', '--slowlog-log-slower-than', '700'],
    ...['--threads', '2'],
  ],
});
const browser = await startChromium();
try {
  const page = await browser.newPage({ colorScheme: 'light', viewport: { width: 1280, height: 900 } });
  await page.goto(`http://127.0.0.1:${port}/`);
  const endMillis = Date.now() + WORK_MILLIS;
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => server.connect()));
  const working = clients.map((client, index) => work(client, new SeededRandom(index + 1), endMillis));
  const keeper = await server.connect();
  for (let saves = 0; Date.now() + SAVE_MILLIS < endMillis; saves++) {
    await sleep(SAVE_MILLIS);
    await keeper.text(saves === 1 ? 'BGREWRITEAOF' : 'BGSAVE');
  }
  await page.locator('label', { hasText: /^1$/ }).click();
  await page.locator('#pattern').fill('user:1*');
  await page.getByRole('button', { name: 'Look' }).click();
  await page
    .getByRole('button', { name: /^user:/ })
    .first()
    .click();
  await sleep(2000);
  await page.screenshot({
    path: IMAGE_PATH,
    fullPage: true,
    clip: { x: 0, y: 0, width: 1280, height: KEYS_SHOWN_PIXELS },
  });
  await Promise.all(working);
  for (const client of [...clients, keeper]) client.close();
} finally {
  await browser.close();
  await server.stop();
}
