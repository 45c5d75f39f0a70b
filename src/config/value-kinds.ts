/**
 * The kinds of values: how each is read, checked and printed. A value is kept as the text that CONFIG GET
 * prints (exact for every 64-bit number), and the typed value is computed from it.
 *
 * Grammar and messages follow Redis 7.0 config.c, the `…ConfigSet` and `setConfig…Option` functions.
 */
import { resolve } from 'node:path';
import { parseMemorySize } from '../util/memory-size.ts';
import { formatFixed, parseDouble, parseInt64 } from '../util/numbers.ts';
import { encodeText } from './config-text.ts';
import type {
  BoolRow,
  DirectiveKind,
  DirectiveRow,
  EnumRow,
  FlagsRow,
  MemoryOrPercentRow,
  NumberRow,
  StringCheck,
  StringRow,
} from './directive-row.ts';
import {
  asciiLowerCase,
  type ClientClass,
  type MemoryOrPercent,
  type OutputBufferLimit,
  type SpecialValues,
} from './directives.ts';

/** The value in the form that CONFIG GET prints, or what is wrong with it, in the words of Redis. */
export type Parsed = { readonly text: string } | { readonly error: string };

export interface ParseContext {
  /** The value until now: some directives change only a part of it. */
  readonly current: string;
  /** Where relative paths start. */
  readonly workingDirectory: string;
  /** A further `save` line in a file adds to the ones before it. */
  readonly addSavePoints: boolean;
}

interface ValueKind<Row, Value> {
  parse(row: Row, args: readonly string[], context: ParseContext): Parsed;
  value(text: string, row: Row): Value;
}

type RowOf<Kind extends DirectiveKind> = Kind extends unknown
  ? DirectiveRow & { readonly kind: Kind }
  : never;

const BIND_ADDRESSES_MAX = 16;
const OOM_SCORE_COUNT = 3;
const OOM_SCORE_MAX = 2000n;
const PERCENTILE_DECIMALS = 6;
const HOST_NAME_BYTES_MAX = 256;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const WRONG_ARGUMENTS = { error: 'wrong number of arguments' };

/** Kinds whose line in a file may have several arguments; the others take exactly one. */
export const MULTIPLE_ARGUMENT_KINDS: ReadonlySet<DirectiveKind> = new Set<DirectiveKind>([
  'flags',
  'save-points',
  'output-buffer-limits',
  'oom-score-values',
  'addresses',
  'replica-of',
  'percentiles',
]);

const KINDS: { readonly [Kind in DirectiveKind]: ValueKind<RowOf<Kind>, unknown> } = {
  bool: { parse: parseBool, value: (text) => text === 'yes' },
  integer: { parse: parseNumber, value: Number },
  memory: { parse: parseNumber, value: Number },
  octal: { parse: parseNumber, value: (text) => Number.parseInt(text, 8) },
  'memory-or-percent': { parse: parseMemoryOrPercent, value: memoryOrPercentValue },
  enum: { parse: parseEnum, value: (text) => text },
  flags: { parse: parseFlags, value: (text, row) => (text === row.names[0] ? [] : text.split(' ')) },
  string: { parse: parseString, value: (text) => text },
  directory: { parse: parseDirectory, value: (text) => text },
  'save-points': { parse: parseSavePoints, value: savePointsValue },
  'output-buffer-limits': { parse: parseOutputBufferLimits, value: outputBufferLimitsValue },
  'oom-score-values': { parse: parseOomScores, value: (text) => words(text).map(Number) },
  'keyspace-events': { parse: parseKeyspaceEvents, value: (text) => text },
  addresses: { parse: parseAddresses, value: words },
  'replica-of': { parse: parseReplicaOf, value: replicaOfValue },
  percentiles: { parse: parsePercentiles, value: (text) => words(text).map(Number) },
};

export function parseValue(row: DirectiveRow, args: readonly string[], context: ParseContext): Parsed {
  const kind: ValueKind<never, unknown> = KINDS[row.kind];
  return kind.parse(row as never, args, context);
}

export function typedValue(row: DirectiveRow, text: string): unknown {
  const kind: ValueKind<never, unknown> = KINDS[row.kind];
  return kind.value(text, row as never);
}

/** The default as CONFIG GET prints it. */
export function defaultText(row: DirectiveRow): string {
  if (row.kind === 'bool') return row.default ? 'yes' : 'no';
  if (row.kind === 'octal') return row.default.toString(8);
  return String(row.default);
}

/**
 * CONFIG GET's form of the text; only event classes have a lossy one (Redis 7.0
 * keyspaceEventsFlagsToString).
 */
export function printedText(row: DirectiveRow, text: string): string {
  return row.kind === 'keyspace-events' && text.startsWith('A') ? text.replace('n', '') : text;
}

function words(text: string): string[] {
  return text === '' ? [] : text.split(' ');
}

function first(args: readonly string[]): string {
  return args[0] ?? '';
}

/**
 * What C's strtoll reads (base 10, clamped to 64 bits), and the text behind it; without digits 0 and all
 * text.
 */
function strtoll(text: string): { value: bigint; rest: string } {
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9]+)/.exec(text);
  if (match === null) return { value: 0n, rest: text };
  const magnitude = BigInt(match[2] ?? '0');
  const value = match[1] === '-' ? -magnitude : magnitude;
  const clamped = value < INT64_MIN ? INT64_MIN : value > INT64_MAX ? INT64_MAX : value;
  return { value: clamped, rest: text.slice(match[0].length) };
}

function parseBool(_row: BoolRow, args: readonly string[]): Parsed {
  const word = asciiLowerCase(first(args));
  return word === 'yes' || word === 'no' ? { text: word } : { error: "argument must be 'yes' or 'no'" };
}

function parseNumber(row: NumberRow, args: readonly string[]): Parsed {
  const raw = readNumber(row, first(args));
  if (raw === undefined) return { error: NUMBER_ERRORS[row.kind] };

  const value = row.unsigned ? BigInt.asUintN(64, raw) : BigInt.asIntN(64, raw);
  const radix = row.kind === 'octal' ? 8 : 10;
  if (value < BigInt(row.min) || value > BigInt(row.max)) {
    const range = `${row.min.toString(radix)} and ${row.max.toString(radix)}`;
    return { error: `argument must be between ${range} inclusive` };
  }
  if (row.clamp !== undefined) {
    const [low, high] = row.clamp;
    return { text: String(Math.min(high, Math.max(low, Number(value)))) };
  }
  return { text: value.toString(radix) };
}

const NUMBER_ERRORS: Record<NumberRow['kind'], string> = {
  integer: "argument couldn't be parsed into an integer",
  memory: 'argument must be a memory value',
  octal: "argument couldn't be parsed as an octal number",
};

function readNumber(row: NumberRow, text: string): bigint | undefined {
  if (row.kind === 'memory') return parseMemorySize(text);
  if (row.kind === 'integer') return readInteger(text);
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-7]+)$/.exec(text);
  if (match === null) return text === '' ? 0n : undefined;
  const magnitude = BigInt(`0o${match[2] ?? '0'}`);
  return magnitude > INT64_MAX ? undefined : match[1] === '-' ? -magnitude : magnitude;
}

function readInteger(text: string): bigint | undefined {
  const bytes = encodeText(text);
  return parseInt64(bytes, 0, bytes.length);
}

function parseMemoryOrPercent(row: MemoryOrPercentRow, args: readonly string[]): Parsed {
  const text = first(args);
  const bytes = parseMemorySize(text);
  if (bytes !== undefined) {
    // Redis keeps a percentage as a negative number, so the upper half of the 64-bit range reads as one.
    const signed = BigInt.asIntN(64, bytes);
    return signed < 0n ? percentText(row, -signed) : { text: signed.toString() };
  }
  const percent = text.endsWith('%') ? readInteger(text.slice(0, -1)) : undefined;
  if (percent === undefined || percent < 0n) return { error: 'argument must be a memory or percent value' };
  return percent === 0n ? { text: '0' } : percentText(row, percent);
}

function percentText(row: MemoryOrPercentRow, percent: bigint): Parsed {
  return percent > BigInt(row.maxPercent)
    ? { error: `percentage argument must be less or equal to ${row.maxPercent}` }
    : { text: `${percent}%` };
}

function memoryOrPercentValue(text: string): MemoryOrPercent {
  return text.endsWith('%') ? { percent: Number(text.slice(0, -1)) } : { bytes: Number(text) };
}

function matchName(names: readonly string[], word: string): string | undefined {
  const wanted = asciiLowerCase(word);
  return names.find((name) => name === wanted);
}

function namesError(names: readonly string[]): Parsed {
  return { error: `argument(s) must be one of the following: ${names.join(', ')}` };
}

function parseEnum(row: EnumRow, args: readonly string[]): Parsed {
  const name = matchName(row.names, first(args));
  return name === undefined ? namesError(row.names) : { text: row.synonyms?.[name] ?? name };
}

function parseFlags(row: FlagsRow, args: readonly string[]): Parsed {
  const chosen = new Set(args.map((word) => matchName(row.names, word)));
  if (chosen.size === 0 || chosen.has(undefined)) return namesError(row.names);
  const { exclusive } = row;
  if (exclusive?.names.every((name) => chosen.has(name))) return { error: exclusive.message };

  const [none = '', ...flags] = row.names;
  return { text: flags.filter((name) => chosen.has(name)).join(' ') || none };
}

function parseString(row: StringRow, args: readonly string[]): Parsed {
  const given = first(args);
  const text = row.binary ? given : (given.split('\0', 1)[0] ?? '');
  const error = baseNameError(row, text) ?? (row.check && STRING_CHECKS[row.check](text));
  return error === undefined ? { text } : { error };
}

function baseNameError({ baseName }: StringRow, text: string): string | undefined {
  if (baseName === undefined) return undefined;
  if (text === '' && !baseName.mayBeEmpty) return `${baseName.of} can't be empty`;
  return /[/\\]/.test(text) ? `${baseName.of} can't be a path, just a ${baseName.noun}` : undefined;
}

const STRING_CHECKS: Record<StringCheck, (text: string) => string | undefined> = {
  'host-name': hostNameError,
  'title-template': (text) =>
    isTitleTemplate(text) ? undefined : 'template format is invalid or contains unknown variables',
};

function hostNameError(text: string): string | undefined {
  if (encodeText(text).length >= HOST_NAME_BYTES_MAX) {
    return `Hostnames must be less than ${HOST_NAME_BYTES_MAX} characters`;
  }
  return /^[A-Za-z0-9.-]*$/.test(text)
    ? undefined
    : 'Hostnames may only contain alphanumeric characters, hyphens or dots';
}

/** Variables of the process title, and whether they expand to something in a server with default settings. */
const TITLE_VARIABLES: ReadonlyMap<string, boolean> = new Map([
  ['title', false],
  ['listen-addr', true],
  ['server-mode', false],
  ['port', true],
  ['tls-port', true],
  ['unixsocket', false],
  ['config-file', true],
]);

/** Every variable is known and the whole is not empty (Redis 7.0 server.c, validateProcTitleTemplate). */
function isTitleTemplate(template: string): boolean {
  let valid = true;
  const expanded = template.replace(/\{\{|\{([^}]*)\}|\{/g, (match, variable: string | undefined) => {
    if (match === '{{') return '{';
    const expands = variable === undefined ? undefined : TITLE_VARIABLES.get(variable);
    if (expands === undefined) valid = false;
    return expands ? 'x' : '';
  });
  return valid && /[^ ]/.test(expanded);
}

function parseDirectory(_row: DirectiveRow, args: readonly string[], context: ParseContext): Parsed {
  const path = first(args);
  return path === ''
    ? { error: 'No such file or directory' }
    : { text: resolve(context.workingDirectory, path) };
}

function parseSavePoints(_row: DirectiveRow, args: readonly string[], context: ParseContext): Parsed {
  const numbers = args.length === 1 && args[0] === '' ? [] : args.map(strtoll);
  const valid = numbers.every(
    ({ value, rest }, index) => rest === '' && value >= (index % 2 === 0 ? 1n : 0n),
  );
  if (numbers.length % 2 !== 0 || !valid) return { error: 'Invalid save parameters' };

  // Redis keeps the number of changes in a C int.
  const added = numbers.map(({ value }, index) => (index % 2 === 0 ? value : BigInt.asIntN(32, value)));
  const kept = context.addSavePoints && numbers.length > 0 ? words(context.current) : [];
  return { text: [...kept, ...added].join(' ') };
}

function savePointsValue(text: string): SpecialValues['save-points'] {
  const numbers = words(text).map(Number);
  return numbers.flatMap((seconds, index) =>
    index % 2 === 0 ? [{ seconds, changes: numbers[index + 1] ?? 0 }] : [],
  );
}

/** The classes in the order and with the names of CONFIG GET. */
export const CLIENT_CLASSES: readonly { readonly printed: string; readonly name: ClientClass }[] = [
  { printed: 'normal', name: 'normal' },
  { printed: 'slave', name: 'replica' },
  { printed: 'pubsub', name: 'pubsub' },
];

function parseOutputBufferLimits(_row: DirectiveRow, args: readonly string[], context: ParseContext): Parsed {
  if (args.length % 4 !== 0) return { error: 'Wrong number of arguments in buffer limit configuration.' };

  const limits = words(context.current);
  for (let i = 0; i < args.length; i += 4) {
    const [className = '', hard = '', soft = '', seconds = ''] = args.slice(i, i + 4);
    const index = clientClassIndex(className);
    if (index < 0) return { error: 'Invalid client class specified in buffer limit configuration.' };
    const hardBytes = parseMemorySize(hard);
    const softBytes = parseMemorySize(soft);
    const softSeconds = strtoll(seconds);
    const softSecondsInt = BigInt.asIntN(32, softSeconds.value);
    if (
      hardBytes === undefined ||
      softBytes === undefined ||
      softSecondsInt < 0n ||
      softSeconds.rest !== ''
    ) {
      return { error: 'Error in hard, soft or soft_seconds setting in buffer limit configuration.' };
    }
    limits.splice(index * 4 + 1, 3, String(hardBytes), String(softBytes), String(softSecondsInt));
  }
  return { text: limits.join(' ') };
}

function clientClassIndex(className: string): number {
  const wanted = asciiLowerCase(className);
  return CLIENT_CLASSES.findIndex(({ printed, name }) => wanted === printed || wanted === name);
}

function outputBufferLimitsValue(text: string): SpecialValues['output-buffer-limits'] {
  const fields = words(text);
  const limit = (index: number): OutputBufferLimit => ({
    hardBytes: Number(fields[index * 4 + 1]),
    softBytes: Number(fields[index * 4 + 2]),
    softSeconds: Number(fields[index * 4 + 3]),
  });
  return { normal: limit(0), replica: limit(1), pubsub: limit(2) };
}

function parseOomScores(_row: DirectiveRow, args: readonly string[]): Parsed {
  if (args.length !== OOM_SCORE_COUNT) return WRONG_ARGUMENTS;
  const scores = args.map(strtoll);
  const valid = scores.every(
    ({ value, rest }) => rest === '' && value >= -OOM_SCORE_MAX && value <= OOM_SCORE_MAX,
  );
  return valid
    ? { text: scores.map(({ value }) => value).join(' ') }
    : { error: 'Invalid oom-score-adj-values, elements must be between -2000 and 2000.' };
}

/**
 * Classes that A stands for, in the order in which Redis prints them (Redis 7.0 notify.c); then the others.
 */
const EVENT_CLASSES_OF_A = 'g$lshzxetd';
const EVENT_CLASSES_BESIDE_A = 'nKEm';

function parseKeyspaceEvents(_row: DirectiveRow, args: readonly string[]): Parsed {
  const given = new Set(first(args));
  for (const letter of given) {
    if (!`A${EVENT_CLASSES_OF_A}${EVENT_CLASSES_BESIDE_A}`.includes(letter)) {
      return { error: "Invalid event class character. Use 'Ag$lshzxeKEtmdn'." };
    }
  }
  const chosen = (letters: string): string =>
    Array.from(letters)
      .filter((letter) => given.has(letter))
      .join('');
  const hasAll = given.has('A') || chosen(EVENT_CLASSES_OF_A) === EVENT_CLASSES_OF_A;
  return { text: (hasAll ? 'A' : chosen(EVENT_CLASSES_OF_A)) + chosen(EVENT_CLASSES_BESIDE_A) };
}

function parseAddresses(_row: DirectiveRow, args: readonly string[]): Parsed {
  if (args.length > BIND_ADDRESSES_MAX) return { error: 'Too many bind addresses specified.' };
  return { text: args.join(' ') };
}

function parseReplicaOf(_row: DirectiveRow, args: readonly string[]): Parsed {
  const [host = '', port = ''] = args;
  if (args.length !== 2) return WRONG_ARGUMENTS;
  if (asciiLowerCase(host) === 'no' && asciiLowerCase(port) === 'one') return { text: '' };
  const { value, rest } = strtoll(port);
  if (rest !== '' || value < 0n || value > 65535n) return { error: 'Invalid master port' };
  return { text: `${host} ${value}` };
}

function replicaOfValue(text: string): SpecialValues['replica-of'] {
  const [host, port] = words(text);
  return host === undefined ? undefined : { host, port: Number(port) };
}

function parsePercentiles(_row: DirectiveRow, args: readonly string[]): Parsed {
  const texts: string[] = [];
  for (const arg of args.length === 1 && args[0] === '' ? [] : args) {
    const bytes = encodeText(arg);
    const percentile = parseDouble(bytes, 0, bytes.length);
    if (percentile === undefined) return { error: 'Invalid latency-tracking-info-percentiles parameters' };
    if (percentile > 100 || percentile < 0) {
      return { error: 'latency-tracking-info-percentiles parameters should sit between [0.0,100.0]' };
    }
    texts.push(formatFixed(percentile, PERCENTILE_DECIMALS).replace(/\.?0+$/, ''));
  }
  return { text: texts.join(' ') };
}
