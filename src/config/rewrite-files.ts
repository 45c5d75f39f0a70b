/** The real file operations of CONFIG REWRITE. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { decodeText } from './config-text.ts';
import type { RewriteFiles } from './rewrite.ts';

const TEMPORARY_SUFFIX_BYTES = 4;

export const NODE_REWRITE_FILES: RewriteFiles = {
  read: (path) => {
    try {
      return decodeText(readFileSync(path));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
      throw error;
    }
  },
  writeDurably: (path, bytes) => {
    // Exclusive, and readable for others as Redis leaves it, within the umask.
    const file = openSync(path, 'wx', 0o644);
    try {
      writeFileSync(file, bytes);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  },
  rename: renameSync,
  syncDirectoryOf: (path) => {
    const directory = openSync(dirname(path), 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  },
  remove: (path) => rmSync(path, { force: true }),
  temporaryName: (path) => `${path}.${randomBytes(TEMPORARY_SUFFIX_BYTES).toString('hex')}`,
};
