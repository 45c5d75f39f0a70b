/**
 * INFO: what the server knows about itself, with the sections, field names, order and number formats of Redis
 * 7.0 (server.c, genRedisInfoString). A field whose feature this server does not have shows the value that is
 * true here (`role:master`, `total_forks:0`); fields that Redis does not have stand at the end of their
 * section.
 *
 * `# Latencystats` is always empty: percentiles need a histogram per command, which is not kept.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { arch, machine, release, totalmem, type } from 'node:os';
import { memoryOverhead } from '../commands/memory-overhead.ts';
import type { CommandIndex } from '../commands/command-index.ts';
import type { MemoryFigures, PubSubService } from '../commands/services.ts';
import type { Config } from '../config/config.ts';
import { REDIS_VERSION } from '../config/help.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Allocator } from '../memory/allocator.ts';
import { bytesToHuman, formatPercent } from '../util/memory-size.ts';
import { formatFixed } from '../util/numbers.ts';
import { STATE_THREAD_COUNT } from './shared-state.ts';
import type { CommandFigures, Statistics } from './statistics.ts';
import type { LatencyHistograms } from './latency-histogram.ts';

/** What does not change while the server runs. */
export interface ProcessFacts {
  /** This server's own version. */
  readonly version: string;
  readonly pid: number;
  /** 40 hexadecimal digits, random. */
  readonly runId: string;
  /** Who watches the process: `systemd` or `no`. */
  readonly supervisor: string;
  readonly startMillis: number;
  /** What was started, an absolute path. */
  readonly executable: string;
  /** Absolute path, or empty. */
  readonly configFile: string;
  readonly port: number;
  /** How sockets are served: `epoll` or `node`. */
  readonly io: string;
}

export interface TrackingFigures {
  readonly clientCount: number;
  /** Keys that clients may hold, holdings of them by clients, and prefixes in broadcasting mode. */
  readonly keyCount: number;
  readonly itemCount: number;
  readonly prefixCount: number;
}

export interface ClientFigures {
  readonly connected: number;
  /** Bytes of the largest input buffer, and of the largest reply that waits to be sent. */
  readonly largestInput: number;
  readonly largestOutput: number;
  /** Clients whose command waits for the end of CLIENT PAUSE. */
  readonly blocked: number;
  /** Of these, the clients whose wait ends by itself. */
  readonly waitingForTime: number;
}

/** Times in seconds, -1 for never; Unix times in seconds. */
export interface PersistenceFigures {
  /** What is being loaded, or undefined. */
  readonly loading: LoadingFigures | undefined;
  readonly isLoading: boolean;
  readonly isSaving: boolean;
  readonly savedKeys: number;
  readonly keysToSave: number;
  readonly lastSaveTime: number;
  readonly lastSaveOk: boolean;
  readonly lastSaveSeconds: number;
  readonly currentSaveSeconds: number;
  readonly saves: number;
  readonly lastLoadKeysExpired: number;
  readonly lastLoadKeysLoaded: number;
  readonly isRewriting: boolean;
  readonly isRewriteScheduled: boolean;
  readonly lastRewriteSeconds: number;
  readonly currentRewriteSeconds: number;
  readonly lastRewriteOk: boolean;
  readonly rewrites: number;
  readonly rewriteFailuresInARow: number;
  readonly lastWriteOk: boolean;
  /** Undefined while the append-only file is off. */
  readonly appendOnlyFile: AppendOnlyFigures | undefined;
}

export interface LoadingFigures {
  readonly startMillis: number;
  readonly totalBytes: number;
  readonly loadedBytes: number;
  readonly usedMemoryAtSave: number;
}

export interface AppendOnlyFigures {
  readonly currentBytes: number;
  readonly baseBytes: number;
  readonly bufferBytes: number;
  readonly pendingSyncs: number;
  readonly delayedSyncs: number;
}

export interface InfoSources {
  readonly process: ProcessFacts;
  /** Unix time in ms; fractions are welcome. */
  readonly nowMillis: number;
  /** Of the process' clock. */
  readonly nowMicros: number;
  readonly config: Config;
  readonly commands: CommandIndex;
  readonly histograms: LatencyHistograms;
  readonly keyspace: Keyspace;
  readonly allocator: Allocator;
  readonly statistics: Statistics;
  readonly pubsub: PubSubService;
  readonly tracking: TrackingFigures;
  readonly memory: MemoryFigures;
  readonly clients: ClientFigures;
  readonly persistence: PersistenceFigures;
}

const SIXTY_FOUR_BITS: ReadonlySet<string> = new Set([
  'arm64',
  'loong64',
  'ppc64',
  'riscv64',
  's390x',
  'x64',
]);
const SECONDS_PER_DAY = 86_400;
const LRU_CLOCK_MASK = 0xffffff;

type Fields = Readonly<Record<string, string | number>>;

interface Section {
  readonly title: string;
  /** Names that ask for it. */
  readonly names: readonly string[];
  /** Shown without arguments and for `default`. */
  readonly isDefault: boolean;
  readonly fields: (sources: InfoSources) => Fields;
}

const SECTIONS: readonly Section[] = [
  { title: 'Server', names: ['server'], isDefault: true, fields: serverFields },
  { title: 'Clients', names: ['clients'], isDefault: true, fields: clientFields },
  { title: 'Memory', names: ['memory'], isDefault: true, fields: memoryFields },
  { title: 'Persistence', names: ['persistence'], isDefault: true, fields: persistenceFields },
  { title: 'Stats', names: ['stats'], isDefault: true, fields: statFields },
  { title: 'Replication', names: ['replication'], isDefault: true, fields: replicationFields },
  { title: 'CPU', names: ['cpu'], isDefault: true, fields: cpuFields },
  { title: 'Modules', names: ['modules', 'module_list'], isDefault: true, fields: () => ({}) },
  { title: 'Commandstats', names: ['commandstats'], isDefault: false, fields: commandFields },
  { title: 'Errorstats', names: ['errorstats'], isDefault: true, fields: errorFields },
  { title: 'Latencystats', names: ['latencystats'], isDefault: false, fields: latencyFields },
  { title: 'Cluster', names: ['cluster'], isDefault: true, fields: () => ({ cluster_enabled: 0 }) },
  { title: 'Keyspace', names: ['keyspace'], isDefault: true, fields: keyspaceFields },
];

/**
 * The text of INFO. @param names sections in lower case, none for the default ones; unknown ones are ignored
 */
export function buildInfo(sources: InfoSources, names: readonly string[]): string {
  const hasAll = names.includes('all') || names.includes('everything');
  const hasDefault = names.length === 0 || names.includes('default');
  return SECTIONS.filter(
    (section) =>
      hasAll || (hasDefault && section.isDefault) || section.names.some((name) => names.includes(name)),
  )
    .map((section) => renderSection(section.title, section.fields(sources)))
    .join('\r\n');
}

function renderSection(title: string, fields: Fields): string {
  let text = `# ${title}\r\n`;
  for (const [name, value] of Object.entries(fields)) text += `${name}:${value}\r\n`;
  return text;
}

function serverFields({ process: facts, nowMillis, config, allocator }: InfoSources): Fields {
  const seconds = Math.floor(nowMillis / 1000);
  const uptime = Math.max(0, seconds - Math.floor(facts.startMillis / 1000));
  return {
    redis_version: REDIS_VERSION,
    redis_git_sha1: '00000000',
    redis_git_dirty: 0,
    redis_build_id: 0,
    redis_mode: 'standalone',
    os: `${type()} ${release()} ${machine()}`,
    arch_bits: SIXTY_FOUR_BITS.has(arch()) ? 64 : 32,
    monotonic_clock: 'POSIX clock_gettime',
    multiplexing_api: facts.io,
    atomicvar_api: 'js-atomics',
    gcc_version: '0.0.0',
    process_id: facts.pid,
    process_supervised: facts.supervisor,
    run_id: facts.runId,
    tcp_port: facts.port,
    server_time_usec: Math.floor(nowMillis * 1000),
    uptime_in_seconds: uptime,
    uptime_in_days: Math.floor(uptime / SECONDS_PER_DAY),
    hz: config.values.hz,
    configured_hz: config.values.hz,
    lru_clock: seconds & LRU_CLOCK_MASK,
    executable: facts.executable,
    config_file: facts.configFile,
    io_threads_active: 0,
    server_name: 'redis-clone-ts',
    redis_clone_version: facts.version,
    server_mode: config.values.mode,
    io_transport: facts.io,
    threads_started: allocator.arena.control[STATE_THREAD_COUNT]!,
    node_version: process.versions.node,
  };
}

function clientFields({ clients, config, statistics, tracking }: InfoSources): Fields {
  return {
    connected_clients: clients.connected,
    cluster_connections: 0,
    maxclients: config.values.maxclients,
    client_recent_max_input_buffer: clients.largestInput,
    client_recent_max_output_buffer: clients.largestOutput,
    blocked_clients: clients.blocked,
    tracking_clients: tracking.clientCount,
    clients_in_timeout_table: clients.waitingForTime,
    peak_connected_clients: statistics.get('peakClients'),
  };
}

function memoryFields({ memory, keyspace, config, allocator }: InfoSources): Fields {
  const overhead = memoryOverhead(memory, keyCount(keyspace));
  const systemBytes = totalmem();
  return {
    ...amount('used_memory', memory.used),
    ...amount('used_memory_rss', memory.resident),
    ...amount('used_memory_peak', memory.peak),
    used_memory_peak_perc: formatPercent(memory.used, memory.peak),
    used_memory_overhead: overhead.overhead,
    used_memory_startup: memory.startup,
    used_memory_dataset: overhead.dataset,
    used_memory_dataset_perc: `${formatFixed(overhead.datasetPercentage, 2)}%`,
    allocator_allocated: memory.used,
    allocator_active: memory.allocatorActive,
    allocator_resident: memory.allocatorResident,
    ...amount('total_system_memory', systemBytes),
    used_memory_lua: 0,
    used_memory_vm_eval: 0,
    used_memory_lua_human: bytesToHuman(0),
    used_memory_scripts_eval: 0,
    number_of_cached_scripts: 0,
    number_of_functions: 0,
    number_of_libraries: 0,
    used_memory_vm_functions: 0,
    ...amount('used_memory_vm_total', 0),
    used_memory_functions: 0,
    ...amount('used_memory_scripts', 0),
    ...amount('maxmemory', config.values.maxmemory),
    maxmemory_policy: config.values['maxmemory-policy'],
    allocator_frag_ratio: formatFixed(overhead.allocatorFragmentation.ratio, 2),
    allocator_frag_bytes: overhead.allocatorFragmentation.bytes,
    allocator_rss_ratio: formatFixed(overhead.allocatorResident.ratio, 2),
    allocator_rss_bytes: overhead.allocatorResident.bytes,
    rss_overhead_ratio: formatFixed(overhead.processOverhead.ratio, 2),
    rss_overhead_bytes: overhead.processOverhead.bytes,
    mem_fragmentation_ratio: formatFixed(overhead.fragmentation.ratio, 2),
    mem_fragmentation_bytes: overhead.fragmentation.bytes,
    mem_not_counted_for_evict: memory.notCountedForEviction,
    mem_replication_backlog: 0,
    mem_total_replication_buffers: 0,
    mem_clients_slaves: 0,
    mem_clients_normal: memory.clients,
    mem_cluster_links: 0,
    mem_aof_buffer: 0,
    mem_allocator: 'redis-clone-ts-arena',
    active_defrag_running: 0,
    lazyfree_pending_objects: keyspace.lazyPendingCount,
    lazyfreed_objects: keyspace.counter('lazyFreed'),
    arena_segments: allocator.arena.segmentCount,
  };
}

/** A number of bytes, and the same for people. */
function amount(name: string, bytes: number): Fields {
  return { [name]: bytes, [`${name}_human`]: bytesToHuman(bytes) };
}

function persistenceFields(sources: InfoSources): Fields {
  const { keyspace, persistence, nowMillis } = sources;
  const { appendOnlyFile: aof } = persistence;
  return {
    loading: Number(persistence.isLoading),
    async_loading: 0,
    // Nothing is copied on write: a snapshot reads the memory of the server itself.
    current_cow_peak: 0,
    current_cow_size: 0,
    current_cow_size_age: 0,
    current_fork_perc: formatFixed(shareOf(persistence.savedKeys, persistence.keysToSave), 2),
    current_save_keys_processed: persistence.savedKeys,
    current_save_keys_total: persistence.keysToSave,
    rdb_changes_since_last_save: keyspace.dirty,
    rdb_bgsave_in_progress: Number(persistence.isSaving),
    rdb_last_save_time: persistence.lastSaveTime,
    rdb_last_bgsave_status: status(persistence.lastSaveOk),
    rdb_last_bgsave_time_sec: persistence.lastSaveSeconds,
    rdb_current_bgsave_time_sec: persistence.currentSaveSeconds,
    rdb_saves: persistence.saves,
    rdb_last_cow_size: 0,
    rdb_last_load_keys_expired: persistence.lastLoadKeysExpired,
    rdb_last_load_keys_loaded: persistence.lastLoadKeysLoaded,
    aof_enabled: Number(aof !== undefined),
    aof_rewrite_in_progress: Number(persistence.isRewriting),
    aof_rewrite_scheduled: Number(persistence.isRewriteScheduled),
    aof_last_rewrite_time_sec: persistence.lastRewriteSeconds,
    aof_current_rewrite_time_sec: persistence.currentRewriteSeconds,
    aof_last_bgrewrite_status: status(persistence.lastRewriteOk),
    aof_rewrites: persistence.rewrites,
    aof_rewrites_consecutive_failures: persistence.rewriteFailuresInARow,
    aof_last_write_status: status(persistence.lastWriteOk),
    aof_last_cow_size: 0,
    module_fork_in_progress: 0,
    module_fork_last_cow_size: 0,
    ...(aof === undefined ? {} : appendOnlyFields(aof, persistence)),
    ...(persistence.loading === undefined ? {} : loadingFields(persistence.loading, nowMillis)),
  };
}

function appendOnlyFields(aof: AppendOnlyFigures, { isRewriteScheduled }: PersistenceFigures): Fields {
  return {
    aof_current_size: aof.currentBytes,
    aof_base_size: aof.baseBytes,
    aof_pending_rewrite: Number(isRewriteScheduled),
    aof_buffer_length: aof.bufferBytes,
    aof_pending_bio_fsync: aof.pendingSyncs,
    aof_delayed_fsync: aof.delayedSyncs,
  };
}

function loadingFields(loading: LoadingFigures, nowMillis: number): Fields {
  const { startMillis, totalBytes, loadedBytes, usedMemoryAtSave } = loading;
  const elapsedSeconds = Math.max(1, nowMillis - startMillis) / 1000;
  const bytesPerSecond = loadedBytes / elapsedSeconds;
  const eta = loadedBytes === 0 ? 1 : Math.ceil((totalBytes - loadedBytes) / bytesPerSecond);
  return {
    loading_start_time: Math.floor(startMillis / 1000),
    loading_total_bytes: totalBytes,
    loading_rdb_used_mem: usedMemoryAtSave,
    loading_loaded_bytes: loadedBytes,
    loading_loaded_perc: formatFixed(shareOf(loadedBytes, totalBytes), 2),
    loading_eta_seconds: eta,
  };
}

function shareOf(part: number, whole: number): number {
  return whole === 0 ? 0 : (part / whole) * 100;
}

function status(isOk: boolean): string {
  return isOk ? 'ok' : 'err';
}

/** For how long there has been more in use than `maxmemory` allows. */
function exceededMillis(statistics: Statistics, nowMicros: number): number {
  const since = statistics.get('evictionExceededSince');
  return since === 0 ? 0 : Math.floor((nowMicros - since) / 1000);
}

function statFields({ statistics, keyspace, pubsub, tracking, nowMicros }: InfoSources): Fields {
  const { lock } = statistics;
  const kilobytes = (bytesPerSecond: number) => formatFixed(bytesPerSecond / 1024, 2);
  return {
    total_connections_received: statistics.get('connectionsReceived'),
    total_commands_processed: statistics.get('commandsProcessed'),
    instantaneous_ops_per_sec: Math.floor(statistics.rate('commandsProcessed')),
    total_net_input_bytes: statistics.get('netInputBytes'),
    total_net_output_bytes: statistics.get('netOutputBytes'),
    total_net_repl_input_bytes: 0,
    total_net_repl_output_bytes: 0,
    instantaneous_input_kbps: kilobytes(statistics.rate('netInputBytes')),
    instantaneous_output_kbps: kilobytes(statistics.rate('netOutputBytes')),
    instantaneous_input_repl_kbps: kilobytes(0),
    instantaneous_output_repl_kbps: kilobytes(0),
    rejected_connections: statistics.get('connectionsRejected'),
    sync_full: 0,
    sync_partial_ok: 0,
    sync_partial_err: 0,
    expired_keys: keyspace.counter('expired'),
    expired_stale_perc: formatFixed(keyspace.counter('expiredStaleRatio') * 100, 2),
    expired_time_cap_reached_count: keyspace.counter('expiredTimeCapReached'),
    expire_cycle_cpu_milliseconds: Math.floor(keyspace.counter('expireCycleMicros') / 1000),
    evicted_keys: keyspace.counter('evicted'),
    evicted_clients: statistics.get('evictedClients'),
    total_eviction_exceeded_time: Math.floor(statistics.get('evictionExceededMicros') / 1000),
    current_eviction_exceeded_time: exceededMillis(statistics, nowMicros),
    keyspace_hits: keyspace.counter('hits'),
    keyspace_misses: keyspace.counter('misses'),
    pubsub_channels: pubsub.topicCount('channel'),
    pubsub_patterns: pubsub.topicCount('pattern'),
    pubsubshard_channels: pubsub.topicCount('shard'),
    latest_fork_usec: 0,
    total_forks: 0,
    migrate_cached_sockets: 0,
    slave_expires_tracked_keys: 0,
    active_defrag_hits: 0,
    active_defrag_misses: 0,
    active_defrag_key_hits: 0,
    active_defrag_key_misses: 0,
    total_active_defrag_time: 0,
    current_active_defrag_time: 0,
    tracking_total_keys: tracking.keyCount,
    tracking_total_items: tracking.itemCount,
    tracking_total_prefixes: tracking.prefixCount,
    unexpected_error_replies: statistics.get('unexpectedErrorReplies'),
    total_error_replies: statistics.get('totalErrorReplies'),
    dump_payload_sanitizations: statistics.get('dumpPayloadSanitizations'),
    total_reads_processed: statistics.get('totalReads'),
    total_writes_processed: statistics.get('totalWrites'),
    io_threaded_reads_processed: 0,
    io_threaded_writes_processed: 0,
    reply_buffer_shrinks: 0,
    reply_buffer_expands: 0,
    client_query_buffer_limit_disconnections: statistics.get('clientQueryLimitDisconnections'),
    client_output_buffer_limit_disconnections: statistics.get('clientOutputLimitDisconnections'),
    longest_command_usec: statistics.get('longestCommandMicros'),
    longest_batch_usec: statistics.get('longestBatchMicros'),
    cron_runs: statistics.get('cronRuns'),
    lock_acquisitions: lock.acquisitions,
    lock_contended: lock.contended,
    lock_wait_usec: lock.waitMicros,
    lock_longest_wait_usec: lock.longestWaitMicros,
    lock_hold_usec: lock.holdMicros,
    lock_longest_hold_usec: lock.longestHoldMicros,
  };
}

function replicationFields({ process: facts, config }: InfoSources): Fields {
  return {
    role: 'master',
    connected_slaves: 0,
    master_failover_state: 'no-failover',
    // Random like the run id, and the same for all threads.
    master_replid: createHash('sha1').update(facts.runId).digest('hex'),
    master_replid2: '0'.repeat(40),
    master_repl_offset: 0,
    second_repl_offset: -1,
    repl_backlog_active: 0,
    repl_backlog_size: config.values['repl-backlog-size'],
    repl_backlog_first_byte_offset: 0,
    repl_backlog_histlen: 0,
  };
}

function cpuFields(): Fields {
  const { system, user } = process.cpuUsage();
  const main = mainThreadSeconds();
  return {
    used_cpu_sys: formatFixed(system / 1e6, 6),
    used_cpu_user: formatFixed(user / 1e6, 6),
    // There are no child processes.
    used_cpu_sys_children: formatFixed(0, 6),
    used_cpu_user_children: formatFixed(0, 6),
    ...(main === undefined
      ? {}
      : {
          used_cpu_sys_main_thread: formatFixed(main.system, 6),
          used_cpu_user_main_thread: formatFixed(main.user, 6),
        }),
  };
}

/** Linux counts threads' times in ticks of that length (proc(5)). */
const TICKS_PER_SECOND = 100;
/** Fields of /proc/…/stat after the command's name, which is in parentheses. */
const STAT_USER = 11;
const STAT_SYSTEM = 12;

/** CPU time of the main thread; undefined where the system does not tell. */
function mainThreadSeconds(): { readonly user: number; readonly system: number } | undefined {
  try {
    const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      user: Number(fields[STAT_USER]) / TICKS_PER_SECOND,
      system: Number(fields[STAT_SYSTEM]) / TICKS_PER_SECOND,
    };
  } catch {
    return undefined;
  }
}

function commandFields({ statistics, commands }: InfoSources): Fields {
  const fields: Record<string, string> = {};
  statistics.forEachCommand((figures) => {
    fields[`cmdstat_${safeName(commands.all[figures.id]!.fullName)}`] = commandLine(figures);
  });
  return fields;
}

function commandLine({ calls, micros, rejectedCalls, failedCalls }: CommandFigures): string {
  const usec = Math.floor(micros);
  return [
    `calls=${calls}`,
    `usec=${usec}`,
    `usec_per_call=${formatFixed(calls === 0 ? 0 : Math.fround(usec / calls), 2)}`,
    `rejected_calls=${rejectedCalls}`,
    `failed_calls=${failedCalls}`,
  ].join(',');
}

/** Within how many microseconds so many per cent of the calls were done (server.c, genRedisInfoString). */
function latencyFields({ commands, config, histograms }: InfoSources): Fields {
  const fields: Record<string, string> = {};
  const percentiles = config.values['latency-tracking-info-percentiles'];
  for (const { id, fullName } of commands.all) {
    if (histograms.callsOf(id) === 0) continue;
    fields[`latency_percentiles_usec_${safeName(fullName)}`] = percentiles
      .map((percent) => `p${percent}=${(histograms.percentile(id, percent) / 1000).toFixed(3)}`)
      .join(',');
  }
  return fields;
}

function errorFields({ statistics }: InfoSources): Fields {
  const fields: Record<string, string> = {};
  statistics.forEachError((code, count) => {
    fields[`errorstat_${safeName(code)}`] = `count=${count}`;
  });
  return fields;
}

/** Names that clients choose must not look like another line (server.c, getSafeInfoString). */
function safeName(name: string): string {
  return name.replace(/[#:\n\r]/g, '_');
}

function keyspaceFields({ keyspace }: InfoSources): Fields {
  const fields: Record<string, string> = {};
  for (const { index, keyCount: keys, expiringCount, averageTtl } of keyspace.databases) {
    if (keys > 0)
      fields[`db${index}`] = `keys=${keys},expires=${expiringCount},avg_ttl=${Math.floor(averageTtl)}`;
  }
  return fields;
}

function keyCount(keyspace: Keyspace): number {
  return keyspace.databases.reduce((sum, database) => sum + database.keyCount, 0);
}
