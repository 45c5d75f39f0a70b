/**
 * `redis-clone-ts check-aof [--fix | --truncate-to-timestamp SECONDS] FILE | MANIFEST`: says whether
 * append-only files are whole, and cuts the last of them when asked to. Output and exit codes are those of
 * redis-check-aof (Redis 7.0 redis-check-aof.c), but for the count of lines.
 *
 * It reads as the server does. So it is stricter than Redis' tool where there are checksums; it accepts
 * inline commands, which Redis' tool does not; and what it calls not valid, the server may still load: a torn
 * end.
 */
import { dirname, join } from 'node:path';
import { parseManifest, ManifestError, type AofManifest } from './aof-manifest.ts';
import { AofReader, beginsWithSnapshot, truncateFile, type AofEnd } from './aof-reader.ts';
import { checkRdb } from './check-rdb.ts';
import { DiskError, fileSize, readFile, readFully, type Disk } from './disk.ts';
import { EXIT_INVALID, EXIT_VALID, type ToolConsole } from './tool-console.ts';

const USAGE =
  'Usage: redis-clone-ts check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>\n';

/** Looked at to tell a manifest from commands: comments come first, if there are any. */
const MANIFEST_HEAD_BYTES = 64 * 1024;
const OFFSET_HEX_DIGITS = 16;

interface CheckOptions {
  readonly path: string;
  readonly isFixing: boolean;
  /** Cut what was run later than this Unix time. */
  readonly untilSeconds: number | undefined;
}

/** One file to check: `name` is what the report calls it. Only the last file may be cut. */
interface FileToCheck {
  readonly path: string;
  readonly name: string;
  readonly isLast: boolean;
}

/** Ends the check; the message is the last line of the report. */
class CheckFailure extends Error {}

export function runCheckAof(args: readonly string[], tool: ToolConsole): number {
  try {
    const options = parseArguments(args);
    if (isManifest(tool.disk, options.path)) checkMultiPart(options, tool);
    else checkSingle(options, tool);
    return EXIT_VALID;
  } catch (error) {
    tool.write(failureText(error));
    return EXIT_INVALID;
  }
}

function failureText(error: unknown): string {
  if (error instanceof CheckFailure) return error.message;
  if (error instanceof DiskError) return `Cannot ${error.operation} file ${error.path}: ${error.reason}\n`;
  if (error instanceof ManifestError) {
    const place = error.lineNumber === 0 ? '' : ` at line ${error.lineNumber}: ${error.line}`;
    return `Cannot read the manifest: ${error.message}${place}\n`;
  }
  throw error;
}

function parseArguments(args: readonly string[]): CheckOptions {
  const path = args.at(-1);
  if (path !== undefined) {
    const [option, seconds] = args;
    if (args.length === 1) return { path, isFixing: false, untilSeconds: undefined };
    if (args.length === 2 && option === '--fix') return { path, isFixing: true, untilSeconds: undefined };
    if (args.length === 3 && option === '--truncate-to-timestamp') {
      return { path, isFixing: false, untilSeconds: parseSeconds(seconds) };
    }
  }
  throw new CheckFailure(USAGE);
}

function parseSeconds(text = ''): number {
  if (!/^\d{1,15}$/.test(text)) throw new CheckFailure('Invalid timestamp, aborting...\n');
  return Number(text);
}

/** A manifest is known by its first line that is no comment. */
function isManifest(disk: Disk, path: string): boolean {
  const fd = disk.open(path, 'read');
  try {
    const target = Buffer.alloc(MANIFEST_HEAD_BYTES);
    const count = readFully(disk, fd, { target, start: 0, end: target.length, position: 0 });
    const lines = target.toString('latin1', 0, count).split('\n');
    return lines.find((line) => !line.startsWith('#'))?.startsWith('file') ?? false;
  } finally {
    disk.close(fd);
  }
}

function checkSingle(options: CheckOptions, tool: ToolConsole): void {
  tool.write('Start checking Old-Style AOF\n');
  checkFile({ path: options.path, name: options.path, isLast: true }, 'AOF', options, tool);
}

function checkMultiPart(options: CheckOptions, tool: ToolConsole): void {
  const { disk, write } = tool;
  write('Start checking Multi Part AOF\n');
  const { base, increments }: AofManifest = parseManifest(readFile(disk, options.path));
  const directory = dirname(options.path);

  if (base !== undefined) {
    const path = join(directory, base.name);
    write(`Start to check BASE AOF (${beginsWithSnapshot(disk, path) ? 'RDB' : 'RESP'} format).\n`);
    checkFile({ path, name: base.name, isLast: increments.length === 0 }, 'BASE AOF', options, tool);
  }
  if (increments.length > 0) {
    write('Start to check INCR files.\n');
    for (const file of increments) {
      const isLast = file === increments.at(-1);
      checkFile({ path: join(directory, file.name), name: file.name, isLast }, 'INCR AOF', options, tool);
    }
  }
  write('All AOF files and manifest are valid\n');
}

/** Reports on one file, cuts it if that is wanted and needed; throws CheckFailure if it stays not valid. */
function checkFile(file: FileToCheck, title: string, options: CheckOptions, tool: ToolConsole): void {
  const { name, path } = file;
  const { disk, write } = tool;
  if (fileSize(disk, path) === 0) {
    write(`${title} ${name} is empty\n`);
    return;
  }

  const start = beginsWithSnapshot(disk, path) ? checkPreamble(file, tool) : 0;
  const outcome = readCommands(disk, { path, start, untilSeconds: options.untilSeconds });
  if (outcome.end.kind === 'timestamp') {
    cutToTimestamp(file, outcome, options, tool);
    return;
  }
  if (outcome.end.kind === 'complete') {
    if (options.untilSeconds === undefined) writeAnalysis(name, outcome, write);
    else write(`Truncate nothing in AOF ${name} to timestamp ${options.untilSeconds}\n`);
    write(`${title} ${name} is valid\n`);
    return;
  }
  write(damageText(name, outcome.end, outcome.size));
  writeAnalysis(name, outcome, write);
  if (!options.isFixing) {
    throw new CheckFailure(`AOF ${name} is not valid. Use the --fix option to try fixing it.\n`);
  }
  fix(file, outcome, tool);
}

/** Checks the snapshot that the file begins with; returns where the commands begin. */
function checkPreamble({ path, name }: FileToCheck, tool: ToolConsole): number {
  const end = checkRdb(path, name, tool);
  if (end === undefined) throw new CheckFailure('RDB preamble of AOF file is not sane, aborting.\n');
  tool.write('RDB preamble is OK, proceeding with AOF tail...\n');
  return end;
}

interface ReadOutcome {
  readonly end: AofEnd;
  readonly size: number;
  /** Whether anything stands before the end that a cut would keep. */
  readonly hasContent: boolean;
}

function readCommands(
  disk: Disk,
  { path, start, untilSeconds }: { path: string; start: number; untilSeconds: number | undefined },
): ReadOutcome {
  const reader = new AofReader({ disk, path, start, untilSeconds: untilSeconds ?? Number.POSITIVE_INFINITY });
  try {
    let hasContent = start > 0;
    while (reader.next()) hasContent = true;
    return { end: reader.end!, size: reader.size, hasContent };
  } finally {
    reader.close();
  }
}

function writeAnalysis(name: string, { end, size }: ReadOutcome, write: (text: string) => void): void {
  const { offset } = end;
  write(`AOF analyzed: filename=${name}, size=${size}, ok_up_to=${offset}, diff=${size - offset}\n`);
}

const DAMAGE_TEXTS: Record<Exclude<AofEnd['kind'], 'complete' | 'timestamp' | 'corrupt'>, string> = {
  truncated: 'The file ends within a command, or within a group of them',
  'zero-filled': 'Nothing but zeros from here on',
  'open-transaction': 'Reached EOF before reading EXEC for MULTI',
  torn: 'A group is damaged, and nothing says that it had ever been on disk as a whole',
};

function damageText(
  name: string,
  end: Exclude<AofEnd, { kind: 'complete' | 'timestamp' }>,
  size: number,
): string {
  if (end.kind !== 'corrupt') return `${offsetText(end.offset)}: ${DAMAGE_TEXTS[end.kind]}\n`;
  return (
    `${offsetText(end.damageOffset)}: ${end.reason}\n` +
    `AOF ${name} is corrupt; of the ${size - end.offset} bytes from ok_up_to on, some may be good data\n`
  );
}

function offsetText(offset: number): string {
  return `0x${offset.toString(16).padStart(OFFSET_HEX_DIGITS)}`;
}

function fix({ path, name, isLast }: FileToCheck, { end, size }: ReadOutcome, tool: ToolConsole): void {
  if (!isLast) throw new CheckFailure(`Failed to truncate AOF ${name} because it is not the last file\n`);
  const { offset } = end;
  tool.write(
    `This will shrink the AOF ${name} from ${size} bytes, with ${size - offset} bytes, to ${offset} bytes\n`,
  );
  if (!tool.confirm('Continue? [y/N]: ')) throw new CheckFailure('Aborting...\n');
  truncateFile(tool.disk, path, offset);
  tool.write(`Successfully truncated AOF ${name}\n`);
}

function cutToTimestamp(
  { path, name, isLast }: FileToCheck,
  { end, hasContent }: ReadOutcome,
  { untilSeconds }: CheckOptions,
  tool: ToolConsole,
): void {
  if (!hasContent) {
    throw new CheckFailure(`AOF ${name} has nothing before timestamp ${untilSeconds}, aborting...\n`);
  }
  if (!isLast) {
    throw new CheckFailure(
      `Failed to truncate AOF ${name} to timestamp ${untilSeconds} to offset ${end.offset} because it is ` +
        'not the last file.\nIf you insist, please delete all files after this file according to the ' +
        'manifest file and delete the corresponding records in manifest file manually. ' +
        'Then re-run check-aof.\n',
    );
  }
  truncateFile(tool.disk, path, end.offset);
  tool.write(`Successfully truncated AOF ${name} to timestamp ${untilSeconds}\n`);
}
