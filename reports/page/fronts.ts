// Two fronts in one picture without script: rings for the earlier front, discs for the later one, a line for
// each layout on both. The axes are two common objectives.
import { parseMetricName } from "../../profilers/metrics/name.ts";
import type { FrontValues, SweepDiff } from "../diff.ts";
import { formatValue, scaleFor, shownUnit } from "../format.ts";
import { declutter } from "../labels.ts";
import { metricLabel } from "../metrics.ts";
import type { ReportObjective } from "../report-model.ts";
import { type Html, html } from "../text.ts";
import { scroller } from "./parts.ts";

const [WIDTH, HEIGHT] = [720, 380];
const [LEFT, RIGHT, TOP, BOTTOM] = [76, 28, 18, 50];
/** Share of the range that is left free at both ends. */
const MARGIN = 0.05;
const TICKS = 5;

/**
 * Returns speed (across) and quality (up), as in a sweep's own picture, else the first two. Null if the
 * sweeps share only one objective.
 */
function axesOf(objectives: readonly ReportObjective[]): readonly [number, number] | null {
  const find = (measured: boolean): number =>
    objectives.findIndex(({ name }) => (parseMetricName(name).device !== null) === measured);
  const preferred = [find(true), find(false), 0, 1].filter((n) => n >= 0 && n < objectives.length);
  const [x, y] = [...new Set(preferred)];
  return x === undefined || y === undefined ? null : [x, y];
}

/** Returns about `TICKS` round numbers within a range. */
function ticksOf(low: number, high: number): number[] {
  const wanted = (high - low) / TICKS;
  const size = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((n) => n * size).find((n) => n >= wanted)!;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, n) => (first + n) * step);
}

interface Axis {
  readonly at: (value: number) => number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
  readonly title: string;
}

function axisOf(
  { name, direction, unit }: ReportObjective,
  values: readonly number[],
  from: number,
  to: number,
): Axis {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const spare = most > least ? (most - least) * MARGIN : Math.abs(most) * MARGIN || 1;
  const [low, high] = [least - spare, most + spare];
  const at = (value: number): number => from + ((value - low) / (high - low)) * (to - from);
  const scale = scaleFor(values, unit);
  const ticks = ticksOf(low / scale.divisor, high / scale.divisor).map((value) => ({
    at: at(value * scale.divisor),
    text: String(Number(value.toPrecision(6))),
  }));
  const shown = shownUnit(scale.unit);
  const title = `${metricLabel(name)}${shown === "" ? "" : `, ${shown}`} ${direction === "min" ? "↓" : "↑"}`;
  return { at, ticks, title };
}

type Side = "before" | "after";

/** Draws both fronts. `link` returns the address of a trial of one of the sweeps. */
export function frontsPicture(
  { before, after, fronts }: SweepDiff,
  link: (side: Side, trial: number) => string,
): Html | null {
  const axes = axesOf(fronts.objectives);
  if (axes === null) return null;
  const [x, y] = axes;
  const whole = (points: readonly FrontValues[]): FrontValues[] =>
    points.filter(({ values }) => values[x] != null && values[y] != null);
  const [old, now] = [whole(fronts.before), whole(fronts.after)];
  const all = [...old, ...now];
  if (all.length === 0) return null;
  const column = (m: number): number[] => all.map(({ values }) => values[m]!);
  const across = axisOf(fronts.objectives[x]!, column(x), LEFT, WIDTH - RIGHT);
  const up = axisOf(fronts.objectives[y]!, column(y), HEIGHT - BOTTOM, TOP);
  const place = ({ values }: FrontValues) => ({ px: across.at(values[x]!), py: up.at(values[y]!) });
  const was = new Map(old.map((point) => [point.id, place(point)]));
  const moved = now.flatMap((point) => {
    const from = was.get(point.id);
    return from === undefined ? [] : [{ from, to: place(point) }];
  });
  const names = declutter(
    now.map((point) => {
      const { px, py } = place(point);
      return { x: px / WIDTH, y: py / HEIGHT, text: point.label };
    }),
    WIDTH,
    HEIGHT,
  );
  const said = (side: Side, { label, id, values }: FrontValues): string =>
    `${label} ${id} in ${side === "before" ? before : after}: ${[x, y].map((m) => formatValue(values[m]!, fronts.objectives[m]!.unit)).join(", ")}`;
  const mark = (side: Side, point: FrontValues): Html => {
    const { px, py } = place(point);
    return html`<a href="${link(side, point.trial)}" aria-label="${said(side, point)}"><circle class="${side}" cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="${side === "before" ? 6.5 : 4.5}"><title>${said(side, point)}</title></circle></a>`;
  };
  const svg = html`<svg class="fronts" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="group" aria-label="Both fronts">
${across.ticks.map(({ at, text }) => html`<line x1="${at.toFixed(1)}" x2="${at.toFixed(1)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text class="across" x="${at.toFixed(1)}" y="${HEIGHT - BOTTOM + 16}">${text}</text>`)}
${up.ticks.map(({ at, text }) => html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at.toFixed(1)}" y2="${at.toFixed(1)}"/><text class="up" x="${LEFT - 8}" y="${(at + 4).toFixed(1)}">${text}</text>`)}
<text class="across title" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}">${across.title}</text>
<text class="across title" transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)">${up.title}</text>
${moved.map(({ from, to }) => html`<line class="moved" x1="${from.px.toFixed(1)}" y1="${from.py.toFixed(1)}" x2="${to.px.toFixed(1)}" y2="${to.py.toFixed(1)}"/>`)}
${old.map((point) => mark("before", point))}${now.map((point) => mark("after", point))}
${now.map((point, n) => names[n] !== "" && html`<text class="across name" x="${place(point).px.toFixed(1)}" y="${(place(point).py - 10).toFixed(1)}">${names[n]}</text>`)}
</svg>`;
  return html`<ul class="legend"><li><svg class="mark ring" width="13" height="13" viewBox="-7 -7 14 14"><circle r="5.5"/></svg>${before}</li><li><svg class="mark front" width="13" height="13" viewBox="-7 -7 14 14"><circle r="4.5"/></svg>${after}</li></ul>${scroller("Both fronts", svg)}`;
}
