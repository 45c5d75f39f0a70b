/** Random collections of all types, and random changes to them of every kind, for tests of snapshots. */
import type { Database } from '../../src/keyspace/database.ts';
import {
  ENCODING_QUICKLIST,
  ENCODING_STREAM,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_SORTED_SET,
  TYPE_STREAM,
} from '../../src/keyspace/entry.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import type { Ref } from '../../src/memory/arena.ts';
import { BorrowedBytes } from '../../src/memory/struct.ts';
import { Request } from '../../src/protocol/request.ts';
import { ListPosition } from '../../src/structures/quicklist.ts';
import { EntryId } from '../../src/util/entry-id.ts';
import type { SeededRandom } from './seeded-random.ts';

const TYPES = [TYPE_LIST, TYPE_SET, TYPE_HASH, TYPE_SORTED_SET, TYPE_STREAM];
const NOTHING = Request.of([]);
const CHANGES_AT_ONCE_MAX = 5;

export class CollectionMutator {
  readonly #keyspace: Keyspace;
  readonly #random: SeededRandom;
  /** Elements of the largest collections; one in four is large. */
  readonly #elementsMax: number;
  /** The last id of any stream. */
  #lastMillis = 1;

  constructor(keyspace: Keyspace, random: SeededRandom, elementsMax: number) {
    this.#keyspace = keyspace;
    this.#random = random;
    this.#elementsMax = elementsMax;
    // All encodings, and many nodes, with few elements.
    Object.assign(keyspace.limits, {
      hashMaxListpackEntries: 8,
      hashMaxListpackValue: 24,
      listMaxListpackSize: 4,
      setMaxIntsetEntries: 8,
      zsetMaxListpackEntries: 8,
      zsetMaxListpackValue: 24,
      streamNodeMaxEntries: 5,
    });
  }

  /** Creates a key that is not there. */
  create(database: Database, name: Buffer): Ref {
    const type = this.#random.pick(TYPES);
    const count = this.#random.integer(1, this.#random.chance(0.25) ? this.#elementsMax : 20);
    const entry = this.#createWithOne(database, name, type);
    for (let i = 1; i < count; i++) this.#add(database, entry, type);
    return entry;
  }

  /** Changes a collection in some ways; it may be empty after it, and its key gone. */
  mutate(database: Database, entry: Ref): void {
    const type = database.typeOf(entry);
    for (let left = this.#random.integer(1, CHANGES_AT_ONCE_MAX); left > 0; left--) {
      if (this.#random.chance(0.5)) this.#add(database, entry, type);
      else if (!this.#change(database, entry, type)) return;
    }
  }

  #createWithOne(database: Database, name: Buffer, type: number): Ref {
    const { lists, sets, hashes, sortedSets, streams } = this.#keyspace;
    const element = this.#element();
    database.find(name, 0, name.length);
    switch (type) {
      case TYPE_LIST: {
        const list = lists.create();
        lists.append(list, element, 0, element.length);
        return database.createWith(name, 0, name.length, type, ENCODING_QUICKLIST, list);
      }
      case TYPE_SET:
        return sets.createWith(database, name, 0, name.length, element, 0, element.length);
      case TYPE_HASH: {
        const entry = hashes.create(database, name, 0, name.length, 0);
        this.#add(database, entry, type);
        return entry;
      }
      case TYPE_SORTED_SET:
        return sortedSets.createWith(database, name, 0, name.length, element, 0, element.length, 1);
      default:
        return database.createWith(name, 0, name.length, type, ENCODING_STREAM, streams.create());
    }
  }

  #add(database: Database, entry: Ref, type: number): void {
    const { lists, sets, hashes, sortedSets } = this.#keyspace;
    const element = this.#element();
    switch (type) {
      case TYPE_LIST:
        lists.pushValue(database, entry, this.#random.chance(0.5), NOTHING, viewOf(element));
        break;
      case TYPE_SET:
        sets.add(database, entry, element, 0, element.length);
        break;
      case TYPE_HASH: {
        const value = this.#element();
        hashes.set(database, entry, element, 0, element.length, value, 0, value.length);
        break;
      }
      case TYPE_SORTED_SET:
        sortedSets.update(database, entry, element, 0, element.length, this.#score(), 0);
        break;
      default:
        this.#addToStream(database, entry);
    }
  }

  #addToStream(database: Database, entry: Ref): void {
    const { streams } = this.#keyspace;
    database.willChange(entry);
    this.#lastMillis += this.#random.integer(0, 2) + 1;
    const id = new EntryId().setMillis(this.#lastMillis);
    const words = [this.#random.chance(0.7) ? Buffer.from('field') : this.#element(), this.#element()];
    streams.append(database.valueOf(entry), id, Request.of(words), 0);
  }

  /** Something other than adding; false when the key is gone. */
  #change(database: Database, entry: Ref, type: number): boolean {
    switch (type) {
      case TYPE_LIST:
        return this.#changeList(database, entry);
      case TYPE_SET:
        return this.#changeSet(database, entry);
      case TYPE_HASH:
        return this.#changeHash(database, entry);
      case TYPE_SORTED_SET:
        return this.#changeSortedSet(database, entry);
      default:
        return this.#changeStream(database, entry);
    }
  }

  #changeList(database: Database, entry: Ref): boolean {
    const { lists } = this.#keyspace;
    const { quicklist } = lists;
    const count = quicklist.count(database.valueOf(entry));
    const element = this.#element();
    const index = this.#random.integer(0, count - 1);
    switch (this.#random.integer(0, 4)) {
      case 0:
        return !lists.pop(database, entry, this.#random.chance(0.5), this.#random.integer(1, 3));
      case 1:
        lists.set(database, entry, index, element, 0, element.length);
        return true;
      case 2: {
        const position = new ListPosition();
        quicklist.seek(database.valueOf(entry), index, position);
        lists.insert(database, entry, position, this.#random.chance(0.5), viewOf(element));
        return true;
      }
      case 3: {
        if (count <= 3) return true;
        lists.removeEqual(database, entry, this.#random.chance(0.5), 3, viewOf(element));
        return true;
      }
      default:
        return !lists.trim(database, entry, 0, Math.max(1, count - this.#random.integer(0, 9)));
    }
  }

  #changeSet(database: Database, entry: Ref): boolean {
    const { sets } = this.#keyspace;
    const element = this.#element();
    if (this.#random.chance(0.5)) sets.remove(database, entry, element, 0, element.length);
    else sets.removeAt(database, entry, sets.random(database, entry));
    return deletedIfEmpty(database, entry, sets.memberCount(database, entry));
  }

  #changeHash(database: Database, entry: Ref): boolean {
    const { hashes } = this.#keyspace;
    const view = new BorrowedBytes();
    hashes.borrowField(database, entry, hashes.random(database, entry), view);
    const field = view.copy();
    if (this.#random.chance(0.5)) {
      const value = this.#element();
      hashes.set(database, entry, field, 0, field.length, value, 0, value.length);
    } else {
      hashes.remove(database, entry, field, 0, field.length);
    }
    return deletedIfEmpty(database, entry, hashes.fieldCount(database, entry));
  }

  #changeSortedSet(database: Database, entry: Ref): boolean {
    const { sortedSets } = this.#keyspace;
    const count = sortedSets.memberCount(database, entry);
    const rank = this.#random.integer(0, count - 1);
    const cursor = sortedSets.newCursor();
    const view = new BorrowedBytes();
    sortedSets.seek(database, entry, rank, cursor);
    cursor.borrow(view);
    const member = view.copy();
    switch (this.#random.integer(0, 2)) {
      case 0:
        sortedSets.update(database, entry, member, 0, member.length, this.#score(), 0);
        break;
      case 1:
        sortedSets.remove(database, entry, member, 0, member.length);
        break;
      default:
        sortedSets.removeRange(database, entry, rank, Math.min(count - rank, this.#random.integer(1, 6)));
    }
    return deletedIfEmpty(database, entry, sortedSets.memberCount(database, entry));
  }

  #changeStream(database: Database, entry: Ref): boolean {
    const { streams } = this.#keyspace;
    const stream = database.valueOf(entry);
    database.willChange(entry);
    switch (this.#random.integer(0, 2)) {
      case 0: {
        const { cursor } = streams;
        const from = new EntryId().setMillis(this.#random.integer(0, this.#lastMillis));
        if (!cursor.begin(stream, from, new EntryId().setMax()).next()) break;
        streams.setMaxDeletedId(stream, cursor.id);
        streams.remove(stream, cursor.id.copy());
        streams.updateFirstId(stream);
        break;
      }
      case 1: {
        const length = streams.length(stream);
        const maxLength = Math.max(0, length - this.#random.integer(0, 20));
        const isApproximate = this.#random.chance(0.5);
        streams.trim(stream, { maxLength, minId: new EntryId(), isApproximate, limit: 0 });
        break;
      }
      default:
        this.#changeGroup(stream);
    }
    return true;
  }

  #changeGroup(stream: Ref): void {
    const { groups } = this.#keyspace.streams;
    const name = Buffer.from(`group ${this.#random.integer(0, 3)}`);
    const id = new EntryId().setMillis(this.#random.integer(0, this.#lastMillis));
    const group =
      groups.find(stream, name, 0, name.length) ||
      groups.create(stream, name, 0, name.length, id, BigInt(this.#random.integer(-1, 5)));
    if (this.#random.chance(0.1)) {
      groups.destroyFound(stream, group);
      return;
    }
    const consumerName = Buffer.from(`consumer ${this.#random.integer(0, 3)}`);
    const consumer =
      groups.findConsumer(group, consumerName, 0, consumerName.length) ||
      groups.createConsumer(group, consumerName, 0, consumerName.length, 1000);
    const delivery = groups.pendingOfGroup(group).find(id);
    if (delivery === 0) groups.addPending(group, consumer, id, 2000);
    else if (this.#random.chance(0.5)) groups.removePending(group, id);
    else groups.setDelivered(delivery, 3000, groups.deliveryCount(delivery) + 1n);
  }

  /** Few enough that they meet again, some of them long. */
  #element(): Buffer {
    const random = this.#random;
    if (random.chance(0.01)) return random.bytes(random.integer(1, 5000));
    const number = random.integer(0, this.#elementsMax);
    return Buffer.from(random.chance(0.5) ? `${number}` : `element ${number}`);
  }

  #score(): number {
    const random = this.#random;
    return random.pick([0, -0, 1.5, random.integer(-100, 100), random.fraction(), Infinity, -1e300]);
  }
}

function deletedIfEmpty(database: Database, entry: Ref, count: number): boolean {
  if (count > 0) return true;
  database.delete(entry);
  return false;
}

function viewOf(bytes: Uint8Array): BorrowedBytes {
  const view = new BorrowedBytes();
  view.bytes = bytes;
  view.start = 0;
  view.end = bytes.length;
  return view;
}
