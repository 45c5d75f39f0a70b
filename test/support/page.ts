/** A page of ours in a real browser, watched for whatever it complains about. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { startChromium } from './chromium.ts';

export interface PageOptions {
  readonly colorScheme: 'light' | 'dark';
  /** Beside the page itself: what it may ask for, as the beginning of a URL. */
  readonly mayAsk?: string;
  readonly credentials?: { readonly username: string; readonly password: string };
}

let browser: Promise<Browser> | undefined;
after(async () => (await browser)?.close());

/** Opens a page, and fails on whatever it complains about, or asks for without leave. */
export async function withPage(
  url: string,
  { colorScheme, mayAsk, credentials }: PageOptions,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  browser ??= startChromium();
  const page = await (
    await browser
  ).newPage({
    colorScheme,
    viewport: { width: 1280, height: 900 },
    ...(credentials === undefined ? {} : { httpCredentials: credentials }),
  });
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const asked = request.url();
    if (asked !== url && (mayAsk === undefined || !asked.startsWith(mayAsk)))
      complaints.push(`asked for ${asked}`);
  });
  try {
    await page.goto(url);
    await use(page);
    assert.deepEqual(complaints, []);
  } finally {
    await page.close();
  }
}

/** For a person to look at, if they say where: SCREENSHOTS=directory. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS'];
  if (folder !== undefined) await page.screenshot({ fullPage: true, path: join(folder, `${name}.png`) });
}

/** The style variables whose colour is somewhere in a chart. */
export async function paintedColours(
  page: Page,
  id: string,
  variables: readonly string[],
): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const canvas = document.querySelector('#${id} canvas');
    const pixelsOf = (width, height, paint) => {
      const copy = document.createElement('canvas');
      copy.width = width;
      copy.height = height;
      const context = copy.getContext('2d', { willReadFrequently: true });
      paint(context);
      return new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
    };
    const pixels = pixelsOf(canvas.width, canvas.height, (context) => context.drawImage(canvas, 0, 0));
    return ${JSON.stringify(variables)}.filter((variable) => {
      const [colour] = pixelsOf(1, 1, (context) => {
        context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--' + variable).trim();
        context.fillRect(0, 0, 1, 1);
      });
      return pixels.includes(colour);
    });
  })()`);
}

/** By how many pixels the page is wider than a telephone. */
export async function overflowOnPhone(page: Page): Promise<number> {
  await page.setViewportSize({ width: 390, height: 800 });
  return page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
}
