// Draws trade-offs: one scatter per device, with common axes. Marks differ in shape and colour: filled circle
// = front, open circle = dominated, cross = over budget, triangle = failed with values, star = published.
import type { Scale } from "../../profilers/metrics/units.ts";
import { scaleFor, shownUnit } from "../format.ts";
import type { View, ViewMetric } from "../page/view.ts";
import { metricOn } from "./axes.ts";
import { showDetails } from "./details.ts";
import type { Store } from "./page-selection.ts";
import {
  configuration,
  onPoint,
  type PlotEvent,
  type Plotly,
  type PlotlyElement,
  plotText,
} from "./plotly.ts";
import { drawCrowds } from "./scatter-crowd.ts";
import { groups, namesOf, type Panel, ringOf, tracesOf } from "./scatter-points.ts";
import { axis, baseLayout, type Theme } from "./theme.ts";

/** True if a label already contains the unit: `Text bits per byte` needs no `bits/byte` after it. */
const says = (label: string, unit: string): boolean =>
  shownUnit(unit) === "" || (unit.includes("/") && label.toLowerCase().includes(unit.replace("/", " per ")));

const numbers = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);

/** The panel; null where a metric was measured nowhere. */
function panelOf({ view }: Store, x: number, y: number): Panel | null {
  const [across, up] = [view.metrics[x], view.metrics[y]];
  if (across === undefined || up === undefined) return null;
  const scaleOf = ({ value, unit }: ViewMetric): Scale => scaleFor(numbers(value), unit);
  const scales = [scaleOf(across), scaleOf(up)] as const;
  return {
    ...{ across, up, scales },
    xs: across.value.map((value) => (value ?? 0) / scales[0].divisor),
    ys: up.value.map((value) => (value ?? 0) / scales[1].divisor),
    measured: (i) => across.value[i] != null && up.value[i] != null,
  };
}

const titleOf = ({ label, emulated, direction }: ViewMetric, unit: string): string =>
  plotText(`${label}${says(label, unit) ? "" : `, ${unit}`}${emulated ? " (emulated)" : ""}`) +
  (direction === null ? "" : direction === "min" ? " ↓" : " ↑");

/** Selects in every view the points that a reader drags over. */
function listen(plot: PlotlyElement, element: HTMLElement, store: Store): void {
  if (element.dataset.listening !== undefined) return;
  element.dataset.listening = "true";
  const indices = (event: PlotEvent | undefined): number[] =>
    (event?.points ?? []).map((point) => point.customdata).filter((index) => typeof index === "number");
  // A redraw drops the dragged rectangle, and plotly.js may report this as an empty selection. So only events
  // after a reader's own drag count.
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
  plot.on("plotly_afterplot", () => onDrawn.get(element)?.());
}

/**
 * For each panel, a function that draws its crowds again after plotly.js redrew it by itself: after a zoom,
 * or at another width.
 */
const onDrawn = new WeakMap<HTMLElement, () => void>();

/**
 * Draws one device's panel. A text appears where nothing was measured on both axes. Trials that the store
 * does not admit are dimmed, the chosen one is ringed.
 */
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
  const panel = panelOf(store, x, y);
  if (panel === null) return false;
  const { across, up, scales } = panel;
  const all = groups(view, theme, view.trials.length > 600);
  const names = namesOf(element, panel, all);
  const traces = tracesOf(store, panel, all, names, [x, y, ...objectiveMetrics(view, device)], theme);
  const chosen = store.currentChoice;
  if (chosen !== null && panel.measured(chosen)) traces.push(ringOf(panel, chosen, theme));
  const plot = await plotly.react(
    element,
    traces,
    {
      ...baseLayout(theme, element),
      dragmode: "select",
      selectionrevision: String(store.brushed),
      selections: [],
      margin: { l: 58, r: 18, t: 18, b: 48 },
      xaxis: axis(theme, titleOf(across, scales[0].unit)),
      yaxis: axis(theme, titleOf(up, scales[1].unit)),
      shapes: [
        ...limits(view, across, scales[0].divisor, "x", theme),
        ...limits(view, up, scales[1].divisor, "y", theme),
      ],
    },
    configuration,
  );
  const crowds = (): void => drawCrowds(plot, panel, all, store);
  crowds();
  onDrawn.set(element, crowds);
  listen(plot, element, store);
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
