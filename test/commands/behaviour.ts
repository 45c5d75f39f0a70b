/**
 * Behaviour scripts: `[command, expected reply]` steps that run in both modes and on every transport, over
 * RESP2 and RESP3, and on a real Redis, which proves the script itself.
 *
 *     behaviour('GETDEL returns the value once', [
 *       ['SET k v', OK],
 *       ['GETDEL k', 'v'],
 *       ['GETDEL k', null],
 *       [['GETDEL', Buffer.from([0xff])], null],
 *       on('other', 'GET k', null),
 *     ]);
 *
 * A command is a line whose words are split at spaces, or an array for arguments with other bytes. An
 * expectation is what the reply means; how a protocol encodes that (null, maps, doubles …) is checked as
 * well, see `matches`.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { IMPLEMENTATIONS, sharedServer } from '../support/implementations.ts';
import { test } from 'node:test';
import { keepingConfiguration, type Settings } from '../support/kept-configuration.ts';
import {
  describeReply,
  quoteBytes,
  toBytes,
  type Argument,
  type Reply,
  type RespClient,
} from '../support/resp-client.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { assertSurvivesReload, RELOAD_ARGS } from '../support/surviving-reload.ts';
import { waitUntil } from '../support/wait-until.ts';

export type Protocol = 2 | 3;

/**
 * What a reply must be. Text and bytes: a bulk string; number and bigint: an integer; null: `$-1`, in RESP3
 * `_`; an array: an array. The rest has a maker below.
 */
export type Expected = string | Buffer | number | bigint | null | readonly Expected[] | Special;

interface Special {
  readonly special: string;
  matches(reply: Reply, protocol: Protocol): boolean;
}

/** Waits, connects or disconnects; anything that is not a command with a reply. */
type Action = (clients: Clients) => Promise<void>;

export type Step =
  readonly [command: string | readonly Argument[], expected: Expected, clientName?: string] | Action;

export interface BehaviourOptions {
  /** Both unless said otherwise. */
  readonly protocols?: readonly Protocol[];
  /** Arguments of the servers; scripts with the same arguments share them. Starting servers takes seconds. */
  readonly args?: readonly string[];
  /** Directives that CONFIG SET can change, and their values during the script. */
  readonly settings?: Settings;
  /** The data comes from what no server logs (DEBUG POPULATE): it cannot be loaded from the AOF. */
  readonly isUnlogged?: boolean;
  /** The Redis that brought it, when that is not the one that is installed: it is left out. */
  readonly since?: string;
}

/**
 * Defines a test for each implementation and protocol; every one starts with empty databases, the
 * configuration that the server was started with, and new connections.
 */
export function behaviour(name: string, steps: readonly Step[], options: BehaviourOptions = {}): void {
  const { protocols = [2, 3], args = [], settings = {}, isUnlogged = false, since } = options;
  const isConfiguring = Object.keys(settings).length > 0 || steps.some(changesConfiguration);
  for (const implementation of IMPLEMENTATIONS) {
    for (const protocol of implementation.takesBothProtocols ? protocols : protocols.slice(0, 1)) {
      const isOurs = implementation.variant !== undefined;
      const skip = since !== undefined && !isOurs ? `came with Redis ${since}` : implementation.skip;
      test(`${name} [${implementation.name}, RESP${protocol}]`, { skip }, async () => {
        const ownArgs = ['--enable-debug-command', 'yes', ...(isOurs ? RELOAD_ARGS : [])];
        const server = await sharedServer(implementation, [...ownArgs, ...args]);
        const body = async () => {
          await runScript(server, protocol, steps);
          // The data is the same over every protocol.
          if (isOurs && protocol === protocols[0]) await checkReload(server, isUnlogged);
        };
        await (isConfiguring ? keepingConfiguration(server, settings, body) : body());
      });
    }
  }
}

/** A step of another client, which connects when it is first named. */
export function on(clientName: string, command: string | readonly Argument[], expected: Expected): Step {
  return [command, expected, clientName];
}

/** Sends a command whose replies, and what comes with them, are for `receives`. */
export function sends(clientName: string, command: string | readonly Argument[]): Step {
  return async (clients) => {
    const client = await clients.get(clientName);
    client.send(...wordsOf(command));
  };
}

/** Waits for time to pass, for what lives a few milliseconds. */
export function wait(millis: number): Step {
  return () => sleep(millis);
}

/** The named client sends a command that makes it wait; the script goes on as soon as it does. */
export function blocks(clientName: string, command: string | readonly Argument[]): Step {
  return (clients) => clients.block(clientName, wordsOf(command));
}

/** What the named client gets next, in this order: the reply that it has waited for, or messages. */
export function receives(clientName: string, ...expected: readonly Expected[]): Step {
  return async (clients) => {
    for (const one of expected) await clients.expectReply(clientName, one);
  };
}

/** Closes the named client's connection from its side. */
export function disconnect(clientName: string): Step {
  return (clients) => clients.disconnect(clientName);
}

export const OK = simple('OK');
export const QUEUED = simple('QUEUED');

/** `+TEXT` */
export function simple(text: string): Special {
  return scalar(`+${text}`, '+', text);
}

/** `-TEXT`, the whole line. */
export function error(text: string): Special {
  return scalar(`-${text}`, '-', text);
}

/** An error whose line starts so, where the rest depends on the server. */
export function errorStarting(start: string): Special {
  return {
    special: `-${start}…`,
    matches: (reply) =>
      reply.kind === 'scalar' && reply.tag === '-' && reply.bytes.toString().startsWith(start),
  };
}

/** `*-1`, in RESP3 `_`. */
export const NULL_ARRAY: Special = {
  special: 'null array',
  matches: (reply, protocol) => reply.kind === 'null' && reply.tag === (protocol === 3 ? '_' : '*'),
};

/** A double: its text in a bulk string, in RESP3 `,TEXT`. */
export function double(text: string): Special {
  return {
    special: `,${text}`,
    matches: (reply, protocol) => isScalar(reply, protocol === 3 ? ',' : '$', text),
  };
}

/** True or false: `:1` and `:0`, in RESP3 `#t` and `#f`. */
export function boolean(value: boolean): Special {
  return {
    special: String(value),
    matches: (reply, protocol) =>
      protocol === 3 ? isScalar(reply, '#', value ? 't' : 'f') : isScalar(reply, ':', value ? '1' : '0'),
  };
}

/** Text with a format: a bulk string, in RESP3 `=LENGTH` with `txt:` in front. */
export function verbatim(text: string): Special {
  return {
    special: `=${text}`,
    matches: (reply, protocol) =>
      protocol === 3 ? isScalar(reply, '=', `txt:${text}`) : isScalar(reply, '$', text),
  };
}

/** Pairs in this order: a flat array, in RESP3 a map. */
export function map(...pairs: readonly (readonly [Expected, Expected])[]): Special {
  return aggregate('%', pairs.flat());
}

/** A message that no command has asked for: an array, in RESP3 a push. */
export function push(...items: readonly Expected[]): Special {
  return aggregate('>', items);
}

/** Members in this order: an array, in RESP3 a set. */
export function set(...members: readonly Expected[]): Special {
  return aggregate('~', members);
}

/** An array (or set, in RESP3) of these items in any order. */
export function unordered(...items: readonly Expected[]): Special {
  return {
    special: `in any order ${describeExpected(items)}`,
    matches: (reply, protocol) => {
      if (reply.kind !== 'aggregate' || reply.items.length !== items.length) return false;
      const left = [...reply.items];
      return items.every((item) => {
        const place = left.findIndex((candidate) => matches(candidate, item, protocol));
        if (place !== -1) left.splice(place, 1);
        return place !== -1;
      });
    },
  };
}

/** Members of a sorted set with their scores: a flat array, in RESP3 an array of pairs. */
export function scored(...elements: readonly (readonly [member: string, score: string])[]): Special {
  const nested = elements.map(([member, score]) => [member, double(score)]);
  return {
    special: `members and scores ${elements.join(' ')}`,
    matches: (reply, protocol) => matches(reply, protocol === 3 ? nested : nested.flat(), protocol),
  };
}

/** Text of a bulk, simple or verbatim string that the pattern describes. */
export function matching(pattern: RegExp): Special {
  return {
    special: String(pattern),
    matches: (reply) =>
      reply.kind === 'scalar' && '$+='.includes(reply.tag) && pattern.test(reply.bytes.toString('latin1')),
  };
}

/** An integer from low to high. */
export function integerBetween(low: number, high: number): Special {
  return {
    special: `integer from ${low} to ${high}`,
    matches: (reply) => {
      if (reply.kind !== 'scalar' || reply.tag !== ':') return false;
      return Number(reply.bytes) >= low && Number(reply.bytes) <= high;
    },
  };
}

/** Any reply but an error, for a step that only prepares. */
export const ANYTHING: Special = {
  special: 'no error',
  matches: (reply) => reply.kind !== 'scalar' || reply.tag !== '-',
};

/** The connections of one script. */
class Clients {
  readonly #server: ServerProcess;
  readonly #protocol: Protocol;
  readonly #open = new Map<string, RespClient>();

  constructor(server: ServerProcess, protocol: Protocol) {
    this.#server = server;
    this.#protocol = protocol;
  }

  get protocol(): Protocol {
    return this.#protocol;
  }

  async get(name: string): Promise<RespClient> {
    const existing = this.#open.get(name);
    if (existing !== undefined) return existing;
    const client = await this.#server.connect();
    if (this.#protocol === 3) await client.command('HELLO', '3');
    this.#open.set(name, client);
    return client;
  }

  async block(name: string, words: readonly Argument[]): Promise<void> {
    const observer = await this.get('');
    const client = await this.get(name);
    const id = (await client.text('CLIENT', 'ID')).slice(1);
    client.send(...words);
    await waitUntil(`${describeCommand(words)} waits`, async () =>
      / flags=[a-zA-Z]*b/.test(await observer.text('CLIENT', 'LIST', 'ID', id)),
    );
  }

  async expectReply(name: string, expected: Expected): Promise<void> {
    const client = await this.get(name);
    const place = `what ${name} receives`;
    assertMatches(await client.readReply(), expected, { protocol: this.#protocol, place });
  }

  async disconnect(name: string): Promise<void> {
    const client = await this.get(name);
    client.end();
    await client.readUntilClose();
    client.close();
    this.#open.delete(name);
  }

  /** The server has forgotten them then: the next script does not find them in CLIENT LIST. */
  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map(async (name) => this.disconnect(name)));
  }
}

function changesConfiguration(step: Step): boolean {
  if (typeof step === 'function') return false;
  const [name, subcommand] = wordsOf(step[0]).map((word) => toBytes(word).toString('latin1').toUpperCase());
  return name === 'CONFIG' && subcommand === 'SET';
}

async function runScript(server: ServerProcess, protocol: Protocol, steps: readonly Step[]): Promise<void> {
  const clients = new Clients(server, protocol);
  try {
    const first = await clients.get('');
    assert.equal(await first.text('FLUSHALL'), '+OK');
    for (const [index, step] of steps.entries()) {
      if (typeof step === 'function') {
        await step(clients);
        continue;
      }
      const [command, expected, clientName = ''] = step;
      const words = wordsOf(command);
      const client = await clients.get(clientName);
      const reply = await client.command(...words);
      assertMatches(reply, expected, { protocol, place: `step ${index + 1}, ${describeCommand(words)}` });
    }
  } finally {
    await clients.closeAll();
  }
}

async function checkReload(server: ServerProcess, isUnlogged: boolean): Promise<void> {
  const client = await server.connect();
  try {
    await assertSurvivesReload(client, isUnlogged ? ['RDB', 'JSON'] : ['RDB', 'JSON', 'AOF']);
  } finally {
    client.close();
  }
}

function assertMatches(reply: Reply, expected: Expected, at: { protocol: Protocol; place: string }): void {
  if (matches(reply, expected, at.protocol)) return;
  assert.fail(`${at.place}\n  expected: ${describeExpected(expected)}\n  received: ${describeReply(reply)}`);
}

/** Whether the reply is the expected one, in the encoding that the protocol asks for. */
export function matches(reply: Reply, expected: Expected, protocol: Protocol): boolean {
  if (expected === null) return reply.kind === 'null' && reply.tag === (protocol === 3 ? '_' : '$');
  if (typeof expected === 'number' || typeof expected === 'bigint')
    return isScalar(reply, ':', String(expected));
  if (typeof expected === 'string' || Buffer.isBuffer(expected)) return isScalar(reply, '$', expected);
  if (isSpecial(expected)) return expected.matches(reply, protocol);
  return matchesItems(reply, '*', expected, protocol);
}

function isSpecial(expected: Special | readonly Expected[]): expected is Special {
  return 'special' in expected;
}

function isScalar(reply: Reply, tag: string, content: string | Buffer): boolean {
  return reply.kind === 'scalar' && reply.tag === tag && reply.bytes.equals(toBytes(content));
}

function matchesItems(reply: Reply, tag: string, items: readonly Expected[], protocol: Protocol): boolean {
  if (reply.kind !== 'aggregate' || reply.tag !== tag || reply.items.length !== items.length) return false;
  return reply.items.every((item, index) => matches(item, items[index] as Expected, protocol));
}

function scalar(special: string, tag: string, content: string): Special {
  return { special, matches: (reply) => isScalar(reply, tag, content) };
}

function aggregate(tag: '%' | '~' | '>', items: readonly Expected[]): Special {
  return {
    special: `${tag}${describeExpected(items)}`,
    matches: (reply, protocol) => matchesItems(reply, protocol === 3 ? tag : '*', items, protocol),
  };
}

function describeExpected(expected: Expected): string {
  if (expected === null) return '(nil)';
  if (typeof expected === 'number' || typeof expected === 'bigint') return `:${expected}`;
  if (typeof expected === 'string' || Buffer.isBuffer(expected)) return quoteBytes(toBytes(expected));
  if (isSpecial(expected)) return expected.special;
  return `*[${expected.map(describeExpected).join(', ')}]`;
}

function wordsOf(command: string | readonly Argument[]): readonly Argument[] {
  return typeof command === 'string' ? command.split(' ') : command;
}

function describeCommand(words: readonly Argument[]): string {
  return words
    .map((word) => (typeof word === 'string' && word !== '' ? word : quoteBytes(toBytes(word))))
    .join(' ');
}
