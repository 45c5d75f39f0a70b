/** Behaviour of CONFIG; the directives themselves are tested beside src/config. */
import { behaviour, error, map, OK, on, QUEUED, simple, unordered } from './behaviour.ts';

behaviour('CONFIG GET by name and by pattern', [
  ['CONFIG GET maxmemory-samples', map(['maxmemory-samples', '5'])],
  ['CONFIG GET MaxMemory-Samples', map(['MaxMemory-Samples', '5'])],
  ['CONFIG GET maxmemory-samples nosuch maxmemory-samples', map(['maxmemory-samples', '5'])],
  ['CONFIG GET nosuch', map()],
  [
    'CONFIG GET hash-max-*-entrie[s] nosuch*',
    unordered('hash-max-listpack-entries', '512', 'hash-max-ziplist-entries', '512'),
  ],
  ['CONFIG GET', error("ERR wrong number of arguments for 'config|get' command")],
]);

behaviour('CONFIG SET changes all of its directives or none', [
  ['CONFIG SET maxmemory-samples 7 lfu-log-factor 11', OK],
  on('other', 'CONFIG GET maxmemory-samples', map(['maxmemory-samples', '7'])),
  [
    'CONFIG SET lfu-log-factor 12 maxmemory-samples none',
    error(
      "ERR CONFIG SET failed (possibly related to argument 'maxmemory-samples') - " +
        "argument couldn't be parsed into an integer",
    ),
  ],
  ['CONFIG GET lfu-log-factor', map(['lfu-log-factor', '11'])],
  ['CONFIG SET maxmemory-samples 5 lfu-log-factor 10', OK],
]);

behaviour('CONFIG SET refuses', [
  ['CONFIG SET maxmemory', error("ERR wrong number of arguments for 'config|set' command")],
  ['CONFIG SET maxmemory 0 save', error('ERR syntax error')],
  ['CONFIG SET nosuch 1', error("ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'")],
  [
    ['CONFIG', 'SET', 'ñ\r\nb', '1'],
    error("ERR Unknown option or number of arguments for CONFIG SET - 'ñ  b'"),
  ],
  [
    'CONFIG SET databases 1',
    error("ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"),
  ],
  [
    'CONFIG SET maxmemory 0 MAXMEMORY 1',
    error("ERR CONFIG SET failed (possibly related to argument 'MAXMEMORY') - duplicate parameter"),
  ],
]);

behaviour('CONFIG within a transaction', [
  ['MULTI', OK],
  ['CONFIG SET maxmemory-samples 6', QUEUED],
  ['CONFIG GET maxmemory-samples', QUEUED],
  ['CONFIG SET maxmemory-samples 5', QUEUED],
  ['EXEC', [OK, map(['maxmemory-samples', '6']), OK]],
]);

behaviour('CONFIG RESETSTAT and REWRITE', [
  ['CONFIG RESETSTAT', OK],
  ['CONFIG RESETSTAT x', error("ERR wrong number of arguments for 'config|resetstat' command")],
  ['CONFIG REWRITE', error('ERR The server is running without a config file')],
]);

behaviour('CONFIG HELP, and what is no subcommand', [
  ['CONFIG NOSUCH', error("ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP.")],
  ['CONFIG', error("ERR wrong number of arguments for 'config' command")],
  [
    'CONFIG HELP',
    [
      'CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'GET <pattern>',
      '    Return parameters matching the glob-like <pattern> and their values.',
      'SET <directive> <value>',
      '    Set the configuration <directive> to <value>.',
      'RESETSTAT',
      '    Reset statistics reported by the INFO command.',
      'REWRITE',
      '    Rewrite the configuration file.',
      'HELP',
      '    Prints this help.',
    ].map(simple),
  ],
]);
