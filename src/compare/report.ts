/** The report of a comparison: one HTML file that holds all it needs, to be opened without a network. */
import { type Cell, type Comparison, labelOf, type ServerFacts } from './figures.ts';
import { BOUND_CORES, isSharedByThreads, lockedShare, speedupMax } from './lock-bound.ts';
import { REPORT_STYLE } from './report-style.ts';
import { takeaways } from './takeaways.ts';
import { fixed } from './terminal.ts';
import { chartLibraryScript, chartLibraryStyle, escapeHtml, inlineScript } from '../web/inline-script.ts';

const MEBIBYTE = 1024 * 1024;

/** A picture, and how to read it. */
interface Figure {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly isWide?: boolean;
}

const FIGURES: readonly Figure[] = [
  {
    id: 'throughput',
    title: 'Throughput by clients',
    caption:
      'Higher is better. A line that rises has found more work for the server; where it flattens, ' +
      'something is full: the server, or the load beside it on the same machine (last column of the table ' +
      'above).',
  },
  {
    id: 'cpu',
    title: 'CPU per command',
    caption:
      'Lower is better; all threads of the server counted. This figure depends least on what else the ' +
      'machine does. An event loop falls with more clients and with pipelining, because one wake-up then ' +
      'serves several commands. What a thread costs more is the price of locks, of changing between ' +
      'threads, and of code that each must compile. Where the servers lie far apart, the scale is ' +
      'logarithmic.',
  },
  {
    id: 'latency',
    title: 'Latency percentiles',
    caption:
      'Lower is better. At 99, the height says within how many milliseconds 99 of 100 batches were ' +
      'answered; a batch is as many commands as are pipelined. The steeper the right end, the longer the ' +
      'rare waits. The scale is logarithmic: one line of the grid is ten times the one below it.',
    isWide: true,
  },
  {
    id: 'memory',
    title: 'Memory by clients',
    caption:
      'Lower is better. At 0 the server holds its keys and nobody is connected. The slope is what one ' +
      'more client costs: some buffers, or a whole thread with a JavaScript heap of its own.',
  },
  {
    id: 'threads',
    title: 'Threads by clients',
    caption:
      'All threads of the process, those of the runtime for compiling and collecting included. Flat for ' +
      'an event loop and for a pool; one more for each client where each has its own.',
  },
  {
    id: 'pauses',
    title: 'Waits while the server saves in the background (BGSAVE)',
    caption:
      'One client asks for a single key about every millisecond while two others keep the server busy and ' +
      'it saves over and over. A bar counts the answers that took as long as stands below it. Bars far to ' +
      'the right are pauses. Heights are logarithmic, so that a single late answer can be seen. The ' +
      'colours are those of the other charts.',
    isWide: true,
  },
];

/** The whole page. */
export function reportHtml(comparison: Comparison): string {
  const { program } = comparison;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escapeHtml(program.name)}: architectures compared</title>
<style>${chartLibraryStyle()}</style>
<style>${REPORT_STYLE}</style>
</head>
<body>
<main>
${introduction(comparison)}
${serversTable(comparison.servers)}
${gapsNote(comparison)}
${inShort(comparison)}
<h2>At a glance</h2>
<noscript><p class="note">The charts need JavaScript; all figures are in the table at the end.</p></noscript>
<div id="choices" class="choices"></div>
${glanceTable()}
<h2>Charts</h2>
<p class="soft">They show what is chosen above. Point at a chart for its values; click a name below it to hide
that line.</p>
<div class="charts">
${FIGURES.map(figureHtml).join('\n')}
</div>
${savesTable(comparison)}
${locksTable(comparison)}
${method(comparison)}
<h2>All figures</h2>
<details><summary>${comparison.cells.length} measurements</summary>
<div class="scroll">${cellsTable(comparison)}</div></details>
<details><summary>Memory and threads</summary>
<div class="scroll">${footprintsTable(comparison)}</div></details>
</main>
<script type="application/json" id="figures">${scriptJson(comparison)}</script>
<script>${chartLibraryScript()}</script>
<script type="module">${inlineScript(new URL('./page.js', import.meta.url))}</script>
</body>
</html>
`;
}

/** JSON that cannot end the script element it stands in. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function introduction({ program, date, quick, machine }: Comparison): string {
  const facts = Object.entries(machine).map(([name, value]) => `${escapeHtml(name)} ${escapeHtml(value)}`);
  const hurry = quick
    ? `<p class="note">Made with <code>--quick</code>: short runs, so take the figures for rough ones. Every
new thread first has to compile its own copy of the code: where each client has a thread, much of what you see
is that.</p>`
    : '';
  return `<h1>Two architectures for one server</h1>
<p>A server that keeps its data in memory can serve its clients from <b>one event loop</b>, or give
<b>each client a thread</b> and guard the data with a lock. ${escapeHtml(program.name)} has both, over the
same store and the same commands: so this page can show what the choice alone makes of speed, cost, memory and
pauses.</p>
<p class="meta">${date.slice(0, 16).replace('T', ' ')} UTC · ${facts.join(' · ')}</p>
${hurry}`;
}

function serversTable(servers: readonly ServerFacts[]): string {
  const rows = servers.map(({ name, label, version, options, architecture, unavailable }) => {
    const state = unavailable === undefined ? '' : `<br><b>Not available:</b> ${escapeHtml(unavailable)}`;
    return `<tr><th scope="row"><i class="swatch ${name}"></i>${escapeHtml(label)}</th>
<td>${escapeHtml(architecture)}${state}</td>
<td>${escapeHtml(version)}<br><code>${escapeHtml(options)}</code></td></tr>`;
  });
  return `<h2>Who is compared</h2>
<div class="scroll"><table class="words"><tbody>
${rows.join('\n')}
</tbody></table></div>`;
}

function inShort(comparison: Comparison): string {
  const sentences = takeaways(comparison);
  if (sentences.length === 0) return '';
  const items = sentences.map((sentence) => `<li>${escapeHtml(sentence)}</li>`);
  return `<h2>In short</h2>\n<ul>${items.join('\n')}</ul>`;
}

function gapsNote(comparison: Comparison): string {
  if (comparison.gaps.length === 0) return '';
  const lines = comparison.gaps.map(
    ({ server, what, message }) =>
      `<b>${escapeHtml(labelOf(comparison, server))}</b>, ${escapeHtml(what)}: ${escapeHtml(message)}`,
  );
  return `<p class="note">Not measured from there on:<br>${lines.join('<br>')}</p>`;
}

function glanceTable(): string {
  return `<div class="scroll"><table>
<thead><tr><th>Server</th><th>commands<br>per second</th><th>CPU per<br>command</th>
<th>half of all<br>within</th><th>99 %<br>within</th><th>99.9 %<br>within</th>
<th>memory</th><th>threads</th><th>load<br>busy</th></tr></thead>
<tbody id="glance"></tbody></table></div>
<p class="soft">“Load busy” is how much of its share of the cores the load generator used. Near 100 %
it could send no more, and the throughput is its limit rather than the server's; CPU per command still tells
the servers apart.</p>`;
}

function figureHtml({ id, title, caption, isWide }: Figure): string {
  const choices = id === 'pauses' ? '<div id="pause-choices" class="choices"></div>' : '';
  return `<figure${isWide === true ? ' class="wide"' : ''}><h3>${title}</h3>${choices}
<div id="${id}" class="plot" role="img" aria-label="Chart: ${title}. Its figures are in the tables."></div>
<figcaption>${caption}</figcaption></figure>`;
}

function savesTable(comparison: Comparison): string {
  if (comparison.pauses.length === 0) return '';
  const rows = comparison.pauses.map(({ server, alone, saving, saveSeconds }) => {
    const kept = (saving.requestsPerSecond / alone.requestsPerSecond) * 100;
    const seconds = saveSeconds.reduce((sum, value) => sum + value, 0) / saveSeconds.length;
    const label = escapeHtml(labelOf(comparison, server));
    return `<tr><th scope="row"><i class="swatch ${server}"></i>${label}</th>
<td>${fixed(alone.longestMillis, 1)} ms</td><td>${fixed(saving.longestMillis, 1)} ms</td>
<td>${fixed(saving.ownDelayMillis, 1)} ms</td><td>${fixed(kept, 0)} %</td><td>${fixed(seconds, 2)} s</td>
</tr>`;
  });
  return `<h3 style="margin-top:28px">Longest waits</h3>
<div class="scroll"><table>
<thead><tr><th>Server</th><th>without<br>a save</th><th>during<br>BGSAVE</th>
<th>of which may be<br>the prober's own</th><th>throughput kept<br>while saving</th>
<th>one BGSAVE<br>took</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`;
}

function locksTable(comparison: Comparison): string {
  const rows = comparison.cells.filter(isSharedByThreads).map((cell) => {
    const label = escapeHtml(labelOf(comparison, cell.server));
    const bounds = BOUND_CORES.map((cores) => `<td>${fixed(speedupMax(cell, cores) ?? NaN, 1)}</td>`);
    return `<tr><th scope="row"><i class="swatch ${cell.server}"></i>${label}</th>
<td>${cell.clients}</td><td>${cell.pipeline}</td><td>${cell.readsPercent}</td><td>${cell.valueBytes}</td>
<td>${cell.log}</td><td>${fixed(cell.lock?.heldMicros ?? NaN, 3)}</td>
<td>${fixed(cell.lock?.waitedMicros ?? NaN, 3)}</td>
<td>${fixed((lockedShare(cell) ?? NaN) * 100, 0)} %</td>${bounds.join('')}</tr>`;
  });
  if (rows.length === 0) return '';
  const bounds = BOUND_CORES.map((cores) => `<th>at most, on<br>${cores} cores</th>`);
  return `<h2>What the lock bounds</h2>
<p>Reading, parsing and sending go on side by side; commands run one after another, under the lock. However
many cores there are, no more than one command is answered in the time that a command holds it. The last
columns say how many times the speed of one core that allows. It is a bound, not a forecast: the more cores
want the lock, the more it costs to pass it on.</p>
<details><summary>${rows.length} measurements</summary><div class="scroll"><table>
<thead><tr><th>Server</th><th>clients</th><th>-P</th><th>% GET</th><th>bytes</th><th>AOF</th>
<th>µs held</th><th>µs waited</th><th>of its time</th>${bounds.join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div></details>`;
}

function method({ plan, servers }: Comparison): string {
  const count = servers.filter(({ unavailable }) => unavailable === undefined).length;
  const threads = plan.loadThreads === 1 ? 'one thread' : `${plan.loadThreads} threads`;
  const rounds = plan.rounds === 1 ? 'once' : `${plan.rounds} times`;
  return `<h2>How it was measured, and how far it carries</h2>
<p>The ${count} servers ran at the same time on this machine, with the same options for the network and the
files, and were loaded one after another: each setting ${rounds} for ${plan.cellMillis} ms on each server in
turn, the first in turn changing from round to round. Speed and CPU are medians of the rounds; latencies are
of all rounds together.</p>
<p>The load is made by ${threads} of a program in JavaScript: every client sends a batch of GET and SET over
${plan.keys.toLocaleString('en')} random keys, waits for all replies, and sends the next. So a slow answer
also delays the question after it, and waits that a steady stream of questions would meet are counted too
rarely.</p>
<p>Load and servers share the cores. On a machine with few of them a server with many threads cannot be faster
than one with a single thread; what can be seen there is what it costs. Clients connect and send
${plan.warmCommands.toLocaleString('en')} commands each (for ${plan.warmMillisMax / 1000} s at most) before
they are measured, for a new thread begins with code that is not compiled yet. For BGSAVE each server held
${plan.saveKeys.toLocaleString('en')} keys. The append-only file is rewritten between runs only.</p>`;
}

function cellsTable(comparison: Comparison): string {
  const { cells, percents } = comparison;
  const latency = (cell: Cell, percent: number): string =>
    fixed(cell.latencyMillis[percents.indexOf(percent)] ?? NaN, 3);
  const rows = cells.map(
    (cell) => `<tr><th scope="row">${escapeHtml(labelOf(comparison, cell.server))}</th>
<td>${cell.clients}</td><td>${cell.pipeline}</td><td>${cell.readsPercent}</td><td>${cell.valueBytes}</td>
<td>${cell.log}</td><td>${fixed(cell.requestsPerSecond, 0)}</td><td>${fixed(cell.cpuMicros, 2)}</td>
<td>${latency(cell, 50)}</td><td>${latency(cell, 99)}</td><td>${latency(cell, 99.9)}</td>
<td>${latency(cell, 100)}</td></tr>`,
  );
  return `<table><thead><tr><th>Server</th><th>clients</th><th>-P</th><th>% GET</th><th>bytes</th><th>AOF</th>
<th>per second</th><th>CPU µs</th><th>p50 ms</th><th>p99 ms</th><th>p99.9 ms</th><th>max ms</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`;
}

function footprintsTable(comparison: Comparison): string {
  const rows = comparison.footprints.map(
    (print) => `<tr><th scope="row">${escapeHtml(labelOf(comparison, print.server))}</th>
<td>${print.clients}</td><td>${print.valueBytes}</td><td>${print.log}</td>
<td>${fixed(print.residentBytes / MEBIBYTE, 1)}</td><td>${print.threads}</td></tr>`,
  );
  return `<table><thead><tr><th>Server</th><th>clients</th><th>bytes</th><th>AOF</th><th>MiB</th>
<th>threads</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>`;
}
