import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { ACL_CATEGORIES } from '../../commands/command.ts';
import { ALL_COMMANDS } from '../../commands/registry.ts';
import { aclFileText, parseAclFile } from './acl-file.ts';
import { CommandCatalog } from './command-catalog.ts';
import { OTHER_COMMANDS } from './other-commands.ts';
import { mergeSelectors, userLineProblem } from './rule-list.ts';
import { User } from './user.ts';
import type { RuleContext } from './user.ts';

const catalog = new CommandCatalog(ALL_COMMANDS);
const context: RuleContext = { catalog, allChannels: false };

function userOf(name: string, ...rules: readonly string[]): User {
  const user = new User(name, context);
  for (const rule of rules) assert.equal(user.apply(rule, context), undefined, rule);
  return user;
}

/** All bits, and what goes with them; a first argument of a command that is allowed anyway says nothing. */
function stateOf(user: User): unknown {
  return JSON.parse(user.serialize(), (name, value: unknown) => (name === 'firstArguments' ? [] : value));
}

test('no command is known twice', () => {
  const names = new Set(ALL_COMMANDS.map(({ name }) => name));
  for (const { name } of OTHER_COMMANDS)
    assert.ok(!names.has(name), `${name} is a command of the server now: it leaves other-commands.ts`);
  assert.equal(new Set(catalog.all.map(({ fullName }) => fullName)).size, catalog.all.length);
});

test('what describes a user makes the same user', () => {
  const random = new SeededRandom(7);
  const names = catalog.all.map(({ fullName }) => fullName);
  const rules = [
    () => `${random.pick(['+', '-'])}${random.pick(names)}`,
    () => `${random.pick(['+@', '-@'])}${random.pick(ACL_CATEGORIES)}`,
    () =>
      random.pick(['+@all', '-@all', '+select|1', '+get|k', 'allkeys', 'resetkeys', '&*', 'resetchannels']),
    () => random.pick(['on', 'off', 'nopass', 'resetpass', '>a', '>b', 'sanitize-payload', 'clearselectors']),
    () => `${random.pick(['~', '%R~', '%W~', '%RW~'])}${random.pick(['a*', 'b', '?', ''])}`,
    () => `&${random.pick(['a*', 'b'])}`,
    () => `(${random.pick(['+', '-'])}${random.pick(names)} ${random.pick(['+@all', '-@read', '~k', '&c'])})`,
  ];
  for (let round = 0; round < 300; round++) {
    const user = new User('alice', context);
    for (let i = random.integer(0, 12); i > 0; i--) user.apply(random.pick(rules)(), context);
    const text = user.describe(catalog);
    const merged = mergeSelectors(text.split(' '));
    assert.ok(!('unmatched' in merged));
    assert.deepEqual(stateOf(userOf('alice', ...merged)), stateOf(user), text);
    assert.equal(userOf('alice', ...merged).describe(catalog), text);
    assert.equal(User.parse('alice', user.serialize()).describe(catalog), text);
    assert.equal(user.copy().serialize(), user.serialize());
  }
});

test('a category that fits is named, not its commands; what only this server has does not matter', () => {
  const hashes = ALL_COMMANDS.filter(({ categories = [] }) => categories.includes('hash'));
  const own = hashes.filter(({ since }) => since.startsWith('7.4'));
  assert.ok(own.length > 0);
  const user = userOf('alice', ...hashes.filter((row) => !own.includes(row)).map(({ name }) => `+${name}`));
  assert.equal(
    user.describe(catalog),
    `off resetchannels -@all +@hash ${own.map(({ name }) => `-${name}`).join(' ')}`,
  );
});

test('a container stands for its subcommands, also for those to come', () => {
  const config = userOf('a', '+config', '-config|set');
  assert.match(config.describe(catalog), /-@all \+config -config\|set$/);
  assert.equal(userOf('a', '+@all', '-config', '+config').isUnrestricted, false);
  assert.equal(userOf('a', '+@all', '-config', '+config', '~*', '&*').isUnrestricted, true);
  assert.equal(userOf('a', '+@all', '-config', '~*', '&*').isUnrestricted, false);
});

test('a password is compared as bytes', () => {
  const user = userOf('a', 'on', '>\xff\0x');
  assert.equal(user.accepts(Buffer.from('\xff\0x', 'latin1')), true);
  assert.equal(user.accepts(Buffer.from('\xff', 'latin1')), false);
  assert.equal(userOf('a', 'nopass').accepts(Buffer.from('x')), false);
  assert.equal(userOf('a', 'nopass', 'on').accepts(Buffer.from('x')), true);
});

test('a rule that Redis 7.0 takes and then ends of is refused', () => {
  assert.equal(new User('a', context).apply('%~k', context), 'syntax');
  assert.equal(new User('a', context).apply('%', context), 'syntax');
});

test('selectors are put together from several arguments', () => {
  assert.deepEqual(mergeSelectors(['on', '(+get', '~a)', '(x)']), ['on', '(+get ~a)', '(x)']);
  assert.deepEqual(mergeSelectors(['(a', '(b', 'c)']), ['(b c)']);
  assert.deepEqual(mergeSelectors(['(', ')']), ['( )']);
  assert.deepEqual(mergeSelectors(['on', '(a', 'b']), { unmatched: '(a' });
});

test('user lines are looked at before commands are known', () => {
  assert.equal(userLineProblem(['alice', 'on', '+nothing', '(+no ~k)'], ['bob']), undefined);
  assert.match(
    userLineProblem(['alice', 'on'], ['alice']) ?? '',
    /^Error in user declaration 'alice': Duplicate/,
  );
  assert.match(userLineProblem(['alice', 'foo'], []) ?? '', /^Error in user declaration 'foo': Syntax error/);
  assert.match(userLineProblem(['alice', '(on'], []) ?? '', /^Unmatched parenthesis .* '\(on'\.$/);
});

test('an ACL file gives back the users that it was written from', () => {
  const users = [userOf('alice', 'on', '>one', '~\xe4*', '(+get %R~k)'), userOf('b\xfcb', '+@all', '&c')];
  const text = aclFileText(users, catalog);
  const read = parseAclFile(text, 'users.acl', context);
  assert.ok(typeof read !== 'string');
  assert.equal(aclFileText([...read.values()], catalog), text);
  const problem = parseAclFile('\n  \r\nuser \n', 'f', context);
  assert.match(typeof problem === 'string' ? problem : '', /^f:3 should start with user keyword/);
});
