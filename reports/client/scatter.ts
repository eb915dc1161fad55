// Trade-offs: one scatter per device, axes chosen once for all. Marks differ in shape as well as colour: filled circle = front,
// open circle = dominated, cross = over budget, triangle = failed with some values, star = published.
import { formatRange, formatValue, scaleFor, shownUnit } from "../format.ts";
import { declutter, side } from "../labels.ts";
import type { View, ViewMetric } from "../page/view.ts";
import { showDetails } from "./details.ts";
import type { Store } from "./page-selection.ts";
import { configuration, onPoint, type PlotEvent, type Plotly, plotText, type Trace } from "./plotly.ts";
import { axis, baseLayout, type Theme } from "./theme.ts";

/** A metric wherever it was measured: `decodeTokensPerSecond@1024`, without the device. */
export interface AxisChoice {
  readonly id: string;
  readonly label: string;
}

const axisId = (metric: ViewMetric): string =>
  metric.device === null ? metric.key : metric.key.slice(0, -metric.device.length - 1);

export function axisChoices(view: View): readonly AxisChoice[] {
  const seen = new Map<string, AxisChoice>();
  for (const metric of view.metrics) {
    const id = axisId(metric);
    if (!seen.has(id)) seen.set(id, { id, label: metric.label });
  }
  return [...seen.values()];
}

/** Speed against quality: the first objective of a device across, the first of no device up; else the first two. */
export function defaultAxes(view: View): readonly [string, string] {
  const objectives = view.objectives
    .map(({ key }) => view.metrics.find((metric) => metric.key === key))
    .filter((metric) => metric !== undefined);
  const speed = objectives.find((metric) => metric.device !== null);
  const quality = objectives.find((metric) => metric.device === null);
  const preferred = [speed, quality, ...objectives].filter((metric) => metric !== undefined).map(axisId);
  const ids = [...new Set([...preferred, ...axisChoices(view).map((choice) => choice.id)])];
  return [ids[0] ?? "", ids[1] ?? ids[0] ?? ""];
}

/** The metric behind an axis on one device; metrics of no device (recall, parameters) are the same everywhere. */
function metricOn(view: View, id: string, device: string): number {
  const on = view.metrics.findIndex((metric) => metric.device === device && axisId(metric) === id);
  return on >= 0 ? on : view.metrics.findIndex((metric) => metric.device === null && axisId(metric) === id);
}

interface Group {
  readonly name: string;
  readonly indices: readonly number[];
  readonly marker: object;
  readonly label?: (index: number) => string;
  readonly bars?: boolean;
}

function groups(view: View, theme: Theme, dense: boolean): readonly Group[] {
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

/** Half lengths of the bars to both extremes, or undefined where nothing was sampled. */
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

/** `Text bits per byte` needs no `bits/byte` after it. */
const says = (label: string, unit: string): boolean =>
  shownUnit(unit) === "" || (unit.includes("/") && label.toLowerCase().includes(unit.replace("/", " per ")));

const numbers = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);

/** Draws one device's panel; says so where nothing was measured on both axes. Trials that the store does not admit are dimmed,
 * the chosen one is ringed. */
export async function drawScatter(
  plotly: Plotly,
  element: HTMLElement,
  device: string,
  axes: readonly [string, string],
  theme: Theme,
  store: Store,
): Promise<boolean> {
  const { view } = store;
  const [x, y] = axes.map((id) => metricOn(view, id, device)) as [number, number];
  const [across, up] = [view.metrics[x], view.metrics[y]];
  if (across === undefined || up === undefined) return false;
  const [sx, sy] = [across, up].map((metric) => scaleFor(numbers(metric.value), metric.unit)) as [
    ReturnType<typeof scaleFor>,
    ReturnType<typeof scaleFor>,
  ];
  const title = (metric: ViewMetric, unit: string): string =>
    plotText(
      `${metric.label}${says(metric.label, unit) ? "" : `, ${unit}`}${metric.emulated ? " (emulated)" : ""}`,
    ) + (metric.direction === null ? "" : metric.direction === "min" ? " ↓" : " ↑");
  const measured = (i: number): boolean => across.value[i] != null && up.value[i] != null;
  const xs = across.value.map((value) => (value ?? 0) / sx.divisor);
  const ys = up.value.map((value) => (value ?? 0) / sy.divisor);
  const place = (values: readonly number[]): ((value: number) => number) => {
    const seen = values.filter((_, i) => measured(i));
    const low = seen.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const high = seen.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return (value) => (high > low ? (value - low) / (high - low) : 0.5);
  };
  const [px, py] = [place(xs), place(ys)];
  const dense = view.trials.length > 600;
  // Names of the published come first: those of the front give way.
  const texts = new Map<number, string>();
  const all = groups(view, theme, dense);
  const named = all.filter(({ label }) => label !== undefined).reverse();
  const points = named.flatMap(({ indices, label }) =>
    indices.filter(measured).map((i) => ({ i, x: px(xs[i]!), y: py(ys[i]!), text: clip(label!(i), 24) })),
  );
  const room = [element.clientWidth - 80, element.clientHeight - 80] as const;
  for (const [n, text] of declutter(points, ...room).entries()) texts.set(points[n]!.i, text);
  const hoverMetrics = [x, y, ...objectiveMetrics(view, device)];
  const traces = all.map(({ name, indices, marker, label, bars: withBars }): Trace => {
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
        text: shown.map((i) => plotText(texts.get(i)!)),
        textposition: shown.map(
          (i) => `${name === "published" ? "bottom" : "top"} ${side(px(xs[i]!), texts.get(i)!, room[0])}`,
        ),
        textfont: { size: 11, color: theme.ink },
      }),
      hovertext: shown.map((i) => hover(view, i, hoverMetrics)),
      hovertemplate: "%{hovertext}<extra></extra>",
      marker: { ...marker, opacity: store.filtering ? shown.map((i) => (store.admits(i) ? 1 : 0.12)) : 1 },
      ...(withBars && {
        error_x: bars(across, shown, sx.divisor, theme.other),
        error_y: bars(up, shown, sy.divisor, theme.other),
      }),
      cliponaxis: false,
    };
  });
  const chosen = store.currentChoice;
  if (chosen !== null && measured(chosen)) {
    traces.push({
      type: "scatter",
      mode: "markers",
      name: "choice",
      x: [xs[chosen]!],
      y: [ys[chosen]!],
      hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 19, color: theme.ink, line: { width: 1.8 } },
      cliponaxis: false,
    });
  }
  const plot = await plotly.react(
    element,
    traces,
    {
      ...baseLayout(theme, element),
      dragmode: "select",
      selectionrevision: String(store.brushed),
      selections: [],
      margin: { l: 58, r: 18, t: 18, b: 48 },
      xaxis: axis(theme, title(across, sx.unit)),
      yaxis: axis(theme, title(up, sy.unit)),
      shapes: [...limits(view, across, sx.divisor, "x", theme), ...limits(view, up, sy.divisor, "y", theme)],
    },
    configuration,
  );
  if (element.dataset.listening === undefined) {
    element.dataset.listening = "true";
    const indices = (event: PlotEvent | undefined): number[] =>
      (event?.points ?? []).map((point) => point.customdata).filter((index) => typeof index === "number");
    // Drawing anew drops the rectangle that was dragged, and plotly.js may tell that as a selection of nothing: only what follows a
    // drag of the reader's counts.
    let dragged = false;
    element.addEventListener(
      "pointerdown",
      () => {
        dragged = true;
      },
      { capture: true },
    );
    plot.on("plotly_selected", (event) => {
      if (!dragged) return;
      dragged = false;
      store.setBrush(event === undefined ? null : indices(event));
    });
    plot.on("plotly_deselect", () => store.setBrush(null));
  }
  onPoint(plot, (trial) => showDetails(store.view, trial as number));
  return true;
}

const objectiveMetrics = (view: View, device: string): number[] =>
  view.objectives
    .map(({ key }) => view.metrics.findIndex((metric) => metric.key === key))
    .filter((m) => m >= 0 && [null, device].includes(view.metrics[m]!.device));

/** Budgets as dashed lines across the plot. */
function limits(
  view: View,
  metric: ViewMetric,
  divisor: number,
  direction: "x" | "y",
  theme: Theme,
): object[] {
  return view.budgets
    .filter((budget) => budget.metric === metric.key)
    .flatMap((budget) => [budget.max, budget.min])
    .filter((bound) => bound !== undefined)
    .map((bound) => ({
      type: "line",
      ...(direction === "x"
        ? { x0: bound / divisor, x1: bound / divisor, y0: 0, y1: 1, yref: "paper" }
        : { y0: bound / divisor, y1: bound / divisor, x0: 0, x1: 1, xref: "paper" }),
      line: { color: theme.out, width: 1.2, dash: "dash" },
    }));
}
