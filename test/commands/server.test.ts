/** Behaviour of the commands about the server as a whole. */
import assert from 'node:assert/strict';
import { onEveryImplementation, onEveryServer } from '../support/implementations.ts';
import type { RespClient } from '../support/resp-client.ts';
import {
  NULL_ARRAY,
  OK,
  QUEUED,
  behaviour,
  error,
  errorStarting,
  matching,
  on,
  simple,
  verbatim,
} from './behaviour.ts';
import { infoFields } from '../support/server-info.ts';

const SYNTAX_ERROR = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');

function arity(name: string) {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

// Databases -------------------------------------------------------------------------------------------------

behaviour('DBSIZE counts the keys of the selected database', [
  ['DBSIZE', 0],
  ['MSET a 1 b 2', OK],
  ['DBSIZE', 2],
  ['SELECT 1', OK],
  ['DBSIZE', 0],
  ['DBSIZE x', arity('dbsize')],
]);

behaviour('FLUSHDB empties the selected database, FLUSHALL all of them', [
  ...['FLUSHDB', 'FLUSHDB SYNC', 'flushdb async'].flatMap((command) => [
    ['SELECT 0', OK] as const,
    ['MSET a 1 b 2', OK] as const,
    ['EXPIRE a 100', 1] as const,
    ['SELECT 1', OK] as const,
    ['SET c 3', OK] as const,
    [command, OK] as const,
    ['DBSIZE', 0] as const,
    ['GET c', null] as const,
    ['SELECT 0', OK] as const,
    ['DBSIZE', 2] as const,
    [command, OK] as const,
    ['MGET a b', [null, null]] as const,
    [command, OK] as const,
  ]),
  ...['FLUSHALL', 'FLUSHALL SYNC', 'flushall async'].flatMap((command) => [
    ['SELECT 0', OK] as const,
    ['MSET a 1 b 2', OK] as const,
    ['SELECT 1', OK] as const,
    ['SET c 3', OK] as const,
    [command, OK] as const,
    ['DBSIZE', 0] as const,
    ['SELECT 0', OK] as const,
    ['DBSIZE', 0] as const,
    [command, OK] as const,
  ]),
  ['FLUSHDB foo', SYNTAX_ERROR],
  ['FLUSHALL SYNC ASYNC', SYNTAX_ERROR],
  ['FLUSHALL async x', SYNTAX_ERROR],
]);

behaviour('a flush of many keys, right after each other', [
  ...['SYNC', 'ASYNC', 'SYNC'].flatMap((mode) => [
    ['DEBUG POPULATE 5000', OK] as const,
    ['DBSIZE', 5000] as const,
    [`FLUSHALL ${mode}`, OK] as const,
    ['DBSIZE', 0] as const,
    ['GET key:17', null] as const,
  ]),
]);

behaviour(
  'lazyfree-lazy-user-flush changes how, but not what',
  [
    ['DEBUG POPULATE 5000', OK],
    ['FLUSHDB', OK],
    ['DBSIZE', 0],
    ['DEBUG POPULATE 10', OK],
    ['DBSIZE', 10],
    ['FLUSHALL', OK],
    ['DBSIZE', 0],
  ],
  { settings: { 'lazyfree-lazy-user-flush': 'yes' } },
);

behaviour('a flush touches watched keys that exist', [
  ['SET k v', OK],
  ['WATCH k', OK],
  on('other', 'FLUSHDB', OK),
  ['MULTI', OK],
  ['EXEC', NULL_ARRAY],
  ['WATCH k', OK],
  on('other', 'FLUSHALL', OK),
  ['MULTI', OK],
  ['EXEC', []],
  ['SET k v', OK],
  ['WATCH k', OK],
  on('other', 'SELECT 1', OK),
  on('other', 'FLUSHDB', OK),
  ['MULTI', OK],
  ['EXEC', []],
]);

behaviour('SWAPDB exchanges two databases for everybody', [
  ['SET a 0', OK],
  ['EXPIRE a 100', 1],
  ['SELECT 1', OK],
  ['MSET a 1 b 1', OK],
  on('other', 'GET a', '0'),
  ['SWAPDB 0 1', OK],
  ['GET a', '0'],
  ['GET b', null],
  ['PERSIST a', 1],
  on('other', 'MGET a b', ['1', '1']),
  on('other', 'PERSIST a', 0),
  ['SWAPDB 1 1', OK],
  ['GET a', '0'],
  ['SWAPDB a 1', error('ERR invalid first DB index')],
  ['SWAPDB 1 a', error('ERR invalid second DB index')],
  ['SWAPDB 2147483648 0', error('ERR invalid first DB index')],
  ['SWAPDB 0 1.0', error('ERR invalid second DB index')],
  ['SWAPDB 0 16', error('ERR DB index is out of range')],
  ['SWAPDB -1 0', error('ERR DB index is out of range')],
  ['SWAPDB 0', arity('swapdb')],
]);

behaviour('SWAPDB touches watched keys of both databases', [
  ['SELECT 1', OK],
  ['SET k v', OK],
  ['SELECT 0', OK],
  ['WATCH k', OK],
  on('other', 'SWAPDB 0 1', OK),
  ['MULTI', OK],
  ['EXEC', NULL_ARRAY],
  ['WATCH none', OK],
  on('other', 'SWAPDB 0 1', OK),
  ['MULTI', OK],
  ['EXEC', []],
]);

behaviour('TIME', [
  ['TIME', [matching(/^\d{10}$/), matching(/^\d{1,6}$/)]],
  ['TIME x', arity('time')],
]);

// LOLWUT ----------------------------------------------------------------------------------------------------

const VERSION_LINE = 'Redis ver. 7.0.15\n';
const SCHOTTER_CAPTION = `\nGeorg Nees - schotter, plotter on paper, 1968. ${VERSION_LINE}`;

behaviour('LOLWUT shows the version, and art of older versions', [
  ['LOLWUT', verbatim(VERSION_LINE)],
  ['LOLWUT 5', verbatim(VERSION_LINE)],
  ['LOLWUT foo bar', verbatim(VERSION_LINE)],
  ['LOLWUT VERSION', verbatim(VERSION_LINE)],
  ['LOLWUT VERSION 7', verbatim(VERSION_LINE)],
  ['LOLWUT VERSION -5', verbatim(VERSION_LINE)],
  ['LOLWUT VERSION x', NOT_AN_INTEGER],
  // The first two rows of squares stand in order.
  [
    'LOLWUT VERSION 5 10 1 1',
    verbatim(`⠀⡤⠤⠤⠤⠤⠤⠤⠤⡄\n${'⠀⡇⠀⠀⠀⠀⠀⠀⠀⡇\n'.repeat(3)}⠀⠧⠤⠤⠤⠤⠤⠤⠤⠇\n${SCHOTTER_CAPTION}`),
  ],
  ['LOLWUT version 5 0 0 0', verbatim(`⠋\n${SCHOTTER_CAPTION}`)],
  [
    'LOLWUT VERSION 5 33 7 1',
    verbatim(
      '⠀⡤⠤⠤⠤⣤⠤⠤⠤⢤⡤⠤⠤⠤⣤⠤⠤⠤⢤⠤⠤⠤⢤⡤⠤⠤⠤⣤⠤⠤⠤⢤⠀\n' +
        '⠀⡇⠀⠀⠀⣿⠀⠀⠀⢸⡇⠀⠀⠀⣿⠀⠀⠀⢸⠀⠀⠀⢸⡇⠀⠀⠀⣿⠀⠀⠀⢸⠀\n' +
        '⠀⠧⠤⠤⠤⠿⠤⠤⠤⠼⠧⠤⠤⠤⠿⠤⠤⠤⠼⠤⠤⠤⠼⠧⠤⠤⠤⠿⠤⠤⠤⠼⠀\n' +
        SCHOTTER_CAPTION,
    ),
  ],
  ['LOLWUT VERSION 5 x', NOT_AN_INTEGER],
  ['LOLWUT VERSION 5 66 8 x', NOT_AN_INTEGER],
  ['LOLWUT VERSION 6 x', NOT_AN_INTEGER],
  ['LOLWUT VERSION 6 10 x', NOT_AN_INTEGER],
]);

onEveryServer('LOLWUT draws in the sizes it is asked for', async (server) => {
  const client = await server.connect();
  const schotter = await textOf(client, 'LOLWUT', 'VERSION', '5');
  assert.match(schotter, /^(?:[⠀-⣿]{66}\n){49}\nGeorg Nees/);
  // A pixel of the skyline is a space in one of four colors.
  const skyline = await textOf(client, 'LOLWUT', 'VERSION', '6', '30', '12');
  // oxlint-disable-next-line no-control-regex
  assert.match(
    skyline,
    /^(?:(?:\x1b\[0;(?:30;40|90;100|37;47|97;107)m \x1b\[0m){30}\n){12}Dedicated to the 8 bit/,
  );
  client.close();
});

async function textOf(client: RespClient, ...command: string[]): Promise<string> {
  const reply = await client.command(...command);
  assert(reply.kind === 'scalar');
  return reply.bytes.toString('utf8');
}

// INFO ------------------------------------------------------------------------------------------------------

behaviour('INFO shows the sections it is asked for, in its own order', [
  ['INFO nosuch', verbatim('')],
  ['INFO cluster', verbatim('# Cluster\r\ncluster_enabled:0\r\n')],
  ['INFO module_list', verbatim('# Modules\r\n')],
  ['INFO KeySpace CLUSTER nosuch', verbatim('# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n')],
  ['SET a 1', OK],
  ['SELECT 3', OK],
  ['MSET a 1 b 2', OK],
  ['EXPIRE b 100', 1],
  [
    'INFO keyspace',
    matching(
      /^(?:txt:)?# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\ndb3:keys=2,expires=1,avg_ttl=\d+\r\n$/,
    ),
  ],
]);

const DEFAULT_SECTIONS = [
  'Server',
  'Clients',
  'Memory',
  'Persistence',
  'Stats',
  'Replication',
  'CPU',
  'Modules',
  'Errorstats',
  'Cluster',
  'Keyspace',
];
const ALL_SECTIONS = DEFAULT_SECTIONS.flatMap((title) => {
  if (title === 'Errorstats') return ['Commandstats', 'Errorstats', 'Latencystats'];
  return [title];
});

onEveryServer('INFO knows which sections are shown by default', async (server) => {
  const client = await server.connect();
  const titles = async (...names: string[]) => {
    const text = await textOf(client, 'INFO', ...names);
    return text.split('\r\n').flatMap((line) => (line.startsWith('# ') ? [line.slice(2)] : []));
  };
  assert.deepEqual(await titles(), DEFAULT_SECTIONS);
  assert.deepEqual(await titles('default'), DEFAULT_SECTIONS);
  assert.deepEqual(await titles('all'), ALL_SECTIONS);
  assert.deepEqual(await titles('everything', 'server'), ALL_SECTIONS);
  assert.deepEqual(await titles('latencystats', 'default'), [
    ...DEFAULT_SECTIONS.slice(0, 9),
    'Latencystats',
    ...DEFAULT_SECTIONS.slice(9),
  ]);
  client.close();
});

/** Fields of each section that every Redis 7.0 has; ours may have more behind them. */
const FIELDS: Readonly<Record<string, string>> = {
  server:
    'redis_version redis_git_sha1 redis_git_dirty redis_build_id redis_mode os arch_bits monotonic_clock ' +
    'multiplexing_api atomicvar_api gcc_version process_id process_supervised run_id tcp_port server_time_usec ' +
    'uptime_in_seconds uptime_in_days hz configured_hz lru_clock executable config_file io_threads_active',
  clients:
    'connected_clients cluster_connections maxclients client_recent_max_input_buffer ' +
    'client_recent_max_output_buffer blocked_clients tracking_clients clients_in_timeout_table',
  memory:
    'used_memory used_memory_human used_memory_rss used_memory_rss_human used_memory_peak used_memory_peak_human ' +
    'used_memory_peak_perc used_memory_overhead used_memory_startup used_memory_dataset used_memory_dataset_perc ' +
    'allocator_allocated allocator_active allocator_resident total_system_memory total_system_memory_human ' +
    'used_memory_lua used_memory_vm_eval used_memory_lua_human used_memory_scripts_eval number_of_cached_scripts ' +
    'number_of_functions number_of_libraries used_memory_vm_functions used_memory_vm_total ' +
    'used_memory_vm_total_human used_memory_functions used_memory_scripts used_memory_scripts_human maxmemory ' +
    'maxmemory_human maxmemory_policy allocator_frag_ratio allocator_frag_bytes allocator_rss_ratio ' +
    'allocator_rss_bytes rss_overhead_ratio rss_overhead_bytes mem_fragmentation_ratio mem_fragmentation_bytes ' +
    'mem_not_counted_for_evict mem_replication_backlog mem_total_replication_buffers mem_clients_slaves ' +
    'mem_clients_normal mem_cluster_links mem_aof_buffer mem_allocator active_defrag_running ' +
    'lazyfree_pending_objects lazyfreed_objects',
  persistence:
    'loading async_loading current_cow_peak current_cow_size current_cow_size_age current_fork_perc ' +
    'current_save_keys_processed current_save_keys_total rdb_changes_since_last_save rdb_bgsave_in_progress ' +
    'rdb_last_save_time rdb_last_bgsave_status rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves ' +
    'rdb_last_cow_size rdb_last_load_keys_expired rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress ' +
    'aof_rewrite_scheduled aof_last_rewrite_time_sec aof_current_rewrite_time_sec aof_last_bgrewrite_status ' +
    'aof_rewrites aof_rewrites_consecutive_failures aof_last_write_status aof_last_cow_size ' +
    'module_fork_in_progress module_fork_last_cow_size',
  stats:
    'total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes ' +
    'total_net_output_bytes total_net_repl_input_bytes total_net_repl_output_bytes instantaneous_input_kbps ' +
    'instantaneous_output_kbps instantaneous_input_repl_kbps instantaneous_output_repl_kbps rejected_connections ' +
    'sync_full sync_partial_ok sync_partial_err expired_keys expired_stale_perc expired_time_cap_reached_count ' +
    'expire_cycle_cpu_milliseconds evicted_keys evicted_clients total_eviction_exceeded_time ' +
    'current_eviction_exceeded_time keyspace_hits keyspace_misses pubsub_channels pubsub_patterns ' +
    'pubsubshard_channels latest_fork_usec total_forks migrate_cached_sockets slave_expires_tracked_keys ' +
    'active_defrag_hits active_defrag_misses active_defrag_key_hits active_defrag_key_misses ' +
    'total_active_defrag_time current_active_defrag_time tracking_total_keys tracking_total_items ' +
    'tracking_total_prefixes unexpected_error_replies total_error_replies dump_payload_sanitizations ' +
    'total_reads_processed total_writes_processed io_threaded_reads_processed io_threaded_writes_processed ' +
    'reply_buffer_shrinks reply_buffer_expands',
  replication:
    'role connected_slaves master_failover_state master_replid master_replid2 master_repl_offset ' +
    'second_repl_offset repl_backlog_active repl_backlog_size repl_backlog_first_byte_offset repl_backlog_histlen',
  cpu:
    'used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children used_cpu_sys_main_thread ' +
    'used_cpu_user_main_thread',
};

/** Fields of other kinds than whole numbers. */
const FORMATS: Readonly<Record<string, RegExp>> = {
  redis_version: /^7\.0\.15$/,
  redis_mode: /^standalone$/,
  run_id: /^[0-9a-f]{40}$/,
  role: /^master$/,
  master_replid: /^[0-9a-f]{40}$/,
  master_replid2: /^0{40}$/,
  used_memory_human: /^\d+(?:\.\d\d[KMG]|B)$/,
  used_memory_peak_perc: /^\d+\.\d\d%$/,
  used_memory_dataset_perc: /^\d+\.\d\d%$/,
  mem_fragmentation_ratio: /^\d+\.\d\d$/,
  instantaneous_input_kbps: /^\d+\.\d\d$/,
  expired_stale_perc: /^\d+\.\d\d$/,
  used_cpu_sys: /^\d+\.\d{6}$/,
  rdb_last_bgsave_status: /^ok$/,
};

onEveryServer('INFO has the fields of Redis 7.0, in its order and formats', async (server) => {
  const client = await server.connect();
  for (const [section, names] of Object.entries(FIELDS)) {
    const fields = await infoFields(client, section);
    const expected = names.split(' ');
    assert.deepEqual([...fields.keys()].slice(0, expected.length), expected);
    for (const [name, value] of fields) {
      const format = FORMATS[name];
      if (format !== undefined) assert.match(value, format, name);
    }
  }
  client.close();
});

onEveryServer('INFO counts what happens', async (server) => {
  const client = await server.connect();
  await client.command('CONFIG', 'RESETSTAT');
  await client.command('FLUSHALL');
  await client.command('SET', 'k', 'v');
  await client.command('GET', 'k');
  await client.command('GET', 'none');
  await client.command('INCR', 'k');
  await client.command('GET');
  await client.command('nosuch');

  const stats = await infoFields(client, 'stats');
  assert.equal(stats.get('keyspace_hits'), '1');
  assert.equal(stats.get('keyspace_misses'), '1');
  assert.equal(stats.get('total_error_replies'), '3');
  const commands = await infoFields(client, 'commandstats');
  const line = /^calls=2,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=1,failed_calls=0$/;
  assert.match(commands.get('cmdstat_get') ?? '', line);
  assert.match(commands.get('cmdstat_incr') ?? '', /^calls=1,.*rejected_calls=0,failed_calls=1$/);
  assert.match(commands.get('cmdstat_config|resetstat') ?? '', /^calls=1,/);
  assert.equal(commands.get('cmdstat_nosuch'), undefined);
  assert.deepEqual([...(await infoFields(client, 'errorstats'))], [['errorstat_ERR', 'count=3']]);

  await client.command('CONFIG', 'RESETSTAT');
  assert.equal((await infoFields(client, 'stats')).get('keyspace_hits'), '0');
  assert.deepEqual([...(await infoFields(client, 'errorstats'))], []);
  assert.equal((await infoFields(client, 'commandstats')).get('cmdstat_get'), undefined);
  client.close();
});

// SHUTDOWN --------------------------------------------------------------------------------------------------

behaviour('SHUTDOWN refuses options that make no sense', [
  ['SHUTDOWN foo', SYNTAX_ERROR],
  ['SHUTDOWN SAVE NOSAVE', SYNTAX_ERROR],
  ['SHUTDOWN NOW FORCE x', SYNTAX_ERROR],
  ['SHUTDOWN ABORT NOW', SYNTAX_ERROR],
  ['shutdown abort', error('ERR No shutdown in progress.')],
  ['MULTI', OK],
  ['SHUTDOWN NOSAVE', error('ERR Command not allowed inside a transaction')],
  ['EXEC', errorStarting('EXECABORT')],
  ['PING', simple('PONG')],
  ['MULTI', OK],
  ['PING', QUEUED],
  ['EXEC', [simple('PONG')]],
]);

onEveryImplementation('SHUTDOWN ends the server without a reply', async (implementation) => {
  // Others are in test/network.test.ts.
  for (const options of [
    ['SAVE', 'NOW', 'FORCE'],
    ['now', 'nosave', 'now'],
  ]) {
    const server = await implementation.start({ args: ['--save', ''] });
    try {
      const client = await server.connect();
      client.send('SHUTDOWN', ...options);
      assert.equal((await client.readUntilClose()).length, 0);
      client.close();
    } finally {
      await server.stop();
    }
  }
});
