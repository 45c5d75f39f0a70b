/** Name and version, from package.json: one place says them. */
import { createRequire } from 'node:module';

/** Two levels up in `dist/`, where this file runs. */
const { name, version } = createRequire(import.meta.url)('../../package.json') as {
  name: string;
  version: string;
};

export const PROGRAM = { name, version } as const;
