/** Publish and subscribe (Redis 7.0 pubsub.c). */
import { ErrorReply } from '../protocol/error-reply.ts';
import { globMatch } from '../util/glob.ts';
import { block, pattern, string } from './arguments.ts';
import type { Call } from './call.ts';
import { unknownSubcommandOrArity } from './errors.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';
import { keysFrom, oneKey } from './key-specs.ts';
import type { SubscriptionKind } from './services.ts';
import { SESSION_SUBSCRIBER } from './session.ts';

/** Only the older two may be in a transaction (pubsub.c, ssubscribeCommand). */
const SHARD_IN_TRANSACTION = new ErrorReply("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");

export const PUBSUB_COMMANDS = family({ group: 'pubsub', categories: ['pubsub'] }, [
  {
    name: 'psubscribe',
    arity: -2,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    since: '2.0.0',
    summary: 'Listen for messages published to channels matching the given patterns',
    complexity: 'O(N) where N is the number of patterns the client is already subscribed to.',
    arguments: [block('pattern', [pattern('pattern')], { multiple: true })],
    run: pSubscribe,
  },
  {
    name: 'publish',
    arity: 3,
    flags: ['pubsub', 'loading', 'stale', 'fast'],
    categories: [],
    since: '2.0.0',
    summary: 'Post a message to a channel',
    complexity:
      'O(N+M) where N is the number of clients subscribed to the receiving channel and M ' +
      'is the total number of subscribed patterns (by any client).',
    arguments: [string('channel'), string('message')],
    run: publish,
  },
  {
    name: 'pubsub',
    arity: -2,
    flags: [],
    categories: [],
    since: '2.8.0',
    summary: 'A container for Pub/Sub commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'channels',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        since: '2.8.0',
        summary: 'List active channels',
        complexity:
          'O(N) where N is the number of active channels, and assuming constant time ' +
          'pattern matching (relatively short channels and patterns)',
        arguments: [pattern('pattern', { optional: true })],
        run: pubsubChannels,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: [],
        since: '6.2.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: pubsubHelp,
      },
      {
        name: 'numpat',
        arity: 2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        since: '2.8.0',
        summary: 'Get the count of unique patterns pattern subscriptions',
        complexity: 'O(1)',
        run: pubsubNumPat,
      },
      {
        name: 'numsub',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        since: '2.8.0',
        summary: 'Get the count of subscribers for channels',
        complexity: 'O(N) for the NUMSUB subcommand, where N is the number of requested channels',
        arguments: [string('channel', { optional: true, multiple: true })],
        run: pubsubNumSub,
      },
      {
        name: 'shardchannels',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        since: '7.0.0',
        summary: 'List active shard channels',
        complexity:
          'O(N) where N is the number of active shard channels, and assuming constant ' +
          'time pattern matching (relatively short shard channels).',
        arguments: [pattern('pattern', { optional: true })],
        run: pubsubShardChannels,
      },
      {
        name: 'shardnumsub',
        arity: -2,
        flags: ['pubsub', 'loading', 'stale'],
        categories: [],
        since: '7.0.0',
        summary: 'Get the count of subscribers for shard channels',
        complexity: 'O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels',
        arguments: [string('shardchannel', { optional: true, multiple: true })],
        run: pubsubShardNumSub,
      },
    ],
  },
  {
    name: 'punsubscribe',
    arity: -1,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    since: '2.0.0',
    summary: 'Stop listening for messages posted to channels matching the given patterns',
    complexity:
      'O(N+M) where N is the number of patterns the client is already subscribed and M ' +
      'is the number of total patterns subscribed in the system (by any client).',
    arguments: [pattern('pattern', { optional: true, multiple: true })],
    run: pUnsubscribe,
  },
  {
    name: 'spublish',
    arity: 3,
    flags: ['pubsub', 'loading', 'stale', 'fast'],
    categories: [],
    since: '7.0.0',
    summary: 'Post a message to a shard channel',
    complexity: 'O(N) where N is the number of clients subscribed to the receiving shard channel.',
    keySpecs: [oneKey(1, 'not_key')],
    arguments: [string('shardchannel'), string('message')],
    run: sPublish,
  },
  {
    name: 'ssubscribe',
    arity: -2,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    since: '7.0.0',
    summary: 'Listen for messages published to the given shard channels',
    complexity: 'O(N) where N is the number of shard channels to subscribe to.',
    keySpecs: [keysFrom(1, 'not_key')],
    arguments: [string('shardchannel', { multiple: true })],
    run: sSubscribe,
  },
  {
    name: 'subscribe',
    arity: -2,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    since: '2.0.0',
    summary: 'Listen for messages published to the given channels',
    complexity: 'O(N) where N is the number of channels to subscribe to.',
    arguments: [string('channel', { multiple: true })],
    run: subscribe,
  },
  {
    name: 'sunsubscribe',
    arity: -1,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    since: '7.0.0',
    summary: 'Stop listening for messages posted to the given shard channels',
    complexity: 'O(N) where N is the number of clients already subscribed to a shard channel.',
    keySpecs: [keysFrom(1, 'not_key')],
    arguments: [string('shardchannel', { optional: true, multiple: true })],
    run: sUnsubscribe,
  },
  {
    name: 'unsubscribe',
    arity: -1,
    flags: ['pubsub', 'noscript', 'loading', 'stale'],
    categories: [],
    since: '2.0.0',
    summary: 'Stop listening for messages posted to the given channels',
    complexity: 'O(N) where N is the number of clients already subscribed to a channel.',
    arguments: [string('channel', { optional: true, multiple: true })],
    run: unsubscribe,
  },
]);

/** The words of the replies, by what is subscribed to. */
const WORDS: Record<SubscriptionKind, { readonly subscribed: string; readonly unsubscribed: string }> = {
  channel: { subscribed: 'subscribe', unsubscribed: 'unsubscribe' },
  pattern: { subscribed: 'psubscribe', unsubscribed: 'punsubscribe' },
  shard: { subscribed: 'ssubscribe', unsubscribed: 'sunsubscribe' },
};

/** SUBSCRIBE channel [channel ...] */
function subscribe(call: Call): void {
  subscribeAll(call, 'channel');
}

/** PSUBSCRIBE pattern [pattern ...] */
function pSubscribe(call: Call): void {
  subscribeAll(call, 'pattern');
}

/** SSUBSCRIBE shardchannel [shardchannel ...] */
function sSubscribe(call: Call): void {
  if (call.session.isInTransaction) throw SHARD_IN_TRANSACTION;
  subscribeAll(call, 'shard');
}

function subscribeAll(call: Call, kind: SubscriptionKind): void {
  const { session, services } = call;
  session.raise(SESSION_SUBSCRIBER);
  for (let i = 1; i < call.argumentCount; i++) {
    const name = call.bytes(i);
    services.pubsub.subscribe(session.record, kind, name);
    replyCount(call, kind, WORDS[kind].subscribed, name);
  }
}

/** UNSUBSCRIBE [channel [channel ...]] */
function unsubscribe(call: Call): void {
  unsubscribeAll(call, 'channel');
}

/** PUNSUBSCRIBE [pattern [pattern ...]] */
function pUnsubscribe(call: Call): void {
  unsubscribeAll(call, 'pattern');
}

/** SUNSUBSCRIBE [shardchannel [shardchannel ...]] */
function sUnsubscribe(call: Call): void {
  unsubscribeAll(call, 'shard');
}

function unsubscribeAll(call: Call, kind: SubscriptionKind): void {
  const { session, services } = call;
  const names = namesToLeave(call, kind);
  for (const name of names) {
    services.pubsub.unsubscribe(session.record, kind, name);
    replyCount(call, kind, WORDS[kind].unsubscribed, name);
  }
  // A reply there must be.
  if (names.length === 0) replyCount(call, kind, WORDS[kind].unsubscribed, undefined);
  if (totalCount(call) === 0) session.clear(SESSION_SUBSCRIBER);
}

/** What the arguments name; without any, all of that kind. */
function namesToLeave(call: Call, kind: SubscriptionKind): readonly Buffer[] {
  if (call.argumentCount === 1) return call.services.pubsub.subscriptionsOf(call.session.record, kind);
  return Array.from({ length: call.argumentCount - 1 }, (_, i) => call.bytes(i + 1));
}

/**
 * A reply that is a push: it comes also when the client wants no replies. Channels and patterns are counted
 * together, shard channels apart.
 */
function replyCount(call: Call, kind: SubscriptionKind, word: string, name: Uint8Array | undefined): void {
  const { reply } = call;
  const mark = reply.position;
  reply.push(3);
  reply.bulkText(word);
  if (name === undefined) reply.null();
  else reply.bulkBytes(name);
  reply.integer(
    kind === 'shard' ? countOf(call, 'shard') : countOf(call, 'channel') + countOf(call, 'pattern'),
  );
  reply.keep(mark);
}

function countOf({ session, services }: Call, kind: SubscriptionKind): number {
  return services.pubsub.subscriptionCount(session.record, kind);
}

function totalCount(call: Call): number {
  return countOf(call, 'channel') + countOf(call, 'pattern') + countOf(call, 'shard');
}

/** PUBLISH channel message */
function publish(call: Call): void {
  call.reply.integer(call.services.pubsub.publish('channel', call.bytes(1), call.bytes(2)));
}

/** SPUBLISH shardchannel message */
function sPublish(call: Call): void {
  call.reply.integer(call.services.pubsub.publish('shard', call.bytes(1), call.bytes(2)));
}

/** PUBSUB CHANNELS [pattern] */
function pubsubChannels(call: Call): void {
  replyTopics(call, 'channel');
}

/** PUBSUB SHARDCHANNELS [pattern] */
function pubsubShardChannels(call: Call): void {
  replyTopics(call, 'shard');
}

function replyTopics(call: Call, kind: SubscriptionKind): void {
  if (call.argumentCount > 3) throw unknownSubcommandOrArity(call.text(1), call.text(0));
  const wanted = call.argumentCount === 3 ? call.bytes(2) : undefined;
  const names = call.services.pubsub
    .topics(kind)
    .filter((name) => wanted === undefined || globMatch(wanted, name, 0, name.length));

  call.reply.array(names.length);
  for (const name of names) call.reply.bulkBytes(name);
}

/** PUBSUB NUMSUB [channel [channel ...]] */
function pubsubNumSub(call: Call): void {
  replySubscriberCounts(call, 'channel');
}

/** PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]] */
function pubsubShardNumSub(call: Call): void {
  replySubscriberCounts(call, 'shard');
}

function replySubscriberCounts(call: Call, kind: SubscriptionKind): void {
  const { reply, services } = call;
  reply.array((call.argumentCount - 2) * 2);
  for (let i = 2; i < call.argumentCount; i++) {
    const name = call.bytes(i);
    reply.bulkBytes(name);
    reply.integer(services.pubsub.subscriberCount(kind, name));
  }
}

/** PUBSUB NUMPAT */
function pubsubNumPat({ reply, services }: Call): void {
  reply.integer(services.pubsub.topicCount('pattern'));
}

/** PUBSUB HELP */
function pubsubHelp(call: Call): void {
  replyHelp(call, [
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
  ]);
}
