/**
 * CLIENT TRACKING and its kin: client-side caching as one connection asks for it (Redis 7.0 networking.c).
 */
import { ErrorReply } from '../protocol/error-reply.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR, printedText } from './errors.ts';
import type { TrackingState } from './services.ts';
import { SESSION_TRACKING } from './session.ts';

const SECOND_REDIRECTION = new ErrorReply('ERR A client can only redirect to a single other client');
const NO_SUCH_REDIRECTION = new ErrorReply('ERR The client ID you want redirect to does not exist');
const PREFIX_WITHOUT_BROADCAST = new ErrorReply('ERR PREFIX option requires BCAST mode to be enabled');
const BROADCAST_SWITCHED = new ErrorReply(
  "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then " +
    're-enabling it with a different mode.',
);
const OPTING_WITH_BROADCAST = new ErrorReply('ERR OPTIN and OPTOUT are not compatible with BCAST');
const OPTING_BOTH_WAYS = new ErrorReply("ERR You can't specify both OPTIN mode and OPTOUT mode");
const OPTING_SWITCHED = new ErrorReply(
  "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then " +
    're-enabling it with a different mode.',
);
const CACHING_WITHOUT_TRACKING = new ErrorReply(
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode ' +
    'enabled',
);
const CACHING_YES_WITHOUT_OPTIN = new ErrorReply(
  'ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.',
);
const CACHING_NO_WITHOUT_OPTOUT = new ErrorReply(
  'ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.',
);

interface Options {
  redirection: number;
  isBroadcast: boolean;
  isOptIn: boolean;
  isOptOut: boolean;
  isNoLoop: boolean;
  readonly prefixes: Buffer[];
}

/**
 * CLIENT TRACKING ON | OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT]
 * [NOLOOP]
 */
export function clientTracking(call: Call): void {
  const { session, services, reply } = call;
  const options = parseOptions(call);
  if (call.is(2, 'ON')) {
    const state = services.tracking.stateOf(session.record);
    checkCompatible(options, state);
    if (options.isBroadcast) checkPrefixes(options.prefixes, state.prefixes);

    services.tracking.enable(session, options);
    session.raise(SESSION_TRACKING);
  } else if (call.is(2, 'OFF')) {
    services.tracking.disable(session);
    session.clear(SESSION_TRACKING);
  } else {
    throw SYNTAX_ERROR;
  }
  reply.ok();
}

function parseOptions(call: Call): Options {
  const options: Options = {
    redirection: 0,
    isBroadcast: false,
    isOptIn: false,
    isOptOut: false,
    isNoLoop: false,
    prefixes: [],
  };
  for (let i = 3; i < call.argumentCount; i++) {
    const hasMore = i + 1 < call.argumentCount;
    if (call.is(i, 'REDIRECT') && hasMore) options.redirection = redirection(call, ++i, options.redirection);
    else if (call.is(i, 'BCAST')) options.isBroadcast = true;
    else if (call.is(i, 'OPTIN')) options.isOptIn = true;
    else if (call.is(i, 'OPTOUT')) options.isOptOut = true;
    else if (call.is(i, 'NOLOOP')) options.isNoLoop = true;
    else if (call.is(i, 'PREFIX') && hasMore) options.prefixes.push(call.bytes(++i));
    else throw SYNTAX_ERROR;
  }
  return options;
}

function redirection(call: Call, index: number, former: number): number {
  if (former !== 0) throw SECOND_REDIRECTION;
  const id = Number(call.int64(index));
  if (call.services.clients.find(id) === undefined) throw NO_SUCH_REDIRECTION;
  return id;
}

/** Whether the options fit each other and what the client has chosen before. */
function checkCompatible(options: Options, state: TrackingState): void {
  const { isBroadcast, isOptIn, isOptOut, prefixes } = options;
  if (!isBroadcast && prefixes.length > 0) throw PREFIX_WITHOUT_BROADCAST;
  if (state.isOn && state.isBroadcast !== isBroadcast) throw BROADCAST_SWITCHED;
  if (isBroadcast && (isOptIn || isOptOut)) throw OPTING_WITH_BROADCAST;
  if (isOptIn && isOptOut) throw OPTING_BOTH_WAYS;
  if ((isOptIn && state.isOptOut) || (isOptOut && state.isOptIn)) throw OPTING_SWITCHED;
}

/** No key may have two prefixes of one client. */
function checkPrefixes(prefixes: readonly Buffer[], existing: readonly Buffer[]): void {
  for (const [index, prefix] of prefixes.entries()) {
    const overlapped = existing.find((other) => overlap(prefix, other));
    if (overlapped !== undefined) throw overlapError(prefix, 'an existing', overlapped);
    const twin = prefixes.slice(index + 1).find((other) => overlap(prefix, other));
    if (twin !== undefined) throw overlapError(prefix, 'another provided', twin);
  }
}

function overlap(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length);
  return a.subarray(0, length).equals(b.subarray(0, length));
}

function overlapError(prefix: Buffer, which: string, other: Buffer): ErrorReply {
  const print = (bytes: Buffer) => printedText(bytes.toString('latin1'));
  return new ErrorReply(
    `ERR Prefix '${print(prefix)}' overlaps with ${which} prefix '${print(other)}'. ` +
      'Prefixes for a single client must not overlap.',
  );
}

/** CLIENT CACHING YES | NO */
export function clientCaching(call: Call): void {
  const { session, services, reply } = call;
  const { isOn, isOptIn, isOptOut } = services.tracking.stateOf(session.record);
  if (!isOn) throw CACHING_WITHOUT_TRACKING;
  if (call.is(2, 'YES')) {
    if (!isOptIn) throw CACHING_YES_WITHOUT_OPTIN;
  } else if (call.is(2, 'NO')) {
    if (!isOptOut) throw CACHING_NO_WITHOUT_OPTOUT;
  } else {
    throw SYNTAX_ERROR;
  }

  services.tracking.setCaching(session);
  reply.ok();
}

/** CLIENT GETREDIR */
export function clientGetRedir({ session, services, reply }: Call): void {
  reply.integer(services.tracking.stateOf(session.record).redirection);
}

/** CLIENT TRACKINGINFO */
export function clientTrackingInfo({ session, services, reply }: Call): void {
  const state = services.tracking.stateOf(session.record);
  const words = stateWords(state);
  reply.map(3);
  reply.bulkText('flags');
  reply.set(words.length);
  for (const word of words) reply.bulkText(word);
  reply.bulkText('redirect');
  reply.integer(state.redirection);
  reply.bulkText('prefixes');
  reply.array(state.prefixes.length);
  for (const prefix of state.prefixes) reply.bulkBytes(prefix);
}

function stateWords(state: TrackingState): string[] {
  const words = [state.isOn ? 'on' : 'off'];
  if (state.isBroadcast) words.push('bcast');
  if (state.isOptIn) words.push('optin');
  if (state.isOptIn && state.isCaching) words.push('caching-yes');
  if (state.isOptOut) words.push('optout');
  if (state.isOptOut && state.isCaching) words.push('caching-no');
  if (state.isNoLoop) words.push('noloop');
  if (state.isRedirectionBroken) words.push('broken_redirect');
  return words;
}
