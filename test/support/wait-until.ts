/** Waiting for what another process does, without saying when it must. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MILLIS = 20;
/** Guard against a condition that never comes true. */
const WAIT_MILLIS_MAX = 20_000;

/** Resolves when the condition holds; fails naming it when it never does. */
export async function waitUntil(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let waitedMillis = 0; waitedMillis < WAIT_MILLIS_MAX; waitedMillis += POLL_MILLIS) {
    if (await condition()) return;
    await sleep(POLL_MILLIS);
  }
  throw new Error(`never happened: ${what}`);
}
