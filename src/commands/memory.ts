/** MEMORY: where the bytes are (Redis 7.0 object.c). */
import { SEGMENT_BYTES } from '../memory/arena.ts';
import { integer, key } from './arguments.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';
import { oneKey } from './key-specs.ts';
import { doctorReport } from './memory-doctor.ts';
import { memoryOverhead } from './memory-overhead.ts';

export const MEMORY_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'memory',
    arity: -2,
    flags: [],
    since: '4.0.0',
    summary: 'A container for memory diagnostics commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'doctor',
        arity: 2,
        flags: [],
        since: '4.0.0',
        summary: 'Outputs memory problems report',
        complexity: 'O(1)',
        tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
        run: memoryDoctor,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '4.0.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: memoryHelp,
      },
      {
        name: 'malloc-stats',
        arity: 2,
        flags: [],
        since: '4.0.0',
        summary: 'Show allocator internal stats',
        complexity: 'Depends on how much memory is allocated, could be slow',
        tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
        run: memoryMallocStats,
      },
      {
        name: 'purge',
        arity: 2,
        flags: [],
        since: '4.0.0',
        summary: 'Ask the allocator to release memory',
        complexity: 'Depends on how much memory is allocated, could be slow',
        tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
        run: memoryPurge,
      },
      {
        name: 'stats',
        arity: 2,
        flags: [],
        since: '4.0.0',
        summary: 'Show memory usage details',
        complexity: 'O(1)',
        tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
        run: memoryStats,
      },
      {
        name: 'usage',
        arity: -3,
        flags: ['readonly'],
        since: '4.0.0',
        summary: 'Estimate the memory usage of a key',
        complexity: 'O(N) where N is the number of samples.',
        keySpecs: [oneKey(2, 'RO')],
        arguments: [key('key'), integer('count', { token: 'SAMPLES', optional: true })],
        run: memoryUsage,
      },
    ],
  },
]);

const HELP = [
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
];

/** MEMORY DOCTOR */
function memoryDoctor(call: Call): void {
  const figures = call.services.server.memory();
  const clientCount = call.services.clients.list().length;
  call.reply.verbatim('txt', doctorReport(figures, clientCount));
}

/** MEMORY HELP */
function memoryHelp(call: Call): void {
  replyHelp(call, HELP);
}

/** MEMORY MALLOC-STATS */
function memoryMallocStats(call: Call): void {
  const { allocator } = call.keyspace;
  const rows = allocator
    .classFigures()
    .map(({ blockBytes, liveBlocks, spanCount, spanBytes }) =>
      [blockBytes, liveBlocks, spanCount, spanBytes, liveBlocks * blockBytes]
        .map((n) => String(n).padStart(12))
        .join(''),
    );
  const lines = [
    '___ Begin arena statistics ___',
    `Live blocks: ${allocator.usedBytes} bytes, at most ${allocator.peakBytes} so far`,
    `Spans in use: ${allocator.spanBytes} bytes`,
    `Free spans that the system backs: ${allocator.freeDirtyBytes} bytes`,
    `Segments: ${allocator.arena.segmentCount} of ${SEGMENT_BYTES} bytes, backed only where touched`,
    'Size classes in use:',
    ['block bytes', 'live blocks', 'spans', 'span bytes', 'live bytes']
      .map((title) => title.padStart(12))
      .join(''),
    ...rows,
    '--- End arena statistics ---',
  ];
  call.reply.verbatim('txt', `${lines.join('\n')}\n`);
}

/** MEMORY PURGE */
function memoryPurge(call: Call): void {
  call.services.server.purgeMemory();
  call.reply.ok();
}

/** MEMORY STATS */
function memoryStats(call: Call): void {
  const { reply } = call;
  const figures = call.services.server.memory();
  const keyCount = call.keyspace.databases.reduce((sum, database) => sum + database.keyCount, 0);
  const overhead = memoryOverhead(figures, keyCount);
  const field = (name: string, bytes: number) => {
    reply.bulkText(name);
    reply.integer(bytes);
  };
  const ratio = (name: string, value: number) => {
    reply.bulkText(name);
    reply.double(value);
  };

  reply.map(STATS_FIELDS + figures.databases.length);
  field('peak.allocated', figures.peak);
  field('total.allocated', figures.used);
  field('startup.allocated', figures.startup);
  field('replication.backlog', 0);
  field('clients.slaves', 0);
  field('clients.normal', figures.clients);
  field('cluster.links', 0);
  field('aof.buffer', 0);
  field('lua.caches', 0);
  field('functions.caches', 0);
  for (const { index, main, expires } of figures.databases) {
    reply.bulkText(`db.${index}`);
    reply.map(3);
    field('overhead.hashtable.main', main);
    field('overhead.hashtable.expires', expires);
    field('overhead.hashtable.slot-to-keys', 0);
  }
  field('overhead.total', overhead.overhead);
  field('keys.count', keyCount);
  field('keys.bytes-per-key', overhead.bytesPerKey);
  field('dataset.bytes', overhead.dataset);
  ratio('dataset.percentage', overhead.datasetPercentage);
  ratio('peak.percentage', overhead.peakPercentage);
  field('allocator.allocated', figures.used);
  field('allocator.active', figures.allocatorActive);
  field('allocator.resident', figures.allocatorResident);
  ratio('allocator-fragmentation.ratio', overhead.allocatorFragmentation.ratio);
  field('allocator-fragmentation.bytes', overhead.allocatorFragmentation.bytes);
  ratio('allocator-rss.ratio', overhead.allocatorResident.ratio);
  field('allocator-rss.bytes', overhead.allocatorResident.bytes);
  ratio('rss-overhead.ratio', overhead.processOverhead.ratio);
  field('rss-overhead.bytes', overhead.processOverhead.bytes);
  ratio('fragmentation', overhead.fragmentation.ratio);
  field('fragmentation.bytes', overhead.fragmentation.bytes);
}

/** Fields of MEMORY STATS besides those per database. */
const STATS_FIELDS = 27;
/** Elements of a collection that MEMORY USAGE looks at (object.c, OBJ_COMPUTE_SIZE_DEF_SAMPLES). */
const SAMPLES_DEFAULT = 5;

/** MEMORY USAGE key [SAMPLES count] */
function memoryUsage(call: Call): void {
  let samples = SAMPLES_DEFAULT;
  for (let i = 3; i < call.argumentCount; i += 2) {
    if (!call.is(i, 'SAMPLES') || i + 1 === call.argumentCount) throw SYNTAX_ERROR;
    samples = Number(call.int64(i + 1));
    if (samples < 0) throw SYNTAX_ERROR;
  }

  // A key whose time has passed takes room until it is deleted.
  const { request, database } = call;
  const entry = database.find(request.buffer, request.start(2), request.end(2));
  if (entry === 0) call.reply.null();
  else call.reply.integer(database.memoryOf(entry, samples));
}
