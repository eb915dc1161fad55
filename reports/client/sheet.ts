// The decision sheet: one slider per bound, and a rule. answer.ts shows the result.
import { qualityOf } from "../../search/selection/choice.ts";
import { formatValue } from "../format.ts";
import type { View } from "../page/view.ts";
import { describe, nothing, place } from "./answer.ts";
import { decide, eligible, type Rule, valueAt } from "./decide.ts";
import { byId, make } from "./dom.ts";
import type { Store } from "./page-selection.ts";

const STEPS = 200;

/** Accepted losses of quality, in its unit. The first is the default of `edgefront select`. */
const TOLERANCES = [0.01, 0.03];

interface Slider {
  readonly key: string;
  readonly input: HTMLInputElement;
  readonly output: HTMLOutputElement;
  /** Index into view.metrics. */
  metric: number;
  /** Loosest and tightest bound: the worst and the best value of any complete layout. */
  range: Range;
  /** The bound itself. It stays when newer data moves the ends of the slider. Null: no bound. */
  worst: number | null;
}
interface Range {
  readonly loose: number;
  readonly tight: number;
}

/** Returns the objectives, the budgeted metrics and those that the reader added, each once. */
export function decisionMetrics({ view, moreMetrics }: Pick<Store, "view" | "moreMetrics">): number[] {
  const keys = [
    ...view.objectives.map(({ key }) => key),
    ...view.budgets.map(({ metric }) => metric),
    ...moreMetrics,
  ];
  return [...new Set(keys)]
    .map((key) => view.metrics.findIndex((metric) => metric.key === key))
    .filter((metric) => metric >= 0 && view.metrics[metric]!.direction !== null);
}

function rangeOf(view: View, metric: number): Range | null {
  const { direction } = view.metrics[metric]!;
  const values = view.trials.flatMap(({ state }, trial) =>
    state === "complete" ? (valueAt(view, trial, metric) ?? []) : [],
  );
  if (values.length === 0) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return direction === "max" ? { loose: low, tight: high } : { loose: high, tight: low };
}

function makeSlider(view: View, metric: number, range: Range, changed: () => void): Slider {
  const { key } = view.metrics[metric]!;
  const id = `bound-${key}`;
  const input = make("input", { type: "range", id, min: "0", max: String(STEPS), step: "1", value: "0" });
  const output = make("output", { for: id });
  byId("bounds").append(
    make("div", { class: "bound" }, make("label", { for: id }, place(view, metric)), output, input),
  );
  const slider: Slider = { key, input, output, metric, range, worst: null };
  input.addEventListener("input", () => {
    const { loose, tight } = slider.range;
    const share = Number(input.value) / STEPS;
    slider.worst = share === 0 ? null : loose + (tight - loose) * share;
    changed();
  });
  return slider;
}

/** Moves the handle to the bound, between the present ends of the data. */
function moveHandle({ input, range: { loose, tight }, worst }: Slider): void {
  const share = worst === null ? 0 : tight === loose ? 1 : (worst - loose) / (tight - loose);
  input.value = String(Math.round(Math.min(1, Math.max(0, share)) * STEPS));
}

function say({ metric, input, output, worst }: Slider, view: View): void {
  const { direction, unit } = view.metrics[metric]!;
  const text =
    worst === null ? "any" : `${direction === "max" ? "at least" : "at most"} ${formatValue(worst, unit)}`;
  output.value = text;
  input.setAttribute("aria-valuetext", text);
}

/** The default rule of `edgefront select` comes first, then the best value of each objective. */
function rulesOf(view: View): { readonly text: string; readonly rule: Rule }[] {
  const objectives = view.objectives.map(({ key }, index) => ({
    name: key,
    index,
    metric: view.metrics.findIndex((metric) => metric.key === key),
  }));
  const measured = objectives.filter(({ metric }) => metric >= 0);
  const quality = qualityOf(measured);
  if (quality === undefined) return [];
  const ordered = [quality, ...measured.filter((one) => one !== quality)];
  const label = place(view, quality.metric);
  const minimal = TOLERANCES.map((tolerance) => ({
    text: `fewest attention layers, ${label} within ${formatValue(tolerance, view.metrics[quality.metric]!.unit)} and the error of the best`,
    rule: { name: "minimal-hybrid", quality: quality.index, tolerance } as const,
  }));
  const best = ordered.map(({ index, metric }) => ({
    text: `best: ${place(view, metric)}`,
    rule: { name: "best-quality", quality: index, tolerance: 0 } as const,
  }));
  const weighted = {
    text: `${label} against the bounds used`,
    rule: { name: "budget-weighted", quality: quality.index, tolerance: 0 } as const,
  };
  return [...minimal, ...best, weighted];
}

/** Number of front layouts shown as chips; the others are counted. */
const CHIPS = 60;

/** A button for each layout that can be chosen. Those outside the bounds are greyed out, as in every view. */
function chips(view: View): HTMLElement[] {
  // F1, F2, ... as in every table.
  const rank = (trial: number): number => Number(view.trials[trial]!.label!.slice(1));
  const all = [...eligible(view)].sort((a, b) => rank(a) - rank(b) || a - b);
  const shown = all.slice(0, CHIPS).map((trial) => {
    const { label, published, number } = view.trials[trial]!;
    const attributes = {
      type: "button",
      class: "chip",
      "data-trial": String(number),
      "data-open": String(trial),
    };
    return make("button", attributes, published === null ? label! : `★ ${label}`);
  });
  return all.length > CHIPS
    ? [...shown, make("span", { class: "soft" }, `and ${all.length - CHIPS} more`)]
    : shown;
}

/** Fills the menu with metrics that have no bound yet and that the front was measured on. */
function fillMore(select: HTMLSelectElement, view: View, known: readonly number[]): void {
  const measured = eligible(view);
  const choices = view.metrics.flatMap((metric, m) =>
    metric.direction !== null && !known.includes(m) && measured.some((trial) => metric.value[trial] != null)
      ? [new Option(place(view, m), metric.key)]
      : [],
  );
  select.replaceChildren(new Option("Bound another metric …", ""), ...choices);
  select.hidden = choices.length === 0;
}

/** Builds the sheet. Returns a function that updates it with newer data and keeps bounds and rule. */
export function setUpSheet(store: Store): () => void {
  let sliders: readonly Slider[] = [];
  let metrics: readonly number[] = [];
  let rules: ReturnType<typeof rulesOf> = [];
  const select = byId<HTMLSelectElement>("rule");
  const more = byId<HTMLSelectElement>("bound-more");

  const answer = (): void => {
    const chosen = rules[Number(select.value)];
    if (chosen === undefined) return;
    const { view } = store;
    const decision = decide(view, store.currentBounds, chosen.rule);
    store.setChosen(decision.order[0] ?? null);
    byId("answer").replaceChildren(
      ...(decision.feasible === 0 ? nothing(view, decision) : describe(view, decision, metrics)),
    );
  };
  const update = (): void => {
    for (const slider of sliders) say(slider, store.view);
    store.setBounds(sliders.flatMap(({ metric, worst }) => (worst === null ? [] : [{ metric, worst }])));
    answer();
  };
  const refresh = (): void => {
    const { view } = store;
    const known = new Map(sliders.map((slider) => [slider.key, slider]));
    metrics = decisionMetrics(store);
    sliders = metrics.flatMap((metric) => {
      const range = rangeOf(view, metric);
      if (range === null) return [];
      const slider = known.get(view.metrics[metric]!.key) ?? makeSlider(view, metric, range, update);
      Object.assign(slider, { metric, range });
      moveHandle(slider);
      return [slider];
    });
    const before = select.selectedOptions[0]?.text;
    rules = rulesOf(view);
    const texts = rules.map(({ text }) => text);
    if ([...select.options].map(({ text }) => text).join("\n") !== texts.join("\n"))
      select.replaceChildren(
        ...texts.map((text, index) => new Option(text, String(index), false, text === before)),
      );
    byId("chips").replaceChildren(...chips(view));
    fillMore(more, view, metrics);
    byId("sheet").hidden = sliders.length === 0 || rules.length === 0;
    if (!byId("sheet").hidden) update();
  };
  select.addEventListener("change", answer);
  more.addEventListener("change", () => {
    const key = more.value;
    store.setMore([...store.moreMetrics, key]);
    refresh();
    document.getElementById(`bound-${key}`)?.focus();
  });
  byId("reset").addEventListener("click", () => {
    for (const slider of sliders) {
      slider.worst = null;
      moveHandle(slider);
      if (store.moreMetrics.includes(slider.key)) slider.input.closest(".bound")!.remove();
    }
    store.setMore([]);
    store.setBrush(null);
    refresh();
  });
  refresh();
  return refresh;
}
