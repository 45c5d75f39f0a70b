/** LATENCY: what was slow, and how long commands take (Redis 7.0 latency.c, latencyCommand). */
import { ErrorReply } from '../protocol/error-reply.ts';
import { string } from './arguments.ts';
import type { Call } from './call.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';
import { latencyDoctor } from './latency-doctor.ts';
import { latencyGraph } from './latency-graph.ts';
import type { RuntimeCommand } from './runtime-command.ts';

const OF_EACH_NODE = ['nondeterministic_output', 'request_policy:all_nodes', 'response_policy:special'];

export const LATENCY_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'latency',
    arity: -2,
    flags: [],
    since: '2.8.13',
    summary: 'A container for latency diagnostics commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'doctor',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.8.13',
        summary: 'Return a human readable latency analysis report.',
        complexity: 'O(1)',
        tips: OF_EACH_NODE,
        run: doctor,
      },
      {
        name: 'graph',
        arity: 3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.8.13',
        summary: 'Return a latency graph for the event.',
        complexity: 'O(1)',
        tips: OF_EACH_NODE,
        arguments: [string('event')],
        run: graph,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '2.8.13',
        summary: 'Show helpful text about the different subcommands.',
        complexity: 'O(1)',
        run: help,
      },
      {
        name: 'histogram',
        arity: -2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '7.0.0',
        summary: 'Return the cumulative distribution of latencies of a subset of commands or all.',
        complexity: 'O(N) where N is the number of commands with latency information being retrieved.',
        tips: OF_EACH_NODE,
        arguments: [string('command', { optional: true, multiple: true })],
        run: histogram,
      },
      {
        name: 'history',
        arity: 3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.8.13',
        summary: 'Return timestamp-latency samples for the event.',
        complexity: 'O(1)',
        tips: OF_EACH_NODE,
        arguments: [string('event')],
        run: history,
      },
      {
        name: 'latest',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.8.13',
        summary: 'Return the latest latency samples for all events.',
        complexity: 'O(1)',
        tips: OF_EACH_NODE,
        run: latest,
      },
      {
        name: 'reset',
        arity: -2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        since: '2.8.13',
        summary: 'Reset latency data for one or more events.',
        complexity: 'O(1)',
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        arguments: [string('event', { optional: true, multiple: true })],
        run: reset,
      },
    ],
  },
]);

const HELP = [
  'DOCTOR',
  '    Return a human readable latency analysis report.',
  'GRAPH <event>',
  '    Return an ASCII latency graph for the <event> class.',
  'HISTORY <event>',
  '    Return time-latency samples for the <event> class.',
  'LATEST',
  '    Return the latest latency samples for all events.',
  'RESET [<event> ...]',
  '    Reset latency data of one or more <event> classes.',
  '    (default: reset all data for all event classes)',
  'HISTOGRAM [COMMAND ...]',
  '    Return a cumulative distribution of latencies in the format of a histogram for the specified ' +
    'command names.',
  '    If no commands are specified then all histograms are replied.',
];

/** LATENCY DOCTOR */
function doctor({ reply, services, config, now }: Call): void {
  const { values } = config;
  reply.verbatim(
    'txt',
    latencyDoctor(services.latency.events(), {
      nowSeconds: Math.floor(now / 1000),
      slowlogMicros: Number(values['slowlog-log-slower-than']),
      thresholdMillis: Number(values['latency-monitor-threshold']),
      syncsAlways: values.appendfsync === 'always',
      hz: Number(values.hz),
    }),
  );
}

/** LATENCY GRAPH event */
function graph({ request, reply, services, now }: Call): void {
  const event = services.latency.event(request.text(2));
  if (event === undefined) throw new ErrorReply(`ERR No samples available for event '${request.text(2)}'`);
  reply.verbatim('txt', latencyGraph(event, Math.floor(now / 1000)));
}

/** LATENCY HELP */
function help(call: Call): void {
  replyHelp(call, HELP);
}

/** LATENCY HISTOGRAM [command [command ...]] */
function histogram({ request, reply, services, argumentCount }: Call): void {
  const { commands, latency } = services;
  let wanted: readonly RuntimeCommand[] = commands.all;
  if (argumentCount > 2) {
    const names = Array.from({ length: argumentCount - 2 }, (_, i) => request.text(i + 2));
    wanted = names.flatMap((name) => {
      const command = commands.findByFullName(name);
      return command === undefined ? [] : [command, ...(command.subcommands?.values() ?? [])];
    });
  }
  const timed = wanted.filter(({ id }) => latency.callsOf(id) > 0);
  reply.map(timed.length);
  for (const { id, fullName } of timed) {
    const steps = latency.stepsOf(id);
    reply.bulkText(fullName);
    reply.map(2);
    reply.bulkText('calls');
    reply.integer(latency.callsOf(id));
    reply.bulkText('histogram_usec');
    reply.map(steps.length);
    for (const [micros, calls] of steps) {
      reply.integer(micros);
      reply.integer(calls);
    }
  }
}

/** LATENCY HISTORY event */
function history({ request, reply, services }: Call): void {
  const samples = services.latency.event(request.text(2))?.samples ?? [];
  reply.array(samples.length);
  for (const { seconds, millis } of samples) {
    reply.array(2);
    reply.integer(seconds);
    reply.integer(millis);
  }
}

/** LATENCY LATEST */
function latest({ reply, services }: Call): void {
  const events = services.latency.events();
  reply.array(events.length);
  for (const { name, samples, longestMillis } of events) {
    const last = samples.at(-1)!;
    reply.array(4);
    reply.bulkText(name);
    reply.integer(last.seconds);
    reply.integer(last.millis);
    reply.integer(longestMillis);
  }
}

/** LATENCY RESET [event [event ...]] */
function reset({ request, reply, services, argumentCount }: Call): void {
  let count = 0;
  if (argumentCount === 2) count = services.latency.reset();
  for (let i = 2; i < argumentCount; i++) count += services.latency.reset(request.text(i));
  reply.integer(count);
}
