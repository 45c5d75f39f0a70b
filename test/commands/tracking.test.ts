/** Behaviour of client-side caching: CLIENT TRACKING and its kin. */
import {
  behaviour,
  disconnect,
  error,
  map,
  matches,
  matching,
  OK,
  on,
  push,
  QUEUED,
  receives,
  sends,
  set,
  simple,
  type Expected,
  type Step,
} from './behaviour.ts';

const SYNTAX_ERROR = error('ERR syntax error');

/** The message that keys, or all of them, have changed. */
function invalidated(...keys: readonly string[]): Expected {
  return push('invalidate', keys.length === 0 ? null : keys);
}

function state(flags: readonly string[], redirection: Expected, prefixes: readonly string[]): Expected {
  return map(['flags', set(...flags)], ['redirect', redirection], ['prefixes', prefixes]);
}

/** The answer to a client that lets another one get its messages, whose id only the server knows. */
function redirectsTo(name: string): Step {
  return async (clients) => {
    const { bytes } = (await (await clients.get(name)).command('CLIENT', 'ID')) as { readonly bytes: Buffer };
    const client = await clients.get('cache');
    client.send('CLIENT', 'TRACKING', 'ON', 'REDIRECT', bytes.toString());
  };
}

const NEW_PROTOCOL = { protocols: [3] as const };

behaviour(
  'a client is told when a key that it has read changes, once',
  [
    on('cache', 'CLIENT TRACKING ON', OK),
    on('cache', 'GET k', null),
    ['SET k v', OK],
    receives('cache', invalidated('k')),
    ['SET k w', OK],
    on('cache', 'GET k', 'w'),
    on('cache', 'MGET k a b', ['w', null, null]),
    ['MSET a 1 c 2', OK],
    receives('cache', invalidated('a')),
    ['DEL k', 1],
    receives('cache', invalidated('k')),
    ['SET b 1', OK],
    receives('cache', invalidated('b')),
    on('cache', 'CLIENT TRACKING OFF', OK),
    on('cache', 'GET k', null),
    ['SET k v', OK],
    on('cache', 'PING', simple('PONG')),
  ],
  NEW_PROTOCOL,
);

behaviour(
  'its own changes come after the reply',
  [
    on('cache', 'CLIENT TRACKING ON', OK),
    on('cache', 'GET k', null),
    sends('cache', 'SET k v'),
    receives('cache', OK, invalidated('k')),
    on('cache', 'GET k', 'v'),
    on('cache', 'MULTI', OK),
    on('cache', 'SET k w', QUEUED),
    on('cache', 'GET k', QUEUED),
    on('cache', 'INCR n', QUEUED),
    sends('cache', 'EXEC'),
    receives('cache', [OK, 'w', 1], invalidated('k')),
    on('cache', 'CLIENT TRACKING ON NOLOOP', OK),
    on('cache', 'GET k', 'w'),
    on('cache', 'SET k x', OK),
    on('cache', 'GET k', 'x'),
    ['SET k y', OK],
    receives('cache', invalidated('k')),
  ],
  NEW_PROTOCOL,
);

behaviour(
  'all keys are gone: null',
  [
    on('cache', 'CLIENT TRACKING ON', OK),
    ['FLUSHALL', OK],
    receives('cache', invalidated()),
    on('cache', 'GET k', null),
    ['FLUSHDB', OK],
    receives('cache', invalidated()),
    ['DEBUG RELOAD', OK],
    receives('cache', invalidated()),
    ['SET k v', OK],
    sends('cache', 'FLUSHALL'),
    receives('cache', OK, invalidated()),
  ],
  NEW_PROTOCOL,
);

behaviour(
  'a key whose time has passed has changed',
  [
    ['SET k v PX 1000', OK],
    on('cache', 'CLIENT TRACKING ON', OK),
    on('cache', 'EXISTS k', 1),
    receives('cache', invalidated('k')),
    ['GET k', null],
  ],
  NEW_PROTOCOL,
);

behaviour(
  'OPTIN remembers what was announced, OPTOUT all but that',
  [
    on('cache', 'CLIENT TRACKING ON OPTIN', OK),
    on('cache', 'GET a', null),
    ['SET a 1', OK],
    on('cache', 'CLIENT CACHING YES', OK),
    on('cache', 'CLIENT TRACKINGINFO', state(['on', 'optin', 'caching-yes'], 0, [])),
    on('cache', 'GET a', '1'),
    on('cache', 'GET b', null),
    ['MSET b 1 a 2', OK],
    receives('cache', invalidated('a')),
    on('cache', 'CLIENT CACHING YES', OK),
    on('cache', 'NOSUCH', error("ERR unknown command 'NOSUCH', with args beginning with: ")),
    on('cache', 'GET a', '2'),
    ['SET a 3', OK],
    on('cache', 'CLIENT CACHING YES', OK),
    on('cache', 'MULTI', OK),
    on('cache', 'GET a', QUEUED),
    on('cache', 'GET b', QUEUED),
    on('cache', 'EXEC', ['3', '1']),
    on('cache', 'GET c', null),
    ['MSET c 1 a 4', OK],
    receives('cache', invalidated('a')),
    ['SET b 2', OK],
    receives('cache', invalidated('b')),
    on('cache', 'CLIENT TRACKING OFF', OK),
    on('cache', 'CLIENT TRACKING ON OPTOUT', OK),
    on('cache', 'GET a', '4'),
    on('cache', 'CLIENT CACHING NO', OK),
    on('cache', 'CLIENT TRACKINGINFO', state(['on', 'optout', 'caching-no'], 0, [])),
    on('cache', 'GET b', '2'),
    ['MSET b 3 a 5', OK],
    receives('cache', invalidated('a')),
    on('cache', 'PING', simple('PONG')),
  ],
  NEW_PROTOCOL,
);

behaviour(
  'BCAST tells of all keys with a prefix, together',
  [
    on('cache', 'CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:', OK),
    on('cache', 'CLIENT TRACKINGINFO', state(['on', 'bcast'], 0, ['item:', 'user:'])),
    ['MSET user:2 a user:1 b other c', OK],
    receives('cache', invalidated('user:1', 'user:2')),
    ['SET item:1 x', OK],
    receives('cache', invalidated('item:1')),
    sends('cache', 'SET user:3 x'),
    receives('cache', OK, invalidated('user:3')),
    on('cache', 'CLIENT TRACKING ON BCAST PREFIX third:', OK),
    ['INFO stats', matching(/tracking_total_prefixes:3\r\n/)],
    ['SET third:1 x', OK],
    receives('cache', invalidated('third:1')),
    on('cache', 'CLIENT TRACKING OFF', OK),
    ['SET user:1 x', OK],
    on('cache', 'CLIENT TRACKING ON BCAST NOLOOP', OK),
    on('cache', 'SET any x', OK),
    ['SET any y', OK],
    receives('cache', invalidated('any')),
    ['FLUSHALL', OK],
    receives('cache', invalidated()),
    disconnect('cache'),
    ['INFO stats', matching(/tracking_total_prefixes:0\r\n/)],
  ],
  NEW_PROTOCOL,
);

behaviour('another client can get the messages, with RESP2 as a subscriber', [
  redirectsTo('hears'),
  receives('cache', OK),
  on('hears', 'SUBSCRIBE __redis__:invalidate', push('subscribe', '__redis__:invalidate', 1)),
  on('cache', 'CLIENT TRACKINGINFO', map(['flags', set('on')], ['redirect', matchingId()], ['prefixes', []])),
  on('cache', 'CLIENT GETREDIR', matchingId()),
  on('cache', 'GET k', null),
  ['SET k v', OK],
  receives('hears', toRedirected(['k'])),
  on('cache', 'GET k', 'v'),
  ['FLUSHALL', OK],
  receives('hears', toRedirected(null)),
  on('cache', 'GET k', null),
  ['CLIENT LIST', matching(/ flags=t [^\n]* redir=[1-9][0-9]* /)],
  on('hears', 'QUIT', OK),
  disconnect('hears'),
  ['SET k v', OK],
  async (clients) => {
    const cache = await clients.get('cache');
    if (clients.protocol === 3) await cache.readReply();
  },
  ['CLIENT LIST', matching(/ flags=tR /)],
  on(
    'cache',
    'CLIENT TRACKINGINFO',
    map(['flags', set('on', 'broken_redirect')], ['redirect', matchingId()], ['prefixes', []]),
  ),
]);

/** The id of a client. */
function matchingId(): Expected {
  return {
    special: 'an id',
    matches: (reply) => reply.kind === 'scalar' && reply.tag === ':' && Number(reply.bytes) > 0,
  };
}

/** A subscriber with RESP2 gets it as a message of a channel. */
function toRedirected(keys: readonly string[] | null): Expected {
  const [old, current] = [['message', '__redis__:invalidate', keys] as const, push('invalidate', keys)];
  return {
    special: 'an invalidation message',
    matches: (reply, protocol) => matches(reply, protocol === 3 ? current : old, protocol),
  };
}

behaviour('with RESP2 and without another client nothing can be told', [
  on('cache', 'CLIENT TRACKING ON', OK),
  on('cache', 'CLIENT GETREDIR', 0),
  ['INFO clients', matching(/tracking_clients:1\r\n/)],
  ['CLIENT LIST', matching(/ flags=t [^\n]* redir=0 /)],
  on('cache', 'RESET', simple('RESET')),
  on('cache', 'CLIENT GETREDIR', -1),
  ['INFO clients', matching(/tracking_clients:0\r\n/)],
  ['CLIENT LIST', matching(/^(?:[^\n]* redir=-1 [^\n]*\n)+$/)],
]);

behaviour(
  'tracking-table-max-keys limits what is remembered',
  [
    ['CONFIG SET tracking-table-max-keys 2', OK],
    on('cache', 'CLIENT TRACKING ON', OK),
    on('cache', 'MGET a b', [null, null]),
    ['INFO stats', matching(/tracking_total_keys:2\r\ntracking_total_items:2\r\n/)],
    on('other', 'CLIENT TRACKING ON', OK),
    on('other', 'MGET a b', [null, null]),
    ['INFO stats', matching(/tracking_total_keys:2\r\ntracking_total_items:4\r\n/)],
    on('other', 'CLIENT TRACKING OFF', OK),
    sends('cache', 'GET c'),
    receives('cache', null),
    ['PING', simple('PONG')],
    ['INFO stats', matching(/tracking_total_keys:2\r\n/)],
    receives('cache', push('invalidate', [matching(/^[abc]$/)])),
    ['CONFIG SET tracking-table-max-keys 1000000', OK],
  ],
  NEW_PROTOCOL,
);

behaviour('what CLIENT TRACKING does not accept', [
  ['CLIENT TRACKING', error("ERR wrong number of arguments for 'client|tracking' command")],
  ['CLIENT TRACKING MAYBE', SYNTAX_ERROR],
  ['CLIENT TRACKING ON NONSENSE', SYNTAX_ERROR],
  ['CLIENT TRACKING ON REDIRECT', SYNTAX_ERROR],
  ['CLIENT TRACKING ON BCAST PREFIX', SYNTAX_ERROR],
  ['CLIENT TRACKING ON REDIRECT x', error('ERR value is not an integer or out of range')],
  ['CLIENT TRACKING ON REDIRECT 999999999', error('ERR The client ID you want redirect to does not exist')],
  ['CLIENT TRACKING ON PREFIX a', error('ERR PREFIX option requires BCAST mode to be enabled')],
  ['CLIENT TRACKING ON BCAST OPTIN', error('ERR OPTIN and OPTOUT are not compatible with BCAST')],
  ['CLIENT TRACKING ON OPTIN OPTOUT', error("ERR You can't specify both OPTIN mode and OPTOUT mode")],
  [
    'CLIENT TRACKING ON BCAST PREFIX a PREFIX ab',
    error(
      "ERR Prefix 'a' overlaps with another provided prefix 'ab'. " +
        'Prefixes for a single client must not overlap.',
    ),
  ],
  [
    'CLIENT CACHING YES',
    error(
      'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode ' +
        'enabled',
    ),
  ],
  ['CLIENT TRACKINGINFO', state(['off'], -1, [])],
  ['CLIENT TRACKING OFF', OK],
  ['CLIENT TRACKING ON BCAST PREFIX ab', OK],
  [
    'CLIENT TRACKING ON BCAST PREFIX a',
    error(
      "ERR Prefix 'a' overlaps with an existing prefix 'ab'. Prefixes for a single client must not overlap.",
    ),
  ],
  [
    'CLIENT TRACKING ON',
    error(
      "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then " +
        're-enabling it with a different mode.',
    ),
  ],
  [
    'CLIENT CACHING YES',
    error('ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.'),
  ],
  [
    'CLIENT CACHING NO',
    error('ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.'),
  ],
  ['CLIENT CACHING MAYBE', SYNTAX_ERROR],
  ['CLIENT TRACKING OFF', OK],
  ['CLIENT TRACKING ON OPTIN', OK],
  [
    'CLIENT TRACKING ON OPTOUT',
    error(
      "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then " +
        're-enabling it with a different mode.',
    ),
  ],
  ['CLIENT TRACKING OFF', OK],
]);
