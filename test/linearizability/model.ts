/**
 * What strings, lists and sets do when one command runs after the other: the specification that histories are
 * judged by.
 */

const NAMES_WITH_KEY = ['GET', 'INCR', 'DEL', 'LPOP', 'LLEN', 'SCARD'] as const;
const NAMES_WITH_VALUE = ['SET', 'APPEND', 'RPUSH', 'SADD', 'SREM', 'SISMEMBER'] as const;

export type Command =
  | { readonly name: (typeof NAMES_WITH_KEY)[number]; readonly key: string }
  | { readonly name: (typeof NAMES_WITH_VALUE)[number]; readonly key: string; readonly value: string };
export type CommandName = Command['name'];

/**
 * What a key holds, undefined for nothing. A string is its text; a list and a set are the name of their type
 * and the elements, with a blank before each: there is none in a string.
 */
export type Value = string | undefined;

/** The value of a key after a command, and the reply as `describeReply` shows it. */
export interface Effect {
  readonly value: Value;
  readonly reply: string;
}

const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 63n - 1n;
const NIL = '(nil)';
const NOT_AN_INTEGER = '-ERR value is not an integer or out of range';
const OVERFLOW = '-ERR increment or decrement would overflow';
const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value';

/** @param value what the key holds; @param operand what the command brings */
type Rule = (value: Value, operand: string) => Effect;

/** The elements after a command, and its reply. */
type ElementsRule = (elements: readonly string[], operand: string) => readonly [readonly string[], string];

const RULES: Record<CommandName, Rule> = {
  SET: (_, operand) => ({ value: operand, reply: '+OK' }),
  DEL: (value) => ({ value: undefined, reply: value === undefined ? ':0' : ':1' }),

  GET: onString((value) => ({ value, reply: quoted(value) })),
  APPEND: onString((value = '', operand) => {
    const joined = value + operand;
    return { value: joined, reply: `:${joined.length}` };
  }),
  INCR: onString((value) => {
    const number = integerOf(value ?? '0');
    if (number === undefined) return { value, reply: NOT_AN_INTEGER };
    if (number === INTEGER_MAX) return { value, reply: OVERFLOW };
    return { value: String(number + 1n), reply: `:${number + 1n}` };
  }),

  RPUSH: onElements('list', (elements, operand) => [[...elements, operand], `:${elements.length + 1}`]),
  LPOP: onElements('list', ([first, ...rest]) => [rest, quoted(first)]),
  LLEN: onElements('list', (elements) => [elements, `:${elements.length}`]),

  // Sorted, so that equal sets are equal values.
  SADD: onElements('set', (elements, operand) =>
    elements.includes(operand) ? [elements, ':0'] : [[...elements, operand].sort(), ':1'],
  ),
  SREM: onElements('set', (elements, operand) =>
    elements.includes(operand) ? [elements.filter((each) => each !== operand), ':1'] : [elements, ':0'],
  ),
  SISMEMBER: onElements('set', (elements, operand) => [elements, elements.includes(operand) ? ':1' : ':0']),
  SCARD: onElements('set', (elements) => [elements, `:${elements.length}`]),
};

function onString(rule: Rule): Rule {
  return (value, operand) =>
    value?.includes(' ') === true ? { value, reply: WRONG_TYPE } : rule(value, operand);
}

function onElements(type: 'list' | 'set', rule: ElementsRule): Rule {
  return (value = type, operand) => {
    if (value !== type && !value.startsWith(`${type} `)) return { value, reply: WRONG_TYPE };
    const [elements, reply] = rule(value.split(' ').slice(1), operand);
    return { value: elements.length === 0 ? undefined : [type, ...elements].join(' '), reply };
  };
}

/** Runs a command on its key. */
export function applyCommand(value: Value, command: Command): Effect {
  return RULES[command.name](value, 'value' in command ? command.value : '');
}

/** The command as it is sent. */
export function wordsOf(command: Command): string[] {
  return 'value' in command ? [command.name, command.key, command.value] : [command.name, command.key];
}

/** A command; those that bring no value leave it out. */
export function commandFor(name: CommandName, key: string, value: string): Command {
  const withValue = NAMES_WITH_VALUE.find((each) => each === name);
  if (withValue !== undefined) return { name: withValue, key, value };
  return { name: NAMES_WITH_KEY.find((each) => each === name)!, key };
}

/** The command that these words are; throws on others. */
export function commandOf([name, key = '', value = '']: readonly string[]): Command {
  const known = [...NAMES_WITH_KEY, ...NAMES_WITH_VALUE].find((each) => each === name);
  if (known === undefined) throw new Error(`not a command of a history: ${name}`);
  return commandFor(known, key, value);
}

function quoted(text: Value): string {
  return text === undefined ? NIL : `"${text}"`;
}

/** Canonical decimal numbers of 64 bits only (Redis 7.0 util.c, string2ll). */
function integerOf(text: string): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d*)$/.test(text)) return undefined;
  const number = BigInt(text);
  return number >= INTEGER_MIN && number <= INTEGER_MAX ? number : undefined;
}
