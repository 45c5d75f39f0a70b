/**
 * How an example is started: `node dist/examples/chat.js` starts a server for it inside this program; with
 * REDIS_URL it uses any Redis there is.
 */
import { fileURLToPath } from 'node:url';
import { createServer } from 'redis-clone-ts';

export type Example = (url: string, print: (line: string) => void) => Promise<void>;

/** Runs the example if its module is the program. */
export async function runIfMain(moduleUrl: string, example: Example): Promise<void> {
  if (process.argv[1] !== fileURLToPath(moduleUrl)) return;
  const { REDIS_URL: url } = process.env;
  if (url !== undefined) {
    await example(url, console.log);
    return;
  }
  const server = await createServer();
  try {
    await example(server.url, console.log);
  } finally {
    await server.close();
  }
}
