/** Holds every fact of every row against a real Redis 7.0: what it says in COMMAND INFO and COMMAND DOCS. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../../test/support/free-port.ts';
import type { Command } from './command.ts';
import { describeDocs, describeInfo, fullName, legacyKeyRange } from './describe.ts';
import type { Description } from './describe.ts';
import { keyPair, keysOfPairsFrom, oneKey } from './key-specs.ts';
import { ALL_COMMANDS } from './registry.ts';

describe('legacyKeyRange', () => {
  const row: Command = { name: 'x', arity: 2, flags: [], group: 'generic', since: '1.0.0', summary: '' };

  test('no key specs: no keys', () => {
    assert.deepEqual(legacyKeyRange(row), { firstKey: 0, lastKey: 0, keyStep: 0, movableKeys: false });
  });

  test('one range is taken as it is, whatever its step', () => {
    const range = legacyKeyRange({ ...row, keySpecs: [keysOfPairsFrom(1, 'OW')] });
    assert.deepEqual(range, { firstKey: 1, lastKey: -1, keyStep: 2, movableKeys: false });
  });

  test('ranges that join on become one', () => {
    const range = legacyKeyRange({ ...row, keySpecs: [oneKey(1, 'RO'), keyPair(2, 'RO')] });
    assert.deepEqual(range, { firstKey: 1, lastKey: 3, keyStep: 1, movableKeys: false });
  });

  test('a range after a gap is left out, and the keys count as movable', () => {
    const range = legacyKeyRange({ ...row, keySpecs: [oneKey(1, 'RO'), oneKey(3, 'RO')] });
    assert.deepEqual(range, { firstKey: 1, lastKey: 1, keyStep: 1, movableKeys: true });
  });

  test('keys that have to be searched for are movable', () => {
    const range = legacyKeyRange({
      ...row,
      keySpecs: [
        {
          flags: ['RO', 'access'],
          beginSearch: { type: 'keyword', keyword: 'STREAMS', startFrom: 1 },
          findKeys: { type: 'range', lastKey: -1, keyStep: 1, limit: 2 },
        },
      ],
    });
    assert.deepEqual(range, { firstKey: 0, lastKey: 0, keyStep: 0, movableKeys: true });
  });

  test('an incomplete spec gives its range, and the keys count as movable', () => {
    const range = legacyKeyRange({ ...row, keySpecs: [oneKey(1, 'RO', 'incomplete')] });
    assert.deepEqual(range, { firstKey: 1, lastKey: 1, keyStep: 1, movableKeys: true });
  });
});

const redisVersion = /v=(7\.0\.\d+)/.exec(spawnSync('redis-server', ['--version']).stdout?.toString() ?? '');
const skip = redisVersion === null && 'redis-server 7.0 is not installed';

describe('rows against a real Redis', { skip }, () => {
  let redis: RealRedis;
  before(async () => (redis = await startRedis()));
  after(() => redis.stop());

  // What came with Redis 7.4 the real one of here, 7.0, does not know.
  for (const command of ALL_COMMANDS.filter(({ since }) => !since.startsWith('7.4.'))) {
    test(command.name, async () => {
      const [info] = (await redis.call('COMMAND', 'INFO', command.name)) as Description[];
      assert.deepEqual(comparable(describeInfo(command)), comparable(onlyOurs(info as Description, command)));

      const docs = (await redis.call('COMMAND', 'DOCS', command.name)) as ReadonlyMap<string, Description>;
      assert.deepEqual(
        comparable(describeDocs(command)),
        comparable(onlyOurDocs(docs.get(command.name) as ReadonlyMap<string, Description>, command)),
      );
    });
  }
});

/** Redis lists subcommands in the order of a randomly seeded hash table; here it is that of the rows. */
function onlyOurs(info: Description, command: Command): Description {
  const fields = info as readonly Description[];
  const theirs = fields[9] as readonly (readonly Description[])[];
  if (!command.subcommands) return fields;
  return [
    ...fields.slice(0, 9),
    command.subcommands.map((subcommand) =>
      theirs.find(([name]) => name === fullName(subcommand, command.name)),
    ),
  ] as Description;
}

function onlyOurDocs(
  docs: ReadonlyMap<string, Description>,
  command: Command,
): ReadonlyMap<string, Description> {
  const theirs = docs.get('subcommands') as ReadonlyMap<string, Description> | undefined;
  if (!command.subcommands) return docs;
  const names = command.subcommands.map((subcommand) => fullName(subcommand, command.name));
  return new Map(docs).set(
    'subcommands',
    new Map(names.map((name) => [name, theirs?.get(name) ?? 'absent'])),
  );
}

/** Maps as lists of entries, for their order counts; one kind of empty set, for their bytes are the same. */
function comparable(value: Description): unknown {
  if (value instanceof Map) return [...value].map(([name, field]) => [name, comparable(field)]);
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value === 'object' && 'set' in value) return { set: value.set.map(comparable) };
  if (typeof value === 'object' && 'statusSet' in value && value.statusSet.length === 0) return { set: [] };
  return value;
}

interface RealRedis {
  call(...words: string[]): Promise<Description>;
  stop(): Promise<void>;
}

/** A Redis of our own on a free loopback port, spoken to in RESP3. */
async function startRedis(): Promise<RealRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'describe-test-'));
  const port = await freePort();
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  const server = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of server.stdout) if (String(line).includes('Ready to accept')) break;
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  await call(socket, ['HELLO', '3']);
  return {
    call: (...words) => call(socket, words),
    stop: async () => {
      socket.destroy();
      const exit = once(server, 'exit');
      server.kill();
      await exit;
      rmSync(directory, { recursive: true });
    },
  };
}

async function call(socket: Socket, words: readonly string[]): Promise<Description> {
  socket.write(`*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`);
  let received = '';
  for (;;) {
    received += String((await once(socket, 'data'))[0]);
    // The facts of commands hold no CRLF, so that lines are enough to find the elements.
    const reply = decode(received.split('\r\n'));
    if (reply !== undefined) return reply;
  }
}

/** The reply, or `undefined` if it is not there in full: what follows the last CRLF is no line yet. */
function decode(lines: readonly string[]): Description | undefined {
  const INCOMPLETE = Symbol('incomplete');
  let position = 0;
  const line = (): string => {
    if (position >= lines.length - 1) throw INCOMPLETE;
    return lines[position++] as string;
  };
  const list = (count: number): Description[] => Array.from({ length: count }, value);
  const value = (): Description => {
    const head = line();
    const rest = head.slice(1);
    switch (head[0]) {
      case '$':
        return line();
      case '+':
        return { statusSet: [rest] }; // Only ever a member of a set: `asSet` puts them together.
      case ':':
        return Number(rest);
      case '*':
        return list(Number(rest));
      case '~':
        return asSet(list(Number(rest)));
      case '%':
        return new Map(Array.from({ length: Number(rest) }, () => [value() as string, value()] as const));
      default:
        throw new Error(`unexpected reply: ${head}`);
    }
  };
  try {
    return value();
  } catch (error) {
    if (error === INCOMPLETE) return undefined;
    throw error;
  }
}

/** A set of simple strings is told from a set of anything else by its members; an empty one is either. */
function asSet(members: readonly Description[]): Description {
  const statuses = members.flatMap((member) =>
    typeof member === 'object' && 'statusSet' in member ? member.statusSet : [],
  );
  return members.length > 0 && statuses.length === members.length
    ? { statusSet: statuses }
    : { set: members };
}
