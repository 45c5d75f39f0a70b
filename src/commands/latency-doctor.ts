/**
 * LATENCY DOCTOR: what was slow, and what may help (Redis 7.0 latency.c, createLatencyReport). Nothing is
 * said of forks and of huge pages, which make forks slow: there are none here.
 */
import type { LatencyEvent } from './services.ts';

/** What advices depend on besides the events. */
export interface DoctorFacts {
  readonly nowSeconds: number;
  /** -1 = the slow log is off. */
  readonly slowlogMicros: number;
  readonly thresholdMillis: number;
  /** `appendfsync` is `always`. */
  readonly syncsAlways: boolean;
  readonly hz: number;
}

const OFF =
  "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may " +
  'use "CONFIG ' +
  'SET latency-monitor-threshold <milliseconds>." in order to enable it. If we weren\'t in a deep ' +
  'space mission ' +
  "I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n";
const NOTHING =
  'Dave, no latency spike was observed during the lifetime of this Redis instance, not in the ' +
  'slightest bit. I ' +
  'honestly think you ought to sit down calmly, take a stress pill, and think things over.\n';
const GREETING =
  "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do " +
  'you Dave?\n\n';

const NO_ADVICE =
  "\nWhile there are latency events logged, I'm not able to suggest any easy fix. Please use the Redis " +
  'community to get some help, providing this report in your help request.\n';

type Advice =
  | 'slowlog-enable'
  | 'slowlog-tune'
  | 'slowlog-inspect'
  | 'scheduler'
  | 'local-disk'
  | 'ssd'
  | 'data-writeback'
  | 'disk-contention'
  | 'no-appendfsync'
  | 'relax-fsync'
  | 'write-load'
  | 'hz'
  | 'large-objects'
  | 'mass-eviction';

/** What helps against which event; of `command` see `advicesFor`. */
const ADVICES_OF_EVENT: Readonly<Record<string, readonly Advice[]>> = {
  command: ['slowlog-inspect', 'large-objects'],
  'fast-command': ['scheduler'],
  'aof-write-pending-fsync': ['local-disk', 'disk-contention', 'ssd', 'data-writeback'],
  'aof-write-active-child': ['no-appendfsync', 'data-writeback', 'ssd'],
  'aof-write-alone': ['local-disk', 'data-writeback', 'ssd'],
  'aof-fsync-always': ['relax-fsync'],
  'aof-fstat': ['disk-contention', 'local-disk'],
  'rdb-unlink-temp-file': ['disk-contention', 'local-disk'],
  'aof-rename': ['write-load', 'data-writeback', 'ssd', 'local-disk'],
  'expire-cycle': ['hz', 'large-objects'],
  'eviction-del': ['large-objects'],
  'eviction-cycle': ['mass-eviction'],
};

/** Each advice's text, in the order in which they are given; empty when it would change nothing. */
const ADVICES: readonly (readonly [Advice, (facts: DoctorFacts) => string])[] = [
  [
    'slowlog-enable',
    ({ thresholdMillis }) =>
      '- There are latency issues with potentially slow commands you are using. Try to enable the ' +
      'Slow Log Redis ' +
      `feature using the command 'CONFIG SET slowlog-log-slower-than ${thresholdMillis * 1000}'. If ` +
      `the Slow log ` +
      'is disabled Redis is not able to log slow commands execution for you.\n',
  ],
  [
    'slowlog-tune',
    ({ thresholdMillis }) =>
      '- Your current Slow Log configuration only logs events that are slower than your configured latency ' +
      `monitor threshold. Please use 'CONFIG SET slowlog-log-slower-than ${thresholdMillis * 1000}'.\n`,
  ],
  [
    'slowlog-inspect',
    () =>
      '- Check your Slow Log to understand what are the commands you are running which are too slow ' +
      'to execute. ' +
      'Please check https://redis.io/commands/slowlog for more information.\n',
  ],
  [
    'scheduler',
    () =>
      '- The system is slow to execute Redis code paths not containing system calls. This usually ' +
      'means the ' +
      'system does not provide Redis CPU time to run for long periods. You should try to:\n' +
      '  1) Lower the system load.\n' +
      '  2) Use a computer / VM just for Redis if you are running other software in the same system.\n' +
      '  3) Check if you have a "noisy neighbour" problem.\n' +
      "  4) Check with 'redis-cli --intrinsic-latency 100' what is the intrinsic latency in your system.\n" +
      '  5) Check if the problem is allocator-related by recompiling Redis with MALLOC=libc, if you ' +
      'are using ' +
      'Jemalloc. However this may create fragmentation problems.\n',
  ],
  [
    'local-disk',
    () =>
      '- It is strongly advised to use local disks for persistence, especially if you are using AOF. ' +
      'Remote disks provided by platform-as-a-service providers are known to be slow.\n',
  ],
  [
    'ssd',
    () =>
      '- SSD disks are able to reduce fsync latency, and total time needed for snapshotting and AOF log ' +
      'rewriting (resulting in smaller memory usage). With extremely high write load SSD disks can be ' +
      'a good option. However Redis should perform reasonably with high load using normal disks. Use ' +
      'this advice as a last resort.\n',
  ],
  [
    'data-writeback',
    () =>
      '- Mounting ext3/4 filesystems with data=writeback can provide a performance boost compared to ' +
      'data=ordered, however this mode of operation provides less guarantees, and sometimes it can happen ' +
      'that after a hard crash the AOF file will have a half-written command at the end and will require ' +
      'to be repaired before Redis restarts.\n',
  ],
  [
    'disk-contention',
    () =>
      '- Try to lower the disk contention. This is often caused by other disk intensive processes running ' +
      'in the same computer (including other Redis instances).\n',
  ],
  [
    'no-appendfsync',
    () =>
      '- Assuming from the point of view of data safety this is viable in your environment, you could try ' +
      "to enable the 'no-appendfsync-on-rewrite' option, so that fsync will not be performed while there " +
      'is a child rewriting the AOF file or producing an RDB file (the moment where there is high disk ' +
      'contention).\n',
  ],
  [
    'relax-fsync',
    ({ syncsAlways }) =>
      syncsAlways
        ? "- Your fsync policy is set to 'always'. It is very hard to get good performances with such a " +
          "setup, if possible try to relax the fsync policy to 'onesec'.\n"
        : '',
  ],
  [
    'write-load',
    () =>
      '- Latency during the AOF atomic rename operation or when the final difference is flushed to the AOF ' +
      'file at the end of the rewrite, sometimes is caused by very high write load, causing the AOF buffer ' +
      'to get very large. If possible try to send less commands to accomplish the same work, or use Lua ' +
      'scripts to group multiple operations into a single EVALSHA call.\n',
  ],
  [
    'hz',
    ({ hz }) =>
      hz < 100
        ? '- In order to make the Redis keys expiring process more incremental, try to set the ' +
          "'hz' configuration parameter to 100 using 'CONFIG SET hz 100'.\n"
        : '',
  ],
  [
    'large-objects',
    () =>
      '- Deleting, expiring or evicting (because of maxmemory policy) large objects is a blocking ' +
      'operation. If ' +
      'you have very large objects that are often deleted, expired, or evicted, try to fragment ' +
      'those objects into ' +
      'multiple smaller objects.\n',
  ],
  [
    'mass-eviction',
    () =>
      "- Sudden changes to the 'maxmemory' setting via 'CONFIG SET', or allocation of large objects via " +
      'sets or sorted sets intersections, STORE option of SORT, Redis Cluster large keys migrations ' +
      '(RESTORE command), may create sudden memory pressure forcing the server to block trying to evict ' +
      'keys. \n',
  ],
];

export function latencyDoctor(events: readonly LatencyEvent[], facts: DoctorFacts): string {
  if (events.length === 0) return facts.thresholdMillis === 0 ? OFF : NOTHING;
  const lines = events.map((event, i) => `${i + 1}. ${summary(event, facts.nowSeconds)}\n`).join('');
  const given = new Set(events.flatMap(({ name }) => advicesFor(name, facts)));
  if (given.size === 0) return `${GREETING}${lines}${NO_ADVICE}`;
  const advices = ADVICES.filter(([advice]) => given.has(advice)).map(([, text]) => text(facts));
  return `${GREETING}${lines}\nI have a few advices for you:\n\n${advices.join('')}`;
}

function advicesFor(event: string, { slowlogMicros, thresholdMillis }: DoctorFacts): readonly Advice[] {
  const advices = ADVICES_OF_EVENT[event] ?? [];
  if (event !== 'command') return advices;
  if (slowlogMicros < 0) return [...advices, 'slowlog-enable'];
  return Math.floor(slowlogMicros / 1000) > thresholdMillis ? [...advices, 'slowlog-tune'] : advices;
}

function summary({ name, samples, longestMillis }: LatencyEvent, nowSeconds: number): string {
  const count = samples.length;
  const mean = (values: readonly number[]) =>
    Math.floor(values.reduce((sum, value) => sum + value, 0) / count);
  const average = mean(samples.map(({ millis }) => millis));
  const deviation = mean(samples.map(({ millis }) => Math.abs(average - millis)));
  const period = nowSeconds - samples[0]!.seconds || 1;
  return (
    `${name}: ${count} latency spikes (average ${average}ms, mean deviation ${deviation}ms, period ` +
    `${(period / count).toFixed(2)} sec). Worst all time event ${longestMillis}ms.`
  );
}
