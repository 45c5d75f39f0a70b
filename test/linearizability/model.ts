/** What strings do when one command runs after the other: the specification that histories are judged by. */

export type Command =
  | { readonly name: 'GET' | 'INCR' | 'DEL'; readonly key: string }
  | { readonly name: 'SET' | 'APPEND'; readonly key: string; readonly value: string };
type CommandName = Command['name'];

/** The value of a key after a command, undefined for none, and the reply as `describeReply` shows it. */
export interface Effect {
  readonly value: string | undefined;
  readonly reply: string;
}

const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 63n - 1n;
const NIL = '(nil)';
const NOT_AN_INTEGER = '-ERR value is not an integer or out of range';
const OVERFLOW = '-ERR increment or decrement would overflow';

/** @param value what the key holds, undefined for nothing; @param operand what the command brings */
type Rule = (value: string | undefined, operand: string) => Effect;

const RULES: Record<CommandName, Rule> = {
  GET: (value) => ({ value, reply: value === undefined ? NIL : `"${value}"` }),
  SET: (_, operand) => ({ value: operand, reply: '+OK' }),
  DEL: (value) => ({ value: undefined, reply: value === undefined ? ':0' : ':1' }),
  APPEND: (value = '', operand) => {
    const joined = value + operand;
    return { value: joined, reply: `:${joined.length}` };
  },
  INCR: (value) => {
    const number = integerOf(value ?? '0');
    if (number === undefined) return { value, reply: NOT_AN_INTEGER };
    if (number === INTEGER_MAX) return { value, reply: OVERFLOW };
    return { value: String(number + 1n), reply: `:${number + 1n}` };
  },
};

/** Runs a command on its key. */
export function applyCommand(value: string | undefined, command: Command): Effect {
  return RULES[command.name](value, 'value' in command ? command.value : '');
}

/** The command as it is sent. */
export function wordsOf(command: Command): string[] {
  return 'value' in command ? [command.name, command.key, command.value] : [command.name, command.key];
}

/** The command that these words are; throws on others. */
export function commandOf([name, key = '', value = '']: readonly string[]): Command {
  switch (name) {
    case 'GET':
    case 'INCR':
    case 'DEL':
      return { name, key };
    case 'SET':
    case 'APPEND':
      return { name, key, value };
    default:
      throw new Error(`not a command of a history: ${name}`);
  }
}

/** Canonical decimal numbers of 64 bits only (Redis 7.0 util.c, string2ll). */
function integerOf(text: string): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d*)$/.test(text)) return undefined;
  const number = BigInt(text);
  return number >= INTEGER_MIN && number <= INTEGER_MAX ? number : undefined;
}
