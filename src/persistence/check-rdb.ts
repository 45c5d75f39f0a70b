/**
 * `redis-clone-ts check-rdb FILE`: walks an RDB file and says what is in it, or where it is damaged. The
 * output is that of redis-check-rdb (Redis 7.0 redis-check-rdb.c), with the version and a line per database
 * added.
 *
 * It reads as the server does, values included, so what passes here can be loaded, except for values of
 * modules: those are passed over, and their types are named.
 */
import { quoteBytes } from '../util/split-args.ts';
import { DiskSource } from './disk-source.ts';
import { DiskError } from './disk.ts';
import { RdbError } from './rdb-error.ts';
import { RdbReader, type RdbEntryItem, type RdbItem } from './rdb-reader.ts';
import type { ByteRange } from './rdb-values.ts';
import { EXIT_INVALID, EXIT_VALID, type ToolConsole } from './tool-console.ts';

const USAGE = 'Usage: redis-clone-ts check-rdb <rdb-file-name>\n';

export function runCheckRdb(args: readonly string[], tool: ToolConsole): number {
  const [path] = args;
  if (path === undefined || args.length > 1) {
    tool.write(USAGE);
    return EXIT_INVALID;
  }
  return checkRdb(path, path, tool) === undefined ? EXIT_INVALID : EXIT_VALID;
}

/**
 * Checks the file at `path` and writes the report. Returns the length of the RDB data, after which an old
 * append-only file goes on; undefined if they cannot be read.
 */
export function checkRdb(path: string, shownName: string, tool: ToolConsole): number | undefined {
  const { disk, write } = tool;
  write(`[offset 0] Checking RDB file ${shownName}\n`);
  try {
    const fd = disk.open(path, 'read');
    try {
      return new RdbCheck(new RdbReader(new DiskSource(disk, fd)), tool).run();
    } finally {
      disk.close(fd);
    }
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    write(`Cannot read file ${shownName}: ${error.reason}\n`);
    return undefined;
  }
}

interface DatabaseCounts {
  keyCount: number;
  expiryCount: number;
}

class RdbCheck {
  readonly #reader: RdbReader;
  readonly #write: (text: string) => void;
  readonly #nowMillis: number;
  readonly #databases = new Map<number, DatabaseCounts>();
  readonly #moduleNames = new Set<string>();
  #functionCount = 0;
  #expiredCount = 0;
  #lastKey: Buffer | undefined;

  constructor(reader: RdbReader, { write, nowMillis }: ToolConsole) {
    this.#reader = reader;
    this.#write = write;
    this.#nowMillis = nowMillis();
  }

  run(): number | undefined {
    try {
      this.#walk();
    } catch (error) {
      if (!(error instanceof RdbError)) throw error;
      this.#writeError(error);
      return undefined;
    }
    this.#note('\\o/ RDB looks OK! \\o/');
    this.#writeCounts();
    return this.#reader.offset;
  }

  #walk(): void {
    let item = this.#reader.next();
    this.#info(`RDB version ${this.#reader.version}`);
    for (; item.kind !== 'end'; item = this.#reader.next()) this.#take(item);
    this.#note(
      item.isChecksumVerified
        ? 'Checksum OK'
        : 'RDB file was saved with checksum disabled: no check performed',
    );
  }

  #take(item: Exclude<RdbItem, { kind: 'end' }>): void {
    switch (item.kind) {
      case 'entry':
        this.#count(item);
        break;
      case 'aux':
        this.#note(`AUX FIELD ${printable(Buffer.from(item.name, 'latin1'))} = '${printable(item.value)}'`);
        break;
      case 'database':
        this.#note(`Selecting DB ID ${item.database}`);
        break;
      case 'module-aux':
        this.#note(`MODULE AUX for: ${item.name}`);
        break;
      case 'function':
        this.#functionCount++;
        break;
      case 'slot-import':
        this.#note('Slots were being imported: their keys may be incomplete');
        break;
      case 'resize':
        break;
    }
  }

  #count({ database, key, expiryMillis, value }: RdbEntryItem): void {
    let counts = this.#databases.get(database);
    if (counts === undefined) {
      counts = { keyCount: 0, expiryCount: 0 };
      this.#databases.set(database, counts);
    }
    counts.keyCount++;
    if (expiryMillis !== undefined) {
      counts.expiryCount++;
      if (expiryMillis < this.#nowMillis) this.#expiredCount++;
    }
    if (value.kind === 'module') this.#moduleNames.add(value.name);
    this.#lastKey = copyOf(key);
  }

  #note(text: string): void {
    this.#write(`[offset ${this.#reader.offset}] ${text}\n`);
  }

  #writeError({ offset, reason }: RdbError): void {
    this.#write(`--- RDB ERROR DETECTED ---\n[offset ${offset}] ${reason}\n`);
    if (this.#lastKey !== undefined) {
      this.#write(`[additional info] Last key that was read: '${printable(this.#lastKey)}'\n`);
    }
    this.#writeCounts();
  }

  #writeCounts(): void {
    const databases = [...this.#databases].sort(([a], [b]) => a - b);
    const keyCount = databases.reduce((sum, [, counts]) => sum + counts.keyCount, 0);
    const expiryCount = databases.reduce((sum, [, counts]) => sum + counts.expiryCount, 0);
    this.#info(`${keyCount} keys read`);
    this.#info(`${expiryCount} expires`);
    this.#info(`${this.#expiredCount} already expired`);
    for (const [database, counts] of databases) {
      this.#info(`db${database}: keys=${counts.keyCount},expires=${counts.expiryCount}`);
    }
    if (this.#functionCount > 0) this.#info(`${this.#functionCount} function libraries`);
    for (const name of this.#moduleNames)
      this.#info(`values of module type ${name}: only the module can load them`);
  }

  #info(text: string): void {
    this.#write(`[info] ${text}\n`);
  }
}

function copyOf({ bytes, start, end }: ByteRange): Buffer {
  return Buffer.from(bytes.subarray(start, end));
}

/** What a file says must not reach the terminal as it is. */
function printable(bytes: Buffer): string {
  return quoteBytes(bytes).slice(1, -1);
}
