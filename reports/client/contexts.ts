// Draws a metric against context length: one panel per device, one line per layout that is on the front or
// published. The effect of attention shows here.
import type { Scale } from "../../profilers/metrics/units.ts";
import { formatContext, formatValue, scaleFor } from "../format.ts";
import { endLabels } from "../labels.ts";
import { metricLabel } from "../metrics.ts";
import { CURVES } from "../page/sizes.ts";
import type { View, ViewMetric } from "../page/view.ts";
import { showDetails } from "./details.ts";
import type { Store } from "./page-selection.ts";
import { configuration, onPoint, type Plotly, plotText, type Trace } from "./plotly.ts";
import { axis, baseLayout, type Theme } from "./theme.ts";

/** Returns metrics known at more than one context, as `base` and a label; objectives first. */
export function contextChoices(view: View): readonly { readonly id: string; readonly label: string }[] {
  const contexts = new Map<string, Set<number>>();
  for (const { base, context, batch } of view.metrics)
    if (context !== null && batch === 1) contexts.set(base, (contexts.get(base) ?? new Set()).add(context));
  return [...contexts]
    .filter(([base, seen]) => seen.size > 1 && !CURVES.includes(base))
    .map(([base]) => ({ id: base, label: metricLabel(base) }));
}

/**
 * Contents of a panel: one metric of one device at every context, and the layouts that have it at several.
 */
interface Curves {
  /** One column per context. */
  readonly columns: readonly ViewMetric[];
  readonly last: ViewMetric;
  /** Indices into view.trials. */
  readonly trials: readonly number[];
  /** Names at the right ends; empty where there is no room. */
  readonly ends: readonly string[];
  readonly scale: Scale;
  /** Value at which the axis begins. */
  readonly floor: number;
}

/** Null where nothing was measured at several contexts. */
function curvesOf(element: HTMLElement, device: string, base: string, store: Store): Curves | null {
  const { view } = store;
  const columns = view.metrics
    .filter(
      (m) =>
        m.base === base && m.batch === 1 && m.context !== null && (m.device === device || m.device === null),
    )
    .sort((a, b) => a.context! - b.context!);
  const trials = view.trials.flatMap(({ label, published, state }, trial) =>
    (label !== null || (published !== null && state === "complete") || trial === store.currentChoice) &&
    columns.filter((m) => m.value[trial] != null).length > 1
      ? [trial]
      : [],
  );
  if (columns.length < 2 || trials.length === 0) return null;
  const all = trials.flatMap((trial) => columns.flatMap((m) => m.value[trial] ?? []));
  const high = Math.max(...all) || 1;
  const low = Math.min(...all);
  // The axis starts at zero only if the lines then remain distinct.
  const floor = low < high / 2 ? 0 : low;
  const last = columns.at(-1)!;
  const ends = endLabels(
    trials.map((trial) => ({
      y: (((last.value[trial] ?? 0) - floor) / (high - floor || 1)) * (element.clientHeight - 70),
      text: view.trials[trial]!.label ?? view.trials[trial]!.published ?? "choice",
    })),
  );
  return { columns, last, trials, ends, scale: scaleFor(all, columns[0]!.unit), floor };
}

function traceOf(
  { columns, last, trials, ends, scale }: Curves,
  place: number,
  theme: Theme,
  store: Store,
): Trace {
  const trial = trials[place]!;
  const { label, published, id } = store.view.trials[trial]!;
  const { unit } = columns[0]!;
  const seen = columns.filter((m) => m.value[trial] != null);
  const chosen = trial === store.currentChoice;
  const name = [label, published ?? id].filter(Boolean).join(" ");
  return {
    type: "scatter",
    mode: "lines+markers+text",
    meta: "keys",
    x: seen.map((m) => m.context),
    y: seen.map((m) => m.value[trial]! / scale.divisor),
    text: seen.map((m) => (m === last ? plotText(ends[place]!) : "")),
    textposition: "middle right",
    textfont: { size: 11, color: theme.ink },
    hovertext: seen.map((m) =>
      plotText(`${name}: ${formatValue(m.value[trial]!, unit)} at ${formatContext(m.context!)}`),
    ),
    customdata: seen.map((m) => ({ trial, metric: m.key })),
    hovertemplate: "%{hovertext}<extra></extra>",
    opacity: store.isGreyedOut(trial) ? 0.15 : 1,
    line: {
      width: chosen ? 3 : 1.4,
      color: chosen || published !== null ? theme.star : theme.front,
      dash: published !== null && !chosen ? "dash" : "solid",
    },
    marker: { size: 5 },
    cliponaxis: false,
  };
}

/** Draws one device's panel of a metric against context length. Returns false without data. */
export async function drawContexts(
  plotly: Plotly,
  element: HTMLElement,
  device: string,
  base: string,
  theme: Theme,
  store: Store,
): Promise<boolean> {
  const curves = curvesOf(element, device, base, store);
  if (curves === null) return false;
  const { columns, last, trials, scale, floor } = curves;
  const contexts = columns.map((m) => m.context!);
  const arrow = last.direction === null ? "" : last.direction === "min" ? " ↓" : " ↑";
  const plot = await plotly.react(
    element,
    trials.map((_, place) => traceOf(curves, place, theme, store)),
    {
      ...baseLayout(theme, element),
      margin: { l: 58, r: 40, t: 12, b: 48 },
      xaxis: {
        ...axis(theme, "context, tokens"),
        type: "log",
        tickvals: contexts,
        ticktext: contexts.map(formatContext),
      },
      yaxis: {
        ...axis(
          theme,
          `${plotText(metricLabel(base))}${scale.unit === "" ? "" : `, ${plotText(scale.unit)}`}${last.emulated ? " (emulated)" : ""}${arrow}`,
        ),
        rangemode: floor === 0 ? "tozero" : "normal",
      },
    },
    configuration,
  );
  onPoint(plot, (point) => {
    const { trial, metric } = point as { readonly trial: number; readonly metric: string };
    showDetails(store.view, trial, metric);
  });
  return true;
}
