/**
 * A cache inside the client that is never stale for long, with node-redis: the server tells the client when a
 * key that it has read changes (CLIENT TRACKING, RESP3).
 */
import { BasicClientSideCache, createClient } from 'redis';
import { runIfMain } from './run.ts';

const LOOK_MILLIS = 5;
const LOOKS_MAX = 400;

export async function cache(url: string, print: (line: string) => void): Promise<void> {
  const clientSideCache = new BasicClientSideCache({ maxEntries: 1000 });
  const reader = createClient({ url, RESP: 3, clientSideCache });
  const writer = createClient({ url });
  await Promise.all([reader.connect(), writer.connect()]);
  try {
    await writer.set('price:apple', '30');
    const prices: (string | null)[] = [];
    for (let i = 0; i < 100; i++) prices.push(await reader.get('price:apple'));
    const { hitCount, missCount } = clientSideCache.stats();
    print(
      `100 reads: ${missCount} from the server, ${hitCount} from the cache; the price is ${prices.at(-1)}`,
    );

    await writer.set('price:apple', '35');
    let price = await reader.get('price:apple');
    for (let looks = 0; price !== '35' && looks < LOOKS_MAX; looks++) {
      // The message is on its way.
      await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
      price = await reader.get('price:apple');
    }
    print(`after the change: ${price}`);
  } finally {
    reader.destroy();
    writer.destroy();
  }
}

await runIfMain(import.meta.url, cache);
