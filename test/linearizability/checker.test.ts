import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../support/seeded-random.ts';
import { checkHistory, describeViolation, type Violation } from './checker.ts';
import { describeHistory, parseHistory, type History, type Operation } from './history.ts';
import { applyCommand, type Value } from './model.ts';
import { planAction, planKeys } from './plan.ts';

/** Asserts that a history is linearizable. */
function accept(name: string, text: string): void {
  test(`accepted: ${name}`, () => {
    assert.deepEqual(checkHistory(parseHistory(text)), { kind: 'linearizable' });
  });
}

/** Asserts that a history is a violation on these keys, and that so many operations prove it. */
function reject(
  name: string,
  expected: { readonly keys: string; readonly length: number },
  text: string,
): void {
  test(`rejected: ${name}`, () => {
    const { keys, prefix } = violationOf(parseHistory(text));
    assert.deepEqual({ keys: keys.toSorted().join(' '), length: prefix.length }, expected);
  });
}

function violationOf(history: History): Violation {
  const verdict = checkHistory(history);
  assert(verdict.kind === 'violation');
  return verdict;
}

accept('nothing at all', '');

accept(
  'each command, one after the other',
  `
  #1  1..2    GET k → (nil)
  #1  3..4    DEL k → :0
  #1  5..6    INCR k → :1
  #1  7..8    APPEND k 5 → :2
  #1  9..10   INCR k → :16
  #1  11..12  GET k → "16"
  #1  13..14  SET k word → +OK
  #1  15..16  INCR k → -ERR value is not an integer or out of range
  #1  17..18  SET k 9223372036854775807 → +OK
  #1  19..20  INCR k → -ERR increment or decrement would overflow
  #1  21..22  DEL k → :1
  #1  23..24  APPEND k 01 → :2
  #1  25..26  INCR k → -ERR value is not an integer or out of range`,
);

accept(
  'each command on lists and sets, one after the other',
  `
  #1  1..2    LPOP l → (nil)
  #1  3..4    RPUSH l b → :1
  #1  5..6    RPUSH l a → :2
  #1  7..8    LLEN l → :2
  #1  9..10   LPOP l → "b"
  #1  11..12  GET l → -WRONGTYPE Operation against a key holding the wrong kind of value
  #1  13..14  SADD l a → -WRONGTYPE Operation against a key holding the wrong kind of value
  #1  15..16  LPOP l → "a"
  #1  17..18  DEL l → :0
  #1  19..20  SADD l b → :1
  #1  21..22  SADD l b → :0
  #1  23..24  SADD l a → :1
  #1  25..26  SCARD l → :2
  #1  27..28  SISMEMBER l b → :1
  #1  29..30  SREM l b → :1
  #1  31..32  SREM l b → :0
  #1  33..34  SISMEMBER l b → :0
  #1  35..36  LLEN l → -WRONGTYPE Operation against a key holding the wrong kind of value
  #1  37..38  SET l x → +OK
  #1  39..40  SCARD l → -WRONGTYPE Operation against a key holding the wrong kind of value`,
);

reject(
  'an element that two clients have popped',
  { keys: 'l', length: 3 },
  `
  #1  1..2  RPUSH l a → :1
  #1  3..6  LPOP l → "a"
  #2  4..5  LPOP l → "a"`,
);

reject(
  'elements popped in another order than pushed',
  { keys: 'l', length: 3 },
  `
  #1  1..2  RPUSH l a → :1
  #1  3..4  RPUSH l b → :2
  #2  5..6  LPOP l → "b"`,
);

reject(
  'a member that two clients have added',
  { keys: 's', length: 2 },
  `
  #1  1..4  SADD s a → :1
  #2  2..3  SADD s a → :1`,
);

accept(
  'a read during a write sees the old value or the new one',
  `
  #1  1..8  SET k new → +OK
  #2  2..3  GET k → (nil)
  #3  4..5  GET k → "new"`,
);

reject(
  'a stale read after a write has returned',
  { keys: 'k', length: 2 },
  `
  #1  1..2  SET k new → +OK
  #2  3..4  GET k → (nil)
  #2  5..6  GET k → "new"`,
);

reject(
  'a read of the old value after another has seen the new one',
  { keys: 'k', length: 3 },
  `
  #1  1..9  SET k new → +OK
  #2  2..3  GET k → "new"
  #3  4..5  GET k → (nil)`,
);

accept(
  'counting at the same time',
  `
  #1  1..6  INCR k → :2
  #2  2..5  INCR k → :3
  #3  3..4  INCR k → :1
  #3  7..8  GET k → "3"`,
);

reject(
  'an update that is lost, in its own reply',
  { keys: 'k', length: 2 },
  `
  #1  1..3  INCR k → :1
  #2  2..4  INCR k → :1`,
);

reject(
  'an update that is lost, seen by a later read',
  { keys: 'k', length: 3 },
  `
  #1  1..3  APPEND k a → :1
  #2  2..4  APPEND k b → :2
  #3  5..6  GET k → "b"`,
);

reject(
  'a deletion that two clients have done',
  { keys: 'k', length: 3 },
  `
  #1  1..2  SET k v → +OK
  #1  3..6  DEL k → :1
  #2  4..5  DEL k → :1`,
);

accept(
  'a transaction between others',
  `
  #1  1..9    MULTI SET a 1; INCR b EXEC → +OK; :1
  #2  2..5    MULTI GET a; GET b EXEC → (nil); (nil)
  #3  6..8    MULTI GET b; GET a EXEC → "1"; "1"`,
);

reject(
  'a torn transaction',
  { keys: 'a b', length: 2 },
  `
  #1  1..4  MULTI SET a 1; SET b 1 EXEC → +OK; +OK
  #2  2..3  MULTI GET a; GET b EXEC → "1"; (nil)`,
);

reject(
  'a torn transaction, seen by single reads',
  { keys: 'a b', length: 3 },
  `
  #1  1..8  MULTI SET a 1; SET b 1 EXEC → +OK; +OK
  #2  2..3  GET a → "1"
  #2  4..5  GET b → (nil)`,
);

reject(
  'a transaction that others have interrupted',
  { keys: 'a', length: 2 },
  `
  #1  1..4  MULTI INCR a; INCR a EXEC → :1; :3
  #2  2..3  INCR a → :2`,
);

reject(
  'a transaction of which a command is missing',
  { keys: 'a', length: 1 },
  `
  #1  1..4  MULTI INCR a; INCR a EXEC → :1`,
);

accept(
  'keys that transactions tie together in a chain',
  `
  #1  1..2  MULTI SET a 1; SET b 1 EXEC → +OK; +OK
  #2  3..4  MULTI SET c 1; SET d 1 EXEC → +OK; +OK
  #1  5..6  MULTI GET b; GET c EXEC → "1"; "1"
  #2  7..8  GET d → "1"`,
);

accept(
  'what never returned may have taken effect, or not',
  `
  #1  1..    SET k 1 → ?
  #2  2..    INCR k → ?
  #3  3..4   GET k → (nil)
  #3  5..6   GET k → "1"
  #3  7..8   GET k → "2"
  #4  9..10  GET k → "2"`,
);

reject(
  'what never returned takes effect once at most',
  { keys: 'k', length: 3 },
  `
  #1  1..   INCR k → ?
  #3  3..4  GET k → "1"
  #3  5..6  GET k → "2"`,
);

reject(
  'what was pipelined took effect in another order',
  { keys: 'k', length: 4 },
  `
  #1  1..6  SET k 1 → +OK
  #1  2..7  SET k 2 → +OK
  #2  3..4  GET k → "2"
  #2  5..9  GET k → "1"`,
);

test('only the key that is wrong is reported, with what was under way', () => {
  const violation = violationOf(
    parseHistory(`
      #1  1..2    SET good 1 → +OK
      #2  3..12   SET bad 1 → +OK
      #1  4..5    GET good → "1"
      #3  6..7    GET bad → "1"
      #1  8..9    GET bad → (nil)
      #3  10..11  GET bad → "1"
      #3  13..14  GET bad → "7"`),
  );
  assert.deepEqual(violation.keys, ['bad']);
  const expected = `
      #2  3..     SET bad 1 → ?
      #3  6..7    GET bad → "1"
      #1  8..9    GET bad → (nil)`;
  assert.deepEqual(violation.prefix, parseHistory(expected));
  assert.deepEqual(violation.order, parseHistory(expected).slice(0, 2));
  assert.equal(
    describeViolation(violation),
    [
      'Not linearizable: bad. No order explains these 3 operations:',
      '#2  3..       SET bad 1 → ?',
      '#3  6..7      GET bad → "1"',
      '#1  8..9      GET bad → (nil)',
      'The longest order that explains a part:',
      '#2  3..       SET bad 1 → ?',
      '#3  6..7      GET bad → "1"',
      'After it none of these can be the next:',
      '#1  8..9      GET bad → (nil)',
    ].join('\n'),
  );
});

test('a search that would take too long is given up', () => {
  // No reply tells anything until the last one, which none of the orders explains.
  const writes = Array.from(
    { length: 9 },
    (_, client) => `#${client}  ${client}..100  SET k v${client} → +OK`,
  );
  const history = parseHistory([...writes, '#90  50..100  GET k → "other"'].join('\n'));
  assert.deepEqual(checkHistory(history, 1000), { kind: 'undecided', keys: ['k'] });
  assert.equal(checkHistory(history).kind, 'violation');
});

// Random histories ------------------------------------------------------------------------------------------

interface Shape {
  readonly operations: number;
  readonly clients: number;
  readonly keys: readonly string[];
  /** How far an interval reaches from the moment of its operation: others happen one time unit apart. */
  readonly reach: number;
}

const LARGE: Shape = { operations: 60, clients: 6, keys: ['a', 'b', 'c'], reach: 6 };
/** So small that all orders can be tried. */
const SMALL: Shape = { operations: 6, clients: 3, keys: ['a', 'b'], reach: 5 };

/** Runs random operations one after the other, and makes intervals of their moments. */
function linearizableHistory(random: SeededRandom, shape: Shape): Operation[] {
  const values = new Map<string, Value>();
  const keys = planKeys(random, shape.keys);
  return Array.from({ length: shape.operations }, (_, moment) => {
    const action = planAction(random, keys);
    const replies = action.commands.map((command) => {
      const { value, reply } = applyCommand(values.get(command.key), command);
      values.set(command.key, value);
      return reply;
    });
    const invoked = moment - random.fraction() * shape.reach;
    const returned = moment + random.fraction() * shape.reach;
    return { client: random.integer(1, shape.clients), ...action, invoked, returned, replies };
  });
}

/**
 * A client invokes its operations in their order; the random intervals do not see to that. Moves invocations
 * forward, never past the moment of their operation.
 */
function ordered(history: readonly Operation[]): Operation[] {
  const latest = new Map<number, number>();
  return history.map((operation) => {
    const invoked = Math.max(operation.invoked, latest.get(operation.client) ?? -Infinity);
    latest.set(operation.client, invoked);
    return { ...operation, invoked };
  });
}

/** Changes one reply to that of another operation. */
function mutated(random: SeededRandom, history: readonly Operation[]): Operation[] {
  const victim = random.integer(0, history.length - 1);
  return history.map((operation, index) => {
    if (index !== victim) return operation;
    const replies = [...operation.replies!];
    const at = random.integer(0, replies.length - 1);
    const others = history.flatMap((other) => other.replies!).filter((reply) => reply !== replies[at]);
    if (others.length > 0) replies[at] = random.pick(others);
    return { ...operation, replies };
  });
}

/** By trying all orders: what the checker must agree with. */
function isExplained(history: readonly Operation[], state: ReadonlyMap<string, Value>): boolean {
  if (history.length === 0) return true;
  return history.some((operation, index) => {
    const rest = history.toSpliced(index, 1);
    const isFirst = rest.every(
      (other) =>
        operation.invoked <= other.returned &&
        (other.client !== operation.client || history.indexOf(other) > index),
    );
    if (!isFirst) return false;
    const next = new Map(state);
    const isReplied = operation.commands.every((command, at) => {
      const { value, reply } = applyCommand(next.get(command.key), command);
      next.set(command.key, value);
      return reply === operation.replies![at];
    });
    return isReplied && isExplained(rest, next);
  });
}

test('what was run one after the other is always accepted', () => {
  for (let seed = 0; seed < 300; seed++) {
    const history = ordered(linearizableHistory(new SeededRandom(seed), LARGE));
    const verdict = checkHistory(history);
    assert.equal(verdict.kind, 'linearizable', `seed ${seed}\n${describeHistory(history)}`);
  }
});

test('wrong replies are mostly noticed', () => {
  const counts = { linearizable: 0, violation: 0, undecided: 0 };
  for (let seed = 0; seed < 300; seed++) {
    const random = new SeededRandom(seed);
    const verdict = checkHistory(mutated(random, ordered(linearizableHistory(random, LARGE))));
    counts[verdict.kind]++;
    if (verdict.kind === 'violation') describeViolation(verdict);
  }
  assert.equal(counts.undecided, 0);
  assert.ok(counts.violation > 250, `${counts.violation} of 300`);
});

test('the verdict is that of trying all orders', () => {
  const counts = { true: 0, false: 0 };
  for (let seed = 0; seed < 3000; seed++) {
    const random = new SeededRandom(seed);
    const good = ordered(linearizableHistory(random, SMALL));
    const history = random.chance(0.3) ? good : mutated(random, good);
    const expected = isExplained(history, new Map());
    counts[`${expected}`]++;
    const { kind } = checkHistory(history);
    // Pipelined commands on different keys are judged apart: then more is accepted than in one piece.
    if (expected || !isPipelined(history)) {
      assert.equal(kind === 'linearizable', expected, `seed ${seed}\n${describeHistory(history)}`);
    }
  }
  assert.ok(counts.true > 300 && counts.false > 300, JSON.stringify(counts));
});

function isPipelined(history: readonly Operation[]): boolean {
  return history.some((operation, index) =>
    history.some(
      (other, at) => at > index && other.client === operation.client && other.invoked <= operation.returned,
    ),
  );
}

test('a history can be read back', () => {
  const text = describeHistory(
    linearizableHistory(new SeededRandom(1), LARGE).map((operation, index) => ({
      ...operation,
      invoked: index * 2,
      returned: index === 5 ? Infinity : index * 2 + 7,
      replies: index === 5 ? undefined : operation.replies,
    })),
  );
  assert.equal(describeHistory(parseHistory(text)), text);
});
