/** Adding entries to streams and removing them: XADD, XTRIM, XDEL, XSETID. */
import { TYPE_STREAM, ENCODING_STREAM } from '../keyspace/entry.ts';
import { NOTIFY_STREAM } from '../keyspace/notify.ts';
import { STREAM_PACK_BYTES_MAX } from '../keyspace/stream-values.ts';
import type { Trim } from '../keyspace/stream-values.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { EntryId } from '../util/entry-id.ts';
import type { Call } from './call.ts';
import { NO_SUCH_KEY, SYNTAX_ERROR, wrongArity } from './errors.ts';
import { isCharacter, parseAutoId, parseId, replyId, roundedInteger } from './stream-arguments.ts';

const TWO_STRATEGIES = new ErrorReply(
  'ERR syntax error, MAXLEN and MINID options at the same time are not compatible',
);
const NEGATIVE_MAXLEN = new ErrorReply('ERR The MAXLEN argument must be >= 0.');
const NEGATIVE_LIMIT = new ErrorReply('ERR The LIMIT argument must be >= 0.');
const LIMIT_WITHOUT_STRATEGY = new ErrorReply(
  'ERR syntax error, LIMIT cannot be used without specifying a trimming strategy',
);
const NO_STRATEGY = new ErrorReply('ERR syntax error, XTRIM must be called with a trimming strategy');
const LIMIT_WITHOUT_TILDE = new ErrorReply(
  'ERR syntax error, LIMIT cannot be used without the special ~ option',
);
const ID_IS_ZERO = new ErrorReply('ERR The ID specified in XADD must be greater than 0-0');
const IDS_EXHAUSTED = new ErrorReply(
  'ERR The stream has exhausted the last possible ID, unable to add more items',
);
const ID_TOO_SMALL = new ErrorReply(
  'ERR The ID specified in XADD is equal or smaller than the target stream top item',
);
const TOO_LARGE = new ErrorReply('ERR Elements are too large to be stored');
const SETID_BELOW_DELETED = new ErrorReply(
  'ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id',
);
const SETID_TOO_SMALL = new ErrorReply(
  'ERR The ID specified in XSETID is smaller than the target stream top item',
);
const NEGATIVE_ENTRIES_ADDED = new ErrorReply('ERR entries_added must be positive');
const ENTRIES_ADDED_TOO_SMALL = new ErrorReply(
  'ERR The entries_added specified in XSETID is smaller than the target stream length',
);

const STAR = 0x2a;
const EQUALS = 0x3d;
const TILDE = 0x7e;

/** Without LIMIT an approximate trim removes that many nodes' entries at most. */
const TRIMMED_NODES_MAX = 100;
const TRIMMED_ENTRIES_DEFAULT = 10_000;
const TRIMMED_ENTRIES_MAX = 1_000_000;

/** How XADD gets its id. */
type IdForm = 'automatic' | 'automatic-sequence' | 'given';

/** The options of XADD and XTRIM: one object for all calls of a thread. */
class Options implements Trim {
  maxLength: number | undefined = undefined;
  readonly minId = new EntryId();
  isApproximate = false;
  limit = 0;
  /** The argument that MAXLEN or MINID is set to, 0 = there is none. */
  thresholdIndex = 0;
  /** The argument LIMIT, 0 = there is none. */
  limitIndex = 0;
  createsStream = true;
  idForm: IdForm = 'automatic';
  readonly id = new EntryId();

  reset(): void {
    this.maxLength = undefined;
    this.isApproximate = false;
    this.limit = 0;
    this.thresholdIndex = 0;
    this.limitIndex = 0;
    this.createsStream = true;
    this.idForm = 'automatic';
  }

  get isTrimming(): boolean {
    return this.thresholdIndex !== 0;
  }
}

const options = new Options();
const newId = new EntryId();
const lastId = new EntryId();

// XADD ------------------------------------------------------------------------------------------------------

/**
 * XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value ...]
 */
export function xAdd(call: Call): void {
  const idIndex = parseOptions(call, true);
  const first = idIndex + 1;
  const count = call.argumentCount - first;
  if (count < 2 || count % 2 === 1) throw wrongArity(call.command.fullName);
  if (options.idForm === 'given' && options.id.isZero) throw ID_IS_ZERO;
  const entry = call.lookupTypedWrite(1, TYPE_STREAM);
  if (entry === 0 && !options.createsStream) {
    call.reply.null();
    return;
  }
  resolveId(call, entry);
  if (argumentBytes(call, first) > STREAM_PACK_BYTES_MAX) throw TOO_LARGE;

  const stream = append(call, entry, first);
  replyId(call.reply, newId);
  call.changed(1, NOTIFY_STREAM, 'xadd');
  if (options.isTrimming && call.keyspace.streams.trim(stream, options) > 0)
    call.event(1, NOTIFY_STREAM, 'xtrim');
  if (call.isPropagating) propagateAdd(call, stream, idIndex);
  // The creation of a key wakes by itself those who wait for it.
  if (entry !== 0) {
    const { request } = call;
    call.keyspace.keyReady(call.database, request.buffer, request.start(1), request.end(1));
  }
}

/** Sets `newId` to the new entry's. */
function resolveId(call: Call, entry: Ref): void {
  lastId.setMin();
  if (entry !== 0) call.keyspace.streams.readLastId(call.database.valueOf(entry), lastId);
  if (lastId.isMax) throw IDS_EXHAUSTED;

  newId.set(options.id);
  if (options.idForm === 'automatic') {
    newId.setMillis(call.now);
    if (newId.hasMillisOf(lastId) || newId.compare(lastId) < 0) newId.set(lastId).increment();
  } else if (options.idForm === 'automatic-sequence' && newId.hasMillisOf(lastId)) {
    if (lastId.isLastOfMillis) throw TOO_LARGE;
    newId.set(lastId).increment();
  }
  if (newId.compare(lastId) <= 0) throw ID_TOO_SMALL;
}

/** Adds the entry `newId` to the stream, which is created if need be; returns the stream. */
function append(call: Call, entry: Ref, first: number): Ref {
  const { database, request, keyspace } = call;
  const { streams } = keyspace;
  if (entry !== 0) {
    const stream = database.valueOf(entry);
    database.willChange(entry);
    streams.append(stream, newId, request, first);
    return stream;
  }
  const stream = streams.create();
  try {
    streams.append(stream, newId, request, first);
    database.createWith(
      request.buffer,
      request.start(1),
      request.end(1),
      TYPE_STREAM,
      ENCODING_STREAM,
      stream,
    );
  } catch (error) {
    streams.dismantle(stream, ENCODING_STREAM, () => false);
    throw error;
  }
  return stream;
}

function argumentBytes({ request }: Call, first: number): number {
  let bytes = 0;
  for (let i = first; i < request.count; i++) bytes += request.length(i);
  return bytes;
}

/** What the clock and the limits of this server have decided is propagated as a fact. */
function propagateAdd(call: Call, stream: Ref, idIndex: number): void {
  if (options.idForm === 'given' && !options.isApproximate) return;
  const args: (string | Uint8Array)[] = trimmedArguments(call, stream, idIndex);
  args.push(newId.toString());
  for (let i = idIndex + 1; i < call.argumentCount; i++) args.push(call.bytes(i));
  call.propagateAs(...args);
}

/**
 * The arguments before `end`; an approximate trim as an exact one with the same outcome. LIMIT, which goes
 * only with an approximate one, is left out.
 */
function trimmedArguments(call: Call, stream: Ref, end: number): (string | Uint8Array)[] {
  const { streams } = call.keyspace;
  const args: (string | Uint8Array)[] = [];
  for (let i = 0; i < end; i++) {
    if (options.isApproximate && i === options.thresholdIndex - 1) args.push('=');
    else if (options.isApproximate && i === options.thresholdIndex) {
      const isByLength = options.maxLength !== undefined;
      args.push(
        isByLength ? String(streams.length(stream)) : streams.readFirstPlaceId(stream, lastId).toString(),
      );
    } else if (options.limitIndex === 0 || (i !== options.limitIndex && i !== options.limitIndex + 1)) {
      args.push(call.bytes(i));
    }
  }
  return args;
}

// Options ---------------------------------------------------------------------------------------------------

/** Sets `options`; returns where the id of XADD stands (behind the arguments: there is none). */
function parseOptions(call: Call, isAdd: boolean): number {
  options.reset();
  let limit = 0;
  let index = 2;
  for (; index < call.argumentCount; index++) {
    const hasMore = index + 1 < call.argumentCount;
    if (isAdd && isCharacter(call, index, STAR)) break;
    if (hasMore && call.is(index, 'MAXLEN')) {
      index = parseThreshold(call, index + 1);
      options.maxLength = roundedInteger(call, index);
      if (options.maxLength < 0) throw NEGATIVE_MAXLEN;
    } else if (hasMore && call.is(index, 'MINID')) {
      index = parseThreshold(call, index + 1);
      parseId(call, index, options.minId);
    } else if (hasMore && call.is(index, 'LIMIT')) {
      options.limitIndex = index++;
      limit = roundedInteger(call, index);
      if (limit < 0) throw NEGATIVE_LIMIT;
    } else if (isAdd && call.is(index, 'NOMKSTREAM')) {
      options.createsStream = false;
    } else if (isAdd) {
      options.idForm = parseAutoId(call, index, options.id) ? 'automatic-sequence' : 'given';
      break;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  if (limit !== 0 && !options.isTrimming) throw LIMIT_WITHOUT_STRATEGY;
  if (!isAdd && !options.isTrimming) throw NO_STRATEGY;
  options.limit = trimLimit(call, limit);
  return index;
}

/** `=` or `~`, if there is more, stands before the threshold, whose index is returned. */
function parseThreshold(call: Call, index: number): number {
  if (options.isTrimming) throw TWO_STRATEGIES;
  const hasMore = index + 1 < call.argumentCount;
  options.isApproximate = hasMore && isCharacter(call, index, TILDE);
  const hasOperator = options.isApproximate || (hasMore && isCharacter(call, index, EQUALS));
  options.thresholdIndex = hasOperator ? index + 1 : index;
  return options.thresholdIndex;
}

function trimLimit(call: Call, limit: number): number {
  // What comes from a log was limited when it was written, and may have a LIMIT without a tilde.
  if (call.session.record === 0) return 0;
  if (options.limitIndex !== 0) {
    if (!options.isApproximate) throw LIMIT_WITHOUT_TILDE;
    return limit;
  }
  if (!options.isApproximate) return 0;
  const entries = TRIMMED_NODES_MAX * call.keyspace.limits.streamNodeMaxEntries;
  return entries <= 0 ? TRIMMED_ENTRIES_DEFAULT : Math.min(entries, TRIMMED_ENTRIES_MAX);
}

// Removing --------------------------------------------------------------------------------------------------

/** XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count] */
export function xTrim(call: Call): void {
  parseOptions(call, false);
  const entry = call.lookupTypedWrite(1, TYPE_STREAM);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }

  const { database, keyspace } = call;
  const stream = database.valueOf(entry);
  database.willChange(entry);
  const removed = keyspace.streams.trim(stream, options);
  if (removed > 0) {
    call.changed(1, NOTIFY_STREAM, 'xtrim');
    keyspace.addDirty(removed - 1);
    if (options.isApproximate && call.isPropagating)
      call.propagateAs(...trimmedArguments(call, stream, call.argumentCount));
  }
  call.reply.integer(removed);
}

/** XDEL key id [id ...] */
export function xDel(call: Call): void {
  const entry = call.lookupTypedWrite(1, TYPE_STREAM);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }
  for (let index = 2; index < call.argumentCount; index++) parseId(call, index, newId);

  const { streams } = call.keyspace;
  const stream = call.database.valueOf(entry);
  call.database.willChange(entry);
  let removed = 0;
  for (let index = 2; index < call.argumentCount; index++) {
    if (!streams.remove(stream, parseId(call, index, newId))) continue;
    removed++;
    if (newId.compare(streams.readMaxDeletedId(stream, lastId)) > 0) streams.setMaxDeletedId(stream, newId);
  }
  if (removed > 0) {
    streams.updateFirstId(stream);
    call.changed(1, NOTIFY_STREAM, 'xdel');
    call.keyspace.addDirty(removed - 1);
  }
  call.reply.integer(removed);
}

/** XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id] */
export function xSetId(call: Call): void {
  parseId(call, 2, newId);
  const maxDeletedId = new EntryId();
  let entriesAdded: bigint | undefined;
  for (let index = 3; index < call.argumentCount; index += 2) {
    const hasMore = index + 1 < call.argumentCount;
    if (hasMore && call.is(index, 'ENTRIESADDED')) {
      entriesAdded = call.int64(index + 1);
      if (entriesAdded < 0n) throw NEGATIVE_ENTRIES_ADDED;
    } else if (hasMore && call.is(index, 'MAXDELETEDID')) {
      parseId(call, index + 1, maxDeletedId);
      if (newId.compare(maxDeletedId) < 0) throw SETID_BELOW_DELETED;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  const entry = call.lookupTypedWrite(1, TYPE_STREAM);
  if (entry === 0) throw NO_SUCH_KEY;
  const { streams } = call.keyspace;
  const stream = call.database.valueOf(entry);
  if (streams.readLastEntryId(stream, lastId)) {
    if (newId.compare(lastId) < 0) throw SETID_TOO_SMALL;
    if (entriesAdded !== undefined && BigInt(streams.length(stream)) > entriesAdded)
      throw ENTRIES_ADDED_TOO_SMALL;
  }

  call.database.willChange(entry);
  streams.setLastId(stream, newId);
  if (entriesAdded !== undefined) streams.setEntriesAdded(stream, entriesAdded);
  if (!maxDeletedId.isZero) streams.setMaxDeletedId(stream, maxDeletedId);
  // Redis tells nobody who watches the key.
  call.keyspace.addDirty(1);
  call.event(1, NOTIFY_STREAM, 'xsetid');
  call.reply.ok();
}
