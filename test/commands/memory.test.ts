/**
 * Behaviour of MEMORY. The figures are those of the server that is asked; their names and shapes are Redis'.
 */
import assert from 'node:assert/strict';
import { onEveryServer } from '../support/implementations.ts';
import { OK, behaviour, error, integerBetween, simple, verbatim } from './behaviour.ts';

const SYNTAX_ERROR = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');

function arity(name: string) {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

behaviour('MEMORY wants a subcommand', [
  ['MEMORY', arity('memory')],
  ['MEMORY foo', error("ERR unknown subcommand 'foo'. Try MEMORY HELP.")],
]);

behaviour('MEMORY HELP', [
  [
    'MEMORY HELP',
    [
      'MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'DOCTOR',
      '    Return memory problems reports.',
      'MALLOC-STATS',
      '    Return internal statistics report from the memory allocator.',
      'PURGE',
      '    Attempt to purge dirty pages for reclamation by the allocator.',
      'STATS',
      '    Return information about the memory usage of the server.',
      'USAGE <key> [SAMPLES <count>]',
      '    Return memory in bytes used by <key> and its value. Nested values are',
      '    sampled up to <count> times (default: 5, 0 means sample all).',
      'HELP',
      '    Prints this help.',
    ].map((line) => simple(line)),
  ],
  ['MEMORY HELP x', arity('memory|help')],
]);

behaviour('MEMORY USAGE counts key and value', [
  ['MEMORY USAGE none', null],
  ['SET k v', OK],
  ['MEMORY USAGE k', integerBetween(32, 64)],
  ['SET i 12345', OK],
  ['memory usage i SAMPLES 5', integerBetween(32, 64)],
  [['SET', 'k', Buffer.alloc(100_000)], OK],
  ['MEMORY USAGE k SAMPLES 0 samples 1', integerBetween(100_000, 140_000)],
  ['EXPIRE k 100', 1],
  ['MEMORY USAGE k', integerBetween(100_000, 140_000)],
  ['MEMORY USAGE none SAMPLES', SYNTAX_ERROR],
  ['MEMORY USAGE none SAMPLES -1', SYNTAX_ERROR],
  ['MEMORY USAGE none SAMPLES x', NOT_AN_INTEGER],
  ['MEMORY USAGE none FOO 1', SYNTAX_ERROR],
  ['MEMORY USAGE k SAMPLES 5 FOO', SYNTAX_ERROR],
  ['MEMORY USAGE', arity('memory|usage')],
]);

behaviour('MEMORY DOCTOR has nothing to say of an empty server', [
  [
    'MEMORY DOCTOR',
    verbatim(
      "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these " +
        'conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and I will be ' +
        'back to our programming as soon as I finished rebooting.\n',
    ),
  ],
  ['MEMORY DOCTOR x', arity('memory|doctor')],
]);

behaviour('MEMORY PURGE', [
  [['SET', 'k', Buffer.alloc(3_000_000)], OK],
  ['DEL k', 1],
  ['MEMORY PURGE', OK],
  [['SET', 'k', Buffer.alloc(3_000_000, 'x')], OK],
  ['GETRANGE k 2999997 -1', 'xxx'],
  ['MEMORY PURGE x', arity('memory|purge')],
]);

behaviour('MEMORY STATS and MALLOC-STATS take no arguments', [
  ['MEMORY STATS x', arity('memory|stats')],
  ['MEMORY MALLOC-STATS x', arity('memory|malloc-stats')],
]);

/** In Redis' order; those of a database stand between the last cache and the total. */
const STATS_FIELDS = [
  'peak.allocated',
  'total.allocated',
  'startup.allocated',
  'replication.backlog',
  'clients.slaves',
  'clients.normal',
  'cluster.links',
  'aof.buffer',
  'lua.caches',
  'functions.caches',
  'db.0',
  'overhead.total',
  'keys.count',
  'keys.bytes-per-key',
  'dataset.bytes',
  'dataset.percentage',
  'peak.percentage',
  'allocator.allocated',
  'allocator.active',
  'allocator.resident',
  'allocator-fragmentation.ratio',
  'allocator-fragmentation.bytes',
  'allocator-rss.ratio',
  'allocator-rss.bytes',
  'rss-overhead.ratio',
  'rss-overhead.bytes',
  'fragmentation',
  'fragmentation.bytes',
];

onEveryServer('MEMORY STATS has the fields of Redis', async (server) => {
  const client = await server.connect();
  await client.command('FLUSHALL');
  await client.command('MSET', 'a', '1', 'b', '2');
  for (const protocol of ['2', '3']) {
    await client.command('HELLO', protocol);
    const reply = await client.command('MEMORY', 'STATS');
    assert(reply.kind === 'aggregate');
    assert.equal(reply.tag, protocol === '3' ? '%' : '*');
    const values = new Map<string, (typeof reply.items)[number]>();
    for (let i = 0; i < reply.items.length; i += 2) {
      const name = reply.items[i]!;
      assert(name.kind === 'scalar' && name.tag === '$');
      values.set(name.bytes.toString(), reply.items[i + 1]!);
    }
    assert.deepEqual([...values.keys()], STATS_FIELDS);

    const database = values.get('db.0')!;
    assert(database.kind === 'aggregate');
    assert.deepEqual(
      database.items
        .filter((_, index) => index % 2 === 0)
        .map((item) => (item.kind === 'scalar' ? String(item.bytes) : '')),
      ['overhead.hashtable.main', 'overhead.hashtable.expires', 'overhead.hashtable.slot-to-keys'],
    );
    const keyCount = values.get('keys.count')!;
    assert(keyCount.kind === 'scalar' && keyCount.bytes.toString() === '2');
    const share = values.get('dataset.percentage')!;
    assert(share.kind === 'scalar');
    assert.equal(share.tag, protocol === '3' ? ',' : '$');
  }
  client.close();
});

onEveryServer('MEMORY MALLOC-STATS is a text of several lines', async (server) => {
  const client = await server.connect();
  const reply = await client.command('MEMORY', 'MALLOC-STATS');
  client.close();
  assert(reply.kind === 'scalar');
  assert(reply.bytes.toString().split('\n').length > 5);
});
