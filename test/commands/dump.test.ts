/** Behaviour of DUMP, RESTORE and RESTORE-ASKING. */
import {
  ANYTHING,
  behaviour,
  error,
  integerBetween,
  matching,
  NULL_ARRAY,
  OK,
  on,
  QUEUED,
  wait,
} from './behaviour.ts';
import type { Argument } from '../support/resp-client.ts';

/** Payloads as Redis 7.0 makes them. */
const TEXT = Buffer.from('0001760a009108ceb219388ace', 'hex');
const INTEGER = Buffer.from('00c139300a009d94ea2793fc08b9', 'hex');
/** Of 69 times `a`, compressed. */
const COMPRESSED = Buffer.from('00c309404501616', 'hex');
