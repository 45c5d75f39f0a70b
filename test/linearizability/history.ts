/**
 * What several clients have seen: each operation with the interval in which it must have taken effect.
 *
 * Written and read one operation a line, so that a failure can be pasted into a test:
 *
 *     #1   1..4   SET k 1 → +OK                                client 1, invoked at 1, returned at 4
 *     #2   3..9   MULTI INCR k; GET other EXEC → :2; (nil)
 *     #1   5..    APPEND k x → ?                               never returned
 */
import { commandOf, wordsOf, type Command } from './model.ts';

export interface Operation {
  readonly client: number;
  /** One, or those of a transaction. */
  readonly commands: readonly Command[];
  readonly isTransaction: boolean;
  /** On a clock that all clients share; equal times overlap. */
  readonly invoked: number;
  /** Infinity when no reply has come: it may have taken effect, or still will, or never. */
  readonly returned: number;
  /** By command, as `describeReply` shows them; undefined when none has come. */
  readonly replies: readonly string[] | undefined;
}

/** The operations of one client stand in the order in which it has sent them. */
export type History = readonly Operation[];

/** Its operations by the time of their invocation. */
export function describeHistory(history: History): string {
  const lines = history
    .toSorted((left, right) => left.invoked - right.invoked)
    .map((operation) => describeOperation(operation));
  return lines.join('\n');
}

export function describeOperation({ client, invoked, returned, replies, ...action }: Operation): string {
  const commands = action.commands.map((command) => wordsOf(command).join(' ')).join('; ');
  const text = action.isTransaction ? `MULTI ${commands} EXEC` : commands;
  const interval = `${invoked}..${returned === Infinity ? '' : returned}`;
  return `#${client}  ${interval.padEnd(9)} ${text} → ${replies?.join('; ') ?? '?'}`;
}

const LINE = /^#(?<client>\d+)\s+(?<invoked>\d+)\.\.(?<returned>\d*)\s+(?<text>.*?)\s*→\s*(?<replies>.*)$/;
const TRANSACTION = /^MULTI (?<commands>.*) EXEC$/;

/** Reads what `describeHistory` has written. */
export function parseHistory(text: string): Operation[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => parseOperation(line));
}

function parseOperation(line: string): Operation {
  const groups = LINE.exec(line)?.groups;
  if (groups === undefined) throw new Error(`not an operation: ${line}`);
  const { client, invoked, returned = '', text = '', replies = '' } = groups;
  const commands = TRANSACTION.exec(text)?.groups?.['commands'];
  return {
    client: Number(client),
    commands: (commands ?? text).split('; ').map((words) => commandOf(words.split(' '))),
    isTransaction: commands !== undefined,
    invoked: Number(invoked),
    returned: returned === '' ? Infinity : Number(returned),
    replies: replies === '?' ? undefined : replies.split('; '),
  };
}
