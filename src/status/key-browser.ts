/**
 * The browser of the keyspace: SCAN page by page, and the beginning of a value. It only reads. To read a
 * value counts as an access, as it does for any client; to list keys does not.
 */
import { RefusedError } from './visitors.ts';
import type { Argument, CommandLine } from './engine-client.ts';
import { CommandError, itemsOf, numberOf, textOf } from './reply-reader.ts';
import type { Reply } from './reply-reader.ts';
import { shownText } from './shown-text.ts';

/** A page has about so many keys; a few more when SCAN brings them together. */
const PAGE_KEYS = 50;
/** Rare keys of a large database are looked for so long before the reader is asked whether to go on. */
const SCANS_MAX = 20;
const SCAN_COUNT = '500';
const MEMBERS_MAX = 100;
const STRING_BYTES_MAX = 16 * 1024;
const CELL_CHARACTERS_MAX = 2000;
const NAME_CHARACTERS_MAX = 300;
const PATTERN_CHARACTERS_MAX = 1000;

/** Runs commands in the name of who looks. */
export type Run = (commands: readonly CommandLine[]) => Promise<Reply[]>;

export interface KeyFacts {
  /** The key's bytes, in base64url. */
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly encoding: string;
  /** Milliseconds, -1 = it does not expire. */
  readonly ttlMillis: number;
  readonly bytes: number;
}

export interface KeyPage {
  /** What to go on with; `0` when all keys were looked at. */
  readonly cursor: string;
  readonly keys: readonly KeyFacts[];
}

export interface ValueFacts extends KeyFacts {
  /** Elements, or bytes of a string. */
  readonly length: number;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A parameter that makes no sense. */
export class BadQueryError extends Error {
  override name = 'BadQueryError';
}

/** Parameters: `db`, `cursor`, and if wanted `match`, a pattern, and `type`. */
export async function listKeys(run: Run, query: URLSearchParams): Promise<KeyPage> {
  const database = databaseOf(query);
  let cursor = query.get('cursor') ?? '0';
  if (!/^\d{1,20}$/.test(cursor)) throw new BadQueryError('cursor is no number');
  const match = query.get('match') ?? '';
  if (match.length > PATTERN_CHARACTERS_MAX) throw new BadQueryError('the pattern is too long');
  const type = query.get('type') ?? '';
  const options = [
    ...['COUNT', match === '' ? String(PAGE_KEYS) : SCAN_COUNT],
    ...(match === '' ? [] : ['MATCH', match]),
    ...(type === '' ? [] : ['TYPE', type]),
  ];
  const found = new Map<string, Buffer>();
  for (let scans = 0; scans < SCANS_MAX && found.size < PAGE_KEYS; scans++) {
    const [, scanned] = await ask(run, [
      ['SELECT', database],
      ['SCAN', cursor, ...options],
    ]);
    const [next, keys] = itemsOf(scanned);
    cursor = textOf(next);
    // SCAN may name a key twice.
    for (const key of itemsOf(keys)) if (Buffer.isBuffer(key)) found.set(key.toString('base64url'), key);
    if (cursor === '0') break;
  }
  return { cursor, keys: await factsOf(run, database, [...found.values()]) };
}

/** Parameters: `db`, and `key` in base64url. Undefined when there is no such key. */
export async function readValue(run: Run, query: URLSearchParams): Promise<ValueFacts | undefined> {
  const database = databaseOf(query);
  const key = Buffer.from(query.get('key') ?? '', 'base64url');
  const [facts] = await factsOf(run, database, [key]);
  if (facts === undefined) return undefined;
  const view = VIEWS[facts.type];
  if (view === undefined) return { ...facts, length: 0, columns: [], rows: [] };
  const [, length, value] = await ask(run, [['SELECT', database], ...view.commands(key)]);
  return {
    ...facts,
    length: numberOf(length),
    columns: view.columns,
    rows: view.rows(value).slice(0, MEMBERS_MAX),
  };
}

function databaseOf(query: URLSearchParams): string {
  const database = query.get('db') ?? '0';
  if (!/^\d{1,5}$/.test(database)) throw new BadQueryError('db is no number');
  return database;
}

/** What is to be said about keys; those that are gone meanwhile are left out. */
async function factsOf(run: Run, database: string, keys: readonly Buffer[]): Promise<KeyFacts[]> {
  if (keys.length === 0) return [];
  const replies = await ask(run, [
    ['SELECT', database],
    ...keys.flatMap((key): CommandLine[] => [
      ['TYPE', key],
      ['OBJECT', 'ENCODING', key],
      ['PTTL', key],
      ['MEMORY', 'USAGE', key],
    ]),
  ]);
  return keys.flatMap((key, index) => {
    const [type, encoding, ttl, bytes] = replies.slice(1 + index * 4, 5 + index * 4);
    if (textOf(type) === 'none') return [];
    return [
      {
        id: key.toString('base64url'),
        name: shownText(key, NAME_CHARACTERS_MAX),
        type: textOf(type),
        encoding: textOf(encoding),
        ttlMillis: typeof ttl === 'number' ? ttl : -1,
        bytes: numberOf(bytes),
      },
    ];
  });
}

/**
 * Runs commands of which SELECT and the one that the rest is about must not fail. A key may go between two
 * commands, and what the user may not ask stays empty.
 */
async function ask(run: Run, commands: readonly CommandLine[]): Promise<Reply[]> {
  const replies = await run(commands);
  for (const reply of replies.slice(0, 2)) {
    if (!(reply instanceof CommandError)) continue;
    if (reply.message.startsWith('NOPERM')) throw new RefusedError(403, reply.message);
    if (reply.message.startsWith('LOADING')) throw new RefusedError(503, reply.message);
    throw new BadQueryError(reply.message);
  }
  return replies;
}

/** How the beginning of a value of a type is read and shown. */
interface View {
  readonly columns: readonly string[];
  /** The length, and what is shown. */
  commands(key: Argument): readonly CommandLine[];
  rows(reply: Reply | undefined): string[][];
}

const LAST = String(MEMBERS_MAX - 1);
const MANY = String(MEMBERS_MAX);

const VIEWS: Readonly<Record<string, View>> = {
  string: {
    columns: ['value'],
    commands: (key) => [
      ['STRLEN', key],
      ['GETRANGE', key, '0', String(STRING_BYTES_MAX - 1)],
    ],
    rows: (reply) => [[cell(reply, STRING_BYTES_MAX)]],
  },
  list: {
    columns: ['index', 'element'],
    commands: (key) => [
      ['LLEN', key],
      ['LRANGE', key, '0', LAST],
    ],
    rows: (reply) => itemsOf(reply).map((item, index) => [String(index), cell(item)]),
  },
  set: {
    columns: ['member'],
    commands: (key) => [
      ['SCARD', key],
      ['SSCAN', key, '0', 'COUNT', MANY],
    ],
    rows: (reply) => itemsOf(itemsOf(reply)[1]).map((item) => [cell(item)]),
  },
  hash: {
    columns: ['field', 'value'],
    commands: (key) => [
      ['HLEN', key],
      ['HSCAN', key, '0', 'COUNT', MANY],
    ],
    rows: (reply) => pairs(itemsOf(itemsOf(reply)[1])),
  },
  zset: {
    columns: ['member', 'score'],
    commands: (key) => [
      ['ZCARD', key],
      ['ZRANGE', key, '0', LAST, 'WITHSCORES'],
    ],
    rows: (reply) => pairs(itemsOf(reply)),
  },
  stream: {
    columns: ['id', 'fields'],
    commands: (key) => [
      ['XLEN', key],
      ['XRANGE', key, '-', '+', 'COUNT', MANY],
    ],
    rows: (reply) =>
      itemsOf(reply).map((entry) => {
        const [id, fields] = itemsOf(entry);
        return [
          textOf(id),
          pairs(itemsOf(fields))
            .map(([name, value]) => `${name}: ${value}`)
            .join('  '),
        ];
      }),
  },
};

function cell(reply: Reply | undefined, charactersMax = CELL_CHARACTERS_MAX): string {
  return Buffer.isBuffer(reply) ? shownText(reply, charactersMax) : textOf(reply);
}

function pairs(items: readonly Reply[]): string[][] {
  const rows: string[][] = [];
  for (let at = 0; at + 1 < items.length; at += 2) rows.push([cell(items[at]), cell(items[at + 1])]);
  return rows;
}
