// Decides which points of a plot get a name beside them: greedily, in order of importance, without overlaps.

export interface LabelPoint {
  /** Position as a fraction of the plot's width and height. */
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

const CHARACTER = 6.6;
const LINE = 14;
/** Room between the outermost points and the plot's edges, as a share of its width. */
const MARGIN = 0.06;

/**
 * Returns the texts; those that would overlap an earlier one are empty. `width` and `height` are in pixels.
 */
export function declutter(points: readonly LabelPoint[], width: number, height: number): string[] {
  const placed: { x: number; y: number; half: number }[] = [];
  return points.map(({ x, y, text }) => {
    const box = { x: x * width, y: y * height, half: (text.length * CHARACTER) / 2 };
    const hits = placed.some(
      (other) => Math.abs(other.x - box.x) < other.half + box.half && Math.abs(other.y - box.y) < LINE,
    );
    if (hits) return "";
    placed.push(box);
    return text;
  });
}

/** Returns the side of a point on which the plot's edges do not cut its text. */
export function side(x: number, text: string, width: number): "left" | "center" | "right" {
  const needed = (text.length * CHARACTER) / 2 - MARGIN * width;
  if (x * width < needed) return "right";
  return (1 - x) * width < needed ? "left" : "center";
}

/**
 * Returns a title broken between words into lines of at most `length` characters, where the words allow it.
 */
export function titleLines(text: string, length: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= length)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

const LABEL_GAP = 13;

/** Returns the texts at the right end of lines; those too near an earlier one are empty. `y` is in pixels. */
export function endLabels(ends: readonly { readonly y: number; readonly text: string }[]): string[] {
  const placed: number[] = [];
  return ends.map(({ y, text }) => {
    if (placed.some((other) => Math.abs(other - y) < LABEL_GAP)) return "";
    placed.push(y);
    return text;
  });
}

/** Returns about `count` round numbers from 0 to `end`. */
export function ticks(end: number, count: number): number[] {
  const wanted = end / Math.max(2, count);
  const size = 10 ** Math.floor(Math.log10(Math.max(1, wanted)));
  const step = [1, 2, 5, 10].map((n) => n * size).find((n) => n >= wanted) ?? 1;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, n) => n * step);
}
