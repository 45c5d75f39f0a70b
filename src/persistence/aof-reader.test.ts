import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Request } from '../protocol/request.ts';
import { crc64 } from '../util/crc64.ts';
import { ManualClock } from '../util/clock.ts';
import { seededRandom } from '../util/random.ts';
import { formatChecksum, parseAnnotation } from './aof-annotations.ts';
import { AofReader, beginsWithSnapshot, truncateFile, type AofEnd } from './aof-reader.ts';
import { AofEncoder, syncedMark, seal } from './aof-writer-encoder.ts';
import { AofWriter } from './aof-writer.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { logMemory, newSharedLog, pendingBytes } from '../../test/support/log-memory.ts';

const PATH = '/file.aof';
const NO_BACKGROUND = { start: () => undefined, poll: () => 'done' as const };

interface ReadResult {
  readonly commands: string[];
  readonly end: AofEnd;
}

function read(bytes: Uint8Array, options: { start?: number; untilSeconds?: number } = {}): ReadResult {
  const disk = new SimulatedDisk();
  disk.plant(PATH, bytes);
  const reader = new AofReader({ disk, path: PATH, ...options });
  const commands: string[] = [];
  while (reader.next()) {
    const { request } = reader;
    commands.push(Array.from({ length: request.count }, (_, i) => request.text(i)).join(' '));
  }
  reader.close();
  assert.equal(disk.openCount, 0);
  assert.ok(reader.end !== undefined);
  return { commands, end: reader.end };
}

function readText(text: string, options: { start?: number; untilSeconds?: number } = {}): ReadResult {
  return read(Buffer.from(text, 'latin1'), options);
}

function record(...args: string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}

/** A file of ours, and how long it was after each group. */
function ownFile(policy: 'always' | 'no'): { bytes: Buffer; groupEnds: number[]; commands: string[] } {
  const disk = new SimulatedDisk();
  const clock = new ManualClock(1_700_000_000_000);
  const writer = new AofWriter({ ...logMemory(), disk, background: NO_BACKGROUND, policy, clock });
  writer.open(PATH);
  const commands: string[] = [];
  const groupEnds = [writer.size];
  for (let group = 0; group < 6; group++) {
    for (let i = 0; i < 3; i++) {
      const args = ['SET', `k${group}${i}`, 'v'.repeat(group * 20)];
      writer.append(group % 2, Request.of(args.map((arg) => Buffer.from(arg))));
      commands.push(args.join(' '));
    }
    assert.equal(writer.flush(), 'written');
    groupEnds.push(writer.size);
  }
  return { bytes: disk.contents(PATH), groupEnds, commands };
}

function withoutSelect(commands: readonly string[]): string[] {
  return commands.filter((command) => !command.startsWith('select'));
}

test('records, inline lines, annotations and blank lines', () => {
  const text = `#TS:12\r\n${record('SET', 'a', '')}set user:1 "al ice"\n\r\n#anything\n${record('PING')}`;
  assert.deepEqual(readText(text), {
    commands: ['SET a ', 'set user:1 al ice', 'PING'],
    end: { kind: 'complete', offset: text.length },
  });
  assert.deepEqual(readText(''), { commands: [], end: { kind: 'complete', offset: 0 } });
});

test('a file that ends early is cut behind the last whole command', () => {
  const first = record('SET', 'a', '1');
  const text = first + record('SET', 'bcd', '1234567890123');
  for (let length = first.length + 1; length < text.length; length++) {
    const { commands, end } = readText(text.slice(0, length));
    assert.deepEqual(commands, ['SET a 1']);
    assert.deepEqual(end, { kind: 'truncated', offset: first.length });
  }
});

test('a transaction without EXEC is not delivered', () => {
  const first = record('SET', 'a', '1');
  const open = record('MULTI') + record('INCR', 'a') + record('INCR', 'b');
  assert.deepEqual(readText(first + open), {
    commands: ['SET a 1'],
    end: { kind: 'open-transaction', offset: first.length },
  });
  assert.deepEqual(readText(first + open + '*1\r\n$4').end, { kind: 'truncated', offset: first.length });
  const { commands, end } = readText(first + open + record('exec') + first);
  assert.deepEqual(commands, ['SET a 1', 'MULTI', 'INCR a', 'INCR b', 'exec', 'SET a 1']);
  assert.equal(end.kind, 'complete');
});

test('zeros to the end of the file are told apart', () => {
  const first = record('SET', 'a', '1');
  const second = record('SET', 'b', '1234567890');
  for (let kept = 0; kept < second.length; kept++) {
    const zeros = '\0'.repeat(600);
    const { commands, end } = readText(first + second.slice(0, kept) + zeros);
    assert.deepEqual(commands, ['SET a 1']);
    assert.deepEqual(end, { kind: 'zero-filled', offset: first.length });
  }
});

test('corruption in the middle is refused, with its place', () => {
  const first = record('SET', 'a', '1');
  const cases: readonly (readonly [string, number, string])[] = [
    ['?', 0, 'not a record'],
    ['*0\r\n', 0, 'invalid count of arguments'],
    ['*x\r\n', 1, 'not a length'],
    ['*1\r\n:4\r\n', 4, "no '$' where one must be"],
    ['*1\r\n$-1\r\n', 4, 'invalid length of an argument'],
    ['*1\r\n$2\r\nPING\r\n', 10, 'no CRLF behind an argument'],
    ['*1\rx', 3, 'no LF behind a length'],
    ['set "a\n', 0, 'unbalanced quotes'],
    [`#${'x'.repeat(1024)}\r\n`, 0, 'a line that is too long'],
    ['#CRC64:123 4\r\n', 0, 'malformed annotation'],
    ['#CRC64:0123456789abcdef 10\r\n', 0, 'checksum mismatch'],
    ['EXEC\r\n', 0, 'EXEC without MULTI'],
    ['\0\0', 0, 'not a record'],
  ];
  for (const [text, at, reason] of cases) {
    assert.deepEqual(readText(first + text + first), {
      commands: ['SET a 1'],
      end: { kind: 'corrupt', offset: first.length, damageOffset: first.length + at, reason },
    });
  }
});

test('a checksum line vouches for the bytes right before it', () => {
  const text = record('SET', 'a', '1');
  const bytes = Buffer.from(text);
  const checksum = formatChecksum(crc64(0n, bytes, 0, bytes.length), bytes.length);
  assert.equal(readText(`${text}${text}${checksum}`).end.kind, 'complete');
  assert.equal(readText(`${text}${text.replace('1', '2')}${checksum}`).end.kind, 'corrupt');
});

test('every prefix of a file of ours is cut to whole groups', () => {
  const { bytes, groupEnds, commands } = ownFile('always');
  for (let length = groupEnds[0]!; length <= bytes.length; length++) {
    const { commands: found, end } = read(bytes.subarray(0, length));
    const groupCount = groupEnds.findLastIndex((groupEnd) => groupEnd <= length);
    assert.deepEqual(withoutSelect(found), commands.slice(0, groupCount * 3));
    const kind = length === groupEnds[groupCount] ? 'complete' : 'truncated';
    assert.deepEqual(end, { kind, offset: groupEnds[groupCount] });
  }
});

for (const policy of ['always', 'no'] as const) {
  test(`every flipped bit of a file of ours is found, ${policy}`, () => {
    const { bytes, groupEnds, commands } = ownFile(policy);
    const start = groupEnds[0]!;
    for (let bit = start * 8; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const { commands: found, end } = read(flipped);
      const what = `bit ${bit & 7} of byte ${bit >> 3}`;
      const expected = commands.slice(0, withoutSelect(found).length);
      assert.deepEqual(withoutSelect(found), expected, what);
      // Behind it, at least one whole group was synced and one more says so.
      const isKnownGood = policy === 'always' && bit >> 3 < groupEnds.at(-2)!;
      if (isKnownGood && end.kind !== 'complete') assert.equal(end.kind, 'corrupt', what);
      if (end.kind === 'complete') assert.equal(found.length, read(bytes).commands.length, what);
    }
  });
}

test('a file that was closed properly vouches for its last group', () => {
  const disk = new SimulatedDisk();
  const writer = new AofWriter({ ...logMemory(), disk, background: NO_BACKGROUND, policy: 'no' });
  writer.open(PATH);
  writer.append(0, Request.of([Buffer.from('SET'), Buffer.from('key'), Buffer.from('value')]));
  assert.equal(writer.close(), 'written');
  const bytes = disk.contents(PATH);
  assert.equal(read(bytes).end.kind, 'complete');
  bytes[bytes.indexOf('value')] = 0x56;
  assert.equal(read(bytes).end.kind, 'corrupt');
});

test('a real Redis may go on with a file of ours, even with one that was torn', () => {
  const { bytes, groupEnds, commands } = ownFile('always');
  const redis = Buffer.from(record('SELECT', '0') + record('SET', 'r', '1') + record('SET', 's', '2'));
  const whole = read(Buffer.concat([bytes, redis]));
  assert.equal(whole.end.kind, 'complete');
  assert.deepEqual(withoutSelect(whole.commands), [...commands, 'SELECT 0', 'SET r 1', 'SET s 2']);

  // Redis cuts to whole commands, so a part of our last group may stay, without its checksum.
  const lastGroup = groupEnds.at(-2)!;
  const torn = bytes.subarray(0, bytes.indexOf('*3', bytes.indexOf('*3', lastGroup) + 1));
  const { commands: found, end } = read(Buffer.concat([torn, redis, syncedMark(torn.length + redis.length)]));
  assert.equal(end.kind, 'complete');
  assert.deepEqual(withoutSelect(found), [...commands.slice(0, 16), 'SELECT 0', 'SET r 1', 'SET s 2']);
});

test('reading stops before the first later timestamp', () => {
  const shared = newSharedLog();
  const encoder = new AofEncoder(shared);
  const ends: number[] = [];
  for (const seconds of [100, 101, 105]) {
    encoder.setTimestamp(seconds);
    encoder.append(0, Request.of([Buffer.from('SET'), Buffer.from('at'), Buffer.from(String(seconds))]));
    seal(shared.pending);
    ends.push(shared.pending.length);
  }
  const bytes = pendingBytes(shared);
  const { commands, end } = read(bytes, { untilSeconds: 104 });
  assert.deepEqual(withoutSelect(commands), ['SET at 100', 'SET at 101']);
  assert.deepEqual(end, { kind: 'timestamp', offset: ends[1] });
  assert.equal(read(bytes.subarray(0, ends[1])).end.kind, 'complete');
  assert.deepEqual(parseAnnotation('#TS:12x\r\n'), { kind: 'malformed' });
});

test('values larger than what is read at once', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3_000_000 }), { maxLength: 4 }), (lengths) => {
      const random = seededRandom(lengths.length);
      const values = lengths.map((length) => Buffer.alloc(length, random.nextUint32() & 0xff));
      const shared = newSharedLog();
      const encoder = new AofEncoder(shared);
      for (const value of values)
        encoder.append(0, Request.of([Buffer.from('SET'), Buffer.from('k'), value]));
      if (lengths.length % 2 === 0) seal(shared.pending);
      const disk = new SimulatedDisk();
      disk.plant(PATH, pendingBytes(shared));
      const reader = new AofReader({ disk, path: PATH });
      const found: Buffer[] = [];
      while (reader.next()) if (reader.request.count === 3) found.push(Buffer.from(reader.request.borrow(2)));
      assert.equal(reader.end?.kind, 'complete');
      assert.ok(values.length === found.length && values.every((value, i) => value.equals(found[i]!)));
    }),
    { numRuns: 20 },
  );
});

test('a length beyond the end of the file allocates nothing', () => {
  assert.deepEqual(readText(`*2000000000\r\n$2000000000\r\nx`).end, { kind: 'truncated', offset: 0 });
});

test('random bytes give an end, and never more than commands', () => {
  const pieces = [
    '*1\r\n',
    '*3\r\n',
    '$3\r\n',
    'SET\r\n',
    '\r\n',
    '#SYNCED:0\r\n',
    '#TS:1\r\n',
    'MULTI\n',
    'EXEC\n',
    '\0',
  ];
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 5 }))), (parts) => {
      const text = parts.join('');
      const { end } = readText(text);
      assert.ok(end.offset <= Buffer.byteLength(text, 'latin1'));
    }),
  );
});

test('snapshots in front, and cutting', () => {
  const disk = new SimulatedDisk();
  disk.plant(PATH, Buffer.from(`REDIS0010${record('PING')}`));
  assert.equal(beginsWithSnapshot(disk, PATH), true);
  assert.deepEqual(read(disk.contents(PATH), { start: 9 }).commands, ['PING']);
  truncateFile(disk, PATH, 3);
  assert.equal(beginsWithSnapshot(disk, PATH), false);
  assert.equal(disk.crash(1).contents(PATH).length, 3);
});
