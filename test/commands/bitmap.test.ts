/** Behaviour of the bitmap commands. */
import { behaviour, error, OK, type Step } from './behaviour.ts';

const BAD_OFFSET = error('ERR bit offset is not an integer or out of range');
const BAD_BIT = error('ERR bit is not an integer or out of range');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const SYNTAX_ERROR = error('ERR syntax error');
const BAD_FIELD_TYPE = error(
  'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.',
);
const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');

/** The year 2100, in ms. */
const FAR = 4102444800000;

function arity(name: string) {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

/** Sets a key to bytes. */
function bytes(key: string, ...content: number[]): Step {
  return [['SET', key, Buffer.from(content)], OK];
}

// Single bits -----------------------------------------------------------------------------------------------

behaviour('SETBIT and GETBIT count from the highest bit of the first byte', [
  ['GETBIT k 0', 0],
  ['SETBIT k 7 1', 0],
  ['GET k', Buffer.from([1])],
  ['SETBIT k 0 1', 0],
  ['SETBIT k 0 1', 1],
  ['GET k', Buffer.from([0x81])],
  ['GETBIT k 0', 1],
  ['GETBIT k 1', 0],
  ['GETBIT k 7', 1],
  ['GETBIT k 8', 0],
  ['GETBIT k 4294967295', 0],
  ['SETBIT k 0 0', 1],
  ['GET k', Buffer.from([1])],
  ['SETBIT k 23 1', 0],
  ['GET k', Buffer.from([1, 0, 1])],
  ['SETBIT none 15 0', 0],
  ['GET none', Buffer.from([0, 0])],
  ['SETBIT far 100000 1', 0],
  ['STRLEN far', 12501],
  ['BITCOUNT far', 1],
]);

behaviour('SETBIT edits any string, keeps its life and makes it raw', [
  ['SET k 12', OK],
  ['OBJECT ENCODING k', 'int'],
  ['SETBIT k 6 0', 0],
  ['GET k', '12'],
  ['OBJECT ENCODING k', 'raw'],
  [`PEXPIREAT k ${FAR}`, 1],
  ['SETBIT k 7 0', 1],
  ['GET k', '02'],
  ['PEXPIRETIME k', FAR],
  ['SET e hello', OK],
  ['GETBIT e 1', 1],
  ['OBJECT ENCODING e', 'embstr'],
]);

behaviour('SETBIT and GETBIT say what is wrong with their arguments', [
  ['SETBIT k -1 1', BAD_OFFSET],
  ['SETBIT k 4294967296 1', BAD_OFFSET],
  ['SETBIT k x 1', BAD_OFFSET],
  ['SETBIT k 1.5 1', BAD_OFFSET],
  ['SETBIT k #1 1', BAD_OFFSET],
  ['SETBIT k 99999999999999999999 1', BAD_OFFSET],
  ['SETBIT k 0 2', BAD_BIT],
  ['SETBIT k 0 -1', BAD_BIT],
  ['SETBIT k 0 x', BAD_BIT],
  ['SETBIT k 0 9223372036854775807', BAD_BIT],
  ['GETBIT k -1', BAD_OFFSET],
  ['GETBIT k 4294967296', BAD_OFFSET],
  ['GETBIT k', arity('getbit')],
  ['SETBIT k 1', arity('setbit')],
  ['EXISTS k', 0],
]);

// Ranges ----------------------------------------------------------------------------------------------------

behaviour('BITCOUNT counts bits of bytes or bits', [
  ['BITCOUNT none', 0],
  ['BITCOUNT none 0 x', 0],
  ['SET k foobar', OK],
  ['BITCOUNT k', 26],
  ['BITCOUNT k 0 0', 4],
  ['BITCOUNT k 1 1', 6],
  ['BITCOUNT k 0 -1', 26],
  ['BITCOUNT k 1 1 BYTE', 6],
  ['BITCOUNT k 5 30 BIT', 17],
  ['BITCOUNT k 5 5 bit', 1],
  ['BITCOUNT k -2 -1', 7],
  ['BITCOUNT k -1 -2', 0],
  ['BITCOUNT k 3 2', 0],
  ['BITCOUNT k 6 10', 0],
  ['BITCOUNT k -100 100', 26],
  ['BITCOUNT k -100 -90', 4],
  ['BITCOUNT k -90 -100', 0],
  ['BITCOUNT k -9223372036854775808 9223372036854775807', 26],
  ['BITCOUNT k -9223372036854775807 -9223372036854775808', 0],
  ['BITCOUNT k 0 0 NIBBLE', SYNTAX_ERROR],
  ['BITCOUNT k 0', SYNTAX_ERROR],
  ['BITCOUNT k 0 1 BIT x', SYNTAX_ERROR],
  ['BITCOUNT k x 1', NOT_AN_INTEGER],
  ['BITCOUNT k 0 x', NOT_AN_INTEGER],
  ['SET n 12', OK],
  ['BITCOUNT n', 6],
]);

behaviour('BITCOUNT of long strings, at any place', [
  [['SET', 'k', Buffer.alloc(1000, 0xa7)], OK],
  ['BITCOUNT k', 5000],
  ['BITCOUNT k 1 998', 4990],
  ['BITCOUNT k 3 700', 3490],
  ['BITCOUNT k 1 7998 BIT', 4998],
  ['BITCOUNT k 129 7131 BIT', 4376],
]);

behaviour('BITPOS finds the first bit', [
  ['BITPOS none 0', 0],
  ['BITPOS none 1', -1],
  ['BITPOS none 1 x', -1],
  bytes('k', 0xff, 0xf0, 0),
  ['BITPOS k 0', 12],
  ['BITPOS k 1', 0],
  ['BITPOS k 1 2', -1],
  ['BITPOS k 1 1', 8],
  ['BITPOS k 0 2', 16],
  ['BITPOS k 0 -1 -1', 16],
  ['BITPOS k 1 -2', 8],
  ['BITPOS k 0 0 0', -1],
  ['BITPOS k 0 9 14 BIT', 12],
  ['BITPOS k 0 9 11 BIT', -1],
  ['BITPOS k 1 11 23 BIT', 11],
  ['BITPOS k 1 12 -1 bit', -1],
  ['BITPOS k 0 1 -1 BYTE', 12],
  ['BITPOS k 0 3', -1],
  ['BITPOS k 0 2 1', -1],
  bytes('ones', 0xff, 0xff, 0xff),
  ['BITPOS ones 0', 24],
  ['BITPOS ones 0 1', 24],
  ['BITPOS ones 0 0 -1', -1],
  ['BITPOS ones 0 0 -1 BIT', -1],
  ['BITPOS ones 0 5', -1],
  [['SET', 'empty', ''], OK],
  ['BITPOS empty 0', -1],
  ['BITPOS empty 1', -1],
]);

behaviour('BITPOS in long strings', [
  ['SETBIT k 79999 1', 0],
  ['BITPOS k 1', 79999],
  ['BITPOS k 1 9999', 79999],
  ['BITPOS k 1 3 9998', -1],
  ['BITPOS k 0', 0],
  ['BITOP NOT inverted k', 10000],
  ['BITPOS inverted 0', 79999],
  ['BITPOS inverted 1 1', 8],
  ['SETBIT inverted 79999 1', 0],
  ['BITPOS inverted 0', 80000],
  ['BITPOS inverted 0 0 -1', -1],
]);

behaviour('BITPOS says what is wrong with its arguments', [
  ['SET k v', OK],
  ['BITPOS k 2', error('ERR The bit argument must be 1 or 0.')],
  ['BITPOS k -1', error('ERR The bit argument must be 1 or 0.')],
  ['BITPOS k x', NOT_AN_INTEGER],
  ['BITPOS k 1 x', NOT_AN_INTEGER],
  ['BITPOS k 1 0 x', NOT_AN_INTEGER],
  ['BITPOS k 1 0 1 NIBBLE', SYNTAX_ERROR],
  ['BITPOS k 1 0 x NIBBLE', SYNTAX_ERROR],
  ['BITPOS k 1 0 1 BIT more', SYNTAX_ERROR],
  ['BITPOS k', arity('bitpos')],
]);

// Whole strings ---------------------------------------------------------------------------------------------

behaviour('BITOP combines strings; shorter ones are followed by zeros', [
  bytes('a', 0xff, 0x0f, 0xaa),
  bytes('b', 0x3c, 0xff),
  ['BITOP AND r a b', 3],
  ['GET r', Buffer.from([0x3c, 0x0f, 0])],
  ['BITOP OR r a b', 3],
  ['GET r', Buffer.from([0xff, 0xff, 0xaa])],
  ['BITOP XOR r a b', 3],
  ['GET r', Buffer.from([0xc3, 0xf0, 0xaa])],
  ['BITOP NOT r a', 3],
  ['GET r', Buffer.from([0, 0xf0, 0x55])],
  ['bitop and r a none', 3],
  ['GET r', Buffer.from([0, 0, 0])],
  ['BITOP XOR r a a', 3],
  ['GET r', Buffer.from([0, 0, 0])],
  ['BITOP OR r b a none b', 3],
  ['GET r', Buffer.from([0xff, 0xff, 0xaa])],
  ['OBJECT ENCODING r', 'raw'],
]);

behaviour('BITOP may write to one of its sources', [
  bytes('a', 0x0f, 0x0f),
  bytes('b', 0xff),
  ['BITOP XOR a a b', 2],
  ['GET a', Buffer.from([0xf0, 0x0f])],
  ['BITOP XOR b a b', 2],
  ['GET b', Buffer.from([0x0f, 0x0f])],
  ['BITOP NOT b b', 2],
  ['GET b', Buffer.from([0xf0, 0xf0])],
  ['BITOP XOR a a a b a', 2],
  ['GET a', Buffer.from([0, 0xff])],
]);

behaviour('BITOP replaces what the destination was', [
  bytes('a', 0x31, 0x32),
  [`SET r old PXAT ${FAR}`, OK],
  ['BITOP OR r a', 2],
  ['GET r', '12'],
  ['OBJECT ENCODING r', 'raw'],
  ['TTL r', -1],
  ['BITOP AND r none1 none2', 0],
  ['EXISTS r', 0],
  ['BITOP NOT r none', 0],
]);

behaviour(
  'BITOP with long strings',
  [100, 2049, 65_536, 65_537, 200_003].flatMap((length): Step[] => [
    [['SET', 'a', Buffer.alloc(length, 0xf1)], OK],
    [['SET', 'b', Buffer.alloc(length - 30, 0x8f)], OK],
    ['BITOP AND r a b', length],
    ['GET r', Buffer.concat([Buffer.alloc(length - 30, 0x81), Buffer.alloc(30)])],
    ['BITOP OR r a b', length],
    ['GET r', Buffer.concat([Buffer.alloc(length - 30, 0xff), Buffer.alloc(30, 0xf1)])],
    ['BITOP XOR r b a', length],
    ['GET r', Buffer.concat([Buffer.alloc(length - 30, 0x7e), Buffer.alloc(30, 0xf1)])],
    ['BITOP NOT r r', length],
    ['GET r', Buffer.concat([Buffer.alloc(length - 30, 0x81), Buffer.alloc(30, 0x0e)])],
  ]),
  { protocols: [2] },
);

behaviour('BITOP says what is wrong with its arguments', [
  bytes('a', 1),
  ['BITOP NAND r a', SYNTAX_ERROR],
  ['BITOP NOT r a a', error('ERR BITOP NOT must be called with a single source key.')],
  ['BITOP AND r', arity('bitop')],
]);

// Fields ----------------------------------------------------------------------------------------------------

behaviour('BITFIELD gets, sets and increments integers of any size', [
  ['BITFIELD k', []],
  ['EXISTS k', 0],
  ['BITFIELD k SET u8 0 255 GET u8 0 GET i8 0 GET u4 4 GET u8 4', [0, 255, -1, 15, 240]],
  ['BITFIELD k SET i5 100 -16 GET i5 100 GET u5 100', [0, -16, 16]],
  ['STRLEN k', 14],
  ['BITFIELD k INCRBY i5 100 1 INCRBY u2 102 1', [-15, 1]],
  ['BITFIELD k SET i64 64 -9223372036854775808 GET i64 64 GET u63 65', [159383552, -9223372036854775808n, 0]],
  ['BITFIELD k SET u63 3 9223372036854775807 GET u63 3', [8935141660703064066n, 9223372036854775807n]],
  ['BITFIELD k GET u8 1000 GET i64 1000', [0, 0]],
  ['STRLEN k', 16],
  ['BITFIELD new SET u1 0 0', [0]],
  ['GET new', Buffer.from([0])],
  ['bitfield k get u8 64', [192]],
]);

behaviour('BITFIELD with # counts fields', [
  ['BITFIELD k SET u8 #0 65 SET u8 #1 66 SET u8 #2 67', [0, 0, 0]],
  ['GET k', 'ABC'],
  ['BITFIELD k GET u8 #1 GET u4 #1 GET i16 #1', [66, 1, 17152]],
  ['BITFIELD k GET u8 #2305843009213693952', [65]],
  ['BITFIELD k GET u8 #-1', BAD_OFFSET],
  ['BITFIELD k GET u8 #', BAD_OFFSET],
  ['BITFIELD k GET u8 #536870912', BAD_OFFSET],
]);

behaviour('BITFIELD OVERFLOW wraps, saturates or fails, from where it stands on', [
  ['BITFIELD k INCRBY u2 0 1 OVERFLOW SAT INCRBY u2 2 1', [1, 1]],
  ['BITFIELD k INCRBY u2 0 3 OVERFLOW SAT INCRBY u2 2 3', [0, 3]],
  ['BITFIELD k OVERFLOW FAIL INCRBY u2 2 1 INCRBY u2 2 -1', [null, 2]],
  ['BITFIELD k OVERFLOW sat INCRBY u2 2 -9 OVERFLOW wrap INCRBY u2 2 -1', [0, 3]],
  ['BITFIELD i SET i8 0 127 INCRBY i8 0 1', [0, -128]],
  ['BITFIELD i OVERFLOW SAT INCRBY i8 0 -1 INCRBY i8 0 1000', [-128, 127]],
  [
    'BITFIELD i OVERFLOW FAIL INCRBY i8 0 1 SET i8 0 128 SET i8 0 -129 SET i8 0 -128',
    [null, null, null, 127],
  ],
  ['BITFIELD i OVERFLOW SAT SET i8 0 300 SET i8 0 -300 GET i8 0', [-128, 127, -128]],
  ['BITFIELD i OVERFLOW SAT SET u8 0 -1 GET u8 0', [128, 255]],
  ['BITFIELD i SET u8 0 257 GET u8 0', [255, 1]],
  ['BITFIELD w SET i64 0 9223372036854775807 INCRBY i64 0 1', [0, -9223372036854775808n]],
  ['BITFIELD w OVERFLOW SAT INCRBY i64 0 -1', [-9223372036854775808n]],
  ['BITFIELD w OVERFLOW FAIL INCRBY i64 0 -1', [null]],
  ['BITFIELD w OVERFLOW SAT SET i8 0 -9223372036854775808 GET i8 0', [-128, 127]],
  ['BITFIELD w OVERFLOW SAT SET i8 0 -9223372036854775000 GET i8 0', [127, -128]],
]);

behaviour('BITFIELD that fails still makes the string long enough', [
  ['BITFIELD k OVERFLOW FAIL SET u8 16 300', [null]],
  ['STRLEN k', 3],
  ['DEL k', 1],
]);

behaviour('BITFIELD says what is wrong with its arguments', [
  ['BITFIELD k GET u8', SYNTAX_ERROR],
  ['BITFIELD k SET u8 0', SYNTAX_ERROR],
  ['BITFIELD k INCRBY u8 0', SYNTAX_ERROR],
  ['BITFIELD k OVERFLOW', SYNTAX_ERROR],
  ['BITFIELD k FOO u8 0', SYNTAX_ERROR],
  ['BITFIELD k OVERFLOW DROP', error('ERR Invalid OVERFLOW type specified')],
  ...['u64', 'i65', 'u0', 'i0', 'U8', 'x8', 'u', '8', 'i08', 'i+8'].map((type): Step => [
    `BITFIELD k GET ${type} 0`,
    BAD_FIELD_TYPE,
  ]),
  [['BITFIELD', 'k', 'GET', '', '0'], BAD_FIELD_TYPE],
  [['BITFIELD', 'k', 'GET', 'u8\0x', '0'], [0]],
  ['BITFIELD k GET u8 -1', BAD_OFFSET],
  ['BITFIELD k GET u8 x', BAD_OFFSET],
  [['BITFIELD', 'k', 'GET', 'u8', ''], BAD_OFFSET],
  ['BITFIELD k GET u8 4294967296', BAD_OFFSET],
  ['BITFIELD k SET u8 0 x', NOT_AN_INTEGER],
  ['BITFIELD k SET u8 0 1 GET u64 0', BAD_FIELD_TYPE],
  ['EXISTS k', 0],
]);

behaviour('BITFIELD_RO only reads', [
  ['BITFIELD_RO k', []],
  ['BITFIELD_RO k GET u8 0', [0]],
  ['SET k A', OK],
  ['BITFIELD_RO k GET u8 0 GET i3 0', [65, 2]],
  ['OBJECT ENCODING k', 'embstr'],
  ['BITFIELD_RO k SET u8 0 1', error('ERR BITFIELD_RO only supports the GET subcommand')],
  ['BITFIELD_RO k GET u8 0 INCRBY u8 0 1', error('ERR BITFIELD_RO only supports the GET subcommand')],
  ['BITFIELD_RO k OVERFLOW SAT GET u8 0', [65]],
  ['BITFIELD_RO k GET u8', SYNTAX_ERROR],
]);

behaviour('Bitmap commands are for strings only', [
  ['SADD s m', 1],
  ['GETBIT s 0', WRONG_TYPE],
  ['SETBIT s 0 1', WRONG_TYPE],
  ['BITCOUNT s', WRONG_TYPE],
  ['BITCOUNT s x y', WRONG_TYPE],
  ['BITPOS s 1', WRONG_TYPE],
  ['BITOP OR r s', WRONG_TYPE],
  ['BITFIELD s', WRONG_TYPE],
  ['BITFIELD s GET u8 0', WRONG_TYPE],
  ['BITFIELD s SET u8 0 1', WRONG_TYPE],
  ['BITFIELD_RO s GET u8 0', WRONG_TYPE],
  ['SET a v', OK],
  ['BITOP OR s a', 1],
  ['GET s', 'v'],
]);

behaviour(
  'Bits beyond what clients may send are refused',
  [
    ['SETBIT k 8388607 1', 0],
    ['SETBIT k 8388608 1', BAD_OFFSET],
    ['GETBIT k 8388608', BAD_OFFSET],
    ['BITFIELD k GET u8 #1048576', BAD_OFFSET],
  ],
  { settings: { 'proto-max-bulk-len': '1mb' } },
);
