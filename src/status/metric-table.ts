/**
 * What `/metrics` makes of the fields of INFO. Names are those of redis_exporter (its metricMapGauges and
 * metricMapCounters), so that dashboards and alerts made for it work; what only this server has is called
 * `redis_clone_…`. Left out are fields that are always 0 here.
 *
 * Where redis_exporter's name has an abbreviated unit (`…_sec`, `…_ms_total`), which `promtool check metrics`
 * objects to, the unit is written out, and is the second.
 */

/** `untyped` where a counter's name does not end in `_total`, as Prometheus wants it. */
export type MetricType = 'gauge' | 'counter' | 'untyped';

export interface MetricRow {
  /** Field of INFO. */
  readonly field: string;
  /** Without `redis_` in front. */
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  /** What the field is multiplied with: from its unit to the metric's. */
  readonly factor?: number;
}

const MILLISECOND = 1e-3;
const MICROSECOND = 1e-6;

type Row = readonly [field: string, name: string, help: string, factor?: number];

function rows(type: MetricType, table: readonly Row[]): MetricRow[] {
  return table.map(([field, name, help, factor]) => ({
    field,
    name,
    type,
    help,
    ...(factor === undefined ? {} : { factor }),
  }));
}

const GAUGES: readonly Row[] = [
  ['uptime_in_seconds', 'uptime_in_seconds', 'Seconds since the server has started'],
  ['process_id', 'process_id', 'Process id of the server'],
  ['hz', 'hz', 'Rounds of periodic duties in a second'],
  ['configured_hz', 'configured_hz', 'Rounds of periodic duties in a second, as configured'],

  ['connected_clients', 'connected_clients', 'Clients that are connected'],
  ['blocked_clients', 'blocked_clients', 'Clients that wait in a command'],
  ['maxclients', 'max_clients', 'Clients that may be connected at a time'],
  ['maxclients', 'config_maxclients', 'Directive maxclients'],
  ['tracking_clients', 'tracking_clients', 'Clients that track keys'],
  ['clients_in_timeout_table', 'clients_in_timeout_table', 'Clients that wait for a limited time'],
  [
    'client_recent_max_input_buffer',
    'client_recent_max_input_buffer_bytes',
    'Largest input buffer of a client',
  ],
  ['client_recent_max_output_buffer', 'client_recent_max_output_buffer_bytes', 'Largest output of a client'],

  ['used_memory', 'memory_used_bytes', 'Memory that data and structures use'],
  ['used_memory_rss', 'memory_used_rss_bytes', 'Memory of the process, as the operating system counts it'],
  ['used_memory_peak', 'memory_used_peak_bytes', 'Most memory that was in use'],
  ['used_memory_overhead', 'memory_used_overhead_bytes', 'Memory in use that is no data'],
  ['used_memory_startup', 'memory_used_startup_bytes', 'Memory that was in use at start'],
  ['used_memory_dataset', 'memory_used_dataset_bytes', 'Memory that the data uses'],
  ['total_system_memory', 'total_system_memory_bytes', 'Memory of the machine'],
  ['maxmemory', 'memory_max_bytes', 'Limit of the memory in use, 0 for none'],
  ['maxmemory', 'config_maxmemory', 'Directive maxmemory'],
  ['mem_fragmentation_ratio', 'mem_fragmentation_ratio', 'Memory of the process by memory in use'],
  ['mem_fragmentation_bytes', 'mem_fragmentation_bytes', 'Memory of the process less memory in use'],
  ['mem_clients_normal', 'mem_clients_normal', 'Bytes that clients use'],
  ['mem_not_counted_for_evict', 'mem_not_counted_for_eviction_bytes', 'Memory that maxmemory does not limit'],
  ['mem_aof_buffer', 'mem_aof_buffer_bytes', 'Buffer of the append-only file'],
  ['allocator_allocated', 'allocator_allocated_bytes', 'Bytes of blocks that are allocated'],
  ['allocator_active', 'allocator_active_bytes', 'Bytes of spans with allocated blocks'],
  ['allocator_resident', 'allocator_resident_bytes', 'Bytes of spans that the operating system keeps'],
  ['allocator_frag_ratio', 'allocator_frag_ratio', 'Active by allocated bytes'],
  ['allocator_frag_bytes', 'allocator_frag_bytes', 'Active less allocated bytes'],
  ['allocator_rss_ratio', 'allocator_rss_ratio', 'Resident by active bytes'],
  ['allocator_rss_bytes', 'allocator_rss_bytes', 'Resident less active bytes'],
  ['lazyfree_pending_objects', 'lazyfree_pending_objects', 'Deleted values that are still to be freed'],
  ['lazyfreed_objects', 'lazyfreed_objects', 'Values that were freed in the background'],
  ['arena_segments', 'clone_arena_segments', 'Segments of shared memory, of 1 GiB of addresses each'],

  ['loading', 'loading_dump_file', '1 while data is being loaded'],
  [
    'rdb_changes_since_last_save',
    'rdb_changes_since_last_save',
    'Changes of the data since it was saved last',
  ],
  ['rdb_bgsave_in_progress', 'rdb_bgsave_in_progress', '1 while a snapshot is being saved'],
  ['rdb_last_save_time', 'rdb_last_save_timestamp_seconds', 'Unix time of the last save'],
  [
    'rdb_last_bgsave_status',
    'rdb_last_bgsave_status',
    '1 when the last snapshot was saved, 0 when it failed',
  ],
  ['rdb_last_bgsave_time_sec', 'rdb_last_bgsave_duration_seconds', 'How long the last snapshot took, or -1'],
  ['rdb_current_bgsave_time_sec', 'rdb_current_bgsave_duration_seconds', 'How long one takes by now, or -1'],
  ['rdb_last_load_keys_expired', 'rdb_last_load_expired_keys', 'Keys that had expired when data was loaded'],
  ['rdb_last_load_keys_loaded', 'rdb_last_load_loaded_keys', 'Keys that were loaded'],
  ['aof_enabled', 'aof_enabled', '1 while there is an append-only file'],
  ['aof_rewrite_in_progress', 'aof_rewrite_in_progress', '1 while the append-only file is rewritten'],
  ['aof_rewrite_scheduled', 'aof_rewrite_scheduled', '1 when a rewrite waits for its turn'],
  ['aof_last_rewrite_time_sec', 'aof_last_rewrite_duration_seconds', 'How long the last rewrite took, or -1'],
  [
    'aof_current_rewrite_time_sec',
    'aof_current_rewrite_duration_seconds',
    'How long one takes by now, or -1',
  ],
  [
    'aof_last_bgrewrite_status',
    'aof_last_bgrewrite_status',
    '1 when the last rewrite worked, 0 when it failed',
  ],
  ['aof_last_write_status', 'aof_last_write_status', '1 when the last write worked, 0 when it failed'],
  ['aof_current_size', 'aof_current_size_bytes', 'Size of the append-only file'],
  ['aof_base_size', 'aof_base_size_bytes', 'Its size after the last rewrite'],
  ['aof_pending_rewrite', 'aof_pending_rewrite', '1 when a rewrite is to begin as soon as it can'],
  ['aof_buffer_length', 'aof_buffer_length', 'Bytes that wait to be written to it'],
  ['aof_pending_bio_fsync', 'aof_pending_bio_fsync', 'Syncs that are under way'],

  ['expired_stale_perc', 'expired_stale_percentage', 'Estimate of keys that are expired and still there'],
  [
    'current_eviction_exceeded_time',
    'current_eviction_exceeded_time_seconds',
    'How long memory has been over its limit',
    MILLISECOND,
  ],
  ['pubsub_channels', 'pubsub_channels', 'Channels that somebody is subscribed to'],
  ['pubsub_patterns', 'pubsub_patterns', 'Patterns that somebody is subscribed to'],
  ['pubsubshard_channels', 'pubsubshard_channels', 'Shard channels that somebody is subscribed to'],
  ['tracking_total_keys', 'tracking_total_keys', 'Keys that are tracked'],
  ['tracking_total_items', 'tracking_total_items', 'Tracked keys, counted for each client'],
  ['tracking_total_prefixes', 'tracking_total_prefixes', 'Prefixes that are tracked'],
  ['connected_slaves', 'connected_slaves', 'Replicas that are connected'],
  ['master_repl_offset', 'master_repl_offset', 'Offset of the replication stream'],
  ['repl_backlog_size', 'replication_backlog_bytes', 'Size of the replication backlog, as configured'],

  ['threads_started', 'clone_threads', 'Threads of the server'],
  [
    'lock_longest_wait_usec',
    'clone_lock_longest_wait_seconds',
    'Longest wait for the lock of the store',
    MICROSECOND,
  ],
  [
    'lock_longest_hold_usec',
    'clone_lock_longest_hold_seconds',
    'Longest time that a thread had the lock of the store',
    MICROSECOND,
  ],
  ['longest_command_usec', 'clone_longest_command_seconds', 'Longest command', MICROSECOND],
  ['longest_batch_usec', 'clone_longest_batch_seconds', 'Longest batch of commands', MICROSECOND],
];

const COUNTERS: readonly Row[] = [
  ['total_connections_received', 'connections_received_total', 'Connections that were accepted'],
  ['rejected_connections', 'rejected_connections_total', 'Connections that were refused'],
  ['total_commands_processed', 'commands_processed_total', 'Commands that were run'],
  ['total_net_input_bytes', 'net_input_bytes_total', 'Bytes received'],
  ['total_net_output_bytes', 'net_output_bytes_total', 'Bytes sent'],
  ['expired_keys', 'expired_keys_total', 'Keys that have expired'],
  ['expired_time_cap_reached_count', 'expired_time_cap_reached_total', 'Rounds of expiry cut short'],
  [
    'expire_cycle_cpu_milliseconds',
    'expire_cycle_cpu_time_seconds_total',
    'Time spent on expiry in the background',
    MILLISECOND,
  ],
  ['evicted_keys', 'evicted_keys_total', 'Keys that went to keep to maxmemory'],
  ['evicted_clients', 'evicted_clients_total', 'Clients that went to keep to maxmemory-clients'],
  [
    'total_eviction_exceeded_time',
    'eviction_exceeded_time_seconds_total',
    'Time that memory was over its limit',
    MILLISECOND,
  ],
  ['keyspace_hits', 'keyspace_hits_total', 'Reads that found their key'],
  ['keyspace_misses', 'keyspace_misses_total', 'Reads that did not find their key'],
  ['rdb_saves', 'rdb_saves_total', 'Snapshots saved'],
  ['aof_rewrites', 'aof_rewrites_total', 'Rewrites of the append-only file'],
  [
    'client_query_buffer_limit_disconnections',
    'client_query_buffer_limit_disconnections_total',
    'Clients cut off for too long a request',
  ],
  [
    'client_output_buffer_limit_disconnections',
    'client_output_buffer_limit_disconnections_total',
    'Clients cut off for not reading',
  ],
  ['used_cpu_sys', 'cpu_sys_seconds_total', 'Processor time in the system'],
  ['used_cpu_user', 'cpu_user_seconds_total', 'Processor time in the server itself'],
  ['used_cpu_sys_main_thread', 'cpu_sys_main_thread_seconds_total', 'The same of the main thread, system'],
  ['used_cpu_user_main_thread', 'cpu_user_main_thread_seconds_total', 'The same of the main thread, itself'],
  ['lock_acquisitions', 'clone_lock_acquisitions_total', 'How often a thread took the lock of the store'],
  ['lock_contended', 'clone_lock_contended_total', 'How often it had to wait for it'],
  ['lock_wait_usec', 'clone_lock_wait_seconds_total', 'Time that threads waited for it', MICROSECOND],
  ['lock_hold_usec', 'clone_lock_hold_seconds_total', 'Time that threads had it', MICROSECOND],
  ['aof_delayed_fsync', 'clone_aof_delayed_fsync_total', 'Writes that waited for a sync under way'],
];

const UNTYPED: readonly Row[] = [
  ['unexpected_error_replies', 'unexpected_error_replies', 'Errors of scripts and replicas'],
  ['total_error_replies', 'total_error_replies', 'Error replies'],
  [
    'dump_payload_sanitizations',
    'dump_payload_sanitizations',
    'Payloads of RESTORE that were checked deeply',
  ],
  ['total_reads_processed', 'total_reads_processed', 'Reads from sockets'],
  ['total_writes_processed', 'total_writes_processed', 'Writes to sockets'],
];

export const METRIC_ROWS: readonly MetricRow[] = [
  ...rows('gauge', GAUGES),
  ...rows('counter', COUNTERS),
  ...rows('untyped', UNTYPED),
];
