/** What measurements print: tables on standard output, and on standard error what is going on. */

/** A line of a table; all lines of one table have the same columns. */
export type Row = Readonly<Record<string, string | number>>;

/** Rows under a heading, numbers right-aligned; a blank line before, no end of line after. */
export function tableText(title: string, rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const widths = columns.map((name) => Math.max(name.length, ...rows.map((row) => `${row[name]}`.length)));
  const isNumeric = columns.map((name) => rows.every((row) => /^[-\d.,]+$/.test(`${row[name]}`)));
  const line = (cells: readonly (string | number)[]): string =>
    cells
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return isNumeric[index] === true ? `${cell}`.padStart(width) : `${cell}`.padEnd(width);
      })
      .join('  ')
      .trimEnd();

  return [
    '',
    title,
    line(columns),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...rows.map((row) => line(columns.map((name) => row[name] ?? ''))),
  ].join('\n');
}

export function printTable(title: string, rows: readonly Row[]): void {
  console.log(tableText(title, rows));
}

/** Says on standard error what is being measured, so that standard output stays the report. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

export function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-';
}

export function megabytes(bytes: number): string {
  return fixed(bytes / 1024 / 1024, 1);
}

const BAR_CELLS = 30;

export interface ProgressState {
  readonly doneMillis: number;
  readonly totalMillis: number;
  readonly elapsedMillis: number;
  readonly label: string;
  readonly columns: number;
}

/** `[##########....................]  33 %  0:20 left  label`, cut at the terminal's width. */
export function progressText(state: ProgressState): string {
  const share = state.totalMillis === 0 ? 1 : Math.min(1, state.doneMillis / state.totalMillis);
  const full = Math.floor(share * BAR_CELLS);
  const bar = '#'.repeat(full) + '.'.repeat(BAR_CELLS - full);
  const leftSeconds = share === 0 ? NaN : Math.ceil((state.elapsedMillis * (1 / share - 1)) / 1000);
  const left = Number.isNaN(leftSeconds) ? '' : `  ${minutesText(leftSeconds)} left`;
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  return `[${bar}] ${percent} %${left}  ${state.label}`.slice(0, Math.max(0, state.columns - 1));
}

function minutesText(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, '0')}`;
}

/** A progress bar over work whose length is known beforehand; it shows on a terminal only. */
export class ProgressBar {
  readonly #totalMillis: number;
  readonly #begin = performance.now();
  #doneMillis = 0;

  constructor(totalMillis: number) {
    this.#totalMillis = totalMillis;
  }

  /** What is being done now. */
  show(label: string): void {
    progress(
      progressText({
        doneMillis: this.#doneMillis,
        totalMillis: this.#totalMillis,
        elapsedMillis: performance.now() - this.#begin,
        label,
        columns: process.stderr.columns,
      }),
    );
  }

  /** A part of the work is done. */
  advance(millis: number): void {
    this.#doneMillis += millis;
  }

  clear(): void {
    progress('');
  }
}
