/**
 * The script of the report: it runs in the reader's browser, beside uPlot, and draws the figures that the
 * page carries. It is inlined as it was compiled, and what it imports from web/ before it.
 */
import { axisStyle, colour, compact, create, element, fromZero, powers, trim } from '../web/page-tools.ts';
import type {
  MatchMedia,
  PageDocument,
  PageElement,
  Plot,
  PlotMaker,
  SizeObserver,
} from '../web/page-tools.ts';
import type { Cell, Comparison, LogPolicy, ServerName, WaitHistogram } from './figures.ts';

declare const document: PageDocument;
declare const matchMedia: MatchMedia;
declare const ResizeObserver: SizeObserver;
declare const uPlot: PlotMaker;

/** What the reader has chosen to see. */
interface Selection {
  log: LogPolicy;
  valueBytes: number;
  readsPercent: number;
  pipeline: number;
  clients: number;
  window: 'saving' | 'alone';
}

/** A line, or a colour of bars. */
interface Line {
  readonly server: ServerName;
  readonly values: readonly (number | null)[];
}

interface Chart {
  readonly id: string;
  /** Positions of the points, and what stands below the axis at `ticks`. */
  readonly x: readonly number[];
  readonly ticks: readonly number[];
  readonly tickLabels: readonly string[];
  readonly xTitle: string;
  readonly yTitle: string;
  readonly lines: readonly Line[];
  readonly isLog?: boolean;
  readonly isBars?: boolean;
  readonly format: (value: number) => string;
}

const HEIGHT_PIXELS = 300;
/** Values further apart than this are shown on a logarithmic scale. */
const WIDE_RATIO = 15;
const MEBIBYTE = 1024 * 1024;

const comparison = JSON.parse(element('figures').textContent ?? '') as Comparison;
const shown = comparison.servers.filter(({ unavailable }) => unavailable === undefined);
const plots = new Map<string, Plot>();
const selection: Selection = {
  log: firstOf('log', 'off'),
  valueBytes: firstOf('valueBytes'),
  readsPercent: firstOf('readsPercent'),
  pipeline: firstOf('pipeline'),
  clients: choicesOf('clients').includes(50) ? 50 : Math.max(...choicesOf('clients')),
  window: 'saving',
};

/** The values of a dimension that were measured, in the order in which they were. */
function choicesOf<Name extends keyof Cell & keyof Selection>(name: Name): Cell[Name][] {
  return [...new Set(comparison.cells.map((cell) => cell[name]))];
}

function firstOf<Name extends keyof Cell & keyof Selection>(name: Name, preferred?: Cell[Name]): Cell[Name] {
  const choices = choicesOf(name);
  return choices.find((choice) => choice === preferred) ?? (choices[0] as Cell[Name]);
}

/** The cells of what is selected, `clients` left open. */
function selectedCells(server: ServerName): Cell[] {
  return comparison.cells.filter(
    (cell) =>
      cell.server === server &&
      cell.log === selection.log &&
      cell.valueBytes === selection.valueBytes &&
      cell.readsPercent === selection.readsPercent &&
      cell.pipeline === selection.pipeline,
  );
}

function linesOf(values: (server: ServerName) => (number | null)[]): Line[] {
  return shown.map(({ name }) => ({ server: name, values: values(name) }));
}

/** A value of each cell by the number of clients, at even distances: 1, 10, 50, 200 are no straight scale. */
function byClients(id: string, yTitle: string, valueOf: (cell: Cell) => number): Chart {
  const clients = choicesOf('clients');
  const x = clients.map((_, index) => index);
  return {
    id,
    x,
    ticks: x,
    tickLabels: clients.map(String),
    xTitle: 'clients at a time',
    yTitle,
    format: compact,
    lines: linesOf((server) => {
      const cells = selectedCells(server);
      return clients.map((count) => {
        const cell = cells.find((candidate) => candidate.clients === count);
        return cell === undefined ? null : valueOf(cell);
      });
    }),
  };
}

/** Beside a value that is many times as high, small ones could not be told apart. */
function logIfWide(chart: Chart): Chart {
  const values = positiveValues(chart);
  return { ...chart, isLog: Math.max(...values) > WIDE_RATIO * Math.min(...values) };
}

function positiveValues({ lines }: Chart): number[] {
  return lines.flatMap(({ values }) => values).filter((value): value is number => (value ?? 0) > 0);
}

function latencyChart(): Chart {
  const x = comparison.percents.map((_, index) => index);
  return {
    id: 'latency',
    x,
    ticks: x,
    tickLabels: comparison.percents.map((percent) => (percent === 100 ? 'max' : String(percent))),
    xTitle: `percent of batches (${selection.clients} clients)`,
    yTitle: 'milliseconds or less',
    isLog: true,
    format: trim,
    lines: linesOf((server) => {
      const cell = selectedCells(server).find(({ clients }) => clients === selection.clients);
      return comparison.percents.map((_, index) => cell?.latencyMillis[index] ?? null);
    }),
  };
}

function footprintChart(id: string, yTitle: string, field: 'residentBytes' | 'threads', unit: number): Chart {
  const prints = comparison.footprints.filter(
    ({ log, valueBytes }) => log === selection.log && valueBytes === selection.valueBytes,
  );
  const clients = [...new Set(prints.map((print) => print.clients))].sort((left, right) => left - right);
  return {
    id,
    x: clients,
    ticks: spread(clients),
    tickLabels: spread(clients).map(String),
    xTitle: 'clients connected',
    yTitle,
    format: compact,
    lines: linesOf((server) =>
      clients.map((count) => {
        const found = prints.find((print) => print.server === server && print.clients === count);
        return found === undefined ? null : found[field] / unit;
      }),
    ),
  };
}

/** Those of the ascending values whose labels would not run into each other. */
function spread(values: readonly number[]): number[] {
  const least = (values.at(-1) ?? 0) / 25;
  return values.filter((value, index) => index === 0 || value - (values[index - 1] ?? 0) >= least);
}

function waitsOf(server: ServerName): WaitHistogram | undefined {
  return comparison.pauses.find((pauses) => pauses.server === server)?.[selection.window];
}

function pauseChart(): Chart {
  const steps = comparison.waitStepsMicros;
  // The steps that any server needs, in either window: the picture keeps its frame when the window changes.
  const all = comparison.pauses.flatMap(({ alone, saving }) => [alone.counts, saving.counts]);
  const isUsed = (index: number): boolean => all.some((counts) => (counts[index] ?? 0) > 0);
  const indexes = [...steps, Infinity].map((_, index) => index);
  const used = indexes.filter(isUsed);
  const kept = indexes.filter((index) => index >= (used[0] ?? 0) && index <= (used.at(-1) ?? 0));
  const x = kept.map((_, position) => position);
  return {
    id: 'pauses',
    x,
    ticks: x,
    tickLabels: kept.map((index) =>
      index < steps.length ? trim((steps[index] ?? 0) / 1000) : `> ${trim((steps.at(-1) ?? 0) / 1000)}`,
    ),
    xTitle: 'milliseconds waited, up to',
    yTitle: 'probes',
    isLog: true,
    isBars: true,
    format: compact,
    lines: linesOf((server) => kept.map((index) => waitsOf(server)?.counts[index] || null)),
  };
}

function charts(): Chart[] {
  return [
    byClients('throughput', 'commands per second', (cell) => cell.requestsPerSecond),
    logIfWide(byClients('cpu', 'microseconds of CPU per command', (cell) => cell.cpuMicros)),
    latencyChart(),
    footprintChart('memory', 'MiB resident', 'residentBytes', MEBIBYTE),
    footprintChart('threads', 'threads', 'threads', 1),
    pauseChart(),
  ];
}

function draw(chart: Chart): void {
  plots.get(chart.id)?.destroy();
  plots.delete(chart.id);
  const into = element(chart.id);
  if (chart.lines.every(({ values }) => values.every((value) => value === null))) {
    into.replaceChildren('Nothing was measured for this choice.');
    return;
  }
  into.replaceChildren();
  plots.set(chart.id, new uPlot(plotOptions(chart, into), [chart.x, ...chart.lines.map(valuesOf)], into));
}

function valuesOf({ values }: Line): readonly (number | null)[] {
  return values;
}

function plotOptions(chart: Chart, into: PageElement): object {
  const axis = axisStyle();
  const labelAt = new Map(chart.ticks.map((tick, index) => [tick, chart.tickLabels[index] ?? '']));
  const labelOfPoint = (_: Plot, value: number | null): string =>
    value === null ? '' : (labelAt.get(value) ?? String(value));
  return {
    width: into.clientWidth,
    height: HEIGHT_PIXELS,
    cursor: { drag: { x: false, y: false }, points: { size: 9 } },
    scales: {
      x: { time: false, range: () => xRange(chart) },
      y: { distr: chart.isLog ? 3 : 1, range: chart.isLog ? logRange(chart) : fromZero },
    },
    axes: [
      {
        ...axis,
        size: 34,
        label: chart.xTitle,
        grid: { show: false },
        splits: () => chart.ticks,
        values: () => chart.tickLabels,
      },
      {
        ...axis,
        label: chart.yTitle,
        size: 58,
        ...(chart.isLog
          ? { splits: (_: Plot, __: number, low: number, high: number) => powers(low, high) }
          : {}),
        values: (_: Plot, splits: number[]) => splits.map(chart.format),
      },
    ],
    legend: { markers: { fill: (_: Plot, index: number) => colour(`--${chart.lines[index - 1]?.server}`) } },
    series: [{ label: chart.xTitle, value: labelOfPoint }, ...chart.lines.map((line) => series(chart, line))],
    hooks: chart.isBars ? { draw: [(plot: Plot) => drawBars(plot, chart)] } : {},
  };
}

function series(chart: Chart, { server }: Line): object {
  const stroke = colour(`--${server}`);
  const common = {
    label: shown.find(({ name }) => name === server)?.label ?? server,
    stroke,
    value: (_: Plot, value: number | null) => (value === null ? '' : chart.format(value)),
  };
  if (chart.isBars) return { ...common, fill: stroke, paths: () => null, points: { show: false } };
  return {
    ...common,
    width: 2,
    spanGaps: true,
    points: { show: true, size: 7, fill: stroke },
    // The original is the measure for the others, not one of them.
    ...(server === 'redis' ? { dash: [6, 4] } : {}),
  };
}

function xRange({ x, isBars }: Chart): [number, number] {
  const [first = 0] = x;
  const last = x.at(-1) ?? 0;
  const margin = isBars ? 0.5 : Math.max(last - first, 1) * 0.04;
  return [first - margin, last + margin];
}

/** Whole powers of ten around all values; bars of a single probe must show, so they begin below one. */
function logRange(chart: Chart): () => [number, number] {
  const values = positiveValues(chart);
  const low = chart.isBars ? 0.5 : 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  return () => [low, Math.max(high, low * 10)];
}

/** Bars in groups: one group for each position, one bar for each server. */
function drawBars(plot: Plot, chart: Chart): void {
  const groupWidth = (plot.valToPos(1, 'x', true) - plot.valToPos(0, 'x', true)) * 0.8;
  const barWidth = groupWidth / chart.lines.length;
  const bottom = plot.bbox.top + plot.bbox.height;
  for (const [lineIndex, { server, values }] of chart.lines.entries()) {
    if (plot.series[lineIndex + 1]?.show === false) continue;
    plot.ctx.fillStyle = colour(`--${server}`);
    for (const [index, value] of values.entries()) {
      if (value === null) continue;
      const left = plot.valToPos(chart.x[index] ?? 0, 'x', true) - groupWidth / 2 + lineIndex * barWidth;
      const top = plot.valToPos(value, 'y', true);
      plot.ctx.fillRect(left, top, Math.max(1, barWidth - 2), bottom - top);
    }
  }
}

/** The table above the charts: every server at the chosen number of clients. */
function drawGlance(): void {
  const rows = shown.flatMap(({ name, label }) => {
    const cell = selectedCells(name).find(({ clients }) => clients === selection.clients);
    if (cell === undefined) return [];
    const print = comparison.footprints.find(
      ({ server, log, valueBytes, clients }) =>
        server === name && log === cell.log && valueBytes === cell.valueBytes && clients === cell.clients,
    );
    const latency = (percent: number): string =>
      `${trim(cell.latencyMillis[comparison.percents.indexOf(percent)] ?? NaN)} ms`;
    return [
      row(create('span', swatch(name), label), [
        compact(cell.requestsPerSecond),
        `${trim(cell.cpuMicros)} µs`,
        latency(50),
        latency(99),
        latency(99.9),
        print === undefined ? '' : `${compact(print.residentBytes / MEBIBYTE)} MiB`,
        print === undefined ? '' : String(print.threads),
        `${Math.round(cell.loadBusyShare * 100)} %`,
      ]),
    ];
  });
  element('glance').replaceChildren(...rows);
}

function row(head: PageElement, cells: readonly string[]): PageElement {
  const first = create('th', head);
  first.setAttribute('scope', 'row');
  return create('tr', first, ...cells.map((text) => create('td', text)));
}

function swatch(server: ServerName): PageElement {
  const made = create('i');
  made.className = `swatch ${server}`;
  return made;
}

/** A row of choices, of which one holds; none if there is nothing to choose. */
function choice<Name extends keyof Selection>(
  into: string,
  name: Name,
  title: string,
  options: readonly (readonly [Selection[Name], string])[],
): void {
  if (options.length < 2) return;
  const set = create('fieldset', create('legend', title));
  for (const [value, text] of options) {
    const input = create('input');
    input.type = 'radio';
    input.name = name;
    input.value = String(value);
    input.checked = selection[name] === value;
    input.addEventListener('change', () => {
      selection[name] = value;
      drawAll();
    });
    set.append(create('label', input, create('span', text)));
  }
  element(into).append(set);
}

function drawAll(): void {
  drawGlance();
  for (const chart of charts()) draw(chart);
}

function logText(log: LogPolicy): string {
  return log === 'off' ? 'none' : `fsync ${log}`;
}

function addChoices(): void {
  const options = <Name extends keyof Cell & keyof Selection>(
    name: Name,
    textOf: (value: Cell[Name]) => string,
  ): [Cell[Name], string][] => choicesOf(name).map((value) => [value, textOf(value)]);

  choice('choices', 'clients', 'Clients', options('clients', String));
  choice('choices', 'pipeline', 'Pipelining', options('pipeline', String));
  choice(
    'choices',
    'readsPercent',
    'GET / SET',
    options('readsPercent', (percent) => `${percent} / ${100 - percent} %`),
  );
  choice(
    'choices',
    'valueBytes',
    'Value',
    options('valueBytes', (bytes) => `${bytes} B`),
  );
  choice('choices', 'log', 'Append-only file', options('log', logText));
  choice('pause-choices', 'window', 'Show', [
    ['saving', 'during BGSAVE'],
    ['alone', 'without'],
  ]);
}

addChoices();
drawAll();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
new ResizeObserver(() => {
  for (const [id, plot] of plots) plot.setSize({ width: element(id).clientWidth, height: HEIGHT_PIXELS });
}).observe(document.documentElement);
