import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandIndex } from '../../commands/command-index.ts';
import { ALL_COMMANDS } from '../../commands/registry.ts';
import { Request } from '../../protocol/request.ts';
import { CommandCatalog } from './command-catalog.ts';
import { denialOf, isChannelAllowed } from './permission.ts';
import { User } from './user.ts';

const catalog = new CommandCatalog(ALL_COMMANDS);
const commands = new CommandIndex(ALL_COMMANDS);
const context = { catalog, allChannels: false };

/**
 * What keeps a user with these rules from that command: `key:NAME`, `channel:NAME`, `command`, or nothing.
 */
function denied(rules: string, line: string): string {
  const user = new User('alice', context);
  for (const rule of rules.split(' '))
    assert.equal(user.apply(rule.replaceAll('_', ' '), context), undefined, rule);
  const request = Request.of(line.split(' ').map((word) => Buffer.from(word, 'latin1')));
  const command = commands.resolve(request)!;
  const denial = denialOf(user, { command, request, id: catalog.of(command).id });
  if (denial === undefined) return '';
  return denial.reason === 'command' ? 'command' : `${denial.reason}:${request.text(denial.index)}`;
}

test('a key needs one pattern that permits all that is done', () => {
  assert.equal(denied('+@all ~a', 'SET a 1'), '');
  assert.equal(denied('+@all ~a', 'SET b 1'), 'key:b');
  assert.equal(denied('+@all %R~a %W~a*', 'SET a 1'), '');
  assert.equal(denied('+@all %R~a %W~a*', 'SET a 1 GET'), 'key:a');
  assert.equal(denied('+@all %R~a %W~a', 'SET a 1 GET'), '');
  assert.equal(denied('+@all %R~a* %W~b*', 'RENAME a b'), 'key:a');
  assert.equal(denied('+@all ~a* %W~b*', 'RENAME a b'), '');
  assert.equal(denied('+@all %R~a', 'EXPIRE a 1'), 'key:a');
  assert.equal(denied('+@all ~a', 'MSET a 1 a 2 b 3'), 'key:b');
  assert.equal(denied('+@all ~a', 'CONFIG SET b c'), '');
});

test('no arrangement of arguments hides a key', () => {
  for (const stores of ['STORE a STORE b', 'store a STOREDIST b', 'STOREDIST a ASC storedist b']) {
    assert.equal(denied('+@all ~a', `GEORADIUS a 0 0 1 m ${stores}`), 'key:b');
    assert.equal(denied('+@all ~a', `GEORADIUSBYMEMBER a m 1 m ${stores}`), 'key:b');
  }
  assert.equal(denied('+@all ~a', 'GEORADIUS a 0 0 1 m STORE a'), '');
  assert.equal(denied('+@all ~streams', 'XREADGROUP COUNT 1 GROUP g STREAMS streams b >'), 'key:b');
  assert.equal(denied('+@all ~a', 'XREADGROUP GROUP STREAMS c NOACK STREAMS a >'), '');
  assert.equal(denied('+@all ~a', 'XREADGROUP GROUP g c BLOCK 0 STREAMS a b > >'), 'key:b');
  assert.equal(denied('+@all ~a', 'SORT a STORE a STORE b'), 'key:b');
  assert.equal(denied('+@all ~a', 'BITFIELD b GET u8 0'), 'key:b');
});

test('of several reasons the one that tells most is reported', () => {
  assert.equal(denied('+get ~a (+set_~a)', 'GET b'), 'key:b');
  assert.equal(denied('+mget ~a (+mget_~b)', 'MGET b c'), 'key:c');
  assert.equal(denied('+mget ~a* (+mget_~c*)', 'MGET a b c'), 'key:b');
  assert.equal(denied('+publish (-@all)', 'PUBLISH c m'), 'channel:c');
  assert.equal(denied('-@all (+set)', 'GET b'), 'command');
});

test('what needs no leave', () => {
  for (const line of ['AUTH x', 'HELLO 3', 'QUIT', 'RESET']) assert.equal(denied('-@all', line), '');
  assert.equal(denied('+@all', 'UNSUBSCRIBE c'), '');
  assert.equal(denied('+@all', 'SUBSCRIBE c'), 'channel:c');
  assert.equal(denied('+select|1', 'SELECT 1'), '');
  assert.equal(denied('+select|1', 'SELECT 11'), 'command');
  assert.equal(denied('+debug|SLEEP', 'debug sleep 0'), '');
});

test('patterns of channels', () => {
  const patterns = ['a*', 'b'].map((text) => ({ text, bytes: Buffer.from(text) }));
  const allows = (channel: string, isPattern: boolean): boolean =>
    isChannelAllowed(patterns, Buffer.from(channel), isPattern);
  assert.deepEqual([allows('ab', false), allows('b', false), allows('c', false)], [true, true, false]);
  assert.deepEqual([allows('a*', true), allows('ab', true), allows('b', true)], [true, false, true]);
});
