/** The configuration of a server that several tests share: each finds it as it was at the start. */
import assert from 'node:assert/strict';
import type { RespClient } from './resp-client.ts';
import type { ServerProcess } from './server-process.ts';

/** Directives and their values. */
export type Settings = Readonly<Record<string, string>>;

/** What the servers were started with, noted before the first change. */
const atStart = new WeakMap<ServerProcess, Settings>();

/**
 * Runs the body with some directives set, and sets back whatever was changed until it ends. All that change the
 * configuration of a shared server must come this way.
 */
export async function keepingConfiguration(
  server: ServerProcess,
  settings: Settings,
  body: () => Promise<void>,
): Promise<void> {
  await withClient(server, async (client) => {
    if (!atStart.has(server)) atStart.set(server, await configurationOf(client));
    await change(client, settings);
  });
  try {
    await body();
  } finally {
    await withClient(server, async (client) => {
      const now = await configurationOf(client);
      const changed = Object.entries(atStart.get(server)!).filter(([name, value]) => now[name] !== value);
      await change(client, Object.fromEntries(changed));
    });
  }
}

async function configurationOf(client: RespClient): Promise<Settings> {
  const reply = await client.command('CONFIG', 'GET', '*');
  assert.ok(reply.kind === 'aggregate', 'CONFIG GET is refused: a script left a password or a rule behind');
  const texts = reply.items.map((item) => (item.kind === 'scalar' ? item.bytes.toString('latin1') : ''));
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < texts.length; index += 2) pairs.push([texts[index]!, texts[index + 1]!]);
  return Object.fromEntries(pairs);
}

/** One at a time: some are two names of the same, which one command refuses. */
async function change(client: RespClient, settings: Settings): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    const reply = await client.text('CONFIG', 'SET', name, Buffer.from(value, 'latin1'));
    assert.equal(reply, '+OK', `CONFIG SET ${name} ${value}`);
  }
}

async function withClient(server: ServerProcess, use: (client: RespClient) => Promise<void>): Promise<void> {
  const client = await server.connect();
  try {
    await use(client);
  } finally {
    client.close();
  }
}
