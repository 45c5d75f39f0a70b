import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { ErrorReply } from './error-reply.ts';
import { REPLY_BYTES_MAX, ReplyTooLargeError, ReplyWriter } from './reply-writer.ts';
import type { SelfWriting } from './reply-writer.ts';

function written(writer: ReplyWriter, from = 0): string {
  return writer.buffer.toString('latin1', from, writer.position);
}

interface Case {
  readonly name: string;
  readonly write: (writer: ReplyWriter) => void;
  readonly resp2: string;
  /** The same as in RESP2 when it is not given. */
  readonly resp3?: string;
}

const LONG = 'a status line of more than 16 characters, \xe4\xff';

function selfWriting(text: string): SelfWriting {
  return { write: (target, position) => position + Buffer.from(text).copy(target, position) };
}

const CASES: readonly Case[] = [
  { name: 'ok', write: (w) => w.ok(), resp2: '+OK\r\n' },
  { name: 'simple', write: (w) => w.simple('PONG'), resp2: '+PONG\r\n' },
  { name: 'simple, long', write: (w) => w.simple(LONG), resp2: `+${LONG}\r\n` },
  { name: 'error', write: (w) => w.error(new ErrorReply('ERR no')), resp2: '-ERR no\r\n' },
  { name: 'error of two lines', write: (w) => w.error(new ErrorReply('ERR a\r\nb')), resp2: '-ERR a  b\r\n' },
  { name: 'bulk that writes itself', write: (w) => w.bulkOf(selfWriting('1-0')), resp2: '$3\r\n1-0\r\n' },
  {
    name: 'bulk that writes itself, long',
    write: (w) => w.bulkOf(selfWriting('1700000000000-0')),
    resp2: '$15\r\n1700000000000-0\r\n',
  },
  { name: 'integer', write: (w) => w.integer(1234), resp2: ':1234\r\n' },
  { name: 'integer 0', write: (w) => w.integer(0), resp2: ':0\r\n' },
  { name: 'integer, negative', write: (w) => w.integer(-1), resp2: ':-1\r\n' },
  {
    name: 'integer, large',
    write: (w) => w.integer(Number.MAX_SAFE_INTEGER),
    resp2: ':9007199254740991\r\n',
  },
  {
    name: 'integer, small',
    write: (w) => w.integer(-Number.MAX_SAFE_INTEGER),
    resp2: ':-9007199254740991\r\n',
  },
  {
    name: 'integer of 64 bits',
    write: (w) => w.bigInteger(-(2n ** 63n)),
    resp2: ':-9223372036854775808\r\n',
  },
  { name: 'true', write: (w) => w.boolean(true), resp2: ':1\r\n', resp3: '#t\r\n' },
  { name: 'false', write: (w) => w.boolean(false), resp2: ':0\r\n', resp3: '#f\r\n' },
  { name: 'double', write: (w) => w.double(3.5), resp2: '$3\r\n3.5\r\n', resp3: ',3.5\r\n' },
  {
    name: 'double, 17 digits',
    write: (w) => w.double(0.1),
    resp2: '$19\r\n0.10000000000000001\r\n',
    resp3: ',0.10000000000000001\r\n',
  },
  { name: 'double, infinite', write: (w) => w.double(Infinity), resp2: '$3\r\ninf\r\n', resp3: ',inf\r\n' },
  {
    name: 'double, -infinite',
    write: (w) => w.double(-Infinity),
    resp2: '$4\r\n-inf\r\n',
    resp3: ',-inf\r\n',
  },
  {
    name: 'big number',
    write: (w) => w.bigNumber('12345678901234567890'),
    resp2: '$20\r\n12345678901234567890\r\n',
    resp3: '(12345678901234567890\r\n',
  },
  { name: 'null', write: (w) => w.null(), resp2: '$-1\r\n', resp3: '_\r\n' },
  { name: 'null array', write: (w) => w.nullArray(), resp2: '*-1\r\n', resp3: '_\r\n' },
  { name: 'bulk', write: (w) => w.bulk(Buffer.from('abcdef'), 1, 4), resp2: '$3\r\nbcd\r\n' },
  { name: 'bulk, empty', write: (w) => w.bulkBytes(Buffer.alloc(0)), resp2: '$0\r\n\r\n' },
  {
    name: 'bulk of any bytes',
    write: (w) => w.bulkBytes(Buffer.from([0, 13, 10, 255])),
    resp2: '$4\r\n\0\r\n\xff\r\n',
  },
  { name: 'bulk text', write: (w) => w.bulkText('t\xfc'), resp2: '$2\r\nt\xfc\r\n' },
  { name: 'bulk text, long', write: (w) => w.bulkText(LONG), resp2: `$${LONG.length}\r\n${LONG}\r\n` },
  { name: 'bulk integer', write: (w) => w.bulkInteger(-42), resp2: '$3\r\n-42\r\n' },
  {
    name: 'verbatim',
    write: (w) => w.verbatim('txt', 'a\u20ac'),
    resp2: '$4\r\na\xe2\x82\xac\r\n',
    resp3: '=8\r\ntxt:a\xe2\x82\xac\r\n',
  },
  { name: 'array', write: (w) => w.array(3), resp2: '*3\r\n' },
  { name: 'map', write: (w) => w.map(2), resp2: '*4\r\n', resp3: '%2\r\n' },
  { name: 'set', write: (w) => w.set(7), resp2: '*7\r\n', resp3: '~7\r\n' },
  { name: 'push', write: (w) => w.push(3), resp2: '*3\r\n', resp3: '>3\r\n' },
  { name: 'raw', write: (w) => w.raw(Buffer.from(':1\r\n')), resp2: ':1\r\n' },
];

for (const { name, write, resp2, resp3 = resp2 } of CASES) {
  test(`${name}, at the start, behind others, and where the buffer must grow`, () => {
    for (const [version, expected] of [
      [2, resp2],
      [3, resp3],
    ] as const) {
      const writer = new ReplyWriter();
      writer.version = version;
      const capacity = writer.buffer.length;
      write(writer);
      assert.equal(written(writer), expected);

      // Every distance to the end of the buffer that the reply can have.
      for (let room = 0; room <= expected.length + 40; room++) {
        const tight = new ReplyWriter();
        tight.version = version;
        tight.raw(Buffer.alloc(capacity - room, 0x2e));
        write(tight);
        tight.ok();
        assert.equal(written(tight, capacity - room), `${expected}+OK\r\n`);
        assert.ok(tight.position <= tight.buffer.length);
      }
    }
  });
}

test('errors are counted and the last one is known', () => {
  const writer = new ReplyWriter();
  writer.error(new ErrorReply('ERR first'));
  writer.error(new ErrorReply('WRONGTYPE second'));
  assert.deepEqual([writer.errorCount, writer.lastError], [2, 'WRONGTYPE second']);
});

test('replies of any length survive the growth of the buffer', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = new SeededRandom(seed);
    const writer = new ReplyWriter();
    const expected: Buffer[] = [];
    for (let i = 0; i < 200; i++) {
      const bytes = random.bytes(random.chance(0.02) ? random.integer(0, 300_000) : random.integer(0, 100));
      writer.bulkBytes(bytes);
      expected.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
    }
    assert.ok(writer.buffer.subarray(0, writer.position).equals(Buffer.concat(expected)), `seed ${seed}`);
  }
});

test('a buffer that has become large is given up after the wake-up', () => {
  const writer = new ReplyWriter();
  const initial = writer.buffer.length;
  writer.raw(Buffer.alloc(300_000));
  const grown = writer.buffer;
  writer.reset();
  assert.equal(writer.buffer, grown, 'a moderate one is kept');
  writer.raw(Buffer.alloc(3_000_000));
  writer.reset();
  assert.equal(writer.position, 0);
  assert.equal(writer.buffer.length, initial);
  writer.ok();
  assert.equal(written(writer), '+OK\r\n');
});

test('what was written can be taken back', () => {
  const writer = new ReplyWriter();
  writer.ok();
  const { position } = writer;
  writer.integer(5);
  writer.truncate(position);
  writer.simple('QUEUED');
  assert.equal(written(writer), '+OK\r\n+QUEUED\r\n');
});

test('headers are put in front of what is written already, nested too', () => {
  for (const version of [2, 3]) {
    const writer = new ReplyWriter();
    writer.version = version;
    writer.ok();
    const outer = writer.beginArray();
    writer.integer(1);
    const inner = writer.beginArray();
    for (let i = 0; i < 12; i++) writer.bulkInteger(i);
    writer.endSet(inner, 12);
    const none = writer.beginArray();
    writer.endArray(none, 0);
    writer.endArray(outer, 3);
    writer.ok();
    const elements = Array.from({ length: 12 }, (_, i) => `$${String(i).length}\r\n${i}\r\n`).join('');
    assert.equal(
      written(writer),
      `+OK\r\n*3\r\n:1\r\n${version === 2 ? '*' : '~'}12\r\n${elements}*0\r\n+OK\r\n`,
    );
  }
});

test('a header in front of a body that fills the buffer', () => {
  const capacity = new ReplyWriter().buffer.length;
  for (let room = 0; room < 40; room++) {
    const writer = new ReplyWriter();
    writer.ok();
    const mark = writer.beginArray();
    const body = Buffer.alloc(capacity - 5 - room, 0x62);
    writer.raw(body);
    writer.endArray(mark, 1_234_567);
    assert.equal(written(writer), `+OK\r\n*1234567\r\n${body.toString('latin1')}`);
  }
});

test('an error reply knows its code', () => {
  assert.equal(new ErrorReply('WRONGTYPE Operation').code, 'WRONGTYPE');
  assert.equal(new ErrorReply('EXECABORT').code, 'EXECABORT');
});

test('what is kept stays when a reply is taken back, and when a header is put in front', () => {
  const writer = new ReplyWriter();
  writer.ok();
  const mark = writer.position;
  writer.bulkText('taken back');
  const first = writer.position;
  writer.simple('first');
  writer.keep(first);
  writer.integer(1);
  const second = writer.position;
  writer.simple('second');
  writer.keep(second);
  writer.integer(2);
  writer.truncate(mark);
  assert.equal(written(writer), '+OK\r\n+first\r\n+second\r\n');

  const array = writer.beginArray();
  writer.integer(3);
  const third = writer.position;
  writer.simple('third');
  writer.keep(third);
  writer.endArray(array, 1);
  assert.equal(written(writer), '+OK\r\n+first\r\n+second\r\n*1\r\n:3\r\n+third\r\n');
  writer.truncate(array);
  assert.equal(written(writer), '+OK\r\n+first\r\n+second\r\n+third\r\n');

  writer.reset();
  writer.ok();
  writer.truncate(0);
  assert.equal(written(writer), '');
});

test('a stretch is written once more', () => {
  const writer = new ReplyWriter();
  writer.ok();
  writer.integer(1);
  writer.repeat(0, 5);
  assert.equal(written(writer), '+OK\r\n:1\r\n+OK\r\n');
});

test('more than a client can be sent is refused, before memory is taken for it', () => {
  const writer = new ReplyWriter();
  writer.position = REPLY_BYTES_MAX;
  assert.throws(() => writer.bulkText('x'.repeat(writer.buffer.length)), ReplyTooLargeError);
});
