/**
 * The script of the status page. It runs in the reader's browser: asks for the report of each second, keeps
 * the last quarter of an hour, and draws. Nothing that comes from the store is ever taken for HTML.
 */
import { axisStyle, colour, compact, create, element, fromZero, powers, trim } from '../web/page-tools.ts';
import type {
  MatchMedia,
  PageDocument,
  PageElement,
  Plot,
  PlotData,
  PlotMaker,
  SizeObserver,
} from '../web/page-tools.ts';
import type { HISTORY_COLUMNS } from './history.ts';
import type { KeyFacts, KeyPage, ValueFacts } from './key-browser.ts';
import type { CommandFacts, StatusReport } from './status-report.ts';

interface Response {
  readonly ok: boolean;
  json(): Promise<unknown>;
  text(): Promise<string>;
}

declare const document: PageDocument;
declare const matchMedia: MatchMedia;
declare const ResizeObserver: SizeObserver;
declare const uPlot: PlotMaker;
declare function fetch(url: string, options: { readonly signal: object }): Promise<Response>;
declare const AbortSignal: { timeout(millis: number): object };
declare function setTimeout(action: () => void, millis: number): void;

type Column = (typeof HISTORY_COLUMNS)[number];
type Values = (number | null)[];

interface Line {
  readonly label: string;
  /** Style variable. */
  readonly colour: string;
  readonly values: () => Values;
  /** Measured on the right. */
  readonly isRight?: boolean;
}

interface Chart {
  readonly id: string;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  readonly formatRight?: (value: number) => string;
  /** Unix times of the points, s. */
  readonly times: () => number[];
  readonly isLog?: boolean;
  /** Drawn behind the lines. */
  readonly behind?: (plot: Plot) => void;
}

const ASK_MILLIS = 1000;
/** The server itself gives up sooner, with the reason. */
const ANSWER_MILLIS_MAX = 8000;
const HEIGHT_PIXELS = 210;
const ROWS_MAX = 900;
const COMMANDS_MAX = 15;
const MINUTE_CHOICES = [1, 5, 15];
const KEY_TYPES = ['any type', 'string', 'list', 'set', 'zset', 'hash', 'stream'];
const PERCENTS = [50, 99, 99.9];

/** The rows of all reports, oldest first. */
let rows: (readonly number[])[] = [];
let columns: readonly string[] = [];
let minutes = 5;
/** Microseconds by percentile, one point for each report with commands since the one before. */
let latencyTimes: number[] = [];
let latencies: Values[] = PERCENTS.map(() => []);
let before: StatusReport | undefined;
const plots = new Map<string, Plot>();

// Series --------------------------------------------------------------------------------------------------

function valuesOf(column: Column): number[] {
  const index = columns.indexOf(column);
  return rows.map((row) => row[index] ?? 0);
}

/** How many rows are shown: those of the last minutes. */
function shownFrom(times: readonly number[]): number {
  const first = (times.at(-1) ?? 0) - minutes * 60;
  const index = times.findIndex((time) => time >= first);
  return index === -1 ? 0 : index;
}

function times(): number[] {
  return valuesOf('time').map((millis) => millis / 1000);
}

/** What was added from row to row; nothing where a counter went back to zero. */
function steps(values: readonly number[]): Values {
  return values.map((value, index) => {
    const step = value - (values[index - 1] ?? value);
    return index === 0 || step < 0 ? null : step;
  });
}

/** Per second. */
function rateOf(column: Column): Values {
  const seconds = steps(times());
  return steps(valuesOf(column)).map((step, index) => {
    const passed = seconds[index] ?? 0;
    return step === null || passed === 0 ? null : step / passed;
  });
}

function scaled(values: Values, factor: number): Values {
  return values.map((value) => (value === null ? null : value * factor));
}

function sum(left: Values, right: Values): Values {
  return left.map((value, index) => (value === null ? null : value + (right[index] ?? 0)));
}

/** Where nothing was read there is no rate. */
function hitRate(): Values {
  const misses = steps(valuesOf('keyspace_misses'));
  return steps(valuesOf('keyspace_hits')).map((hits, index) => {
    const reads = (hits ?? 0) + (misses[index] ?? 0);
    return hits === null || reads === 0 ? null : (hits / reads) * 100;
  });
}

function limitOfMemory(): Values {
  return valuesOf('maxmemory').map((bytes) => (bytes === 0 ? null : bytes));
}

/** Adds a point to the chart of latencies: from what came since the report before. */
function addLatencies(report: StatusReport): void {
  if (before === undefined) return;
  const earlier = new Map(before.latencies);
  const counts = report.latencies.map(
    ([micros, calls]) => [micros, calls - (earlier.get(micros) ?? 0)] as const,
  );
  const total = counts.reduce((all, [, calls]) => all + calls, 0);
  // After CONFIG RESETSTAT there are fewer.
  if (counts.some(([, calls]) => calls < 0)) return;
  latencyTimes.push(report.time / 1000);
  for (const [index, percent] of PERCENTS.entries())
    latencies[index]?.push(total === 0 ? null : percentile(counts, (total * percent) / 100));
  if (latencyTimes.length <= ROWS_MAX) return;
  latencyTimes = latencyTimes.slice(-ROWS_MAX);
  latencies = latencies.map((values) => values.slice(-ROWS_MAX));
}

/**
 * The microseconds within which `rank` of the calls were done; those of a bucket are taken for evenly
 * spread.
 */
function percentile(counts: readonly (readonly [number, number])[], rank: number): number {
  let passed = 0;
  for (const [micros, calls] of counts) {
    if (passed + calls >= rank && calls > 0)
      return Math.max(1, micros / 2 + (micros / 2) * ((rank - passed) / calls));
    passed += calls;
  }
  return counts.at(-1)?.[0] ?? 0;
}

// Charts --------------------------------------------------------------------------------------------------

function bytesText(bytes: number): string {
  if (bytes >= 2 ** 30) return `${trim(bytes / 2 ** 30)} GiB`;
  if (bytes >= 2 ** 20) return `${trim(bytes / 2 ** 20)} MiB`;
  if (bytes >= 2 ** 10) return `${trim(bytes / 2 ** 10)} KiB`;
  return `${trim(bytes)} B`;
}

function microsText(micros: number): string {
  if (micros >= 1e6) return `${trim(micros / 1e6)} s`;
  return micros >= 1000 ? `${trim(micros / 1000)} ms` : `${trim(micros)} µs`;
}

function percentText(value: number): string {
  return `${trim(value)} %`;
}

const CHARTS: readonly Chart[] = [
  {
    id: 'throughput',
    times,
    format: compact,
    lines: [
      { label: 'commands per second', colour: '--blue', values: () => rateOf('total_commands_processed') },
    ],
  },
  {
    id: 'latency',
    times: () => latencyTimes,
    format: microsText,
    isLog: true,
    lines: [
      { label: '50 %', colour: '--green', values: () => latencies[0] ?? [] },
      { label: '99 %', colour: '--blue', values: () => latencies[1] ?? [] },
      { label: '99.9 %', colour: '--orange', values: () => latencies[2] ?? [] },
    ],
  },
  {
    id: 'memory',
    times,
    format: bytesText,
    lines: [
      { label: 'used', colour: '--blue', values: () => valuesOf('used_memory') },
      { label: 'process', colour: '--violet', values: () => valuesOf('used_memory_rss') },
      { label: 'maxmemory', colour: '--red', values: limitOfMemory },
    ],
  },
  {
    id: 'clients',
    times,
    format: compact,
    lines: [
      { label: 'connected', colour: '--blue', values: () => valuesOf('connected_clients') },
      { label: 'waiting', colour: '--orange', values: () => valuesOf('blocked_clients') },
    ],
  },
  {
    id: 'hits',
    times,
    format: percentText,
    lines: [{ label: 'hits', colour: '--green', values: hitRate }],
  },
  {
    id: 'lock',
    times,
    format: percentText,
    lines: [
      { label: 'held', colour: '--blue', values: () => scaled(rateOf('lock_hold_usec'), 1e-4) },
      { label: 'waited', colour: '--orange', values: () => scaled(rateOf('lock_wait_usec'), 1e-4) },
    ],
  },
  {
    id: 'cpu',
    times,
    format: percentText,
    lines: [
      {
        label: 'in all',
        colour: '--blue',
        values: () => scaled(sum(rateOf('used_cpu_user'), rateOf('used_cpu_sys')), 100),
      },
      { label: 'in the system', colour: '--violet', values: () => scaled(rateOf('used_cpu_sys'), 100) },
    ],
  },
  {
    id: 'network',
    times,
    format: bytesText,
    lines: [
      { label: 'received', colour: '--green', values: () => rateOf('total_net_input_bytes') },
      { label: 'sent', colour: '--blue', values: () => rateOf('total_net_output_bytes') },
    ],
  },
  {
    id: 'persistence',
    times,
    format: compact,
    formatRight: bytesText,
    behind: shadeJobs,
    lines: [
      {
        label: 'changes without a snapshot',
        colour: '--blue',
        values: () => valuesOf('rdb_changes_since_last_save'),
      },
      {
        label: 'append-only file',
        colour: '--violet',
        values: () => valuesOf('aof_current_size'),
        isRight: true,
      },
      // What is shaded has its colour in the legend, and no line.
      { label: 'snapshot', colour: '--green', values: () => rows.map(() => null) },
      { label: 'rewrite', colour: '--orange', values: () => rows.map(() => null) },
    ],
  },
];

/** When snapshots and rewrites were under way; each end is a line, so that short ones show. */
function shadeJobs(plot: Plot): void {
  const all = times();
  shade(plot, all, valuesOf('rdb_bgsave_in_progress'), valuesOf('rdb_saves'), colour('--green'));
  shade(plot, all, valuesOf('aof_rewrite_in_progress'), valuesOf('aof_rewrites'), colour('--orange'));
}

function shade(
  plot: Plot,
  all: readonly number[],
  isRunning: readonly number[],
  done: readonly number[],
  fill: string,
): void {
  const { ctx, bbox } = plot;
  const left = (time: number): number => Math.max(bbox.left, plot.valToPos(time, 'x', true));
  ctx.fillStyle = fill;
  for (let index = Math.max(1, shownFrom(all)); index < all.length; index++) {
    const isDone = (done[index] ?? 0) > (done[index - 1] ?? 0);
    const end = left(all[index] ?? 0);
    if (isRunning[index] === 1) {
      const start = left(all[index - 1] ?? 0);
      ctx.globalAlpha = 0.25;
      ctx.fillRect(start, bbox.top, end - start, bbox.height);
    }
    if (isDone) {
      ctx.globalAlpha = 0.8;
      ctx.fillRect(end - 1, bbox.top, 3, bbox.height);
    }
  }
  ctx.globalAlpha = 1;
}

function dataOf(chart: Chart): PlotData {
  const all = chart.times();
  const from = shownFrom(all);
  return [all.slice(from), ...chart.lines.map(({ values }) => values().slice(from))];
}

function draw(chart: Chart): void {
  const into = element(chart.id);
  const data = dataOf(chart);
  // A single point makes no line.
  const isEmpty =
    (data[0]?.length ?? 0) < 2 || data.slice(1).every((values) => values.every((value) => value === null));
  const plot = plots.get(chart.id);
  if (plot !== undefined && !isEmpty) {
    plot.setData(data);
    return;
  }
  plot?.destroy();
  plots.delete(chart.id);
  into.className = isEmpty ? 'plot empty' : 'plot';
  if (isEmpty) {
    into.replaceChildren('Nothing yet.');
    return;
  }
  into.replaceChildren();
  plots.set(chart.id, new uPlot(plotOptions(chart, into), data, into));
}

function plotOptions(chart: Chart, into: PageElement): object {
  const axis = axisStyle();
  const { formatRight } = chart;
  const right = {
    ...axis,
    scale: 'right',
    side: 1,
    size: 76,
    grid: { show: false },
    incrs: stepsOf(formatRight),
    values: (_: Plot, splits: number[]) => splits.map((value) => formatRight?.(value) ?? ''),
  };
  const left = {
    ...axis,
    size: 66,
    incrs: stepsOf(chart.format),
    ...(chart.isLog === true
      ? { splits: (_: Plot, __: number, low: number, high: number) => powers(low, high) }
      : {}),
    values: (_: Plot, splits: number[]) => splits.map(chart.format),
  };
  return {
    width: into.clientWidth,
    height: HEIGHT_PIXELS,
    cursor: { drag: { x: false, y: false }, points: { size: 8 } },
    scales: {
      x: { time: true },
      y: { distr: chart.isLog === true ? 3 : 1, range: chart.isLog === true ? wholePowers : fromZero },
      ...(formatRight === undefined ? {} : { right: { range: fromZero } }),
    },
    axes: [
      { ...axis, size: 34, space: 80, incrs: CLOCK_STEPS, values: clockTexts },
      left,
      ...(formatRight === undefined ? [] : [right]),
    ],
    series: [
      { label: 'time', value: (_: Plot, time: number | null) => clockText(time) },
      ...chart.lines.map((line) => series(chart, line)),
    ],
    hooks: chart.behind === undefined ? {} : { drawClear: [chart.behind] },
  };
}

/** What the marks of an axis may be apart: bytes are counted in powers of two. */
function stepsOf(format: Chart['formatRight']): number[] {
  const powersOfTwo = Array.from({ length: 45 }, (_, exponent) => 2 ** exponent);
  if (format === bytesText) return powersOfTwo;
  return Array.from({ length: 13 }, (_, exponent) =>
    [1, 2, 5].map((digit) => digit * 10 ** (exponent - 1)),
  ).flat();
}

/** Seconds between the marks of the time axis. */
const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 3600];

/** `14:05:09`; empty where the pointer is at no time. */
function clockText(time: number | null): string {
  return time === null ? '' : new Date(time * 1000).toTimeString().slice(0, 8);
}

function clockTexts(_: Plot, splits: readonly number[]): string[] {
  return splits.map(clockText);
}

function series(chart: Chart, line: Line): object {
  const stroke = colour(line.colour);
  const format = line.isRight === true ? (chart.formatRight ?? chart.format) : chart.format;
  return {
    label: line.label,
    scale: line.isRight === true ? 'right' : 'y',
    stroke,
    width: 2,
    points: { show: false },
    value: (_: Plot, value: number | null) => (value === null ? '' : format(value)),
  };
}

/** Powers of ten around what there is. */
function wholePowers(_: Plot, least: number | null, most: number | null): [number, number] {
  const low = 10 ** Math.floor(Math.log10(Math.max(least ?? 1, 1)));
  return [low, Math.max(10 ** Math.ceil(Math.log10(Math.max(most ?? 1, 1))), low * 10)];
}

function drawCharts(): void {
  for (const chart of CHARTS) draw(chart);
}

/** In other colours. */
function redrawCharts(): void {
  for (const plot of plots.values()) plot.destroy();
  plots.clear();
  drawCharts();
}

// Words and tables ------------------------------------------------------------------------------------------

function last(values: Values): number | undefined {
  return values.at(-1) ?? undefined;
}

function drawTiles(): void {
  const latest = (column: Column): number => valuesOf(column).at(-1) ?? 0;
  const rate = last(rateOf('total_commands_processed'));
  const hits = last(hitRate());
  const latency = last(latencies[1] ?? []);
  const waited = last(rateOf('lock_wait_usec'));
  const tiles: [string, string][] = [
    [rate === undefined ? '–' : compact(rate), 'commands per second'],
    [latency === undefined ? '–' : microsText(latency), '99 % of commands within'],
    [bytesText(latest('used_memory')), 'memory used'],
    [compact(latest('keys')), 'keys'],
    [compact(latest('connected_clients')), 'clients'],
    [hits === undefined ? '–' : percentText(hits), 'hit rate'],
    [waited === undefined ? '–' : percentText(waited * 1e-4), 'waiting for the lock'],
    [compact(latest('rdb_changes_since_last_save')), 'changes without a snapshot'],
  ];
  element('tiles').replaceChildren(
    ...tiles.map(([value, label]) => {
      const tile = create('div', create('b', value), create('span', label));
      tile.className = 'tile';
      return tile;
    }),
  );
  document.title = rate === undefined ? 'redis-clone-ts' : `${compact(rate)}/s · redis-clone-ts`;
}

function drawFacts({ facts, problems }: StatusReport): void {
  const words = [
    `version ${facts['redis_clone_version']} (Redis ${facts['redis_version']})`,
    facts['server_mode'] === 'threaded' ? 'threads' : 'event loop',
    `${facts['io_transport']} transport`,
    `${facts['threads_started']} threads`,
    `port ${facts['tcp_port']}`,
    `pid ${facts['process_id']}`,
    `Node ${facts['node_version']}`,
    `up ${durationText(Number(facts['uptime_in_seconds']))}`,
  ];
  element('facts').textContent = problems.length > 0 ? '' : words.join(' · ');
  const failures = [
    ...problems,
    facts['rdb_last_bgsave_status'] === 'err' ? 'The last snapshot failed; the log says why.' : '',
    facts['aof_last_write_status'] === 'err'
      ? 'The append-only file cannot be written; the log says why.'
      : '',
    facts['aof_last_bgrewrite_status'] === 'err' ? 'The last rewrite of the append-only file failed.' : '',
  ].filter((text) => text !== '');
  say(failures.join(' '));
  const isLoading = facts['loading'] === '1';
  const share = facts['loading_loaded_perc'] ?? '';
  showState(isLoading ? `loading ${share} %` : 'serving', failures.length === 0);
}

function say(problem: string): void {
  const note = element('problem');
  note.hidden = problem === '';
  note.textContent = problem;
}

function showState(text: string, isGood: boolean): void {
  const state = element('state');
  state.textContent = text;
  state.className = isGood ? 'state' : 'state bad';
}

function durationText(seconds: number): string {
  if (seconds >= 172_800) return `${Math.floor(seconds / 86_400)} days`;
  if (seconds >= 7200) return `${Math.floor(seconds / 3600)} hours`;
  return seconds >= 120 ? `${Math.floor(seconds / 60)} minutes` : `${Math.floor(seconds)} seconds`;
}

function cells(...texts: string[]): PageElement {
  return create('tr', ...texts.map((text) => create('td', text)));
}

function textCell(text: string): PageElement {
  const cell = create('td', text);
  cell.className = 'text';
  return cell;
}

function nothing(text: string, columnCount: number): PageElement {
  const cell = create('td', text);
  cell.setAttribute('colspan', String(columnCount));
  cell.className = 'left soft';
  return create('tr', cell);
}

function drawSlow({ slow, time }: StatusReport): void {
  const made = slow.map((entry) => {
    const ago = durationText(Math.max(0, time / 1000 - entry.time));
    const row = cells(`${ago} ago`, microsText(entry.micros));
    row.append(textCell(entry.command), create('td', entry.client));
    return row;
  });
  element('slow').replaceChildren(...(made.length === 0 ? [nothing('None.', 4)] : made));
}

function drawCommands(report: StatusReport): void {
  const earlier = new Map(before?.commands.map((command) => [command.name, command]));
  const seconds = before === undefined ? 0 : (report.time - before.time) / 1000;
  const total = report.commands.reduce((all, { micros }) => all + micros, 0);
  const rateText = ({ name, calls }: CommandFacts): string => {
    if (seconds <= 0) return '';
    const step = calls - (earlier.get(name)?.calls ?? 0);
    return step <= 0 ? '' : compact(step / seconds);
  };
  const within = (micros: number | undefined): string => (micros === undefined ? '' : microsText(micros));
  const longest = [...report.commands]
    .sort((left, right) => right.micros - left.micros)
    .slice(0, COMMANDS_MAX);
  element('commands').replaceChildren(
    ...longest.map((command) =>
      cells(
        command.name.replace('|', ' ').toUpperCase(),
        rateText(command),
        command.calls.toLocaleString('en'),
        total === 0 ? '' : percentText((command.micros / total) * 100),
        command.calls === 0 ? '' : microsText(command.micros / command.calls),
        within(command.percentiles['p50']),
        within(command.percentiles['p99']),
        command.failures === 0 ? '' : command.failures.toLocaleString('en'),
      ),
    ),
  );
}

// The browser of keys ---------------------------------------------------------------------------------------

/** What is being looked at: where SCAN goes on. */
const search = { database: '0', pattern: '', type: '', cursor: '0', foundCount: 0 };
let shownDatabases = '';

function drawDatabases({ databases }: StatusReport): void {
  const options = databases.length === 0 ? [{ index: 0, keys: 0 }] : databases;
  const text = JSON.stringify(options.map(({ index }) => index));
  const select = element('database');
  // The list is made anew only when it has changed: it may be open.
  if (text === shownDatabases) return;
  const chosen = select.value;
  shownDatabases = text;
  select.replaceChildren(
    ...options.map(({ index }) => {
      const option = create('option', `db${index}`);
      option.value = String(index);
      return option;
    }),
  );
  if (options.some(({ index }) => String(index) === chosen)) select.value = chosen;
}

function lookAnew(): void {
  search.database = element('database').value || '0';
  search.pattern = element('pattern').value;
  const type = element('type').value;
  search.type = type === KEY_TYPES[0] ? '' : type;
  search.cursor = '0';
  search.foundCount = 0;
  element('keys').replaceChildren();
  element('value').hidden = true;
  void lookOn();
}

async function lookOn(): Promise<void> {
  const more = element('more');
  more.disabled = true;
  const { database, pattern, type, cursor } = search;
  const query = parameters({ db: database, cursor, match: pattern, type });
  try {
    const page = (await ask(`/api/keys?${query}`)) as KeyPage;
    element('keys').append(...page.keys.map(keyRow));
    search.cursor = page.cursor;
    search.foundCount += page.keys.length;
    const isOver = page.cursor === '0';
    more.hidden = isOver;
    more.disabled = false;
    element('found').textContent = `${search.foundCount} found${isOver ? ', that is all' : ' so far'}`;
  } catch (error) {
    more.hidden = true;
    element('found').textContent = (error as Error).message;
  }
}

function keyRow(key: KeyFacts): PageElement {
  const open = create('button', key.name);
  open.className = 'plain';
  open.type = 'button';
  const row = create('tr', create('td', open));
  row.className = 'key';
  row.addEventListener('click', () => void showValue(key));
  const expires = key.ttlMillis < 0 ? 'never' : `in ${durationText(key.ttlMillis / 1000)}`;
  for (const text of [key.type, key.encoding, expires, bytesText(key.bytes)]) row.append(create('td', text));
  return row;
}

async function showValue({ id, name }: KeyFacts): Promise<void> {
  const into = element('value');
  into.hidden = false;
  try {
    const query = parameters({ db: search.database, key: id });
    const value = (await ask(`/api/value?${query}`)) as ValueFacts;
    const unit = value.type === 'string' ? 'bytes' : 'elements';
    const shown =
      value.rows.length < value.length && value.type !== 'string' ? `, ${value.rows.length} shown` : '';
    const head = create('tr', ...value.columns.map((column) => create('th', column)));
    const table = create(
      'table',
      create('thead', head),
      create('tbody', ...value.rows.map((row) => create('tr', ...row.map(textCell)))),
    );
    table.className = 'left';
    const note = create('p', `${value.type}, ${value.length.toLocaleString('en')} ${unit}${shown}`);
    note.className = 'soft';
    into.replaceChildren(create('h3', name), note, table);
  } catch (error) {
    into.replaceChildren(create('h3', name), create('p', (error as Error).message));
  }
}

function parameters(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
}

// The loop --------------------------------------------------------------------------------------------------

async function ask(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MILLIS_MAX) });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.json();
}

async function refresh(): Promise<void> {
  const since = rows.at(-1)?.[0] ?? 0;
  const report = (await ask(`/api/status?since=${since}`)) as StatusReport;
  columns = report.columns;
  rows = [...rows, ...report.rows].slice(-ROWS_MAX);
  addLatencies(report);
  drawFacts(report);
  drawTiles();
  drawCharts();
  drawSlow(report);
  drawCommands(report);
  drawDatabases(report);
  before = report;
}

async function run(): Promise<void> {
  try {
    await refresh();
  } catch (error) {
    showState('no answer', false);
    say((error as Error).message);
  }
  setTimeout(() => void run(), ASK_MILLIS);
}

function addChoices(): void {
  const set = create('fieldset', create('legend', 'Minutes'));
  for (const choice of MINUTE_CHOICES) {
    const input = create('input');
    input.type = 'radio';
    input.name = 'minutes';
    input.checked = choice === minutes;
    input.addEventListener('change', () => {
      minutes = choice;
      drawCharts();
    });
    set.append(create('label', input, create('span', String(choice))));
  }
  element('choices').append(set);
  element('type').append(...KEY_TYPES.map((type) => create('option', type)));
}

addChoices();
element('search').addEventListener('submit', (event) => {
  event.preventDefault();
  lookAnew();
});
element('more').addEventListener('click', () => void lookOn());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawCharts);
new ResizeObserver(() => {
  for (const [id, plot] of plots) plot.setSize({ width: element(id).clientWidth, height: HEIGHT_PIXELS });
}).observe(document.documentElement);
void run();
