/** The status page: one HTML document that holds its script, styles and chart library. */
import { createHash } from 'node:crypto';
import { chartLibraryScript, chartLibraryStyle, inlineScript } from '../web/inline-script.ts';
import { PAGE_STYLE } from './page-style.ts';

export interface StatusPage {
  readonly html: string;
  /** What the page may do, for the header: run exactly its own scripts, and ask only this server. */
  readonly contentPolicy: string;
}

interface Figure {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly isWide?: boolean;
}

const FIGURES: readonly Figure[] = [
  { id: 'throughput', title: 'Throughput', caption: 'Commands that were run, per second.' },
  {
    id: 'latency',
    title: 'Latency of commands',
    caption:
      'Microseconds in the server, the network not counted: so many percent took this long or less. ' +
      'Since the page was opened; the scale is logarithmic.',
  },
  { id: 'memory', title: 'Memory', caption: 'What data and structures use, and the whole process.' },
  { id: 'clients', title: 'Clients', caption: 'Connected, and of these waiting in a command.' },
  { id: 'hits', title: 'Hit rate', caption: 'Percent of reads that found their key.' },
  {
    id: 'lock',
    title: 'The lock of the store',
    caption:
      'Percent of the time. Held: commands, duties and snapshots at work. Waited: threads that could not ' +
      'go on, summed up; it can exceed 100.',
  },
  { id: 'cpu', title: 'Processor', caption: 'Percent of one core, all threads together.' },
  { id: 'network', title: 'Network', caption: 'Bytes received and sent, per second.' },
  {
    id: 'persistence',
    title: 'Persistence',
    caption:
      'Changes that no snapshot has yet, and the size of the append-only file (right). Shaded: a snapshot ' +
      'or a rewrite of the file is under way.',
    isWide: true,
  },
];

let built: StatusPage | undefined;

/** Put together when it is asked for first. */
export function statusPage(): StatusPage {
  built ??= build();
  return built;
}

function build(): StatusPage {
  const styles = [chartLibraryStyle(), PAGE_STYLE];
  const scripts = [chartLibraryScript(), inlineScript(new URL('./page.js', import.meta.url))];
  return {
    html: html(styles, scripts),
    contentPolicy: [
      "default-src 'none'",
      `script-src ${scripts.map(hashOf).join(' ')}`,
      `style-src ${styles.map(hashOf).join(' ')}`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}

/** How a content policy names a text that may stand in the page. */
function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

function html([libraryStyle, style]: readonly string[], [library, script]: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>redis-clone-ts</title>
<style>${libraryStyle}</style>
<style>${style}</style>
</head>
<body>
<main>
<header><h1>redis-clone-ts</h1><span id="state" class="state" role="status">connecting</span>
<p id="facts" class="meta"></p></header>
<p id="problem" class="note" hidden></p>
<noscript><p class="note">This page needs JavaScript. <a href="/metrics">/metrics</a> does not.</p></noscript>
<div id="tiles" class="tiles"></div>
<div id="choices" class="choices"></div>
<div class="charts">
${FIGURES.map(figureHtml).join('\n')}
</div>
<h2>Slow commands</h2>
<p class="soft">The slow log: commands that took longer than <code>slowlog-log-slower-than</code>, the latest
first.</p>
<div class="scroll"><table class="left">
<thead><tr><th>when</th><th>took</th><th>command</th><th>client</th></tr></thead>
<tbody id="slow"></tbody></table></div>
<h2>Commands</h2>
<p class="soft">Since the server has started, those that took most time first.</p>
<div class="scroll"><table>
<thead><tr><th>command</th><th>now, per second</th><th>calls</th><th>share of time</th><th>average</th>
<th>half within</th><th>99 % within</th><th>errors</th></tr></thead>
<tbody id="commands"></tbody></table></div>
<h2>Keys</h2>
<p class="soft">Read-only, with SCAN. Reading a value counts as an access to its key.</p>
<form id="search">
<label>Database <select id="database"></select></label>
<input id="pattern" placeholder="pattern: user:*" aria-label="pattern" autocomplete="off" spellcheck="false">
<select id="type" aria-label="type"></select>
<button type="submit">Look</button></form>
<div class="list"><table class="left"><thead><tr><th>key</th><th>type</th><th>encoding</th><th>expires</th>
<th>memory</th></tr></thead><tbody id="keys"></tbody></table></div>
<p><button id="more" type="button" hidden>More</button> <span id="found" class="soft"></span></p>
<figure id="value" hidden></figure>
</main>
<script>${library}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

function figureHtml({ id, title, caption, isWide }: Figure): string {
  return `<figure${isWide === true ? ' class="wide"' : ''}><h3>${title}</h3>
<div id="${id}" class="plot" role="img" aria-label="Chart: ${title}"></div>
<figcaption>${caption}</figcaption></figure>`;
}
