/** `pidfile`: where others find the id of this process (Redis 7.0 server.c, createPidFile). */
import { rmSync, writeFileSync } from 'node:fs';

/** Writes the file; one that cannot be written is no reason not to serve, so it is only reported. */
export function writePidFile(path: string, report: (problem: string) => void): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    report(`The pid file could not be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Removes the file at the end of the server; one that is gone already is fine. */
export function removePidFile(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It may be in a directory that is no longer ours to write to.
  }
}
