/**
 * What the scripts of all pages use, in the reader's browser. The text of these modules, as compiled, is put
 * before that of the page's own script (inline-script.ts): they import nothing from the server, and names at
 * their top level are those of one program.
 */

/** The little of the browser that is used: the server's code is compiled without the DOM's types. */
export interface PageElement {
  id: string;
  className: string;
  textContent: string | null;
  title: string;
  type: string;
  name: string;
  value: string;
  href: string;
  checked: boolean;
  hidden: boolean;
  disabled: boolean;
  readonly clientWidth: number;
  append(...children: (PageElement | string)[]): void;
  replaceChildren(...children: (PageElement | string)[]): void;
  setAttribute(name: string, value: string): void;
  addEventListener(
    event: 'change' | 'click' | 'submit',
    listener: (event: { preventDefault(): void }) => void,
  ): void;
}

export interface PageDocument {
  readonly documentElement: PageElement;
  title: string;
  getElementById(id: string): PageElement | null;
  createElement(name: string): PageElement;
}

export type MatchMedia = (query: string) => {
  addEventListener(event: 'change', listener: () => void): void;
};

export type SizeObserver = new (listener: () => void) => { observe(element: PageElement): void };

/** A chart of uPlot. */
export interface Plot {
  readonly ctx: {
    fillStyle: string;
    globalAlpha: number;
    fillRect(x: number, y: number, width: number, height: number): void;
  };
  readonly bbox: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
  readonly series: readonly { readonly show?: boolean }[];
  valToPos(value: number, scale: string, canvasPixels: boolean): number;
  setSize(size: { readonly width: number; readonly height: number }): void;
  setData(data: PlotData): void;
  destroy(): void;
}

export type PlotData = readonly (readonly (number | null)[])[];

export type PlotMaker = new (options: object, data: PlotData, into: PageElement) => Plot;

declare const document: PageDocument;
declare function getComputedStyle(element: PageElement): { getPropertyValue(name: string): string };

const AXIS_FONT = '12px system-ui, sans-serif';

export function element(id: string): PageElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

export function create(name: string, ...children: (PageElement | string)[]): PageElement {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

/** The value of a style variable: charts are drawn in the colours of the page. */
export function colour(variable: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}

/** `12.3k`, `1.2M`, or up to three digits. */
export function compact(value: number): string {
  if (value >= 1e6) return `${trim(value / 1e6)}M`;
  if (value >= 1e4) return `${trim(value / 1e3)}k`;
  return trim(value);
}

export function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** How the axes of all charts look. */
export function axisStyle(): object {
  return {
    stroke: colour('--ink-soft'),
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { stroke: colour('--grid'), width: 1 },
    font: AXIS_FONT,
    labelFont: AXIS_FONT,
    labelSize: 22,
  };
}

/** From zero to a little more than the largest value. */
export function fromZero(_plot: Plot, _low: number, most: number): [number, number] {
  return [0, most > 0 ? most * 1.08 : 1];
}

/** The powers of ten in a range: the lines of a logarithmic scale. */
export function powers(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low));
  const last = Math.floor(Math.log10(high));
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}
