/**
 * What a serving thread writes to the log when it dies of an error that nobody expects, in the order of Redis
 * (Redis 7.0 debug.c, _serverPanic and printCrashReport): the error, the stack, INFO, all clients, and the
 * client whose command was running.
 *
 * Arguments are told by their sizes only: a log is passed around, and what users keep in a database is not to
 * be. Nothing here may throw or hang, whatever state the thread is in: each part stands for itself, the lock
 * is waited for only so long, and the main thread ends a thread that takes too long (serving-worker.ts).
 */
import { basename } from 'node:path';
import type { Call } from '../commands/call.ts';
import type { Services } from '../commands/services.ts';
import type { Mutex } from '../memory/mutex.ts';
import { stackText } from '../util/stack-text.ts';
import type { ThreadParts } from './thread-parts.ts';

/** How long the report waits for the lock, when another thread has it. */
const LOCK_WAIT_MILLIS_MAX = 500;
const LOCK_POLL_MILLIS = 5;

/** Sizes of more arguments than these say nothing more. */
const ARGUMENTS_MAX = 64;

const START = '=== REDIS BUG REPORT START: Cut & paste starting from here ===';
const END = '=== REDIS BUG REPORT END. Make sure to include from START to END. ===';
const ADVICE =
  '       Please report the crash to the maintainers of redis-clone-ts, with all of the above.\n\n' +
  '  What was acknowledged is in the append-only file, if there is one: start the server again.';
const RULE = '------------------------------------------------';

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/** What the report is made of. */
export interface CrashReportParts {
  readonly parts: Pick<ThreadParts, 'log' | 'mutex'> & {
    readonly config: { readonly values: { readonly 'crash-log-enabled': boolean } };
    readonly engine: { readonly runningCall: Call | undefined };
  };
  readonly services: {
    readonly server: Pick<Services['server'], 'info'>;
    readonly clients: Pick<Services['clients'], 'list' | 'find'>;
  };
}

/**
 * Has this thread report the error that it dies of.
 * @param onBegin called first, for whoever watches over the thread
 */
export function reportCrashes(from: CrashReportParts, onBegin: () => void): void {
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    if (!from.parts.config.values['crash-log-enabled']) return;
    onBegin();
    writeCrashReport(from, error);
  });
}

export function writeCrashReport({ parts, services }: CrashReportParts, error: unknown): void {
  const { log, mutex } = parts;
  const section = (title: string, text: () => string): void => {
    log.raw(`\n------ ${title} ------\n${attempt(text)}`);
  };
  log.raw(`\n\n${START}`);
  log.warning(RULE);
  log.warning('!!! Software Failure. Press left mouse button to continue');
  log.warning(`Guru Meditation: ${attempt(() => messageOf(error))} #${attempt(() => placeOf(error))}`);
  log.warning(RULE);
  section('STACK TRACE', () => stackOf(error));

  const wasMine = mutex.isMine;
  if (wasMine || lockSoon(mutex)) {
    section('INFO OUTPUT', () => services.server.info(['all']));
    section('CLIENT LIST OUTPUT', () => lines(services.clients.list().map(({ line }) => line)));
    const call = parts.engine.runningCall;
    if (wasMine && call !== undefined) {
      section('CURRENT CLIENT INFO', () => lines(describeCall(call, services.clients)));
    }
    if (!wasMine) mutex.unlock();
  } else {
    log.warning('Neither INFO nor clients: another thread does not release the lock.');
  }
  log.raw(`\n${END}\n\n${ADVICE}\n`);
}

/** The client, and its command with the sizes of the arguments. */
function describeCall(
  { request, session, command }: Call,
  clients: CrashReportParts['services']['clients'],
): string[] {
  const shown = Math.min(request.count, ARGUMENTS_MAX);
  const description = [
    clients.find(session.id)?.line ?? `id=${session.id}`,
    `cmd: ${command.fullName}`,
    `argc: ${request.count}`,
  ];
  for (let i = 0; i < shown; i++) {
    const byteCount = request.end(i) - request.start(i);
    description.push(
      i === 0 ? `argv[0]: ${JSON.stringify(request.text(0))}` : `argv[${i}]: ${byteCount} bytes`,
    );
  }
  if (shown < request.count) description.push(`and ${request.count - shown} more`);
  return description;
}

/** Takes the lock within a moment, or not at all. */
function lockSoon(mutex: Mutex): boolean {
  for (let waited = 0; waited < LOCK_WAIT_MILLIS_MAX; waited += LOCK_POLL_MILLIS) {
    if (mutex.tryLock()) return true;
    Atomics.wait(sleepCell, 0, 0, LOCK_POLL_MILLIS);
  }
  return false;
}

/** A part of the report, or why there is none: what it looks at may be what has just broken. */
function attempt(text: () => string): string {
  try {
    return text();
  } catch (error) {
    return `(not possible: ${error instanceof Error ? error.message : 'an error that is none'})`;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function stackOf(error: unknown): string {
  return lines(['', 'Backtrace:', stackText(error)]);
}

/** File and line of the innermost frame: `debug.ts:311`. */
function placeOf(error: unknown): string {
  const frame = /^\s+at .*?([^\s(]+):(\d+):\d+\)?$/m.exec(stackText(error));
  return frame === null ? 'unknown' : `${basename(frame[1]!)}:${frame[2]}`;
}

function lines(texts: readonly string[]): string {
  return texts.join('\n');
}
