/** docs/commands.md says what is so: of the table, of our servers, and of Redis 7.0. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ALL_COMMANDS } from '../../src/commands/registry.ts';
import { onEveryImplementation, startFor } from '../support/implementations.ts';
import type { Reply, RespClient } from '../support/resp-client.ts';
import {
  COMMANDS_PAGE_URL,
  commandsPage,
  completeNames,
  isBeyondReference,
  NOT_YET,
} from './commands-page.ts';

test('the page is what `npm run docs` makes of the table', () => {
  assert.equal(readFileSync(COMMANDS_PAGE_URL, 'utf8'), commandsPage());
});

const missing = Object.values(NOT_YET).flat();

onEveryImplementation('the page and COMMAND LIST agree', async (implementation, context) => {
  const server = await startFor(context, implementation);
  const client = await server.connect();
  const listed = await commandNames(client);
  client.close();

  if (implementation.name === 'redis') {
    const beyond = new Set(ALL_COMMANDS.filter(isBeyondReference).map((row) => row.name));
    const all = [...completeNames().filter((name) => !beyond.has(name)), ...missing];
    assert.deepEqual(all.toSorted(), listed);
  } else {
    assert.deepEqual(completeNames().toSorted(), listed);
    assert.deepEqual(
      missing.filter((name) => listed.includes(name)),
      [],
    );
  }
});

async function commandNames(client: RespClient): Promise<string[]> {
  const reply: Reply = await client.command('COMMAND', 'LIST');
  assert(reply.kind === 'aggregate');
  return reply.items.map((item) => (item.kind === 'scalar' ? item.bytes.toString() : '')).toSorted();
}
