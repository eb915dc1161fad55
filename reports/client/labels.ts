// Which points of a plot get their name written beside them: greedily, in order of importance, none over another.

export interface LabelPoint {
  /** Position as a fraction of the plot's width and height. */
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

const CHARACTER = 6.6;
const LINE = 14;

/** The texts, with those that would overlap an earlier one left empty. `width` and `height` in pixels. */
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
