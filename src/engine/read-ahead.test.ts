import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_COMMANDS } from '../commands/registry.ts';
import { CommandIndex } from '../commands/command-index.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { Request } from '../protocol/request.ts';
import { seededRandom } from '../util/random.ts';
import { ReadAhead } from './read-ahead.ts';

function setUp() {
  const arena = Arena.create();
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(1), 2);
  return { arena, keyspace, readAhead: new ReadAhead(keyspace, new CommandIndex(ALL_COMMANDS)) };
}

function requestOf(...words: string[]): Request {
  return Request.of(words.map((word) => Buffer.from(word)));
}

test('the hash of an announced key serves that key only, also beside an empty key at the same place', () => {
  const { arena, keyspace, readAhead } = setUp();
  const database = keyspace.databases[0]!;
  for (const key of ['', 'k2']) {
    keyspace.strings.set(database, Buffer.from(key), 0, key.length, Buffer.from('v'), 0, 1, false);
  }
  // Arguments that follow each other without a gap: the empty key and the next begin at the same byte.
  const requests = Array.from({ length: 4 }, () => requestOf('MGET', '', 'k2', 'k3'));

  readAhead.fetch(requests, requests.length, database);
  for (const request of requests) {
    readAhead.announce(request);
    const found = [1, 2, 3].map((i) => database.find(request.buffer, request.start(i), request.end(i)) !== 0);
    assert.deepEqual(found, [true, true, false]);
  }
  arena.close();
});

test('keys are found whether they were looked ahead for or not, in any database', () => {
  const { arena, keyspace, readAhead } = setUp();
  const [first, second] = keyspace.databases;
  for (let i = 0; i < 1000; i++) {
    const key = Buffer.from(`key:${i}`);
    keyspace.strings.set(i % 2 === 0 ? first! : second!, key, 0, key.length, key, 0, key.length, false);
  }
  for (const size of [1, 3, 4, 32]) {
    const requests = Array.from({ length: size }, (_, i) => requestOf('GET', `key:${i * 2}`));
    readAhead.fetch(requests, size, second!);
    for (const request of requests) {
      readAhead.announce(request);
      assert.notEqual(first!.find(request.buffer, request.start(1), request.end(1)), 0);
      assert.equal(second!.find(request.buffer, request.start(1), request.end(1)), 0);
    }
  }
  arena.close();
});

test('whatever others are changing meanwhile, looking ahead reads it as some number', () => {
  const { arena, keyspace, readAhead } = setUp();
  const database = keyspace.databases[0]!;
  for (let i = 0; i < 1000; i++) {
    const key = Buffer.from(`key:${i}`);
    keyspace.strings.set(database, key, 0, key.length, key, 0, key.length, false);
  }
  const requests = Array.from({ length: 32 }, (_, i) => requestOf('GET', `key:${i}`));
  const random = seededRandom(2);
  const words = arena.words[0]!;
  const original = Int32Array.from(words.subarray(0, 200_000));
  for (let round = 0; round < 200; round++) {
    // References into segments that are not there, to their very ends, masks below zero: any word may be any.
    for (let i = 0; i < 50_000; i++) {
      const anyWord = round % 2 === 0 ? random.nextUint32() | 0 : -(random.nextUint32() % 9);
      words[random.nextUint32() % original.length] = anyWord;
    }
    readAhead.fetch(requests, requests.length, database);
    for (const request of requests) assert.ok(Number.isInteger(request.bucketHead), `round ${round}`);
    assert.ok(Number.isInteger(readAhead.touched));
  }

  words.set(original);
  readAhead.fetch(requests, requests.length, database);
  for (const request of requests) {
    readAhead.announce(request);
    assert.notEqual(database.find(request.buffer, request.start(1), request.end(1)), 0);
  }
  arena.close();
});
