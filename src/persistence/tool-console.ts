/** What the file tools need of their surroundings, as parameters. */
import type { Disk } from './disk.ts';

export interface ToolConsole {
  readonly disk: Disk;
  /** Unix time. */
  readonly nowMillis: () => number;
  readonly write: (text: string) => void;
  /** Asks, and says whether the answer was yes. */
  readonly confirm: (question: string) => boolean;
}

/** Exit codes, those of Redis' tools. */
export const EXIT_VALID = 0;
export const EXIT_INVALID = 1;
