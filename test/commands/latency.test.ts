/** Behaviour of LATENCY and INFO latencystats: names and shapes, not how long something takes. */
import { OK, behaviour, error, integerBetween, map, matching, simple } from './behaviour.ts';
import type { Expected } from './behaviour.ts';

const SECONDS = integerBetween(1_600_000_000, 5_000_000_000);
/** What sleeps for 120 ms is slow; nothing else should be. */
const SETTINGS = { settings: { 'latency-monitor-threshold': '100' } } as const;
const MILLIS = integerBetween(100, 100_000);
const SLEEP = ['DEBUG SLEEP 0.12', OK] as const;

const MICROS = integerBetween(0, 2_000_000);

function arity(name: string): Expected {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

behaviour('LATENCY wants a subcommand', [
  ['LATENCY', arity('latency')],
  ['LATENCY foo', error("ERR unknown subcommand 'foo'. Try LATENCY HELP.")],
  ['LATENCY GRAPH', arity('latency|graph')],
  ['LATENCY HISTORY', arity('latency|history')],
  ['LATENCY LATEST x', arity('latency|latest')],
  ['LATENCY DOCTOR x', arity('latency|doctor')],
]);

behaviour('LATENCY HELP', [
  [
    'LATENCY HELP',
    [
      'LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
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
      'HELP',
      '    Prints this help.',
    ].map((line) => simple(line)),
  ],
]);

behaviour('while nothing was slow there is nothing to tell', [
  ['CONFIG SET latency-monitor-threshold 0', OK],
  ['LATENCY RESET', integerBetween(0, 10)],
  ['LATENCY LATEST', []],
  ['LATENCY HISTORY command', []],
  ['LATENCY GRAPH command', error("ERR No samples available for event 'command'")],
  ['LATENCY DOCTOR', matching(/^(txt:)?I'm sorry, Dave, I can't do that. Latency monitoring is disabled/)],
  ['CONFIG SET latency-monitor-threshold 60000', OK],
  ['LATENCY DOCTOR', matching(/^(txt:)?Dave, no latency spike was observed/)],
  ['LATENCY RESET command', 0],
]);

behaviour(
  'a slow command is an event',
  [
    ['LATENCY RESET', integerBetween(0, 10)],
    SLEEP,
    ['LATENCY LATEST', [['command', SECONDS, MILLIS, MILLIS]]],
    ['LATENCY HISTORY command', [[SECONDS, MILLIS]]],
    ['LATENCY HISTORY Command', []],
    [
      'LATENCY GRAPH command',
      matching(
        /^(txt:)?command - high (\d+) ms, low \2 ms \(all time high \2 ms\)\n-{80}\n \n \n \n_\n \n\d\ns\n$/,
      ),
    ],
    [
      'LATENCY DOCTOR',
      matching(
        new RegExp(
          String.raw`do you Dave\?\n\n1\. command: 1 latency spikes \(average \d+ms, mean deviation 0ms, ` +
            String.raw`period \d\.00 sec\)\. Worst all time event \d+ms\.\n\nI have a few advices for ` +
            String.raw`you:\n\n- Check your Slow Log [^\n]+\n- Deleting, [^\n]+\n$`,
        ),
      ),
    ],
    ['LATENCY RESET nothing COMMAND', 1],
    ['LATENCY LATEST', []],
  ],
  SETTINGS,
);

behaviour(
  'LATENCY DOCTOR recommends the slow log',
  [
    ['LATENCY RESET', integerBetween(0, 10)],
    ['CONFIG SET slowlog-log-slower-than -1', OK],
    SLEEP,
    ['LATENCY DOCTOR', matching(/for you:\n\n- There are latency [^\n]*slower-than 100000'[^\n]*\n- Check /)],
    ['CONFIG SET slowlog-log-slower-than 200000', OK],
    ['LATENCY DOCTOR', matching(/for you:\n\n- Your current Slow [^\n]*slower-than 100000'\.\n- Check /)],
    ['LATENCY RESET', 1],
  ],
  SETTINGS,
);

behaviour('LATENCY HISTOGRAM counts the calls of commands', [
  ['CONFIG RESETSTAT', OK],
  ['CONFIG SET latency-tracking yes', OK],
  ['LATENCY HISTOGRAM set nosuch get', map()],
  ['SET k v', OK],
  ['LATENCY HISTOGRAM set', map(['set', map(['calls', 1], ['histogram_usec', map([MICROS, 1])])])],
  ['CLIENT ID', integerBetween(1, 1e9)],
  [
    'LATENCY HISTOGRAM client nosuch SET',
    map(
      ['client|id', map(['calls', 1], ['histogram_usec', map([MICROS, 1])])],
      ['set', map(['calls', 1], ['histogram_usec', map([MICROS, 1])])],
    ),
  ],
  ['CONFIG SET latency-tracking no', OK],
  ['SET k v', OK],
  ['LATENCY HISTOGRAM set', map(['set', map(['calls', 1], ['histogram_usec', map([MICROS, 1])])])],
  ['CONFIG RESETSTAT', OK],
  ['LATENCY HISTOGRAM', map()],
]);

behaviour('INFO latencystats has the percentiles that are wanted', [
  ['CONFIG RESETSTAT', OK],
  ['CONFIG SET latency-tracking yes', OK],
  ['SET k v', OK],
  [
    'INFO latencystats',
    matching(/\r\nlatency_percentiles_usec_set:p50=\d+\.\d{3},p99=\d+\.\d{3},p99\.9=\d+\.\d{3}\r\n/),
  ],
  [['CONFIG', 'SET', 'latency-tracking-info-percentiles', '0 33.3 100'], OK],
  [
    'INFO latencystats',
    matching(
      /\r\nlatency_percentiles_usec_config\|resetstat:p0=\d+\.\d{3},p33\.3=\d+\.\d{3},p100=\d+\.\d{3}\r\n/,
    ),
  ],
  [['CONFIG', 'SET', 'latency-tracking-info-percentiles', ''], OK],
  ['INFO latencystats', matching(/\r\nlatency_percentiles_usec_set:\r\n/)],
]);
