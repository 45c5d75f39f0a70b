/** LATENCY DOCTOR: what was slow, and what may help (Redis 7.0 latency.c, createLatencyReport). The
 * events here are `command` and `fast-command`, each with advices of its own. */
import type { LatencyEvent } from './services.ts';

export interface DoctorFacts {
  readonly nowSeconds: number;
  /** -1 = the slow log is off. */
  readonly slowlogMicros: number;
  readonly thresholdMillis: number;
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

/** An advice, in the order in which they are given. */
type Advice = 'slowlog-enable' | 'slowlog-tune' | 'slowlog-inspect' | 'scheduler' | 'large-objects';

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
    'large-objects',
    () =>
      '- Deleting, expiring or evicting (because of maxmemory policy) large objects is a blocking ' +
      'operation. If ' +
      'you have very large objects that are often deleted, expired, or evicted, try to fragment ' +
      'those objects into ' +
      'multiple smaller objects.\n',
  ],
];

export function latencyDoctor(events: readonly LatencyEvent[], facts: DoctorFacts): string {
  if (events.length === 0) return facts.thresholdMillis === 0 ? OFF : NOTHING;
  const given = new Set(events.flatMap(({ name }) => advicesFor(name, facts)));
  const advices = ADVICES.filter(([advice]) => given.has(advice)).map(([, text]) => text(facts));
  const lines = events.map((event, i) => `${i + 1}. ${summary(event, facts.nowSeconds)}\n`);
  return `${GREETING}${lines.join('')}\nI have a few advices for you:\n\n${advices.join('')}`;
}

function advicesFor(event: string, { slowlogMicros, thresholdMillis }: DoctorFacts): Advice[] {
  if (event !== 'command') return ['scheduler'];
  const advices: Advice[] = ['slowlog-inspect', 'large-objects'];
  if (slowlogMicros < 0) advices.push('slowlog-enable');
  else if (Math.floor(slowlogMicros / 1000) > thresholdMillis) advices.push('slowlog-tune');
  return advices;
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
