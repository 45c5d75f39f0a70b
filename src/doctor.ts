/**
 * `redis-clone-ts doctor`: what on this machine will hurt the server, and what helps. It takes the arguments
 * of the server, for the answers depend on its configuration.
 */
import { parseCommandLine } from './config/command-line.ts';
import { readMachineFacts, type MachineFacts } from './machine-facts.ts';
import { PROGRAM } from './version.ts';

/** What of the configuration the checks depend on. */
export interface DoctorSettings {
  readonly maxclients: number;
  readonly maxmemory: number;
  readonly tcpBacklog: number;
  /** `appendfsync`, or `off` without an append-only file. */
  readonly sync: string;
  readonly savesSnapshots: boolean;
}

export interface Finding {
  readonly name: string;
  readonly found: string;
  /** What it hurts, and the remedy; undefined when all is well. */
  readonly warning?: { readonly hurts: string; readonly remedy: string } | undefined;
}

const NODE_MAJOR_MIN = 20;
/** Descriptors that the server needs besides those of its clients. */
const OTHER_DESCRIPTORS = 32;
const SLOW_SYNC_MILLIS = 10;
const GIB = 1024 ** 3;
const FREE_DISK_BYTES_MIN = GIB;
const AVAILABLE_BYTES_MIN = GIB / 4;
/** Of the memory, what the data may take: the rest is for Node, the system and output that waits. */
const DATA_SHARE_MAX = 0.8;

/** Looks, tells, and returns the exit code: 0 when nothing will hurt. */
export function runDoctor(
  args: readonly string[],
  { write }: { readonly write: (text: string) => void },
): number {
  const commandLine = parseCommandLine(args, process.env, { program: PROGRAM });
  if (commandLine.action !== 'run') {
    write(`${commandLine.text}\n`);
    return commandLine.action === 'error' ? 1 : 0;
  }
  const { values } = commandLine.config;
  const findings = examine(readMachineFacts(values.dir), {
    maxclients: values.maxclients,
    maxmemory: Number(values.maxmemory),
    tcpBacklog: values['tcp-backlog'],
    sync: values.appendonly ? values.appendfsync : 'off',
    savesSnapshots: values.save.length > 0,
  });
  write(findings.map(findingText).join(''));
  const warnings = findings.filter(({ warning }) => warning !== undefined).length;
  write(warnings === 0 ? '\nNothing here will hurt.\n' : `\n${warnings} of ${findings.length} will hurt.\n`);
  return warnings === 0 ? 0 : 1;
}

function findingText({ name, found, warning }: Finding): string {
  const line = `${warning === undefined ? 'OK  ' : 'WARN'}  ${name.padEnd(20)} ${found}\n`;
  if (warning === undefined) return line;
  const indent = ' '.repeat(27);
  return `${line}${indent}${warning.hurts}\n${indent}Remedy: ${warning.remedy}\n`;
}

/** All checks, in the order in which they are told. */
export function examine(facts: MachineFacts, settings: DoctorSettings): Finding[] {
  return [
    checkNode(facts),
    checkSharedMemory(facts),
    checkFfi(facts),
    ...checkOpenFiles(facts, settings),
    ...checkBacklog(facts, settings),
    ...checkOvercommit(facts),
    ...checkHugePages(facts),
    checkMemory(facts, settings),
    ...checkDirectory(facts, settings),
  ];
}

function checkNode({ nodeVersion, cores }: MachineFacts): Finding {
  const isOld = Number.parseInt(nodeVersion, 10) < NODE_MAJOR_MIN;
  return {
    name: 'node',
    found: `${nodeVersion}, ${cores} processor${cores === 1 ? '' : 's'}`,
    warning: isOld
      ? { hurts: 'the server does not start', remedy: `Node ${NODE_MAJOR_MIN} or newer` }
      : undefined,
  };
}

function checkSharedMemory({ hasSharedMemory }: MachineFacts): Finding {
  return {
    name: 'shared memory',
    found: hasSharedMemory ? 'there' : 'missing',
    warning: hasSharedMemory
      ? undefined
      : {
          hurts: 'the server does not start: its threads share the data',
          remedy: 'a Node with SharedArrayBuffer',
        },
  };
}

function checkFfi({ hasFfi, platform }: MachineFacts): Finding {
  const hurts = "Node's own sockets are used: each command costs more processor time";
  const remedy =
    platform === 'linux' ? 'npm install koffi (an optional dependency), or its prebuilt binary' : 'Linux';
  return {
    name: 'FFI',
    found: hasFfi ? 'koffi is there, epoll is used' : 'not there',
    warning: hasFfi ? undefined : { hurts, remedy },
  };
}

function checkOpenFiles({ openFilesMax }: MachineFacts, { maxclients }: DoctorSettings): Finding[] {
  if (openFilesMax === undefined) return [];
  const wanted = maxclients + OTHER_DESCRIPTORS;
  const warning = {
    hurts: `maxclients ${maxclients} needs ${wanted}; the server lowers it to what is possible`,
    remedy: `ulimit -Hn ${wanted}, or LimitNOFILE=${wanted} in the unit of systemd`,
  };
  return [
    {
      name: 'open files',
      found: `at most ${openFilesMax === Infinity ? 'any number' : openFilesMax}`,
      warning: openFilesMax < wanted ? warning : undefined,
    },
  ];
}

function checkBacklog({ backlogMax }: MachineFacts, { tcpBacklog }: DoctorSettings): Finding[] {
  if (backlogMax === undefined) return [];
  const warning = {
    hurts: `tcp-backlog ${tcpBacklog} is cut to it: clients that come all at once wait or are turned away`,
    remedy: `sysctl net.core.somaxconn=${tcpBacklog}`,
  };
  return [
    {
      name: 'somaxconn',
      found: String(backlogMax),
      warning: backlogMax < tcpBacklog ? warning : undefined,
    },
  ];
}

/** Nothing is forked here, so the guess (0), of which Redis warns, is as good as always (1). */
function checkOvercommit({ overcommit }: MachineFacts): Finding[] {
  if (overcommit === undefined) return [];
  const warning = {
    hurts: 'memory that Node only reserves counts as used: the server may not start, or not grow',
    remedy: 'sysctl vm.overcommit_memory=1 (0 does as well: nothing is forked here)',
  };
  return [
    { name: 'overcommit_memory', found: String(overcommit), warning: overcommit === 2 ? warning : undefined },
  ];
}

function checkHugePages({ hugePages }: MachineFacts): Finding[] {
  if (hugePages === undefined) return [];
  const warning = {
    hurts: 'memory that was freed comes back as whole huge pages: the server takes more than it uses',
    remedy: 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled',
  };
  return [{ name: 'huge pages', found: hugePages, warning: hugePages === 'always' ? warning : undefined }];
}

function checkMemory({ memoryBytes, availableBytes }: MachineFacts, { maxmemory }: DoctorSettings): Finding {
  const available = availableBytes === undefined ? '' : `, ${gibibytes(availableBytes)} of it to be had`;
  return {
    name: 'memory',
    found: `${gibibytes(memoryBytes)}${available}`,
    warning: memoryWarning(memoryBytes, availableBytes ?? Infinity, maxmemory),
  };
}

function memoryWarning(bytes: number, available: number, maxmemory: number): Finding['warning'] {
  const share = Math.floor((bytes * DATA_SHARE_MAX) / 1024 ** 2);
  if (maxmemory > bytes * DATA_SHARE_MAX) {
    return {
      hurts: `maxmemory ${gibibytes(maxmemory)} leaves too little for the rest: the server may be killed`,
      remedy: `maxmemory ${share}mb or less`,
    };
  }
  if (available >= AVAILABLE_BYTES_MIN) return undefined;
  return { hurts: 'there is hardly any left: the system may kill the server', remedy: 'end other programs' };
}

function checkDirectory({ directory }: MachineFacts, { sync, savesSnapshots }: DoctorSettings): Finding[] {
  if (sync === 'off' && !savesSnapshots) return [{ name: 'data directory', found: 'nothing is written' }];
  const { path, problem, syncMillis, freeBytes } = directory;
  if (problem !== undefined || syncMillis === undefined) {
    const remedy = `chown or chmod it, or another --dir`;
    const warning = { hurts: `the server does not start: ${problem}`, remedy };
    return [{ name: 'data directory', found: path, warning }];
  }
  return [
    { name: 'data directory', found: `${path} can be written` },
    checkSync(syncMillis, sync),
    ...checkFreeDisk(freeBytes),
  ];
}

function checkSync(
  { median, longest }: { readonly median: number; readonly longest: number },
  sync: string,
): Finding {
  const warning = {
    hurts:
      sync === 'always'
        ? `appendfsync always makes every write wait so long: ${Math.floor(1000 / median)} groups a second`
        : 'a disk this slow holds writes up when it falls more than a second behind',
    remedy: sync === 'always' ? 'a faster disk, or appendfsync everysec' : 'a faster disk for --dir',
  };
  return {
    name: 'fsync',
    found: `${median.toFixed(2)} ms, at most ${longest.toFixed(2)} ms`,
    warning: sync !== 'no' && sync !== 'off' && median > SLOW_SYNC_MILLIS ? warning : undefined,
  };
}

function checkFreeDisk(freeBytes: number | undefined): Finding[] {
  if (freeBytes === undefined) return [];
  const warning = {
    hurts: 'when it is full, writes are refused; a rewrite needs room for a second copy of the data',
    remedy: 'free some, or another --dir',
  };
  return [
    {
      name: 'free disk',
      found: gibibytes(freeBytes),
      warning: freeBytes < FREE_DISK_BYTES_MIN ? warning : undefined,
    },
  ];
}

function gibibytes(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
