/**
 * The charts in the README, out of a page that `redis-clone-ts compare` has written:
 * `npm run compare-picture -- PAGE`.
 */
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startChromium } from '../support/chromium.ts';

const IMAGE_PATH = fileURLToPath(new URL('../../../docs/images/compare.png', import.meta.url));

const [pagePath] = process.argv.slice(2);
if (pagePath === undefined) throw new Error('which page?');
const browser = await startChromium();
try {
  const page = await browser.newPage({ colorScheme: 'light', viewport: { width: 1280, height: 900 } });
  await page.goto(pathToFileURL(resolve(pagePath)).href);
  await page.locator('.charts canvas').first().waitFor();
  // What stays in sight when a reader scrolls would stand on a chart.
  await page.addStyleTag({ content: '#choices { position: static }' });
  await page.locator('.charts').screenshot({ path: IMAGE_PATH });
} finally {
  await browser.close();
}
