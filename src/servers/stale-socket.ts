import { lstatSync, unlinkSync } from 'node:fs';

/** Removes a Unix socket that an earlier server has left; never anything that is not a socket. */
export function removeStaleSocket(path: string): void {
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // Not there: nothing to remove.
  }
}
