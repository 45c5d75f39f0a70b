/** The subcommands of the command line: those that work on files, the doctor, and the comparison. */
import { readSync } from 'node:fs';
import type { ToolName } from './config/help.ts';
import { runCheckAof } from './persistence/check-aof.ts';
import { runCheckRdb } from './persistence/check-rdb.ts';
import { runConvert } from './persistence/convert.ts';
import { nodeDisk } from './persistence/node-disk.ts';
import type { ToolConsole } from './persistence/tool-console.ts';
import { PROGRAM } from './version.ts';

type Tool = (args: readonly string[], tool: ToolConsole) => number | Promise<number>;

const TOOLS: Readonly<Record<ToolName, Tool>> = {
  'check-aof': runCheckAof,
  'check-rdb': runCheckRdb,
  convert: runConvert,
  doctor: async (args, { write }) => {
    // Loaded when needed only, as the next: the others work on files.
    const { runDoctor } = await import('./doctor.ts');
    return runDoctor(args, { write });
  },
  compare: async (args, { write }) => {
    const { runCompare } = await import('./compare/compare.ts');
    return runCompare(args, { write, program: PROGRAM });
  },
};

const STANDARD_INPUT = 0;
const RETRY_MILLIS = 20;
const LF = 10;

/** Runs a tool with the arguments behind its name, and returns the exit code. */
export function runTool(name: ToolName, args: readonly string[]): number | Promise<number> {
  return TOOLS[name](args, {
    disk: nodeDisk,
    nowMillis: Date.now,
    write: (text) => void process.stdout.write(text),
    confirm: (question) => {
      process.stdout.write(question);
      return /^y/i.test(readLine());
    },
  });
}

/** A line of standard input; empty at its end, or if there is none. */
function readLine(): string {
  const byte = Buffer.alloc(1);
  const bytes: number[] = [];
  for (;;) {
    try {
      if (readSync(STANDARD_INPUT, byte) === 0 || byte[0] === LF) break;
    } catch (error) {
      // A terminal that another program has set not to wait: an answer may still come.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') break;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MILLIS);
      continue;
    }
    bytes.push(byte[0]!);
  }
  return Buffer.from(bytes).toString();
}
