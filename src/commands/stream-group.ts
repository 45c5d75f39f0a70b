/** Consumer groups themselves: XGROUP, XACK. */
import { ENCODING_STREAM, TYPE_STREAM } from '../keyspace/entry.ts';
import { NOTIFY_STREAM } from '../keyspace/notify.ts';
import { ENTRIES_READ_UNKNOWN } from '../keyspace/stream-layout.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { EntryId } from '../util/entry-id.ts';
import type { Call } from './call.ts';
import { unknownSubcommandOrArity } from './errors.ts';
import { replyHelp } from './help-reply.ts';
import {
  findConsumer,
  findGroup,
  isCharacter,
  lookupGroup,
  noSuchGroup,
  parseAnyId,
  parseId,
} from './stream-arguments.ts';
import { createConsumer } from './stream-consumer.ts';

const ENTRIES_READ_OUT_OF_RANGE = new ErrorReply('ERR value for ENTRIESREAD must be positive or -1');
const KEY_REQUIRED = new ErrorReply(
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the ' +
    'MKSTREAM option to create an empty stream automatically.',
);
const GROUP_EXISTS = new ErrorReply('BUSYGROUP Consumer Group name already exists');

const DOLLAR = 0x24;
const CREATE_ARGUMENTS_MAX = 8;
const SETID_ARGUMENT_COUNTS: readonly number[] = [5, 7];

const HELP_LINES = [
  'CREATE <key> <groupname> <id|$> [option]',
  '    Create a new consumer group. Options are:',
  '    * MKSTREAM',
  '      Create the empty stream if it does not exist.',
  '    * ENTRIESREAD entries_read',
  "      Set the group's entries_read counter (internal use).",
  'CREATECONSUMER <key> <groupname> <consumer>',
  '    Create a new consumer in the specified group.',
  'DELCONSUMER <key> <groupname> <consumer>',
  '    Remove the specified consumer.',
  'DESTROY <key> <groupname>',
  '    Remove the specified group.',
  'SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]',
  '    Set the current group ID and entries_read counter.',
];

const id = new EntryId();

interface GroupOptions {
  readonly createsStream: boolean;
  readonly entriesRead: bigint;
}

/** XGROUP HELP */
export function xGroupHelp(call: Call): void {
  replyHelp(call, HELP_LINES);
}

/** XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read] */
export function xGroupCreate(call: Call): void {
  const { createsStream, entriesRead } = groupOptions(call, true);
  const entry = call.lookupTypedWrite(2, TYPE_STREAM);
  if (entry === 0 && !createsStream) throw KEY_REQUIRED;
  if (call.argumentCount > CREATE_ARGUMENTS_MAX) throw syntaxError(call);
  const stream = entry === 0 ? 0 : call.database.valueOf(entry);
  parseGroupId(call, stream);
  if (stream !== 0 && findGroup(call, stream, 3) !== 0) throw GROUP_EXISTS;

  if (entry === 0) {
    createWithGroup(call, entriesRead);
    call.changed(2, NOTIFY_STREAM, 'xgroup-create');
  } else {
    call.database.willChange(entry);
    addGroup(call, stream, entriesRead);
    noteChange(call, 'xgroup-create');
  }
  call.reply.ok();
}

/** Sets `id` to the argument's; `$` is the last id of the stream, if there is one. */
function parseGroupId(call: Call, stream: Ref): void {
  if (!isCharacter(call, 4, DOLLAR)) parseId(call, 4, id);
  else if (stream === 0) id.setMin();
  else call.keyspace.streams.readLastId(stream, id);
}

function createWithGroup(call: Call, entriesRead: bigint): void {
  const { database, keyspace, request } = call;
  const stream = keyspace.streams.create();
  try {
    addGroup(call, stream, entriesRead);
    database.createWith(
      request.buffer,
      request.start(2),
      request.end(2),
      TYPE_STREAM,
      ENCODING_STREAM,
      stream,
    );
  } catch (error) {
    keyspace.streams.dismantle(stream, ENCODING_STREAM, () => false);
    throw error;
  }
}

function addGroup(call: Call, stream: Ref, entriesRead: bigint): void {
  const { keyspace, request } = call;
  findGroup(call, stream, 3);
  keyspace.streams.groups.create(stream, request.buffer, request.start(3), request.end(3), id, entriesRead);
}

/** XGROUP SETID key group id | $ [ENTRIESREAD entries-read] */
export function xGroupSetId(call: Call): void {
  const { entriesRead } = groupOptions(call, false);
  const entry = requireStream(call);
  const stream = call.database.valueOf(entry);
  const group = requireGroup(call, stream);
  if (!SETID_ARGUMENT_COUNTS.includes(call.argumentCount)) throw syntaxError(call);
  if (isCharacter(call, 4, DOLLAR)) call.keyspace.streams.readLastId(stream, id);
  else parseAnyId(call, 4, id);

  call.database.willChange(entry);
  call.keyspace.streams.groups.setProgress(group, id, entriesRead);
  noteChange(call, 'xgroup-setid');
  call.reply.ok();
}

/** XGROUP DESTROY key group */
export function xGroupDestroy(call: Call): void {
  const entry = requireStream(call);
  const stream = call.database.valueOf(entry);
  const group = findGroup(call, stream, 3);
  if (group === 0) {
    call.reply.integer(0);
    return;
  }

  const { database, keyspace, request } = call;
  database.willChange(entry);
  keyspace.streams.groups.destroyFound(stream, group);
  noteChange(call, 'xgroup-destroy');
  // Who waits in the group learns that it is gone.
  keyspace.keyReady(database, request.buffer, request.start(2), request.end(2));
  call.reply.integer(1);
}

/** XGROUP CREATECONSUMER key group consumer */
export function xGroupCreateConsumer(call: Call): void {
  const entry = requireStream(call);
  const group = requireGroup(call, call.database.valueOf(entry));
  if (findConsumer(call, group, 4) !== 0) {
    call.reply.integer(0);
    return;
  }

  call.database.willChange(entry);
  createConsumer(call, group, 2, 4);
  call.reply.integer(1);
}

/** XGROUP DELCONSUMER key group consumer */
export function xGroupDelConsumer(call: Call): void {
  const entry = requireStream(call);
  const group = requireGroup(call, call.database.valueOf(entry));
  const consumer = findConsumer(call, group, 4);
  if (consumer === 0) {
    call.reply.integer(0);
    return;
  }

  const { groups } = call.keyspace.streams;
  const pendingCount = groups.pendingOf(consumer).count;
  call.database.willChange(entry);
  groups.removeFoundConsumer(group, consumer);
  noteChange(call, 'xgroup-delconsumer');
  call.reply.integer(pendingCount);
}

/** XACK key group id [id ...] */
export function xAck(call: Call): void {
  const found = lookupGroup(call, 1, 2);
  if (found === undefined) {
    call.reply.integer(0);
    return;
  }
  for (let index = 3; index < call.argumentCount; index++) parseId(call, index, id);

  const { groups } = call.keyspace.streams;
  call.database.willChange(found.entry);
  let acknowledged = 0;
  for (let index = 3; index < call.argumentCount; index++)
    if (groups.removePending(found.group, parseId(call, index, id))) acknowledged++;
  call.keyspace.addDirty(acknowledged);
  call.reply.integer(acknowledged);
}

/** A change of groups that nobody who watches the key is told of, as in Redis. */
function noteChange(call: Call, event: string): void {
  call.keyspace.addDirty(1);
  call.event(2, NOTIFY_STREAM, event);
}

function groupOptions(call: Call, isCreate: boolean): GroupOptions {
  let createsStream = false;
  let entriesRead = ENTRIES_READ_UNKNOWN;
  for (let index = 5; index < call.argumentCount; index++) {
    if (isCreate && call.is(index, 'MKSTREAM')) {
      createsStream = true;
    } else if (call.is(index, 'ENTRIESREAD') && index + 1 < call.argumentCount) {
      entriesRead = call.int64(++index);
      if (entriesRead < ENTRIES_READ_UNKNOWN) throw ENTRIES_READ_OUT_OF_RANGE;
    } else {
      throw syntaxError(call);
    }
  }
  return { createsStream, entriesRead };
}

function requireStream(call: Call): Ref {
  const entry = call.lookupTypedWrite(2, TYPE_STREAM);
  if (entry === 0) throw KEY_REQUIRED;
  return entry;
}

function requireGroup(call: Call, stream: Ref): Ref {
  const group = findGroup(call, stream, 3);
  if (group === 0) throw noSuchGroup(call, 2, 3);
  return group;
}

function syntaxError(call: Call): ErrorReply {
  return unknownSubcommandOrArity(call.text(1), call.text(0));
}
