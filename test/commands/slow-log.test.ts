/** Behaviour of SLOWLOG. Everything is logged here; what takes how long is not looked at. */
import { OK, behaviour, error, integerBetween, matching, simple } from './behaviour.ts';
import type { Expected } from './behaviour.ts';

const BAD_COUNT = error('ERR count should be greater than or equal to -1');

function entry(args: readonly Expected[], name = ''): Expected {
  const seconds = integerBetween(1_600_000_000, 5_000_000_000);
  const micros = integerBetween(0, 10_000_000);
  return [integerBetween(0, 1e9), seconds, micros, args, matching(/^127\.0\.0\.1:\d+$/), name];
}

const OFF = ['CONFIG SET slowlog-log-slower-than -1', OK] as const;
const ALL = ['CONFIG SET slowlog-log-slower-than 0', OK] as const;
const ALL_ENTRY = entry(['CONFIG', 'SET', 'slowlog-log-slower-than', '0']);

behaviour('SLOWLOG wants a subcommand', [
  ['SLOWLOG', error("ERR wrong number of arguments for 'slowlog' command")],
  ['SLOWLOG foo', error("ERR unknown subcommand 'foo'. Try SLOWLOG HELP.")],
  ['SLOWLOG LEN x', error("ERR wrong number of arguments for 'slowlog|len' command")],
  ['SLOWLOG RESET x', error("ERR wrong number of arguments for 'slowlog|reset' command")],
  [
    'SLOWLOG Get 1 2',
    error("ERR unknown subcommand or wrong number of arguments for 'Get'. Try SLOWLOG HELP."),
  ],
]);

behaviour('SLOWLOG HELP', [
  [
    'SLOWLOG HELP',
    [
      'SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'GET [<count>]',
      '    Return top <count> entries from the slowlog (default: 10, -1 mean all).',
      '    Entries are made of:',
      '    id, timestamp, time in microseconds, arguments array, client IP and port,',
      '    client name',
      'LEN',
      '    Return the length of the slowlog.',
      'RESET',
      '    Reset the slowlog.',
      'HELP',
      '    Prints this help.',
    ].map((line) => simple(line)),
  ],
]);

behaviour('SLOWLOG GET shows what was slow, the youngest first', [
  OFF,
  ['SLOWLOG RESET', OK],
  ['SET k v', OK],
  ['SLOWLOG LEN', 0],
  ['SLOWLOG GET', []],
  ALL,
  ['SET k v', OK],
  ['CLIENT SETNAME me', OK],
  ['GET k', 'v'],
  ['INCR k', error('ERR value is not an integer or out of range')],
  OFF,
  ['SLOWLOG LEN', 5],
  [
    'SLOWLOG GET',
    [
      entry(['INCR', 'k'], 'me'),
      entry(['GET', 'k'], 'me'),
      entry(['CLIENT', 'SETNAME', 'me'], 'me'),
      entry(['SET', 'k', 'v']),
      ALL_ENTRY,
    ],
  ],
  ['SLOWLOG GET 1', [entry(['INCR', 'k'], 'me')]],
  ['SLOWLOG GET 0', []],
  ['SLOWLOG GET -2', BAD_COUNT],
  ['SLOWLOG GET x', BAD_COUNT],
  ['SLOWLOG RESET', OK],
  ['SLOWLOG LEN', 0],
]);

behaviour('SLOWLOG GET shows ten entries, or as many as one wants', [
  OFF,
  ['SLOWLOG RESET', OK],
  ALL,
  ...Array.from({ length: 11 }, (_, i) => ['ECHO ' + String(i), String(i)] as const),
  OFF,
  ['SLOWLOG LEN', 12],
  ['SLOWLOG GET', Array.from({ length: 10 }, (_, i) => entry(['ECHO', String(10 - i)]))],
  ['SLOWLOG GET -1', [...Array.from({ length: 11 }, (_, i) => entry(['ECHO', String(10 - i)])), ALL_ENTRY]],
]);

behaviour('slowlog-max-len limits the entries', [
  OFF,
  ['SLOWLOG RESET', OK],
  ['CONFIG SET slowlog-max-len 2', OK],
  ALL,
  ['ECHO 1', '1'],
  ['ECHO 2', '2'],
  ['SLOWLOG GET 5', [entry(['ECHO', '2']), entry(['ECHO', '1'])]],
  ['CONFIG SET slowlog-max-len 0', OK],
  ['SLOWLOG LEN', 0],
]);

behaviour('SLOWLOG keeps 32 arguments of 128 bytes', [
  OFF,
  ['SLOWLOG RESET', OK],
  ALL,
  [['ECHO', 'x'.repeat(128)], 'x'.repeat(128)],
  [['ECHO', 'x'.repeat(129)], 'x'.repeat(129)],
  [['DEL', ...new Array<string>(31).fill('k')], 0],
  [['DEL', ...new Array<string>(32).fill('k')], 0],
  OFF,
  [
    'SLOWLOG GET 4',
    [
      entry(['DEL', ...new Array<string>(30).fill('k'), '... (2 more arguments)']),
      entry(['DEL', ...new Array<string>(31).fill('k')]),
      entry(['ECHO', `${'x'.repeat(128)}... (1 more bytes)`]),
      entry(['ECHO', 'x'.repeat(128)]),
    ],
  ],
]);

behaviour('SLOWLOG has the commands of a transaction and not EXEC', [
  OFF,
  ['SLOWLOG RESET', OK],
  ALL,
  ['MULTI', OK],
  ['SET k v', simple('QUEUED')],
  ['GET k', simple('QUEUED')],
  ['EXEC', [OK, 'v']],
  OFF,
  ['SLOWLOG GET', [entry(['GET', 'k']), entry(['SET', 'k', 'v']), entry(['MULTI']), ALL_ENTRY]],
]);

behaviour('SLOWLOG shows no passwords', [
  OFF,
  ['SLOWLOG RESET', OK],
  ALL,
  ['AUTH alice secret', error('WRONGPASS invalid username-password pair or user is disabled.')],
  ['HELLO 2 AUTH alice secret', error('WRONGPASS invalid username-password pair or user is disabled.')],
  ['CONFIG SET hz 10 masterauth secret', OK],
  ['ACL SETUSER alice on >secret', OK],
  ['ACL DELUSER alice', 1],
  OFF,
  [
    'SLOWLOG GET 5',
    [
      entry(['ACL', 'DELUSER', 'alice']),
      entry(['ACL', 'SETUSER', '(redacted)', '(redacted)', '(redacted)']),
      entry(['CONFIG', 'SET', 'hz', '10', 'masterauth', '(redacted)']),
      entry(['HELLO', '2', 'AUTH', '(redacted)', '(redacted)']),
      entry(['AUTH', '(redacted)', '(redacted)']),
    ],
  ],
]);
