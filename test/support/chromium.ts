/** A real browser for tests of pages: Debian's chromium, driven by playwright-core. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * For `skip` of a test that needs a browser: false, or the reason. CI sets REQUIRE_CHROMIUM and never gets a
 * reason: there the test must run.
 */
export function chromiumSkipReason(): string | false {
  if (executablePath() !== undefined) return false;
  if (process.env['REQUIRE_CHROMIUM']) throw new Error('REQUIRE_CHROMIUM is set and there is no chromium');
  return 'chromium is not installed (Debian: apt install chromium)';
}

export async function startChromium(): Promise<Browser> {
  const path = executablePath();
  if (path === undefined) throw new Error('chromium is not installed');
  // Its sandbox refuses to run for root, as which containers run; the pages are our own.
  return chromium.launch({ executablePath: path, args: ['--no-sandbox'] });
}

function executablePath(): string | undefined {
  return PATHS.find((path) => existsSync(path));
}
