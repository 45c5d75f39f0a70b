/** Behaviour of publish and subscribe. */
import {
  behaviour,
  disconnect,
  error,
  matching,
  NULL_ARRAY,
  OK,
  on,
  push,
  QUEUED,
  receives,
  sends,
  simple,
  unordered,
} from './behaviour.ts';

function refusedIn(command: string): ReturnType<typeof error> {
  return error(
    `ERR Can't execute '${command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed ` +
      'in this context',
  );
}

const SHARD_IN_TRANSACTION = error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");

behaviour('SUBSCRIBE, PUBLISH and UNSUBSCRIBE', [
  ['PUBLISH news hello', 0],
  on('sub', 'SUBSCRIBE news sport news', push('subscribe', 'news', 1)),
  receives('sub', push('subscribe', 'sport', 2), push('subscribe', 'news', 2)),
  ['PUBLISH news hello', 1],
  receives('sub', push('message', 'news', 'hello')),
  [['PUBLISH', Buffer.from([0xff, 0]), 'x'], 0],
  ['PUBLISH sport goal', 1],
  ['PUBLISH newspaper x', 0],
  receives('sub', push('message', 'sport', 'goal')),
  on('sub', 'UNSUBSCRIBE news nothing', push('unsubscribe', 'news', 1)),
  receives('sub', push('unsubscribe', 'nothing', 1)),
  ['PUBLISH news hello', 0],
  on('sub', 'UNSUBSCRIBE', push('unsubscribe', 'sport', 0)),
  on('sub', 'UNSUBSCRIBE', push('unsubscribe', null, 0)),
  on('sub', 'GET key', null),
  ['SUBSCRIBE', error("ERR wrong number of arguments for 'subscribe' command")],
  ['PUBLISH x', error("ERR wrong number of arguments for 'publish' command")],
]);

behaviour('a message goes to the subscribers of the channel, then to those of patterns', [
  on('sub', 'PSUBSCRIBE n[ef]ws', push('psubscribe', 'n[ef]ws', 1)),
  on('sub', 'SUBSCRIBE news', push('subscribe', 'news', 2)),
  on('other', 'SUBSCRIBE news', push('subscribe', 'news', 1)),
  ['PUBLISH news hello', 3],
  receives('sub', push('message', 'news', 'hello'), push('pmessage', 'n[ef]ws', 'news', 'hello')),
  receives('other', push('message', 'news', 'hello')),
  ['PUBLISH nfws x', 1],
  receives('sub', push('pmessage', 'n[ef]ws', 'nfws', 'x')),
  on('sub', 'PSUBSCRIBE n[ef]ws', push('psubscribe', 'n[ef]ws', 2)),
  on('sub', 'PUNSUBSCRIBE nope n[ef]ws', push('punsubscribe', 'nope', 2)),
  receives('sub', push('punsubscribe', 'n[ef]ws', 1)),
  on('sub', 'PUNSUBSCRIBE', push('punsubscribe', null, 1)),
  ['PUBLISH nfws x', 0],
  ['PSUBSCRIBE', error("ERR wrong number of arguments for 'psubscribe' command")],
]);

behaviour('shard channels have names and counts of their own', [
  on('sub', 'SSUBSCRIBE orders', push('ssubscribe', 'orders', 1)),
  on('sub', 'SUBSCRIBE orders', push('subscribe', 'orders', 1)),
  on('sub', 'SSUBSCRIBE more orders', push('ssubscribe', 'more', 2)),
  receives('sub', push('ssubscribe', 'orders', 2)),
  ['SPUBLISH orders one', 1],
  ['PUBLISH orders two', 1],
  receives('sub', push('smessage', 'orders', 'one'), push('message', 'orders', 'two')),
  on('sub', 'PSUBSCRIBE *', push('psubscribe', '*', 2)),
  ['SPUBLISH orders three', 1],
  receives('sub', push('smessage', 'orders', 'three')),
  on('sub', 'SUNSUBSCRIBE orders', push('sunsubscribe', 'orders', 1)),
  on('sub', 'SUNSUBSCRIBE', push('sunsubscribe', 'more', 0)),
  on('sub', 'SUNSUBSCRIBE', push('sunsubscribe', null, 0)),
  ['SPUBLISH orders four', 0],
]);

behaviour('PUBSUB tells who listens to what', [
  ['PUBSUB CHANNELS', []],
  ['PUBSUB NUMPAT', 0],
  on('sub', 'SUBSCRIBE a b', push('subscribe', 'a', 1)),
  receives('sub', push('subscribe', 'b', 2)),
  on('other', 'SUBSCRIBE b', push('subscribe', 'b', 1)),
  on('other', 'PSUBSCRIBE x* y*', push('psubscribe', 'x*', 2)),
  receives('other', push('psubscribe', 'y*', 3)),
  on('sub', 'PSUBSCRIBE x*', push('psubscribe', 'x*', 3)),
  on('sub', 'SSUBSCRIBE s', push('ssubscribe', 's', 1)),
  ['PUBSUB CHANNELS', unordered('a', 'b')],
  ['PUBSUB CHANNELS [b-z]', ['b']],
  ['PUBSUB CHANNELS c', []],
  ['PUBSUB NUMSUB', []],
  ['PUBSUB NUMSUB a b c', ['a', 1, 'b', 2, 'c', 0]],
  ['PUBSUB NUMPAT', 2],
  ['PUBSUB SHARDCHANNELS', ['s']],
  ['PUBSUB SHARDCHANNELS x', []],
  ['PUBSUB SHARDNUMSUB s b', ['s', 1, 'b', 0]],
  [
    'PUBSUB CHANNELS a b',
    error("ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP."),
  ],
  ['PUBSUB NUMPAT x', error("ERR wrong number of arguments for 'pubsub|numpat' command")],
  ['PUBSUB nope', error("ERR unknown subcommand 'nope'. Try PUBSUB HELP.")],
  ['PUBSUB', error("ERR wrong number of arguments for 'pubsub' command")],
  ['INFO stats', matching(/pubsub_channels:2\r\npubsub_patterns:2\r\npubsubshard_channels:1\r\n/)],
  [
    'PUBSUB HELP',
    [
      'PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'CHANNELS [<pattern>]',
      "    Return the currently active channels matching a <pattern> (default: '*').",
      'NUMPAT',
      '    Return number of subscriptions to patterns.',
      'NUMSUB [<channel> ...]',
      '    Return the number of subscribers for the specified channels, excluding',
      '    pattern subscriptions(default: no channels).',
      'SHARDCHANNELS [<pattern>]',
      "    Return the currently active shard level channels matching a <pattern> (default: '*').",
      'SHARDNUMSUB [<shardchannel> ...]',
      '    Return the number of subscribers for the specified shard level channel(s)',
      'HELP',
      '    Prints this help.',
    ].map(simple),
  ],
]);

behaviour('a client that leaves has no subscriptions any more', [
  on('sub', 'SUBSCRIBE a', push('subscribe', 'a', 1)),
  on('sub', 'PSUBSCRIBE a*', push('psubscribe', 'a*', 2)),
  on('sub', 'SSUBSCRIBE a', push('ssubscribe', 'a', 1)),
  ['PUBLISH a 1', 2],
  receives('sub', push('message', 'a', '1'), push('pmessage', 'a*', 'a', '1')),
  on('sub', 'QUIT', OK),
  disconnect('sub'),
  ['PUBLISH a 1', 0],
  ['SPUBLISH a 1', 0],
  ['PUBSUB CHANNELS', []],
  ['PUBSUB NUMPAT', 0],
  ['PUBSUB SHARDCHANNELS', []],
]);

behaviour('RESET ends subscriptions without a word', [
  on('sub', 'SUBSCRIBE a', push('subscribe', 'a', 1)),
  on('sub', 'PSUBSCRIBE a*', push('psubscribe', 'a*', 2)),
  on('sub', 'RESET', simple('RESET')),
  ['PUBLISH a 1', 0],
  on('sub', 'PING', simple('PONG')),
]);

behaviour(
  'with RESP2 a subscriber can say little else',
  [
    on('sub', 'SUBSCRIBE a', push('subscribe', 'a', 1)),
    on('sub', 'PING', ['pong', '']),
    on('sub', 'PING text', ['pong', 'text']),
    on('sub', 'PING a b', error("ERR wrong number of arguments for 'ping' command")),
    on('sub', 'GET a', refusedIn('get')),
    on('sub', 'MULTI', refusedIn('multi')),
    on('sub', 'CLIENT ID', refusedIn('client|id')),
    on('sub', 'PUBLISH a x', refusedIn('publish')),
    on('sub', 'SSUBSCRIBE s', push('ssubscribe', 's', 1)),
    on('sub', 'UNSUBSCRIBE', push('unsubscribe', 'a', 0)),
    on('sub', 'GET a', refusedIn('get')),
    on('sub', 'SUNSUBSCRIBE', push('sunsubscribe', 's', 0)),
    on('sub', 'GET a', null),
    on('sub', 'PING', simple('PONG')),
  ],
  { protocols: [2] },
);

behaviour(
  'with RESP3 it can say anything, and gets its own messages before the reply',
  [
    ['SUBSCRIBE a', push('subscribe', 'a', 1)],
    ['PING', simple('PONG')],
    ['SET k v', OK],
    sends('', 'PUBLISH a hello'),
    receives('', push('message', 'a', 'hello'), 1),
    ['PSUBSCRIBE *', push('psubscribe', '*', 2)],
    sends('', 'PUBLISH a hello'),
    receives('', push('message', 'a', 'hello'), push('pmessage', '*', 'a', 'hello'), 2),
  ],
  { protocols: [3] },
);

behaviour('subscribing in a transaction', [
  ['MULTI', OK],
  ['SUBSCRIBE a', QUEUED],
  ['PUBLISH b x', QUEUED],
  ['SSUBSCRIBE a', QUEUED],
  ['UNSUBSCRIBE', QUEUED],
  ['GET k', QUEUED],
  ['EXEC', [push('subscribe', 'a', 1), 0, SHARD_IN_TRANSACTION, push('unsubscribe', 'a', 0), null]],
  on('sub', 'SUBSCRIBE news', push('subscribe', 'news', 1)),
  ['MULTI', OK],
  ['PUBLISH news 1', QUEUED],
  ['SET k v', QUEUED],
  ['PUBLISH news 2', QUEUED],
  ['EXEC', [1, OK, 1]],
  receives('sub', push('message', 'news', '1'), push('message', 'news', '2')),
  ['WATCH k', OK],
  on('other', 'SET k w', OK),
  ['MULTI', OK],
  ['PUBLISH news 3', QUEUED],
  ['EXEC', NULL_ARRAY],
  ['PUBLISH news 4', 1],
  receives('sub', push('message', 'news', '4')),
]);

behaviour('messages come also to a client that wants no replies', [
  sends('sub', 'CLIENT REPLY OFF'),
  on('sub', 'SUBSCRIBE a', push('subscribe', 'a', 1)),
  sends('sub', 'PING'),
  ['PUBSUB NUMSUB a', ['a', 1]],
  ['PUBLISH a 1', 1],
  receives('sub', push('message', 'a', '1')),
  on('sub', 'UNSUBSCRIBE a', push('unsubscribe', 'a', 0)),
  on('sub', 'CLIENT REPLY ON', OK),
]);

behaviour('CLIENT LIST tells subscribers from others', [
  on('sub', 'SUBSCRIBE a b', push('subscribe', 'a', 1)),
  receives('sub', push('subscribe', 'b', 2)),
  on('sub', 'PSUBSCRIBE p*', push('psubscribe', 'p*', 3)),
  on('sub', 'SSUBSCRIBE s', push('ssubscribe', 's', 1)),
  ['CLIENT LIST TYPE PUBSUB', matching(/^(?:txt:)?id=[^\n]* flags=P db=0 sub=2 psub=1 ssub=1 [^\n]*\n$/)],
  [
    'CLIENT LIST TYPE NORMAL',
    matching(/^(?:txt:)?(?:id=[^\n]* flags=N db=0 sub=0 psub=0 ssub=0 [^\n]*\n)+$/),
  ],
  ['CLIENT KILL TYPE PUBSUB', 1],
  disconnect('sub'),
  ['CLIENT LIST TYPE PUBSUB', matching(/^(?:txt:)?$/)],
  ['PUBLISH a x', 0],
]);

behaviour('a message is as its publisher wrote it', [
  on(
    'sub',
    ['SUBSCRIBE', Buffer.from([0, 13, 10, 0xff])],
    push('subscribe', Buffer.from([0, 13, 10, 0xff]), 1),
  ),
  on('sub', ['SUBSCRIBE', ''], push('subscribe', '', 2)),
  [['PUBLISH', Buffer.from([0, 13, 10, 0xff]), Buffer.from([0xc0, 0, 10])], 1],
  [['PUBLISH', '', ''], 1],
  [['PUBLISH', '', 'x'.repeat(300_000)], 1],
  receives(
    'sub',
    push('message', Buffer.from([0, 13, 10, 0xff]), Buffer.from([0xc0, 0, 10])),
    push('message', '', ''),
    push('message', '', 'x'.repeat(300_000)),
  ),
]);

behaviour('COMMAND knows what is a channel and no key', [
  ['COMMAND GETKEYS SPUBLISH a b', error('ERR The command has no key arguments')],
  ['COMMAND GETKEYS PUBLISH a b', error('ERR The command has no key arguments')],
  [
    'COMMAND LIST FILTERBY ACLCAT pubsub',
    unordered(
      ...['subscribe', 'psubscribe', 'ssubscribe', 'unsubscribe', 'punsubscribe', 'sunsubscribe'],
      ...['publish', 'spublish', 'pubsub|channels', 'pubsub|numpat', 'pubsub|numsub'],
      ...['pubsub|shardchannels', 'pubsub|shardnumsub'],
    ),
  ],
]);
