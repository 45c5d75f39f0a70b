import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleComparison } from '../../test/support/sample-comparison.ts';
import type { Comparison } from './figures.ts';
import { escapeHtml } from '../web/inline-script.ts';
import { reportHtml } from './report.ts';

test('the page carries its figures, its charts and its script', () => {
  const comparison = sampleComparison();
  const html = reportHtml(comparison);
  const figures = /<script type="application\/json" id="figures">(.*?)<\/script>/s.exec(html)?.[1] ?? '';
  assert.deepEqual(JSON.parse(figures), comparison);
  assert.match(html, /var uPlot=/);
  for (const id of ['throughput', 'cpu', 'latency', 'memory', 'threads', 'pauses']) {
    assert.match(html, new RegExp(`<div id="${id}" class="plot"`));
  }
  assert.ok(html.includes(`${comparison.cells.length} measurements`));
});

test('the page asks the network for nothing and names no file of this machine', () => {
  const html = reportHtml(sampleComparison());
  assert.doesNotMatch(html, /(?:src|href)="(?!data:)/);
  assert.doesNotMatch(html, /@import|url\(|sourceMappingURL|file:\/\//);
  assert.ok(!html.includes(process.cwd()));
});

test('a server that could not be had is named with the reason', () => {
  const html = reportHtml(sampleComparison({ unavailable: { threaded: 'it said <no> & left' } }));
  assert.match(html, /<b>Not available:<\/b> it said &lt;no&gt; &amp; left/);
});

test('what could not be measured is said', () => {
  const gaps = [{ server: 'pool', what: '200 clients', message: 'ERR max number' }] as const;
  const comparison: Comparison = { ...sampleComparison(), gaps };
  assert.match(reportHtml(comparison), /<b>the pool<\/b>, 200 clients: ERR max number/);
});

test('what the lock bounds is told of the servers with several threads', () => {
  const html = reportHtml(sampleComparison());
  assert.match(html, /<th>at most, on<br>8 cores<\/th><th>at most, on<br>32 cores<\/th>/);
  assert.match(html, /<td>16 %<\/td><td>6\.3<\/td><td>6\.3<\/td>/);
  assert.doesNotMatch(reportHtml({ ...sampleComparison(), cells: [] }), /What the lock bounds/);
});

test('text from elsewhere cannot become markup', () => {
  assert.equal(escapeHtml('<a href="x">&'), '&lt;a href=&quot;x&quot;&gt;&amp;');
  const hostile = { CPU: '</script><script>alert(1)</script>' };
  const html = reportHtml({ ...sampleComparison(), machine: hostile });
  assert.ok(!html.includes('<script>alert(1)'));
});
