/** The subcommands of the command line that work on files instead of serving. */
import { readSync } from 'node:fs';
import { runCheckAof } from './persistence/check-aof.ts';
import { runCheckRdb } from './persistence/check-rdb.ts';
import { nodeDisk } from './persistence/node-disk.ts';
import type { ToolConsole } from './persistence/tool-console.ts';

const TOOLS: Readonly<Record<string, (args: readonly string[], tool: ToolConsole) => number>> = {
  'check-aof': runCheckAof,
  'check-rdb': runCheckRdb,
};

const STANDARD_INPUT = 0;
const LF = 10;

/** The exit code, or undefined if the first argument names no tool. */
export function runTool([name = '', ...args]: readonly string[]): number | undefined {
  const run = Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined;
  return run?.(args, {
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
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue;
      break;
    }
    bytes.push(byte[0]!);
  }
  return Buffer.from(bytes).toString();
}
