/**
 * Looking ahead: before a batch of requests is run, the memory they will need is fetched for all of them at
 * once.
 *
 * A GET waits twice for memory that is not in the cache: for the hash bucket, and for the entry it names. Run
 * one after the other, each request pays both waits in full. Here the hashes of a batch are computed first,
 * then all buckets are read in one tight loop, then all first entries: the processor has many of these reads
 * under way at the same time, and when the commands run they find what they need. The hash is kept for the
 * command, so nothing is computed twice.
 *
 * Nothing depends on it: a wrong guess (another database after SELECT, a bucket that changed) costs time
 * only. So it needs no lock, and others have it meanwhile: the waits for memory are most of the time that
 * short commands take. Whatever is read while others change it may be any number, and is read so that any
 * will do (`guessWord`).
 */
import type { CommandIndex } from '../commands/command-index.ts';
import type { Database } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { ENTRY_HASH, ENTRY_NEXT } from '../structures/hash-table.ts';
import { guessWord } from '../memory/struct.ts';
import type { Request } from '../protocol/request.ts';
import { equalBytes } from '../util/bytes.ts';

/** With fewer requests there is nothing to overlap. */
const REQUESTS_MIN = 4;
/** A word of an entry that is in its second cache line when it has one. */
const FAR_WORD = 8;

export class ReadAhead {
  readonly #keyspace: Keyspace;
  readonly #commands: CommandIndex;
  /** The requests of a batch whose key is another than that of the request before. */
  readonly #distinct: Request[] = [];
  /** What was read: kept, so that the reads are not dropped as useless. */
  #touched = 0;

  constructor(keyspace: Keyspace, commands: CommandIndex) {
    this.#keyspace = keyspace;
    this.#commands = commands;
  }

  /** Fetches what the first `count` requests will need, if they run in that database. */
  fetch(requests: readonly Request[], count: number, database: Database): void {
    if (count < REQUESTS_MIN) {
      for (let i = 0; i < count; i++) requests[i]!.keyIndex = 0;
      return;
    }
    const keyspace = this.#keyspace;
    const distinct = this.#distinct;
    let distinctCount = 0;
    let previous: Request | undefined;
    for (let i = 0; i < count; i++) {
      const request = requests[i]!;
      const command = this.#commands.resolve(request);
      const keyIndex = command === undefined || command.firstKey >= request.count ? 0 : command.firstKey;
      request.keyIndex = keyIndex;
      if (keyIndex === 0) continue;
      // A pipeline is often about one key: a queue, a counter, a leaderboard.
      if (previous !== undefined && hasSameKey(request, previous)) {
        request.keyHash = previous.keyHash;
      } else {
        request.keyHash = keyspace.hashOf(request.buffer, request.start(keyIndex), request.end(keyIndex));
        distinct[distinctCount++] = request;
      }
      previous = request;
    }

    const { table } = database;
    for (let i = 0; i < distinctCount; i++) {
      const request = distinct[i]!;
      request.bucketHead = table.guessBucketHead(request.keyHash);
    }

    const { arena } = keyspace;
    for (let i = 0; i < distinctCount; i++) {
      const request = distinct[i]!;
      const { bucketHead } = request;
      // Mostly the first entry of the bucket is the one; otherwise the second may be.
      if (bucketHead !== 0 && guessWord(arena, bucketHead, ENTRY_HASH) !== request.keyHash) {
        request.bucketHead = guessWord(arena, bucketHead, ENTRY_NEXT);
      }
    }

    let touched = 0;
    for (let i = 0; i < distinctCount; i++) {
      const { bucketHead } = distinct[i]!;
      if (bucketHead !== 0) touched ^= guessWord(arena, bucketHead, FAR_WORD);
    }
    this.#touched = touched;
  }

  /** Tells the keyspace the hash of the key of the request to be run next. */
  announce(request: Request): void {
    const keyspace = this.#keyspace;
    if (request.keyIndex === 0) {
      keyspace.expectedKey = undefined;
      return;
    }
    keyspace.expectedKey = request.buffer;
    keyspace.expectedStart = request.start(request.keyIndex);
    keyspace.expectedEnd = request.end(request.keyIndex);
    keyspace.expectedHash = request.keyHash;
  }

  /** What was read last. */
  get touched(): number {
    return this.#touched;
  }
}

/** Whether both requests are about the same key. Keys that differ mostly do so in their last byte. */
function hasSameKey(request: Request, other: Request): boolean {
  const length = request.length(request.keyIndex);
  if (length !== other.length(other.keyIndex) || length === 0) return false;
  const start = request.start(request.keyIndex);
  const otherStart = other.start(other.keyIndex);
  return (
    request.buffer[start + length - 1] === other.buffer[otherStart + length - 1] &&
    equalBytes(request.buffer, start, other.buffer, otherStart, length)
  );
}
