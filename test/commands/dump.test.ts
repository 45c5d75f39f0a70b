/** Behaviour of DUMP, RESTORE and RESTORE-ASKING. */
import type { Argument } from '../support/resp-client.ts';
import {
  behaviour,
  error,
  integerBetween,
  matching,
  NULL_ARRAY,
  OK,
  QUEUED,
  type Step,
} from './behaviour.ts';

/** The payload that Redis 7.0 makes of the string `v`. */
const PAYLOAD = Buffer.from('0001760a009108ceb219388ace', 'hex');
/** The same with the version of Redis 2.6, and with one of the future. */
const OLD_PAYLOAD = Buffer.from('0001760100a54c2f81ebd8c19d', 'hex');
const FUTURE_PAYLOAD = Buffer.from('0001760b00f8d773c1e4a76347', 'hex');
/** Checksum and version are right, but there is no such type, nothing at all, or a list without elements. */
const UNKNOWN_TYPE = Buffer.from('6301760a007d36daf62cbb597c', 'hex');
const NO_VALUE = Buffer.from('0a005d9b5c400f7fa2da', 'hex');
const EMPTY_LIST = Buffer.from('01000a005bf825cc6c174356', 'hex');

const KEY_EXISTS = error('BUSYKEY Target key name already exists.');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const INVALID_TTL = error('ERR Invalid TTL value, must be >= 0');
const INVALID_IDLE_TIME = error('ERR Invalid IDLETIME value, must be >= 0');
const INVALID_FREQUENCY = error('ERR Invalid FREQ value, must be >= 0 and <= 255');
const WRONG_CHECKSUM = error('ERR DUMP payload version or checksum are wrong');
const BAD_FORMAT = error('ERR Bad data format');
const SYNTAX_ERROR = error('ERR syntax error');

/** `RESTORE key ttl`, the payload, and options. */
function restore(key: string, ttl: string, options = '', payload: Buffer = PAYLOAD): Argument[] {
  return ['RESTORE', key, ttl, payload, ...options.split(' ').filter((word) => word !== '')];
}

behaviour(
  'DUMP makes the payloads of Redis',
  (
    [
      ['v', '0001760a009108ceb219388ace'],
      ['', '00000a005d9b5c400f7fa2da'],
      ['-1', '00c0ff0a000c937e2485089dc5'],
      ['12345', '00c139300a009d94ea2793fc08b9'],
      ['70000', '00c2701101000a0001a408fe953095a5'],
      ['99999999999', '000b39393939393939393939390a0023b048fb0edbef7f'],
      ['a'.repeat(69), '00c3094045016161e038000161610a003166683c181155f0'],
    ] as const
  ).flatMap(([value, payload]): Step[] => {
    const bytes = Buffer.from(payload, 'hex');
    return [
      [['SET', 'k', value], OK],
      ['DUMP k', bytes],
      [restore('copy', '0', 'REPLACE', bytes), OK],
      ['GET copy', value],
      ['DUMP copy', bytes],
    ];
  }),
);

behaviour('DUMP of a key that is not there', [
  ['DUMP none', null],
  ['DUMP', error("ERR wrong number of arguments for 'dump' command")],
  ['DUMP a b', error("ERR wrong number of arguments for 'dump' command")],
]);

behaviour('DUMP and RESTORE keep the encoding', [
  ['SET i 12345', OK],
  [restore('copy', '0', '', Buffer.from('00c139300a009d94ea2793fc08b9', 'hex')), OK],
  ['OBJECT ENCODING copy', 'int'],
  [restore('text', '0'), OK],
  ['OBJECT ENCODING text', 'embstr'],
]);

behaviour('RESTORE checks options, key, time to live and payload, in this order', [
  ['SET k old', OK],
  ['RESTORE k 0', error("ERR wrong number of arguments for 'restore' command")],
  ['RESTORE k x bad NOSUCH', SYNTAX_ERROR],
  ['RESTORE k x bad IDLETIME', SYNTAX_ERROR],
  ['RESTORE k x bad FREQ', SYNTAX_ERROR],
  ['RESTORE k x bad IDLETIME x', NOT_AN_INTEGER],
  ['RESTORE k x bad IDLETIME -1', INVALID_IDLE_TIME],
  ['RESTORE k x bad FREQ x', NOT_AN_INTEGER],
  ['RESTORE k x bad FREQ -1', INVALID_FREQUENCY],
  ['RESTORE k x bad FREQ 256', INVALID_FREQUENCY],
  ['RESTORE k x bad IDLETIME 1 FREQ 1', SYNTAX_ERROR],
  ['RESTORE k x bad FREQ 1 IDLETIME 1', SYNTAX_ERROR],
  ['RESTORE k x bad', KEY_EXISTS],
  ['RESTORE k x bad REPLACE', NOT_AN_INTEGER],
  ['RESTORE k -1 bad REPLACE', INVALID_TTL],
  ['RESTORE k 9223372036854775808 bad REPLACE', NOT_AN_INTEGER],
  ['RESTORE k 0 bad REPLACE', WRONG_CHECKSUM],
  ['GET k', 'old'],
]);

behaviour('RESTORE refuses a payload that is none, and leaves what is there', [
  ['SET k old', OK],
  [restore('k', '0', 'REPLACE', Buffer.alloc(0)), WRONG_CHECKSUM],
  [restore('k', '0', 'REPLACE', PAYLOAD.subarray(0, 9)), WRONG_CHECKSUM],
  [restore('k', '0', 'REPLACE', Buffer.concat([PAYLOAD.subarray(0, -1), Buffer.from([0])])), WRONG_CHECKSUM],
  [restore('k', '0', 'REPLACE', FUTURE_PAYLOAD), WRONG_CHECKSUM],
  [restore('k', '0', 'REPLACE', UNKNOWN_TYPE), BAD_FORMAT],
  [restore('k', '0', 'REPLACE', NO_VALUE), BAD_FORMAT],
  [restore('k', '0', 'REPLACE', EMPTY_LIST), BAD_FORMAT],
  ['GET k', 'old'],
  [restore('k', '0', 'REPLACE', OLD_PAYLOAD), OK],
  ['GET k', 'v'],
]);

behaviour('RESTORE creates a key, or replaces one', [
  [restore('k', '0'), OK],
  ['GET k', 'v'],
  ['TTL k', -1],
  [restore('k', '0'), KEY_EXISTS],
  ['SET k old EX 100', OK],
  [restore('k', '0', 'replace REPLACE absttl ABSTTL'), OK],
  ['GET k', 'v'],
  ['TTL k', -1],
  [['RESTORE-ASKING', 'k2', '0', PAYLOAD], OK],
  ['GET k2', 'v'],
  [['RESTORE-ASKING', 'k2', '0', PAYLOAD], KEY_EXISTS],
]);

behaviour('RESTORE with a time to live', [
  [restore('k', '100000'), OK],
  ['PTTL k', integerBetween(1, 100_000)],
  [restore('k', '9999999999999', 'REPLACE ABSTTL'), OK],
  ['PEXPIRETIME k', 9_999_999_999_999],
]);

behaviour('RESTORE of what has expired creates nothing, and deletes what it was to replace', [
  [restore('k', '1000', 'ABSTTL'), OK],
  ['EXISTS k', 0],
  ['SET k old', OK],
  [restore('k', '1000', 'ABSTTL'), KEY_EXISTS],
  [restore('k', '1000', 'ABSTTL REPLACE'), OK],
  ['EXISTS k', 0],
  // Added to the present it exceeds an int64, and has passed.
  ['SET k old', OK],
  [restore('k', '9223372036854775807', 'REPLACE'), OK],
  ['EXISTS k', 0],
]);

behaviour('RESTORE takes the key of a dead one', [
  ['DEBUG SET-ACTIVE-EXPIRE 0', OK],
  ['SET k old PXAT 1', OK],
  [restore('k', '0'), OK],
  ['GET k', 'v'],
  ['SET k old PXAT 1', OK],
  [restore('k', '0', 'REPLACE'), OK],
  ['GET k', 'v'],
  ['DEBUG SET-ACTIVE-EXPIRE 1', OK],
]);

behaviour('RESTORE sets the idle time, or the frequency, whichever the policy asks for', [
  [restore('k', '0', 'IDLETIME 100'), OK],
  ['OBJECT IDLETIME k', integerBetween(100, 110)],
  [restore('k', '0', 'REPLACE IDLETIME 100 IDLETIME 200'), OK],
  ['OBJECT IDLETIME k', integerBetween(200, 210)],
  [restore('k', '100000', 'REPLACE IDLETIME 300'), OK],
  ['OBJECT IDLETIME k', integerBetween(300, 310)],
  [restore('k', '0', 'REPLACE FREQ 100'), OK],
  ['OBJECT IDLETIME k', integerBetween(0, 10)],
  ['CONFIG SET maxmemory-policy allkeys-lfu', OK],
  [restore('k', '0', 'REPLACE FREQ 77'), OK],
  ['OBJECT FREQ k', integerBetween(76, 77)],
  [restore('k', '0', 'REPLACE FREQ 0'), OK],
  ['OBJECT FREQ k', 0],
  [restore('k', '0', 'REPLACE IDLETIME 77'), OK],
  ['OBJECT FREQ k', integerBetween(4, 5)],
  ['CONFIG SET maxmemory-policy noeviction', OK],
]);

behaviour('RESTORE touches keys under WATCH, and only then', [
  ['SET k v', OK],
  ['WATCH k none', OK],
  [restore('k', '0'), KEY_EXISTS, 'other'],
  [restore('none', '1', 'ABSTTL REPLACE'), OK, 'other'],
  ['MULTI', OK],
  ['GET k', QUEUED],
  ['EXEC', ['v']],

  ['WATCH k', OK],
  [restore('k', '0', 'REPLACE'), OK, 'other'],
  ['MULTI', OK],
  ['GET k', QUEUED],
  ['EXEC', NULL_ARRAY],

  ['WATCH k', OK],
  [restore('k', '1', 'ABSTTL REPLACE'), OK, 'other'],
  ['MULTI', OK],
  ['GET k', QUEUED],
  ['EXEC', NULL_ARRAY],
]);

behaviour('RESTORE is one change since the last save', [
  ['SAVE', OK],
  [restore('k', '0'), OK],
  [restore('k', '0', 'REPLACE'), OK],
  [restore('k', '0'), KEY_EXISTS],
  [restore('k', '1', 'ABSTTL REPLACE'), OK],
  [restore('k', '1', 'ABSTTL REPLACE'), OK],
  ['INFO persistence', matching(/rdb_changes_since_last_save:3\r/)],
]);
