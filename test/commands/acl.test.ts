/** Behaviour of ACL and of what its rules deny. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onEveryImplementation, onEveryServer, startFor } from '../support/implementations.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import {
  ANYTHING,
  behaviour as behaviourOfServer,
  blocks,
  error,
  errorStarting,
  map,
  matching,
  OK,
  on,
  push,
  QUEUED,
  receives,
  sends,
  set,
  simple,
  unordered,
  type BehaviourOptions,
  type Expected,
  type Step,
} from './behaviour.ts';

const NO_KEY = error('NOPERM this user has no permissions to access one of the keys used as arguments');
const NO_CHANNEL = error(
  'NOPERM this user has no permissions to access one of the channels used as arguments',
);
const WRONG_PASSWORD = error('WRONGPASS invalid username-password pair or user is disabled.');
/** SHA-256 of `one`. */
const HASH = '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed';
const NO_USERS: Step = ['ACL DELUSER alice bob carol', ANYTHING];

/**
 * The servers are shared: a script begins without the users of the one before. Over RESP2, unless its replies
 * have more than strings and arrays in them.
 */
function behaviour(name: string, steps: readonly Step[], options?: BehaviourOptions): void {
  const cleared: readonly Step[] = [NO_USERS, ['ACL LOG RESET', OK], ...steps, NO_USERS];
  behaviourOfServer(name, cleared, { protocols: [2], ...options });
}

const BOTH_PROTOCOLS: BehaviourOptions = { protocols: [2, 3] };

function noCommand(name: string): Expected {
  return error(`NOPERM this user has no permissions to run the '${name}' command`);
}

function wrongRule(rule: string, problem: string): Expected {
  return error(`ERR Error in ACL SETUSER modifier '${rule}': ${problem}`);
}

/** The named client's connection is ended by the server. */
function isClosed(clientName: string): Step {
  return async (clients) => {
    const client = await clients.get(clientName);
    assert.equal((await client.readUntilClose()).toString(), '');
  };
}

behaviour(
  'the default user may do everything, and needs no password',
  [
    ['ACL WHOAMI', 'default'],
    ['ACL USERS', ['default']],
    ['ACL LIST', ['user default on nopass ~* &* +@all']],
    [
      'ACL GETUSER default',
      map(
        ['flags', set('on', 'nopass')],
        ['passwords', []],
        ['commands', '+@all'],
        ['keys', '~*'],
        ['channels', '&*'],
        ['selectors', []],
      ),
    ],
    ['ACL GETUSER alice', null],
    ['ACL DELUSER default', error("ERR The 'default' user cannot be removed")],
  ],
  BOTH_PROTOCOLS,
);

behaviour('a new user may do nothing, and cannot log in', [
  ['ACL SETUSER alice', OK],
  ['ACL USERS', ['alice', 'default']],
  ['ACL LIST', ['user alice off resetchannels -@all', 'user default on nopass ~* &* +@all']],
  on('a', 'AUTH alice x', WRONG_PASSWORD),
  ['ACL SETUSER alice on', OK],
  on('a', 'AUTH alice x', WRONG_PASSWORD),
  ['ACL SETUSER alice nopass', OK],
  on('a', 'AUTH alice x', OK),
  on('a', 'ACL WHOAMI', noCommand('acl|whoami')),
  on('a', 'PING', noCommand('ping')),
  on('a', 'GET k', noCommand('get')),
  on('a', 'HELLO 2 AUTH default x', ANYTHING),
  on('a', 'PING', simple('PONG')),
]);

behaviour('passwords are kept as hashes, several of them', [
  ['ACL SETUSER alice on >one +ping', OK],
  [['ACL', 'SETUSER', 'alice', '>two words', '>one'], OK],
  ['ACL LIST', [matching(/^user alice on #7692c3ad\w{56} #\w{64} resetchannels -@all \+ping$/), ANYTHING]],
  on('a', 'AUTH alice one', OK),
  on('a', ['AUTH', 'alice', 'two words'], OK),
  on('a', 'AUTH alice two', WRONG_PASSWORD),
  on('a', 'PING', simple('PONG')),
  ['ACL SETUSER alice <one', OK],
  on('b', 'AUTH alice one', WRONG_PASSWORD),
  [
    'ACL SETUSER alice <one',
    wrongRule('<one', 'The password you are trying to remove from the user does not exist'),
  ],
  [`ACL SETUSER alice #${HASH}`, OK],
  on('b', 'AUTH alice one', OK),
  [`ACL SETUSER alice !${HASH}`, OK],
  on('b', 'AUTH alice one', WRONG_PASSWORD),
  [
    'ACL SETUSER alice #12',
    wrongRule(
      '#12',
      'The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters',
    ),
  ],
  ['ACL SETUSER alice resetpass', OK],
  on('b', ['AUTH', 'alice', 'two words'], WRONG_PASSWORD),
  ['ACL SETUSER alice nopass', OK],
  on('b', 'AUTH alice whatever', OK),
  ['ACL SETUSER alice off', OK],
  on('c', 'AUTH alice whatever', WRONG_PASSWORD),
  // Who is in stays in.
  on('b', 'PING', simple('PONG')),
]);

behaviour('rules that are wrong change nothing', [
  ['ACL SETUSER alice on +get', OK],
  ['ACL SETUSER alice +set foo', wrongRule('foo', 'Syntax error')],
  ['ACL SETUSER alice +nothing', wrongRule('+nothing', 'Unknown command or category name in ACL')],
  ['ACL SETUSER alice -@nothing', wrongRule('-@nothing', 'Unknown command or category name in ACL')],
  ['ACL SETUSER alice +config|no', wrongRule('+config|no', 'Unknown command or category name in ACL')],
  [
    'ACL SETUSER alice +config|get|x',
    wrongRule('+config|get|x', 'Allowing first-arg of a subcommand is not supported'),
  ],
  ['ACL SETUSER alice +get|', wrongRule('+get|', 'Syntax error')],
  ['ACL SETUSER alice %X~k', wrongRule('%X~k', 'Syntax error')],
  [['ACL', 'SETUSER', 'alice', '~a b'], wrongRule('~a b', 'Syntax error')],
  [
    'ACL SETUSER alice ~* ~k',
    wrongRule(
      '~k',
      "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any " +
        "effect. Try 'resetkeys' to start with an empty list of patterns",
    ),
  ],
  [
    'ACL SETUSER alice &* &k',
    wrongRule(
      '&k',
      "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any " +
        "effect. Try 'resetchannels' to start with an empty list of channels",
    ),
  ],
  ['ACL SETUSER alice (+get', error("ERR Unmatched parenthesis in acl selector starting at '(+get'.")],
  [['ACL', 'SETUSER', 'a b'], error("ERR Usernames can't contain spaces or null characters")],
  [['ACL', 'SETUSER', 'alice', 'a\nb'], wrongRule('a b', 'Syntax error')],
  ['ACL LIST', ['user alice on resetchannels -@all +get', ANYTHING]],
  ['ACL SETUSER', error("ERR wrong number of arguments for 'acl|setuser' command")],
]);

behaviour(
  'the words for what a user may do',
  [
    ['ACL SETUSER alice on nopass ~a* %R~b* %W~c &x &y* +@read +set -@hash -hget sanitize-payload', OK],
    ['ACL SETUSER alice (+@all -@dangerous ~d) (%W~e +eval +cluster|info)', OK],
    [
      'ACL GETUSER alice',
      map(
        ['flags', set('on', 'nopass', 'sanitize-payload')],
        ['passwords', []],
        ['commands', matching(/^-@all .*\+set/)],
        ['keys', '~a* %R~b* %W~c'],
        ['channels', '&x &y*'],
        [
          'selectors',
          [
            map(['commands', '+@all -@dangerous'], ['keys', '~d'], ['channels', '']),
            map(
              ['commands', matching(/^-@all (\+eval \+cluster\|info|\+cluster\|info \+eval)$/)],
              ['keys', '%W~e'],
              ['channels', ''],
            ),
          ],
        ],
      ),
    ],
    ['ACL SETUSER alice %W~b* clearselectors allcommands allchannels resetkeys', OK],
    ['ACL LIST', ['user alice on nopass sanitize-payload &* +@all', ANYTHING]],
    ['ACL SETUSER alice -config +config|get +select|0 -select +select|1 -get', OK],
    [
      'ACL GETUSER alice',
      map(
        ['flags', set('on', 'nopass', 'sanitize-payload')],
        ['passwords', []],
        ['commands', matching(/^\+@all( -get| -config \+config\|get| -select \+select\|1){3}$/)],
        ['keys', ''],
        ['channels', '&*'],
        ['selectors', []],
      ),
    ],
    ['ACL SETUSER alice reset', OK],
    ['ACL LIST', ['user alice off sanitize-payload resetchannels -@all', ANYTHING]],
  ],
  BOTH_PROTOCOLS,
);

behaviour('keys are checked by what is done to their values', [
  ['MSET both b read r other o', OK],
  ['ACL SETUSER alice on nopass +@all ~both* %R~read* %W~write*', OK],
  on('a', 'AUTH alice x', OK),
  on('a', 'GET both', 'b'),
  on('a', 'GET read', 'r'),
  on('a', 'GET write', NO_KEY),
  on('a', 'SET write w', OK),
  on('a', 'SET read x', NO_KEY),
  on('a', 'SET write w GET', NO_KEY),
  on('a', 'COPY read write1', 1),
  on('a', 'COPY write1 both', NO_KEY),
  on('a', 'MGET both read other', NO_KEY),
  on('a', 'BITFIELD read GET u8 0', [114]),
  on('a', 'BITFIELD read SET u8 0 1', NO_KEY),
  // A name alone needs only some pattern.
  on('a', 'EXISTS write read', 2),
  on('a', 'EXISTS other', NO_KEY),
  on('a', 'DEL read', NO_KEY),
  on('a', 'DEL write', 1),
  on('a', 'LPUSH both1 x', 1),
  on('a', 'LMOVE both1 write LEFT LEFT', 'x'),
  on('a', 'LMOVE write both1 LEFT LEFT', NO_KEY),
  on('a', 'SORT read STORE other', NO_KEY),
  on('a', 'XREAD STREAMS both2 other 0 0', NO_KEY),
  on('a', 'ZUNIONSTORE write 2 read read', errorStarting('WRONGTYPE')),
  on('a', 'ZUNIONSTORE read 1 both', NO_KEY),
  on('a', 'WATCH other', NO_KEY),
  on('a', 'OBJECT ENCODING other', NO_KEY),
  on('a', 'MEMORY USAGE other', NO_KEY),
  on('a', 'KEYS *', unordered('both', 'read', 'other', 'write', 'write1')),
]);

behaviour('a command must be allowed whole by one selector', [
  ['ACL SETUSER alice on nopass +get ~a* (+set ~b*) (+mget ~c* ~d*) (+mget ~e*)', OK],
  on('a', 'AUTH alice x', OK),
  on('a', 'GET a', null),
  on('a', 'SET b 1', OK),
  on('a', 'GET b', NO_KEY),
  on('a', 'SET a 1', NO_KEY),
  on('a', 'MGET c1 d1', [null, null]),
  on('a', 'MGET e c1', NO_KEY),
  on('a', 'DEL a', noCommand('del')),
]);

behaviour('commands, subcommands and first arguments', [
  ['ACL SETUSER alice on nopass ~* +@string -append +client -client|kill +config|get +select|1 -@admin', OK],
  on('a', 'AUTH alice x', OK),
  on('a', 'SET k 1', OK),
  on('a', 'APPEND k 1', noCommand('append')),
  on('a', 'HSET h f v', noCommand('hset')),
  on('a', 'CLIENT GETNAME', null),
  on('a', 'CLIENT KILL ID 1', noCommand('client|kill')),
  on('a', 'CLIENT LIST', noCommand('client|list')),
  on('a', 'CONFIG GET port', noCommand('config|get')),
  on('a', 'SELECT 1', OK),
  on('a', 'SELECT 2', noCommand('select')),
  on('a', 'SELECT', error("ERR wrong number of arguments for 'select' command")),
  on('a', 'NOTHING', errorStarting('ERR unknown command')),
  // These need no leave.
  on('a', 'RESET', simple('RESET')),
  on('a', 'ACL WHOAMI', 'default'),
]);

behaviour('rules that were changed hold at once, on every connection', [
  ['ACL SETUSER alice on nopass ~* +@all', OK],
  on('a', 'AUTH alice x', OK),
  on('b', 'AUTH alice x', OK),
  on('a', 'SET k 1', OK),
  ['ACL SETUSER alice -set', OK],
  on('a', 'SET k 2', noCommand('set')),
  on('b', 'SET k 2', noCommand('set')),
  // Also the rules of who changes them.
  on('a', 'ACL SETUSER alice -get', OK),
  on('a', 'GET k', noCommand('get')),
  on('b', 'GET k', noCommand('get')),
  on('b', 'ACL SETUSER alice allcommands allkeys allchannels', OK),
  on('a', 'GET k', '1'),
]);

behaviour(
  'channels are checked, patterns to the letter',
  [
    ['ACL SETUSER alice on nopass +@all ~* &news:* &p*', OK],
    on('a', 'AUTH alice x', OK),
    on('a', 'PUBLISH news:1 m', 0),
    on('a', 'PUBLISH other m', NO_CHANNEL),
    on('a', 'SPUBLISH other m', NO_CHANNEL),
    on('a', 'SUBSCRIBE news:1 other', NO_CHANNEL),
    on('a', 'SSUBSCRIBE other', NO_CHANNEL),
    on('a', 'PSUBSCRIBE news:1', NO_CHANNEL),
    on('a', 'PSUBSCRIBE pq', NO_CHANNEL),
    on('a', 'PSUBSCRIBE p*', push('psubscribe', 'p*', 1)),
    on('a', 'UNSUBSCRIBE other', push('unsubscribe', 'other', 1)),
  ],
  BOTH_PROTOCOLS,
);

behaviour('DRYRUN tells without running', [
  ['ACL SETUSER alice ~a %R~b &c +get +set +publish +config', OK],
  ['ACL DRYRUN alice GET a', OK],
  ['ACL DRYRUN alice GET k', "This user has no permissions to access the 'k' key"],
  ['ACL DRYRUN alice SET b 1', "This user has no permissions to access the 'b' key"],
  ['ACL DRYRUN alice DEL a', "This user has no permissions to run the 'del' command"],
  ['ACL DRYRUN alice publish c x', OK],
  ['ACL DRYRUN alice publish d x', "This user has no permissions to access the 'd' channel"],
  ['ACL DRYRUN alice config get port', OK],
  ['ACL DRYRUN alice client id', "This user has no permissions to run the 'client|id' command"],
  ['ACL DRYRUN alice auth x', OK],
  ['ACL DRYRUN alice nothing', error("ERR Command 'nothing' not found")],
  ['ACL DRYRUN alice config nothing', error("ERR Command 'config' not found")],
  ['ACL DRYRUN alice get', error("ERR wrong number of arguments for 'get' command")],
  ['ACL DRYRUN nobody get a', error("ERR User 'nobody' not found")],
  ['ACL DRYRUN alice', error("ERR wrong number of arguments for 'acl|dryrun' command")],
  ['EXISTS a', 0],
]);

behaviour(
  'the log keeps what was denied, and counts what is alike',
  [
    ['ACL SETUSER alice on >one +get +multi +exec ~a', OK],
    on('a', 'AUTH alice one', OK),
    on('a', 'CLIENT SETNAME me', noCommand('client|setname')),
    on('a', 'GET k', NO_KEY),
    on('a', 'GET k', NO_KEY),
    on('a', 'MULTI', OK),
    on('a', 'GET k', NO_KEY),
    on('a', 'EXEC', error('EXECABORT Transaction discarded because of previous errors.')),
    on('b', 'auth alice two', WRONG_PASSWORD),
    on('b', 'HELLO 3 AUTH nobody two', WRONG_PASSWORD),
    [
      'ACL LOG',
      [
        logEntry({
          count: 1,
          reason: 'auth',
          object: 'HELLO',
          user: 'nobody',
          client: / cmd=hello user=default /,
        }),
        logEntry({
          count: 1,
          reason: 'auth',
          object: 'auth',
          user: 'alice',
          client: / cmd=auth user=default /,
        }),
        logEntry({
          count: 1,
          reason: 'key',
          context: 'multi',
          object: 'k',
          client: / multi=0 .* user=alice /,
        }),
        logEntry({ count: 2, reason: 'key', object: 'k', client: / cmd=get user=alice / }),
        logEntry({ count: 1, reason: 'command', object: 'client|setname', client: /^id=\d+ addr=/ }),
      ],
    ],
    ['ACL LOG 1', [logEntry({ count: 1, reason: 'auth', object: 'HELLO', user: 'nobody', client: /./ })]],
    ['ACL LOG -1', []],
    ['ACL LOG x', error('ERR value is not an integer or out of range')],
    ['ACL LOG RESET', OK],
    ['ACL LOG', []],
  ],
  BOTH_PROTOCOLS,
);

behaviour(
  'the log forgets the oldest',
  [
    ['AUTH a x', WRONG_PASSWORD],
    ['AUTH b x', WRONG_PASSWORD],
    ['AUTH c x', WRONG_PASSWORD],
    ['AUTH b x', WRONG_PASSWORD],
    [
      'ACL LOG',
      [
        logEntry({ count: 2, reason: 'auth', object: 'AUTH', user: 'b', client: /./ }),
        logEntry({ count: 1, reason: 'auth', object: 'AUTH', user: 'c', client: /./ }),
      ],
    ],
  ],
  { settings: { 'acllog-max-len': '2' } },
);

function logEntry(facts: {
  readonly count: number;
  readonly reason: string;
  readonly object: string;
  readonly client: RegExp;
  readonly user?: string;
  readonly context?: string;
}): Expected {
  return map(
    ['count', facts.count],
    ['reason', facts.reason],
    ['context', facts.context ?? 'toplevel'],
    ['object', facts.object],
    ['username', facts.user ?? 'alice'],
    ['age-seconds', ANYTHING],
    ['client-info', matching(facts.client)],
  );
}

behaviour('EXEC checks again what was queued', [
  ['ACL SETUSER alice on nopass +@all ~* &*', OK],
  on('a', 'AUTH alice x', OK),
  on('a', 'MULTI', OK),
  on('a', 'SET k 1', QUEUED),
  on('a', 'SET l 1', QUEUED),
  on('a', 'PUBLISH c m', QUEUED),
  on('a', 'GET k', QUEUED),
  ['ACL SETUSER alice -get resetkeys ~k resetchannels', OK],
  on('a', 'EXEC', [
    OK,
    rulesChanged('no permission to touch the specified keys'),
    rulesChanged('no permission to access one of the channels used as arguments'),
    rulesChanged('no permission to execute the command or subcommand'),
  ]),
  on('a', 'MULTI', OK),
  on('a', 'SET k 2', QUEUED),
  on('a', 'ACL SETUSER alice -set', QUEUED),
  on('a', 'SET k 3', QUEUED),
  on('a', 'EXEC', [OK, OK, rulesChanged('no permission to execute the command or subcommand')]),
  ['GET k', '2'],
]);

function rulesChanged(reason: string): Expected {
  return error(
    'NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This ' +
      `command is no longer allowed for the following reason: ${reason}`,
  );
}

behaviour('clients of a user that is deleted are ended', [
  ['ACL SETUSER alice on nopass +@all ~* &*', OK],
  on('a', 'AUTH alice x', OK),
  on('b', 'AUTH alice x', OK),
  on('b', 'SUBSCRIBE c', push('subscribe', 'c', 1)),
  on('c', 'AUTH alice x', OK),
  blocks('c', 'BLPOP list 0'),
  ['ACL DELUSER alice nobody', 1],
  // What they waited for is for others.
  ['PUBLISH c m', 0],
  ['RPUSH list x', 1],
  isClosed('a'),
  isClosed('b'),
  isClosed('c'),
  ['LLEN list', 1],
  ['ACL SETUSER bob on nopass +@all ~* &*', OK],
  on('d', 'AUTH bob x', OK),
  on('d', 'ACL DELUSER bob', 1),
  isClosed('d'),
]);

behaviour('who has subscribed to what is no longer allowed is ended', [
  ['ACL SETUSER alice on nopass +@all &a* &b*', OK],
  on('a', 'AUTH alice x', OK),
  on('b', 'AUTH alice x', OK),
  on('c', 'AUTH alice x', OK),
  on('a', 'SUBSCRIBE a1', push('subscribe', 'a1', 1)),
  on('b', 'PSUBSCRIBE b*', push('psubscribe', 'b*', 1)),
  on('c', 'SSUBSCRIBE b1', push('ssubscribe', 'b1', 1)),
  ['ACL SETUSER alice +get', OK],
  ['ACL SETUSER alice resetchannels &a* &c*', OK],
  ['PUBLISH b1 m', 0],
  isClosed('b'),
  isClosed('c'),
  sends('a', 'PING'),
  receives('a', ANYTHING),
  ['ACL SETUSER alice allchannels', OK],
  ['PUBLISH a1 m', 1],
  receives('a', push('message', 'a1', 'm')),
]);

behaviour('SORT reads other keys only for those who may read all', [
  ['RPUSH list 2 1', 2],
  ['MSET w1 5 w2 4', OK],
  ['ACL SETUSER alice on nopass +@all ~list %R~w*', OK],
  on('a', 'AUTH alice x', OK),
  on('a', 'SORT list', ['1', '2']),
  on('a', 'SORT list BY nosort', ['2', '1']),
  on('a', 'SORT list BY w*', error('ERR BY option of SORT denied due to insufficient ACL permissions.')),
  on('a', 'SORT list GET w*', error('ERR GET option of SORT denied due to insufficient ACL permissions.')),
  on('a', 'SORT_RO list GET #', error('ERR GET option of SORT denied due to insufficient ACL permissions.')),
  ['ACL SETUSER alice %R~*', OK],
  on('a', 'SORT list BY w* GET w*', ['4', '5']),
]);

behaviour('CAT, GENPASS, HELP and what is no subcommand', [
  ['ACL CAT nothing', error("ERR Unknown category 'nothing'")],
  ['ACL CAT TRANSACTION', unordered('multi', 'exec', 'discard', 'watch', 'unwatch')],
  ['ACL GENPASS', matching(/^[0-9a-f]{64}$/)],
  ['ACL GENPASS 5', matching(/^[0-9a-f]{2}$/)],
  ['ACL GENPASS 4096', matching(/^[0-9a-f]{1024}$/)],
  [
    'ACL GENPASS 4097',
    error(
      'ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up ' +
        'to 4096',
    ),
  ],
  ['ACL GENPASS x', error('ERR value is not an integer or out of range')],
  ['ACL HELP', ANYTHING],
  ['ACL', error("ERR wrong number of arguments for 'acl' command")],
  ['ACL nothing', error("ERR unknown subcommand 'nothing'. Try ACL HELP.")],
  ['ACL CAT a b', error("ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.")],
  ['ACL LOAD', errorStarting('ERR This Redis instance is not configured to use an ACL file.')],
  ['ACL SAVE', errorStarting('ERR This Redis instance is not configured to use an ACL file.')],
]);

behaviour('CLIENT LIST and CLIENT KILL know users', [
  ['ACL SETUSER alice on nopass +@all', OK],
  on('a', 'AUTH alice x', OK),
  on('a', 'CLIENT INFO', matching(/ user=alice /)),
  ['CLIENT KILL USER alice', 1],
  isClosed('a'),
  ['CLIENT KILL USER nobody', error("ERR No such user 'nobody'")],
]);

behaviour(
  'new users may use all channels where the configuration says so',
  [
    ['ACL SETUSER alice on', OK],
    ['ACL LIST', ['user alice on &* -@all', ANYTHING]],
  ],
  { settings: { 'acl-pubsub-default': 'allchannels' } },
);

onEveryServer(
  'users of the configuration, and the password of the default user',
  async (server) => {
    const client = await server.connect();
    assert.match(await client.text('PING'), /^-NOAUTH/);
    assert.equal(await client.text('AUTH', 'alice', 'one'), '+OK');
    assert.match(await client.text('GET', 'other'), /^-NOPERM/);
    assert.equal(await client.text('AUTH', 'secret'), '+OK');

    assert.equal(await client.text('CONFIG', 'SET', 'requirepass', ''), '+OK');
    const second = await server.connect();
    assert.equal(await second.text('ACL', 'WHOAMI'), '"default"');
    assert.equal(await client.text('CONFIG', 'SET', 'requirepass', 'third'), '+OK');
    // Who came while no password was needed stays in.
    assert.equal(await second.text('PING'), '+PONG');
    assert.equal(await second.text('RESET'), '+RESET');
    assert.match(await second.text('PING'), /^-NOAUTH/);
    assert.match(await second.text('AUTH', 'secret'), /^-WRONGPASS/);
    assert.equal(await client.text('ACL', 'SETUSER', 'default', '>fourth'), '+OK');
    for (const password of ['third', 'fourth']) assert.equal(await second.text('AUTH', password), '+OK');

    const third = await server.connect();
    assert.match(await third.text('PING'), /^-NOAUTH/);
    assert.equal(await client.text('ACL', 'SETUSER', 'default', 'nopass'), '+OK');
    assert.equal(await third.text('PING'), '+PONG');
    assert.match(await third.text('HELLO', '3'), /^-NOAUTH HELLO must be called/);
    assert.equal(await client.text('ACL', 'SETUSER', 'default', 'off'), '+OK');
    assert.match(await third.text('PING'), /^-NOAUTH/);
    assert.equal(await client.text('PING'), '+PONG');
    assert.equal(await client.text('CONFIG', 'SET', 'requirepass', 'secret'), '+OK');
    assert.equal(await client.text('ACL', 'SETUSER', 'default', 'on'), '+OK');
    for (const each of [client, second, third]) each.close();
  },
  ['--requirepass', 'secret', '--user', 'alice', 'on', '>one', '~mine', '+@all'],
);

onEveryImplementation('the ACL file is read, saved, and read again', async (implementation, context) => {
  const directory = temporaryDirectory();
  context.after(() => directory.remove());
  const path = join(directory.path, 'users.acl');
  writeFileSync(path, `user alice on nopass ~a* +@all\n\nuser default on #${HASH} ~* &* +@all\n`);
  const server = await startFor(context, implementation, { args: ['--aclfile', path] });
  const client = await server.connect();
  assert.equal(await client.text('AUTH', 'one'), '+OK');
  const alice = await server.connect();
  assert.equal(await alice.text('AUTH', 'alice', 'x'), '+OK');
  assert.equal(await alice.text('SET', 'a', '1'), '+OK');

  assert.equal(await client.text('ACL', 'SETUSER', 'bob', '+@all', '-@write', '(+set ~b)'), '+OK');
  assert.equal(await client.text('ACL', 'SAVE'), '+OK');
  assert.equal(
    readFileSync(path, 'latin1'),
    'user alice on nopass ~a* resetchannels +@all\n' +
      'user bob off resetchannels +@all -@write (~b resetchannels -@all +set)\n' +
      `user default on #${HASH} ~* &* +@all\n`,
  );

  writeFileSync(path, 'user alice on +nothing ~b ~* ~c\nuser alice on\nfoo\nuser\n');
  const reply = await client.command('ACL', 'LOAD');
  const problems = reply.kind === 'scalar' ? `${reply.tag}${reply.bytes.toString()}` : '';
  assert.match(problems, /^-ERR .*users.acl:1: Error in applying operation '\+nothing': Unknown command/);
  assert.match(problems, /:1: Adding a pattern after the \* pattern/);
  assert.match(problems, /WARNING: Duplicate user 'alice' found on line 2\./);
  assert.match(problems, /:3 should start with user keyword followed by the username\. .*:4 should start/);
  assert.match(problems, /WARNING: ACL errors detected, no change to the previously active ACL rules was /);
  assert.equal(await alice.text('GET', 'a'), '"1"');

  // Those who are not the default user have to say again who they are.
  writeFileSync(path, 'user alice on nopass ~b +@all\nuser default on nopass ~* &* +@all\n');
  assert.equal(await client.text('ACL', 'LOAD'), '+OK');
  assert.equal((await alice.readUntilClose()).toString(), '');
  assert.equal(await client.text('ACL', 'USERS'), '*["alice", "default"]');
  const again = await server.connect();
  assert.equal(await again.text('AUTH', 'alice', 'x'), '+OK');
  assert.match(await again.text('GET', 'a'), /^-NOPERM/);
  for (const each of [client, alice, again]) each.close();
});
