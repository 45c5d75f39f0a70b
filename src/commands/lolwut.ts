/**
 * The artworks of LOLWUT (Redis 7.0 lolwut5.c and lolwut6.c), each a small essay on randomness:
 *
 *     5   "Schotter" by Georg Nees, 1968: rows of squares that fall into disorder, drawn with Braille dots
 *     6   a skyline as in games for 8-bit machines: three layers of houses in shades of grey
 */
import type { RandomSource } from '../util/random.ts';

export interface Artwork {
  /** The arguments it takes, in order. */
  readonly sizes: readonly { readonly preset: number; readonly max: number }[];
  /** What stands below the drawing, before the version. */
  readonly caption: string;
  readonly draw: (sizes: readonly number[], random: RandomSource) => string;
}

/** By the number that LOLWUT VERSION gives. */
export const ARTWORKS: Readonly<Record<number, Artwork>> = {
  5: {
    sizes: [
      { preset: 66, max: 1000 },
      { preset: 8, max: 200 },
      { preset: 12, max: 200 },
    ],
    caption: 'Georg Nees - schotter, plotter on paper, 1968.',
    draw: ([columns, squaresPerRow, squaresPerColumn], random) =>
      drawSchotter(
        { columns: columns!, squaresPerRow: squaresPerRow!, squaresPerColumn: squaresPerColumn! },
        random,
      ),
  },
  6: {
    sizes: [
      { preset: 80, max: 1000 },
      { preset: 20, max: 1000 },
    ],
    caption:
      'Dedicated to the 8 bit game developers of past and present.\n' +
      'Original 8 bit image from Plaguemon by hikikomori.',
    draw: ([columns, rows], random) => drawSkyline(columns!, rows!, random),
  },
};

/** A raster of colors; what lies outside is neither drawn nor seen. */
class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #pixels: Uint8Array;

  constructor(width: number, height: number, background: number) {
    this.width = width;
    this.height = height;
    this.#pixels = new Uint8Array(width * height).fill(background);
  }

  get(x: number, y: number): number {
    return this.#isInside(x, y) ? this.#pixels[y * this.width + x]! : 0;
  }

  set(x: number, y: number, color: number): void {
    if (this.#isInside(x, y)) this.#pixels[y * this.width + x] = color;
  }

  #isInside(x: number, y: number): boolean {
    return x >= 0 && x < this.width && y >= 0 && y < this.height;
  }
}

// Schotter --------------------------------------------------------------------------------------------------

const DOTS_PER_COLUMN = 2;
const DOTS_PER_ROW = 4;
const BRAILLE_BLANK = 0x2800;
/** Dots of a Braille character by bit: the block was 2 × 3 dots before it was extended downwards. */
const BRAILLE_DOTS = [
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 0],
  [1, 1],
  [1, 2],
  [0, 3],
  [1, 3],
] as const;

interface SchotterSize {
  readonly columns: number;
  readonly squaresPerRow: number;
  readonly squaresPerColumn: number;
}

/** The deeper the row, the more its squares are turned and shifted. */
function drawSchotter(size: SchotterSize, random: RandomSource): string {
  const width = size.columns * DOTS_PER_COLUMN;
  const padding = width > 4 ? 2 : 0;
  const side = Math.fround((width - padding * 2) / size.squaresPerRow);
  const height = Math.trunc(Math.fround(Math.fround(side * size.squaresPerColumn) + padding * 2));
  const canvas = new Canvas(width, height, 0);

  for (let row = 0; row < size.squaresPerColumn; row++) {
    const disorder = row > 1 ? row / size.squaresPerColumn : 0;
    const deviation = () => (random.nextFloat() * 2 - 1) * disorder;
    for (let column = 0; column < size.squaresPerRow; column++) {
      const x = centerOf(column, side, padding);
      const y = centerOf(row, side, padding);
      const shiftX = (deviation() * side) / 3;
      const shiftY = (deviation() * side) / 3;
      drawSquare(canvas, Math.trunc(x + shiftX), Math.trunc(y + shiftY), side, deviation());
    }
  }
  return renderBraille(canvas);
}

/** In the middle of a dot it matters that the original computes with C's `float`. */
function centerOf(index: number, side: number, padding: number): number {
  return Math.trunc(Math.fround(Math.fround(Math.fround(index * side) + side / 2) + padding));
}

/** A square around (x, y), turned by `angle` in radians. */
function drawSquare(canvas: Canvas, x: number, y: number, side: number, angle: number): void {
  const radius = roundAwayFromZero(side / Math.SQRT2);
  const corner = (index: number) => {
    const direction = Math.PI / 4 + angle + (index * Math.PI) / 2;
    return [
      roundAwayFromZero(Math.sin(direction) * radius + x),
      roundAwayFromZero(Math.cos(direction) * radius + y),
    ] as const;
  };
  for (let side = 0; side < 4; side++) drawLine(canvas, corner(side), corner(side + 1));
}

/** Half a dot goes away from zero on both sides, or the square would lean. */
function roundAwayFromZero(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

/** Bresenham's line, both ends included. */
function drawLine(canvas: Canvas, from: readonly [number, number], to: readonly [number, number]): void {
  let [x, y] = from;
  const deltaX = Math.abs(to[0] - x);
  const deltaY = Math.abs(to[1] - y);
  const stepX = x < to[0] ? 1 : -1;
  const stepY = y < to[1] ? 1 : -1;
  let error = deltaX - deltaY;
  for (;;) {
    canvas.set(x, y, 1);
    if (x === to[0] && y === to[1]) return;
    const doubled = error * 2;
    if (doubled > -deltaY) {
      error -= deltaY;
      x += stepX;
    }
    if (doubled < deltaX) {
      error += deltaX;
      y += stepY;
    }
  }
}

function renderBraille(canvas: Canvas): string {
  const lines: string[] = [];
  for (let top = 0; top < canvas.height; top += DOTS_PER_ROW) {
    let line = '';
    for (let left = 0; left < canvas.width; left += DOTS_PER_COLUMN) {
      const dots = BRAILLE_DOTS.reduce(
        (bits, [x, y], bit) => bits | (canvas.get(left + x, top + y) << bit),
        0,
      );
      line += String.fromCharCode(BRAILLE_BLANK + dots);
    }
    lines.push(line);
  }
  // The original ends its last line only when that line has more than one row of dots.
  return lines.join('\n') + (canvas.height % DOTS_PER_ROW === 1 ? '' : '\n');
}

// Skyline ---------------------------------------------------------------------------------------------------

const BLACK = 0;
const DARK_GRAY = 1;
const LIGHT_GRAY = 2;
const WHITE = 3;
/** Foreground and background alike: terminals differ less in what they make of it. */
const TERMINAL_COLORS = ['0;30;40m', '0;90;100m', '0;37;47m', '0;97;107m'] as const;
/** The first house of a layer begins out of sight. */
const FIRST_OFFSET = -10;

interface House {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  readonly color: number;
  readonly hasWindows: boolean;
}

function drawSkyline(columns: number, rows: number, random: RandomSource): string {
  const canvas = new Canvas(columns, rows, WHITE);
  const upTo = (limit: number) => random.nextUint32() % limit;
  drawBackground(canvas, LIGHT_GRAY, upTo);
  drawBackground(canvas, DARK_GRAY, upTo);
  drawForeground(canvas, upTo);
  return renderTerminal(canvas);
}

/** A layer of plain houses; those of the rearmost one, light gray, are taller and overlap. */
function drawBackground(canvas: Canvas, color: number, upTo: (limit: number) => number): void {
  const isRearmost = color === LIGHT_GRAY;
  const half = Math.trunc(canvas.height / 2);
  for (let offset = FIRST_OFFSET; offset < canvas.width;) {
    offset += upTo(8);
    const width = 10 + upTo(9);
    const height = half + Math.trunc(upTo(canvas.height) / (isRearmost ? 2 : 3));
    drawHouse(canvas, { left: offset, width, height, color, hasWindows: false }, upTo);
    offset += isRearmost ? Math.trunc(width / 2) : width + 1;
  }
}

function drawForeground(canvas: Canvas, upTo: (limit: number) => number): void {
  const third = Math.trunc(canvas.height / 3);
  for (let offset = FIRST_OFFSET; offset < canvas.width;) {
    offset += upTo(8);
    let width = 5 + upTo(14);
    if (width % 4 !== 0) width += width % 3;
    const height = third + Math.trunc(upTo(canvas.height) / 2);
    drawHouse(canvas, { left: offset, width, height, color: BLACK, hasWindows: true }, upTo);
    offset += width + 5;
  }
}

function drawHouse(canvas: Canvas, house: House, upTo: (limit: number) => number): void {
  const { left, width } = house;
  const right = left + width - 1;
  const bottom = canvas.height - 1;
  const top = bottom - house.height + 1;
  for (let y = bottom; y >= top; y--) {
    for (let x = left; x <= right; x++) {
      // The roof is four pixels less wide.
      if (y === top && (x <= left + 1 || x >= right - 1)) continue;
      const isInside = x > left + 1 && x < right - 1 && y > top + 1 && y < bottom - 1;
      const color = house.hasWindows && isInside ? windowColor(canvas, house, x, y, top, upTo) : house.color;
      canvas.set(x, y, color);
    }
  }
}

/**
 * Windows are two pixels wide and one tall, since a character is taller than wide; both pixels have one
 * color.
 */
function windowColor(
  canvas: Canvas,
  house: House,
  x: number,
  y: number,
  top: number,
  upTo: (limit: number) => number,
): number {
  const column = x - (house.left + 1);
  const row = y - (top + 1);
  const isWindow = Math.trunc(column / 2) % 2 !== 0 && row % 2 !== 0;
  if (!isWindow) return house.color;
  return column % 2 !== 0 ? canvas.get(x - 1, y) : DARK_GRAY + upTo(2);
}

function renderTerminal(canvas: Canvas): string {
  const lines: string[] = [];
  for (let y = 0; y < canvas.height; y++) {
    let line = '';
    for (let x = 0; x < canvas.width; x++) line += `\x1b[${TERMINAL_COLORS[canvas.get(x, y)]} \x1b[0m`;
    lines.push(line);
  }
  return lines.join('\n');
}
