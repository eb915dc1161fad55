// Keyboard access to every figure. Each is one stop of the Tab key. Arrows move through its contents, Enter
// opens one, Space selects one where dragging selects, Escape leaves. In drawings the focus moves to the
// drawn parts; in a plot of plotly.js the point shows its text.
import { make } from "./dom.ts";
import type { Store } from "./page-selection.ts";
import { openPoint, type Plotly, type PlotlyElement } from "./plotly.ts";

interface Point {
  readonly curve: number;
  readonly point: number;
  readonly text: string;
  readonly data: unknown;
}

/** The keyboard's position in each plot. */
const places = new WeakMap<HTMLElement, number>();

const isPlotly = (plot: HTMLElement): plot is PlotlyElement => plot.classList.contains("js-plotly-plot");
const itemsOf = (plot: HTMLElement): SVGElement[] => [...plot.querySelectorAll<SVGElement>("[data-open]")];

/** Points of the traces marked for the keyboard, from left to right where they are not lines. */
function pointsOf(plot: PlotlyElement): readonly Point[] {
  const traces = plot.data.flatMap((trace, curve) => (trace.meta === "keys" ? [{ trace, curve }] : []));
  const points = traces.flatMap(({ trace, curve }) =>
    (trace.x as readonly number[]).map((x, point) => ({
      curve,
      point,
      x,
      text: String((trace.hovertext as readonly string[])[point]),
      data: (trace.customdata as readonly unknown[])[point],
    })),
  );
  const lines = traces.some(({ trace }) => String(trace.mode).startsWith("lines"));
  return lines ? points : points.sort((a, b) => a.x - b.x);
}

/** The next item up or down: the nearest one drawn above or below. */
function across(items: readonly SVGElement[], from: SVGElement, step: 1 | -1): SVGElement | undefined {
  const middle = (item: SVGElement): { x: number; y: number } => {
    const { left, right, top, bottom } = item.getBoundingClientRect();
    return { x: (left + right) / 2, y: (top + bottom) / 2 };
  };
  const here = middle(from);
  const near = (item: SVGElement): number => {
    const { x, y } = middle(item);
    return Math.abs(x - here.x) + 20 * Math.abs(y - here.y);
  };
  return items
    .filter((item) => (middle(item).y - here.y) * step > 2)
    .reduce<SVGElement | undefined>(
      (best, item) => (!best || near(item) < near(best) ? item : best),
      undefined,
    );
}

const STEPS: Readonly<Record<string, 1 | -1>> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Returns the target of a key among `count`, from `at` (-1: no position yet); null for other keys. */
function target(key: string, at: number, count: number): number | null {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const step = STEPS[key];
  if (step === undefined) return null;
  if (at < 0) return step > 0 ? 0 : count - 1;
  return Math.min(count - 1, Math.max(0, at + step));
}

function drawingKey(plot: HTMLElement, event: KeyboardEvent): void {
  const items = itemsOf(plot);
  if (items.length === 0) return;
  if (event.key === "Escape") {
    plot.focus();
    return;
  }
  const at = items.indexOf(document.activeElement as SVGElement);
  const vertical = event.key === "ArrowUp" || event.key === "ArrowDown";
  const rows = plot.dataset.rows !== undefined || plot.dataset.lanes !== undefined;
  const next =
    vertical && at >= 0 && rows
      ? across(items, items[at]!, STEPS[event.key]!)
      : items[target(event.key, at, items.length) ?? -1];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}

/** Handles keys in all figures of a page. */
export class Keys {
  private readonly said = make("p", { class: "said", role: "status" });

  constructor(
    private readonly plotly: Plotly,
    private readonly store: Store,
  ) {
    document.body.append(this.said);
    document.addEventListener("keydown", (event) => {
      const plot = (event.target as Element).closest<HTMLElement>(".plot[data-drawn]");
      if (plot === null || event.altKey || event.ctrlKey || event.metaKey) return;
      if (isPlotly(plot)) this.plotKey(plot, event);
      else drawingKey(plot, event);
    });
    document.addEventListener("focusout", ({ target: left }) => {
      const plot = left as HTMLElement;
      if (plot.matches?.(".plot") && isPlotly(plot)) this.plotly.Fx.unhover(plot);
    });
  }

  private plotKey(plot: PlotlyElement, event: KeyboardEvent): void {
    const points = pointsOf(plot);
    const at = Math.min(points.length - 1, places.get(plot) ?? -1);
    if (event.key === "Escape") {
      places.delete(plot);
      this.plotly.Fx.unhover(plot);
      if (plot.classList.contains("scatter") && this.store.brushed) this.store.setBrush(null);
      return;
    }
    const point = points[at];
    if (point !== undefined && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      if (event.key === "Enter") openPoint(plot, point.data);
      else if (plot.classList.contains("scatter")) this.store.toggle(point.data as number);
      return;
    }
    const next = target(event.key, at, points.length);
    if (next === null || points.length === 0) return;
    event.preventDefault();
    places.set(plot, next);
    this.show(plot);
  }

  /** Shows the keyboard's point, again after a redraw of the plot. */
  show(plot: HTMLElement): void {
    const at = places.get(plot);
    if (at === undefined || !isPlotly(plot) || document.activeElement !== plot) return;
    const point = pointsOf(plot)[at];
    if (point === undefined) return;
    this.plotly.Fx.hover(plot, [{ curveNumber: point.curve, pointNumber: point.point }]);
    this.said.textContent = point.text.replaceAll("<br>", ", ");
  }
}

const HINT = "← → through the points, Enter opens";

/** Restores the focus in a figure after it is drawn again. */
export async function keepingFocus(plot: HTMLElement, draw: () => Promise<boolean>): Promise<boolean> {
  const active = document.activeElement as SVGElement | null;
  const open = active !== null && plot.contains(active) ? active.dataset.open : undefined;
  const drawn = await draw();
  if (!drawn) {
    plot.removeAttribute("tabindex");
    return drawn;
  }
  plot.tabIndex = 0;
  plot.dataset.keys = plot.classList.contains("scatter") ? `${HINT}, Space selects` : HINT;
  if (open !== undefined)
    (plot.querySelector<SVGElement>(`[data-open="${CSS.escape(open)}"]`) ?? plot).focus({
      preventScroll: true,
    });
  return drawn;
}
