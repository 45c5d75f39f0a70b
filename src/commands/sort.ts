/** SORT (Redis 7.0 sort.c). */
import {
  ENCODING_QUICKLIST,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_SORTED_SET,
  TYPE_STRING,
} from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_LIST } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { ListPosition } from '../structures/quicklist.ts';
import { compareBytes } from '../util/bytes.ts';
import { parseDouble } from '../util/numbers.ts';
import { sortRange } from '../util/range-sort.ts';
import { block, integer, key, oneOf, pattern, token } from './arguments.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR, WRONG_TYPE } from './errors.ts';
import { family } from './family.ts';
import { oneKey, withNotes } from './key-specs.ts';

const BY_DENIED = new ErrorReply('ERR BY option of SORT denied due to insufficient ACL permissions.');
const GET_DENIED = new ErrorReply('ERR GET option of SORT denied due to insufficient ACL permissions.');
const NOT_A_WEIGHT = new ErrorReply("ERR One or more scores can't be converted into double");

/** What both commands read. */
const READ_KEYS = [
  oneKey(1, 'RO', 'access'),
  withNotes(
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive " +
      'from the content of the key we sort',
    { flags: ['RO', 'access'], beginSearch: { type: 'unknown' }, findKeys: { type: 'unknown' } },
  ),
];

const READING_ARGUMENTS = [
  key('key'),
  pattern('pattern', { keySpecIndex: 1, token: 'BY', optional: true }),
  block('offset_count', [integer('offset'), integer('count')], { token: 'LIMIT', optional: true }),
  pattern('pattern', {
    keySpecIndex: 1,
    token: 'GET',
    optional: true,
    multiple: true,
    multipleToken: true,
  }),
  oneOf('order', [token('ASC'), token('DESC')], { optional: true }),
  { ...token('ALPHA', { optional: true }), name: 'sorting' },
];

export const SORT_COMMANDS = family(
  { group: 'generic', categories: ['keyspace', 'set', 'sortedset', 'list'] },
  [
    {
      name: 'sort',
      arity: -2,
      flags: ['write', 'denyoom'],
      categories: ['set', 'sortedset', 'list', 'dangerous'],
      since: '1.0.0',
      summary: 'Sort the elements in a list, set or sorted set',
      complexity:
        'O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M ' +
        'the number of returned elements. When the elements are not sorted, complexity is ' +
        'O(N).',
      keySpecs: [
        ...READ_KEYS,
        withNotes(
          "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear " +
            'anywhere in the argument array',
          { flags: ['OW', 'update'], beginSearch: { type: 'unknown' }, findKeys: { type: 'unknown' } },
        ),
      ],
      arguments: [
        ...READING_ARGUMENTS,
        key('destination', { keySpecIndex: 2, token: 'STORE', optional: true }),
      ],
      run: sort,
    },
    {
      name: 'sort_ro',
      arity: -2,
      flags: ['readonly'],
      categories: ['set', 'sortedset', 'list', 'dangerous'],
      since: '7.0.0',
      summary: 'Sort the elements in a list, set or sorted set. Read-only variant of SORT.',
      complexity:
        'O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M ' +
        'the number of returned elements. When the elements are not sorted, complexity is ' +
        'O(N).',
      keySpecs: READ_KEYS,
      arguments: READING_ARGUMENTS,
      run: sortReadOnly,
    },
  ],
);

interface SortOptions {
  isDescending: boolean;
  /** Compare text, not numbers. */
  isAlpha: boolean;
  offset: number;
  /** Negative: all. */
  count: number;
  /** Where the weight of an element is; undefined: it is the element itself. */
  by: SubstitutionPattern | undefined;
  /** BY has no `*`: the elements stay in the order that they have. */
  isUnsorted: boolean;
  gets: SubstitutionPattern[];
  /** The argument that names the key for the result, 0 = none. */
  storeIndex: number;
}

interface Element {
  readonly bytes: Uint8Array;
  score: number;
  /** What BY has found, of which text is compared. */
  weight: Uint8Array | undefined;
}

/**
 * SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]
 * [STORE destination]
 */
function sort(call: Call): void {
  sortKey(call, sortOptions(call, true));
}

/** SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] */
function sortReadOnly(call: Call): void {
  sortKey(call, sortOptions(call, false));
}

function sortOptions(call: Call, mayStore: boolean): SortOptions {
  const options: SortOptions = {
    isDescending: false,
    isAlpha: false,
    offset: 0,
    count: -1,
    by: undefined,
    isUnsorted: false,
    gets: [],
    storeIndex: 0,
  };
  for (let i = 2; i < call.argumentCount; i++) {
    const left = call.argumentCount - i - 1;
    if (call.is(i, 'ASC')) options.isDescending = false;
    else if (call.is(i, 'DESC')) options.isDescending = true;
    else if (call.is(i, 'ALPHA')) options.isAlpha = true;
    else if (call.is(i, 'LIMIT') && left >= 2) {
      options.offset = call.roundedInt64(++i);
      options.count = call.roundedInt64(++i);
    } else if (mayStore && call.is(i, 'STORE') && left >= 1) {
      options.storeIndex = ++i;
    } else if (call.is(i, 'BY') && left >= 1) {
      options.by = new SubstitutionPattern(call.bytes(++i));
      // Once it is asked for, another BY does not bring the sorting back.
      options.isUnsorted ||= !options.by.hasStar;
      if (options.by.hasStar && !call.services.access.mayReadAllKeys(call)) throw BY_DENIED;
    } else if (call.is(i, 'GET') && left >= 1) {
      if (!call.services.access.mayReadAllKeys(call)) throw GET_DENIED;
      options.gets.push(new SubstitutionPattern(call.bytes(++i)));
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return options;
}

function sortKey(call: Call, options: SortOptions): void {
  const entry = call.lookupRead(1);
  const type = entry === 0 ? TYPE_LIST : call.database.typeOf(entry);
  if (type !== TYPE_LIST && type !== TYPE_SET && type !== TYPE_SORTED_SET) throw WRONG_TYPE;
  if (type === TYPE_SORTED_SET) call.keyspace.sortedSets.expand(call.database, entry);
  if (options.isUnsorted && type === TYPE_SET && options.storeIndex !== 0) {
    // A set has no order: what is stored shall not depend on chance.
    options.isUnsorted = false;
    options.isAlpha = true;
    options.by = undefined;
  }

  const all = entry === 0 ? [] : elementsOf(call, entry, options.isUnsorted && options.isDescending);
  const start = Math.min(Math.max(options.offset, 0), all.length);
  const count = Math.min(options.count < 0 ? all.length : options.count, all.length - start);
  if (!options.isUnsorted) sortElements(call, all, options, start, start + count);
  const chosen = all.slice(start, start + count);

  if (options.storeIndex === 0) replySorted(call, chosen, options.gets);
  else storeSorted(call, chosen, options);
}

// Elements --------------------------------------------------------------------------------------------------

/** Copies of all elements, in the order that lists and sorted sets have, or the reverse of it. */
function elementsOf(call: Call, entry: Ref, isReversed: boolean): Element[] {
  const { database, keyspace } = call;
  const elements: Element[] = [];
  const view = new BorrowedBytes();
  const add = (): void => {
    elements.push({ bytes: view.copy(), score: 0, weight: undefined });
  };
  switch (database.typeOf(entry)) {
    case TYPE_LIST: {
      const { quicklist } = keyspace.lists;
      const position = new ListPosition();
      let isAtElement = quicklist.seek(database.valueOf(entry), 0, position);
      for (; isAtElement; isAtElement = quicklist.next(position)) {
        quicklist.borrow(position, view);
        add();
      }
      break;
    }
    case TYPE_SET: {
      const { sets } = keyspace;
      sets.forEachPlace(database, entry, (place) => {
        sets.borrow(database, entry, place, view);
        add();
      });
      // The order of a set is not asked for, in either direction.
      return elements;
    }
    default: {
      const cursor = keyspace.sortedSets.newCursor();
      keyspace.sortedSets.seek(database, entry, 0, cursor);
      for (; cursor.isAtElement; cursor.next()) {
        cursor.borrow(view);
        add();
      }
    }
  }
  return isReversed ? elements.reverse() : elements;
}

/** Sorts so much that the range from `start` to before `end` is right. @throws NOT_A_WEIGHT */
function sortElements(
  call: Call,
  elements: Element[],
  options: SortOptions,
  start: number,
  end: number,
): void {
  const { by, isAlpha } = options;
  let isWrong = false;
  for (const element of elements) {
    const weight = by === undefined ? element.bytes : by.lookup(call, element.bytes);
    if (isAlpha) {
      element.weight = weight;
    } else if (weight !== undefined) {
      const score = weightFrom(weight);
      isWrong ||= score === undefined;
      element.score = score ?? 0;
    }
  }
  if (isWrong) throw NOT_A_WEIGHT;

  const compareText = options.storeIndex === 0 ? compareCStrings : compareWhole;
  const compare = isAlpha
    ? (a: Element, b: Element): number => compareWeights(a.weight, b.weight, compareText)
    : compareScores;
  const ordered = options.isDescending ? (a: Element, b: Element): number => -compare(a, b) : compare;
  const isWhole = start === 0 && end === elements.length;
  if (by === undefined || isWhole) elements.sort(ordered);
  else sortRange(elements, ordered, start, end - 1);
}

/**
 * A number as C's strtod reads it, up to a zero byte: spaces may stand before it, and no text is 0. Undefined
 * for anything else, and for what is out of range.
 */
function weightFrom(text: Uint8Array): number | undefined {
  const end = lengthOfCString(text);
  let start = 0;
  while (start < end && isSpace(text[start]!)) start++;
  if (start === end) return end === 0 ? 0 : undefined;
  const value = parseDouble(text, start, end);
  return value !== undefined && value !== 0 && Math.abs(value) < DOUBLE_NORMAL_MIN ? undefined : value;
}

/** Smaller numbers are out of range for strtod, which has them rounded. */
const DOUBLE_NORMAL_MIN = 2 ** -1022;

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function lengthOfCString(bytes: Uint8Array): number {
  const zero = bytes.indexOf(0);
  return zero < 0 ? bytes.length : zero;
}

/** By score; elements with the same one by text. */
function compareScores(a: Element, b: Element): number {
  if (a.score !== b.score) return a.score > b.score ? 1 : -1;
  return compareWhole(a.bytes, b.bytes);
}

function compareWeights(
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
  compareText: (a: Uint8Array, b: Uint8Array) => number,
): number {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
  return compareText(a, b);
}

/** As strcoll does in the C locale, which ends at a zero byte: what is replied is in that order. */
function compareCStrings(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, lengthOfCString(a), b, 0, lengthOfCString(b));
}

/** What is stored is in this order, on every server. */
function compareWhole(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}

// Patterns --------------------------------------------------------------------------------------------------

const STAR = 0x2a;
const HASH_SIGN = 0x23;
const ARROW = Buffer.from('->');

/**
 * The pattern of BY and GET: the name of a key, with an element in the place of the first `*`, and of a field
 * behind `->`; or `#`, which is the element itself (sort.c, lookupKeyByPattern). As in Redis, what stands
 * behind a zero byte is not looked at.
 */
class SubstitutionPattern {
  readonly #isElement: boolean;
  readonly #star: number;
  readonly #prefix: Uint8Array;
  readonly #postfix: Uint8Array;
  /** Undefined: the key is a string. */
  readonly #field: Uint8Array | undefined;
  readonly #view = new BorrowedBytes();

  constructor(text: Buffer) {
    const visible = text.subarray(0, lengthOfCString(text));
    this.#isElement = visible.length === 1 && visible[0] === HASH_SIGN;
    this.#star = visible.indexOf(STAR);
    const arrow = this.#star < 0 ? -1 : visible.indexOf(ARROW, this.#star + 1);
    const hasField = arrow >= 0 && arrow + ARROW.length < visible.length;
    this.#prefix = text.subarray(0, Math.max(this.#star, 0));
    this.#postfix = text.subarray(this.#star + 1, hasField ? arrow : text.length);
    this.#field = hasField ? text.subarray(arrow + ARROW.length) : undefined;
  }

  get hasStar(): boolean {
    return this.#star >= 0;
  }

  /** What the pattern leads to for an element. */
  lookup(call: Call, element: Uint8Array): Uint8Array | undefined {
    if (this.#isElement) return element;
    if (this.#star < 0) return undefined;
    const name = Buffer.concat([this.#prefix, element, this.#postfix]);
    const { database } = call;
    const entry = database.lookupRead(name, 0, name.length);
    if (entry === 0) return undefined;
    const isFound =
      this.#field === undefined
        ? this.#borrowString(call, entry)
        : this.#borrowField(call, entry, this.#field);
    return isFound ? this.#view.copy() : undefined;
  }

  #borrowString(call: Call, entry: Ref): boolean {
    if (call.database.typeOf(entry) !== TYPE_STRING) return false;
    call.strings.borrow(entry, this.#view);
    return true;
  }

  #borrowField({ database, keyspace }: Call, entry: Ref, field: Uint8Array): boolean {
    if (database.typeOf(entry) !== TYPE_HASH) return false;
    const place = keyspace.hashes.find(database, entry, field, 0, field.length);
    if (place === 0) return false;
    keyspace.hashes.borrowValue(database, entry, place, this.#view);
    return true;
  }
}

// Results ---------------------------------------------------------------------------------------------------

function replySorted(call: Call, elements: readonly Element[], gets: readonly SubstitutionPattern[]): void {
  const { reply } = call;
  reply.array(elements.length * Math.max(gets.length, 1));
  for (const { bytes } of elements) {
    if (gets.length === 0) reply.bulkBytes(bytes);
    for (const get of gets) {
      const found = get.lookup(call, bytes);
      if (found === undefined) reply.null();
      else reply.bulkBytes(found);
    }
  }
}

/** Makes the result a list; an empty one deletes the key. */
function storeSorted(call: Call, elements: readonly Element[], { gets, storeIndex }: SortOptions): void {
  const { database, request } = call;
  const { lists } = call.keyspace;
  const count = elements.length * Math.max(gets.length, 1);
  if (count === 0) {
    const old = call.lookupWrite(storeIndex);
    if (old !== 0) {
      database.delete(old);
      call.changed(storeIndex, NOTIFY_GENERIC, 'del');
    }
    call.reply.integer(0);
    return;
  }

  const list = lists.create();
  try {
    for (const { bytes } of elements) {
      if (gets.length === 0) lists.append(list, bytes, 0, bytes.length);
      for (const get of gets) {
        const found = get.lookup(call, bytes) ?? NOTHING;
        lists.append(list, found, 0, found.length);
      }
    }
    const [start, end] = [request.start(storeIndex), request.end(storeIndex)];
    database.storeWith(request.buffer, start, end, TYPE_LIST, ENCODING_QUICKLIST, list);
  } catch (error) {
    lists.discard(list);
    throw error;
  }
  call.changed(storeIndex, NOTIFY_LIST, 'sortstore');
  call.keyspace.addDirty(count - 1);
  call.reply.integer(count);
}

/** What is stored where GET finds nothing. */
const NOTHING = new Uint8Array(0);
