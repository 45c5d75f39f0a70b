/** Directories for servers that tests start. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryDirectory {
  readonly path: string;
  remove(): void;
}

/** A new empty directory below the system's temporary directory. */
export function temporaryDirectory(): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), 'redis-clone-ts-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
