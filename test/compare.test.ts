/** `redis-clone-ts compare`: a short run from end to end, and its page in a real browser. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { type Comparison, SERVER_NAMES } from '../src/compare/figures.ts';
import { reportHtml } from '../src/compare/report.ts';
import { chromiumSkipReason } from './support/chromium.ts';
import { keepPicture, overflowOnPhone, paintedColours, withPage } from './support/page.ts';
import { sampleComparison } from './support/sample-comparison.ts';
import { MAIN_PATH } from '../src/compare/servers.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const CHART_IDS = ['throughput', 'cpu', 'latency', 'memory', 'threads', 'pauses'];
const SHORT_RUN =
  '--quick --servers eventloop,threaded --clients 1,4 --pipeline 1,8 --reads 50 --sizes 64 --aof off,everysec ' +
  '--millis 50 --keys 500 --save-keys 5000 --load-threads 2';

const directory = temporaryDirectory();
after(() => directory.remove());

describe('a short run', () => {
  const htmlPath = join(directory.path, 'run.html');
  const jsonPath = join(directory.path, 'run.json');

  test('measures every setting and writes the figures and the page', async () => {
    const args = ['compare', ...SHORT_RUN.split(' '), '--out', htmlPath, '--json', jsonPath];
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN_PATH, ...args]);

    const figures = JSON.parse(readFileSync(jsonPath, 'utf8')) as Comparison;
    const measured = figures.servers.filter(({ unavailable }) => unavailable === undefined);
    assert.deepEqual(figures.gaps, []);
    assert.equal(measured[0]?.name, 'eventloop');
    assert.equal(figures.cells.length, measured.length * 2 * 2 * 2);
    assert.equal(figures.footprints.length, measured.length * 2 * 3);
    assert.equal(figures.pauses.length, measured.length);
    for (const cell of figures.cells) {
      assert.ok(cell.requestsPerSecond > 0, JSON.stringify(cell));
      assert.ok(cell.cpuMicros > 0, JSON.stringify(cell));
      assert.ok(
        cell.latencyMillis.every((millis, index, all) => millis > 0 && millis >= (all[index - 1] ?? 0)),
        JSON.stringify(cell),
      );
    }
    for (const { saving, saveSeconds } of figures.pauses) {
      assert.ok(saving.counts.some((count) => count > 0));
      assert.ok(saveSeconds.length > 0);
    }
    for (const { label, unavailable } of figures.servers) {
      assert.ok(stdout.includes(label));
      assert.ok(unavailable === undefined || stdout.includes(`not available: ${unavailable}`));
    }
    const page = readFileSync(htmlPath, 'utf8');
    assert.ok(!page.includes(directory.path) && !page.includes(process.execPath));
  });

  test('its page draws every chart', { skip: chromiumSkipReason() }, async () => {
    await withPage(pathToFileURL(htmlPath).href, { colorScheme: 'light' }, async (page) => {
      for (const id of CHART_IDS) assert.ok((await paintedServers(page, id)).length > 0, id);
    });
  });
});

test('arguments that make no sense are refused, help is given', async () => {
  const run = promisify(execFile);
  const refused = await run(process.execPath, [MAIN_PATH, 'compare', '--clients', '0']).catch(
    (error: unknown) => error as { code: number; stdout: string },
  );
  assert.ok('code' in refused);
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /--clients: "0" is no whole number/);
  assert.match((await run(process.execPath, [MAIN_PATH, 'compare', '--help'])).stdout, /--quick/);
});

describe('the page with all servers', { skip: chromiumSkipReason() }, () => {
  const htmlPath = join(directory.path, 'sample.html');
  const url = pathToFileURL(htmlPath).href;
  writeFileSync(htmlPath, reportHtml(sampleComparison()));

  for (const scheme of ['light', 'dark'] as const) {
    test(`every chart shows every server, ${scheme}`, async () => {
      await withPage(url, { colorScheme: scheme }, async (page) => {
        for (const id of CHART_IDS) assert.deepEqual(await paintedServers(page, id), SERVER_NAMES, id);
        await keepPicture(page, `compare-${scheme}`);
      });
    });
  }

  test('a choice changes the charts and the table', async () => {
    await withPage(url, { colorScheme: 'light' }, async (page) => {
      const before = await page.locator('#glance').innerText();
      const drawing = (id: string): Promise<string> =>
        page.locator(`#${id} canvas`).evaluate((canvas: { toDataURL(): string }) => canvas.toDataURL());
      const throughput = await drawing('throughput');
      await page.getByText('16', { exact: true }).first().click();
      assert.notEqual(await page.locator('#glance').innerText(), before);
      assert.notEqual(await drawing('throughput'), throughput);

      const waits = await page.locator('#pauses').locator('canvas').count();
      await page.getByText('without', { exact: true }).click();
      assert.equal(await page.locator('#pauses').locator('canvas').count(), waits);
    });
  });

  test('a narrow window shows everything without scrolling sideways', async () => {
    await withPage(url, { colorScheme: 'light' }, async (page) => {
      const overflow = await overflowOnPhone(page);
      assert.ok(overflow <= 0, `${overflow} pixels too wide`);
    });
  });
});

/** The servers whose colour is somewhere in a chart. */
function paintedServers(page: Page, id: string): Promise<string[]> {
  return paintedColours(page, id, SERVER_NAMES);
}
