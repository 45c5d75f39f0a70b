/**
 * The server's log, in Redis' format (Redis 7.0 server.c, serverLogRaw):
 *
 *     12345:M 05 Mar 2024 14:07:09.042 * Ready to accept connections
 *     pid   role  local time           level: . debug  - verbose  * notice  # warning
 *
 * Lines are written synchronously by the thread that has them: a serving thread has no event loop that would
 * flush them, and the last line before a crash is the one that matters.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { systemClock, type Clock } from './clock.ts';

export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning';

/** M: master, S: replica, C: child (a background save), X: sentinel. */
export type LogRole = 'M' | 'S' | 'C' | 'X';

export interface LogOptions {
  /** Lines below this level are dropped. Default: notice. */
  level?: LogLevel;
  /** Where to append; the empty string, the default, is standard output. */
  file?: string;
  pid?: number;
  role?: LogRole;
  clock?: Clock;
  /** Gets every line besides: its level, its text without what the log puts in front, when it was. */
  syslog?: SyslogSink;
}

export type SyslogSink = (level: LogLevel, message: string, wallMillis: number) => void;

const LEVELS: Record<LogLevel, { rank: number; mark: string }> = {
  debug: { rank: 0, mark: '.' },
  verbose: { rank: 1, mark: '-' },
  notice: { rank: 2, mark: '*' },
  warning: { rank: 3, mark: '#' },
};

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

const STDOUT_FD = 1;

/** How long a line waits for the reader of a full pipe before it is given up. */
const FULL_PIPE_WAIT_MILLIS_MAX = 1000;
const FULL_PIPE_POLL_MILLIS = 1;

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

export class Log {
  level: LogLevel;
  role: LogRole;
  file: string;
  readonly #pid: number;
  readonly #clock: Clock;
  readonly #syslog: SyslogSink | undefined;
  /** The last line to a pipe was given up: do not wait for this reader again until it has read something. */
  #readerStalled = false;

  constructor(options: LogOptions = {}) {
    this.level = options.level ?? 'notice';
    this.role = options.role ?? 'M';
    this.file = options.file ?? '';
    this.#pid = options.pid ?? process.pid;
    this.#clock = options.clock ?? systemClock;
    this.#syslog = options.syslog;
  }

  debug(message: string): void {
    this.#log('debug', message);
  }

  verbose(message: string): void {
    this.#log('verbose', message);
  }

  notice(message: string): void {
    this.#log('notice', message);
  }

  warning(message: string): void {
    this.#log('warning', message);
  }

  /** Whether lines of this level are kept: for text that is costly to make. */
  wants(level: LogLevel): boolean {
    return LEVELS[level].rank >= LEVELS[this.level].rank;
  }

  /** Text as it is, whatever the level: the parts of a crash report. */
  raw(text: string): void {
    this.#write(`${text}\n`);
  }

  #log(level: LogLevel, message: string): void {
    if (!this.wants(level)) return;

    const wallMillis = this.#clock.wallMillis();
    this.#syslog?.(level, message, wallMillis);
    const time = formatLogTime(wallMillis);
    this.#write(`${this.#pid}:${this.role} ${time} ${LEVELS[level].mark} ${message}\n`);
  }

  #write(text: string): void {
    if (this.file === '') this.#writeStdout(text);
    else this.#appendToFile(text);
  }

  /**
   * The file is opened for each line, as Redis does: it can be rotated or removed at any time, and threads
   * need not agree on a descriptor. One append of one line stays whole beside those of other threads.
   * A log that cannot be written must not stop the server, so failures are dropped, again as Redis does.
   */
  #appendToFile(line: string): void {
    try {
      const fd = openSync(this.file, 'a', 0o644);
      try {
        writeSync(fd, line);
      } finally {
        closeSync(fd);
      }
    } catch {
      // Nowhere to report it.
    }
  }

  /**
   * Standard output may be a pipe in non-blocking mode (Node's choice), which Redis never has to deal with.
   */
  #writeStdout(line: string): void {
    const bytes = Buffer.from(line);
    let written = 0;
    let waitMillis = this.#readerStalled ? 0 : FULL_PIPE_WAIT_MILLIS_MAX;
    while (written < bytes.length) {
      try {
        written += writeSync(STDOUT_FD, bytes, written);
        this.#readerStalled = false;
      } catch (error) {
        // Anything but a full pipe, EPIPE above all, means that nobody reads this log.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
        if (waitMillis <= 0) {
          this.#readerStalled = true;
          return;
        }
        Atomics.wait(sleepCell, 0, 0, FULL_PIPE_POLL_MILLIS);
        waitMillis -= FULL_PIPE_POLL_MILLIS;
      }
    }
  }
}

function formatLogTime(wallMillis: number): string {
  const date = new Date(wallMillis);
  const day = padded(date.getDate(), 2);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => padded(part, 2));
  const millis = padded(date.getMilliseconds(), 3);
  return `${day} ${MONTHS[date.getMonth()]} ${date.getFullYear()} ${clock.join(':')}.${millis}`;
}

/** The local time as syslog has it: `Mar  5 14:07:09`. */
export function formatSyslogTime(wallMillis: number): string {
  const date = new Date(wallMillis);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => padded(part, 2));
  return `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${clock.join(':')}`;
}

function padded(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
