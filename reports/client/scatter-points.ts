// The points of a trade-off in the form that plotly.js needs: groups, marks, names, bars and hover texts.
import type { Scale } from "../../profilers/metrics/units.ts";
import { formatRange, formatValue } from "../format.ts";
import { declutter, side } from "../labels.ts";
import type { View, ViewMetric } from "../page/view.ts";
import type { Store } from "./page-selection.ts";
import { plotText, type Trace } from "./plotly.ts";
import type { Theme } from "./theme.ts";

/** Opacity of a mark that the store does not admit. */
export const GREYED_OUT = 0.12;

/** Contents of a panel, and their places. */
export interface Panel {
  readonly across: ViewMetric;
  readonly up: ViewMetric;
  readonly scales: readonly [Scale, Scale];
  readonly xs: readonly number[];
  readonly ys: readonly number[];
  measured(index: number): boolean;
}

/** Marks of one kind, drawn as one path (scatter-crowd.ts). */
export interface Crowd {
  readonly shape: "circle" | "cross";
  readonly colour: string;
}

export interface Group {
  readonly name: string;
  readonly indices: readonly number[];
  readonly marker: object;
  /** Present where there are too many marks for separate elements. */
  readonly crowd?: Crowd;
  readonly label?: (index: number) => string;
  readonly bars?: boolean;
}

/** Returns the groups of points and their marks. `dense`: smaller marks, and crowds. */
export function groups(view: View, theme: Theme, dense: boolean): readonly Group[] {
  const of = (test: (index: number) => boolean): number[] =>
    view.trials.flatMap((_, index) => (test(index) ? [index] : []));
  const trial = (index: number) => view.trials[index]!;
  const front = (index: number): boolean => trial(index).label !== null;
  return [
    {
      name: "dominated",
      indices: of((i) => trial(i).state === "complete" && !front(i) && trial(i).published === null),
      marker: {
        symbol: "circle-open",
        size: dense ? 4 : 7,
        color: theme.other,
        line: { width: dense ? 1 : 1.4 },
      },
      ...(dense && { crowd: { shape: "circle", colour: theme.other } }),
    },
    {
      name: "over budget",
      indices: of((i) => trial(i).state === "infeasible" && trial(i).published === null),
      marker: {
        symbol: "x-thin-open",
        size: dense ? 4 : 8,
        color: theme.out,
        line: { width: dense ? 1 : 1.6, color: theme.out },
      },
      ...(dense && { crowd: { shape: "cross", colour: theme.out } }),
    },
    {
      name: "stopped, failed or lost",
      indices: of((i) => ["stopped", "failed", "lost"].includes(trial(i).state)),
      marker: { symbol: "triangle-down-open", size: 8, color: theme.out },
    },
    {
      name: "front",
      indices: of((i) => front(i) && trial(i).published === null),
      marker: { symbol: "circle", size: 10, color: theme.front, line: { width: 1, color: theme.panel } },
      label: (i) => trial(i).label!,
      bars: true,
    },
    {
      name: "published",
      indices: of((i) => trial(i).published !== null),
      marker: { symbol: "star", size: 15, color: theme.star, line: { width: 1, color: theme.panel } },
      label: (i) => trial(i).published!,
      bars: true,
    },
  ];
}

const clip = (text: string, length: number): string =>
  text.length > length ? `${text.slice(0, length - 1)}…` : text;

function hover(view: View, index: number, metrics: readonly number[]): string {
  const trial = view.trials[index]!;
  const name = [trial.label, trial.published ?? trial.id].filter((part) => part !== null).join(" ");
  const values = [...new Set(metrics)].map((m) => {
    const metric = view.metrics[m]!;
    const [low, high] = [metric.low[index], metric.high[index]];
    const range = low == null || high == null ? "" : ` (${formatRange(low, high, metric.unit)})`;
    const shaky = metric.unstable.includes(index) ? ", unstable" : "";
    return `${metric.label}: ${formatValue(metric.value[index]!, metric.unit)}${range}${shaky}`;
  });
  const pattern = trial.pattern.replace(/(\S+( \S+){7}) /g, "$1\n");
  const state =
    trial.state === "infeasible"
      ? `over budget: ${trial.reason ?? ""}`
      : trial.state === "complete"
        ? ""
        : `${trial.state}: ${trial.reason ?? ""}`;
  return [name, `${pattern}`, trial.parameters, ...values, state]
    .filter((line) => line !== "")
    .flatMap((line) => line.split("\n"))
    .map((line) => plotText(clip(line, 90)))
    .join("<br>");
}

/** Half lengths of the bars to both extremes; undefined where nothing was sampled. */
function bars(
  metric: ViewMetric,
  indices: readonly number[],
  divisor: number,
  colour: string,
): object | undefined {
  if (indices.every((i) => metric.low[i] == null)) return undefined;
  return {
    type: "data",
    symmetric: false,
    array: indices.map((i) => ((metric.high[i] ?? metric.value[i]!) - metric.value[i]!) / divisor),
    arrayminus: indices.map((i) => (metric.value[i]! - (metric.low[i] ?? metric.value[i]!)) / divisor),
    thickness: 1,
    width: 0,
    color: colour,
  };
}

/**
 * A function that gives a value's relative place between the smallest and the largest of measured layouts.
 */
function placesOf(values: readonly number[], { measured }: Panel): (value: number) => number {
  const seen = values.filter((_, i) => measured(i));
  const low = seen.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = seen.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return (value) => (high > low ? (value - low) / (high - low) : 0.5);
}

interface Name {
  readonly text: string;
  /** The side of the point on which the name stands. */
  readonly side: ReturnType<typeof side>;
}

/**
 * Returns names beside points, by trial. Names of published layouts come first; those of the front give way.
 */
export function namesOf(
  element: HTMLElement,
  panel: Panel,
  all: readonly Group[],
): ReadonlyMap<number, Name> {
  const { xs, ys, measured } = panel;
  const [px, py] = [placesOf(xs, panel), placesOf(ys, panel)];
  const named = all.filter(({ label }) => label !== undefined).reverse();
  const points = named.flatMap(({ indices, label }) =>
    indices.filter(measured).map((i) => ({ i, x: px(xs[i]!), y: py(ys[i]!), text: clip(label!(i), 24) })),
  );
  const room = [element.clientWidth - 80, element.clientHeight - 80] as const;
  const texts = new Map(declutter(points, ...room).map((text, n) => [points[n]!.i, text]));
  return new Map([...texts].map(([i, text]) => [i, { text, side: side(px(xs[i]!), text, room[0]) }]));
}

/** Returns a panel's groups as traces of plotly.js. */
export function tracesOf(
  store: Store,
  panel: Panel,
  all: readonly Group[],
  names: ReadonlyMap<number, Name>,
  hoverMetrics: readonly number[],
  theme: Theme,
): Trace[] {
  const { across, up, scales, xs, ys, measured } = panel;
  return all.map(({ name, indices, marker, label, bars: withBars, crowd }): Trace => {
    const shown = indices.filter(measured);
    return {
      type: "scatter",
      mode: label ? "markers+text" : "markers",
      name,
      x: shown.map((i) => xs[i]!),
      y: shown.map((i) => ys[i]!),
      customdata: shown,
      ...(label && { meta: "keys" }),
      ...(label && {
        text: shown.map((i) => plotText(names.get(i)!.text)),
        textposition: shown.map((i) => `${name === "published" ? "bottom" : "top"} ${names.get(i)!.side}`),
        textfont: { size: 11, color: theme.ink },
      }),
      hovertext: shown.map((i) => hover(store.view, i, hoverMetrics)),
      hovertemplate: "%{hovertext}<extra></extra>",
      marker: {
        ...marker,
        ...(crowd && { maxdisplayed: 1 }),
        opacity: store.filtering ? shown.map((i) => (store.admits(i) ? 1 : GREYED_OUT)) : 1,
      },
      ...(withBars && {
        error_x: bars(across, shown, scales[0].divisor, theme.other),
        error_y: bars(up, shown, scales[1].divisor, theme.other),
      }),
      cliponaxis: crowd !== undefined,
    };
  });
}

/** Returns a ring around the chosen layout. */
export const ringOf = ({ xs, ys }: Panel, chosen: number, theme: Theme): Trace => ({
  type: "scatter",
  mode: "markers",
  name: "choice",
  x: [xs[chosen]!],
  y: [ys[chosen]!],
  hoverinfo: "skip",
  marker: { symbol: "circle-open", size: 19, color: theme.ink, line: { width: 1.8 } },
  cliponaxis: false,
});
