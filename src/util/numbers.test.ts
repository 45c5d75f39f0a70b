import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  formatDouble,
  formatFixed,
  integerLength,
  parseCursor,
  parseDouble,
  parseInt64,
  parseInteger,
  writeInteger,
} from './numbers.ts';

/** Calls a parser on `text` in the middle of other digits, which it must not look at. */
function within<T>(parse: (buffer: Uint8Array, start: number, end: number) => T, text: string): T {
  const buffer = Buffer.from(`77${text}77`, 'latin1');
  return parse(buffer, 2, buffer.length - 2);
}

const NOT_INTEGERS = [
  '',
  '-',
  '+1',
  ' 1',
  '1 ',
  '01',
  '-0',
  '-01',
  '00',
  '1.0',
  '1e3',
  '0x1',
  'a',
  '1:',
  '1/',
];

describe('parseInteger and parseInt64', () => {
  test('refuse every other spelling', () => {
    for (const text of NOT_INTEGERS) {
      assert.equal(within(parseInteger, text), Number.NaN, text);
      assert.equal(within(parseInt64, text), undefined, text);
    }
  });

  test('read every safe integer', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.nat(15), (n, digits) => {
        const cut = Math.trunc(n / 10 ** digits) + 0;
        assert.equal(within(parseInteger, String(cut)), cut);
        assert.equal(within(parseInt64, String(cut)), BigInt(cut));
      }),
    );
  });

  test('know where safe integers and int64 end', () => {
    assert.equal(within(parseInteger, '9007199254740991'), Number.MAX_SAFE_INTEGER);
    for (const text of [
      '9007199254740992',
      '-9007199254740993',
      '99999999999999999',
      '9223372036854775807',
    ]) {
      assert.equal(within(parseInteger, text), Number.NaN, text);
      assert.equal(within(parseInt64, text), BigInt(text));
    }
    assert.equal(within(parseInt64, '-9223372036854775808'), -(2n ** 63n));
    const outside = ['9223372036854775808', '-9223372036854775809', '123456789012345678901', '9'.repeat(30)];
    for (const text of [...outside, '0123456789012345678', '-12345678901234567x']) {
      assert.equal(within(parseInt64, text), undefined, text);
    }
  });
});

test('parseCursor follows strtoul', () => {
  const valid: [string, bigint][] = [
    ['', 0n],
    ['0', 0n],
    ['007', 7n],
    ['+5', 5n],
    ['-5', 2n ** 64n - 5n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['12\0junk', 12n],
    ['\0junk', 0n],
  ];
  for (const [text, cursor] of valid) assert.equal(within(parseCursor, text), cursor, JSON.stringify(text));
  for (const text of ['-', '+', ' 1', '1 ', '1a', '18446744073709551616', '-\0']) {
    assert.equal(within(parseCursor, text), undefined, JSON.stringify(text));
  }
});

test('writeInteger and integerLength', () => {
  const target = new Uint8Array(24);
  const check = (n: number): void => {
    target.fill(0x78);
    const end = writeInteger(target, 1, n);
    assert.equal(Buffer.from(target).toString('latin1', 0, end + 1), `x${n}x`);
    assert.equal(integerLength(n), String(n).length);
  };
  for (let power = 1; power < Number.MAX_SAFE_INTEGER; power *= 10) {
    for (const n of [power - 1, power, power + 1]) [n, -n].filter((m) => !Object.is(m, -0)).forEach(check);
  }
  for (const n of [2 ** 31 - 1, 2 ** 31, 2 ** 32, 1e15, Number.MAX_SAFE_INTEGER]) [n, -n].forEach(check);
  fc.assert(fc.property(fc.maxSafeInteger(), (n) => check(n + 0)));
});

describe('parseDouble', () => {
  test('reads decimal numerals as exactly as JavaScript does', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (n) => {
        assert.equal(within(parseDouble, String(n)), Number(String(n)));
        if (Math.abs(n) < 1e9) assert.equal(within(parseDouble, n.toFixed(4)), Number(n.toFixed(4)));
      }),
    );
  });

  test('reads the rest of the grammar of strtod', () => {
    const valid: [string, number][] = [
      ['+5', 5],
      ['.5', 0.5],
      ['-5.', -5],
      ['1E2', 100],
      ['inf', Infinity],
      ['-INFINITY', -Infinity],
      ['+Inf', Infinity],
      ['0x1p3', 8],
      ['-0X.8', -0.5],
      ['0x1.fffffffffffff7p1023', Number.MAX_VALUE],
      ['0x1.8p-1075', Number.MIN_VALUE],
      ['0x1p1020', 2 ** 1020],
      [`0x1${'0'.repeat(300)}p-1200`, 1],
      ['0e-999999999999999', 0],
      ['-0', -0],
      ['-0.0', -0],
      ['1e-310', 1e-310],
      ['000000000000000000000000001.50', 1.5],
    ];
    for (const [text, n] of valid) assert.equal(within(parseDouble, text), n, text);
  });

  test('refuses what Redis refuses', () => {
    const invalid = [
      '',
      ' 1',
      '1 ',
      '.',
      '-',
      '+',
      '-.',
      '1..2',
      '1.2.3',
      '1e',
      '1e+',
      '0x',
      '0x.',
      '0xg',
      '0x1p',
    ];
    const outside = [
      'nan',
      '-nan(7)',
      '1e309',
      '-1e309',
      '1e-400',
      '0x1p1024',
      '0x1p-1075',
      '0x1p-99999',
      '1_000',
    ];
    for (const text of [...invalid, ...outside, 'infinit', '1\0', `1e${'9'.repeat(400)}`]) {
      assert.equal(within(parseDouble, text), undefined, text);
    }
  });
});

describe('formatDouble is %.17g', () => {
  test('on examples', () => {
    const examples: [number, string][] = [
      [0.1, '0.10000000000000001'],
      [3, '3'],
      [-0, '-0'],
      [1.5, '1.5'],
      [1e16, '10000000000000000'],
      [1e17, '1e+17'],
      [123456789012345680, '1.2345678901234568e+17'],
      [0.0001, '0.0001'],
      [0.00001, '1.0000000000000001e-05'],
      [2 ** -20, '9.5367431640625e-07'],
      [-1e-310, '-9.9999999999999694e-311'],
      [Number.MAX_VALUE, '1.7976931348623157e+308'],
      [Infinity, 'inf'],
      [-Infinity, '-inf'],
      [Number.NaN, 'nan'],
    ];
    for (const [n, text] of examples) assert.equal(formatDouble(n), text);
  });

  test('rounds exact halves to the even digit', () => {
    assert.equal(formatDouble(1125899906842624.25), '1125899906842624.2');
    assert.equal(formatDouble(1125899906842624.75), '1125899906842624.8');
    assert.equal(formatDouble(-2251799813685247.25), '-2251799813685247.2');
  });

  test('and is read back as the same double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (n) => {
        assert.equal(within(parseDouble, formatDouble(n)), n);
      }),
    );
  });
});

test('formatFixed is %.*f', () => {
  const examples: [number, number, string][] = [
    [1.125, 2, '1.12'],
    [1.375, 2, '1.38'],
    [-1.125, 2, '-1.12'],
    [2.5, 0, '2'],
    [3.5, 0, '4'],
    [0.5, 0, '0'],
    [0.00005, 4, '0.0001'],
    [1.005, 2, '1.00'],
    [-0, 2, '-0.00'],
    [1e20, 1, '100000000000000000000.0'],
  ];
  for (const [n, digits, text] of examples) assert.equal(formatFixed(n, digits), text, `${n}`);
});
