// The decision: one slider a bound, a rule, and in words the layout they lead to, its runner-up, and the edits between them.
import { editPath, editText, tokensOf } from "../edits.ts";
import { formatValue } from "../format.ts";
import { metricLabel, shortLabel } from "../metrics.ts";
import type { View } from "../page/view.ts";
import { attentionLayers, decide, eligible, type Rule } from "./decide.ts";
import { byId, make } from "./dom.ts";
import type { Store } from "./store.ts";

const STEPS = 200;

interface Slider {
  readonly key: string;
  readonly input: HTMLInputElement;
  readonly output: HTMLOutputElement;
  /** Index into view.metrics. */
  metric: number;
  /** Loosest and tightest bound: the worst and the best value of any complete layout. */
  range: Range;
  /** The bound itself: it stays when newer data moves the ends of the slider. Null: any. */
  worst: number | null;
}
interface Range {
  readonly loose: number;
  readonly tight: number;
}

const place = (view: View, metric: number): string => {
  const { key, emulated } = view.metrics[metric]!;
  return `${metricLabel(key)}${emulated ? " (emulated)" : ""}`;
};

/** Objectives, budgeted metrics and those the reader added, each once. */
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
  const { value, direction } = view.metrics[metric]!;
  const values = value.filter(
    (v, trial): v is number => v !== null && view.trials[trial]!.state === "complete",
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

/** Puts the handle where the bound is between the ends that the data has now. */
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

/** Best in each objective, then the minimal-hybrid rule on the quality objective (the first of no device). */
function rulesOf(view: View, metrics: readonly number[]): { readonly text: string; readonly rule: Rule }[] {
  const objectives = metrics.filter((m) => view.objectives.some(({ key }) => key === view.metrics[m]!.key));
  const quality = objectives.find((m) => view.metrics[m]!.device === null);
  const ordered = quality === undefined ? objectives : [quality, ...objectives.filter((m) => m !== quality)];
  const best = ordered.map((metric) => ({
    text: `best: ${place(view, metric)}`,
    rule: { kind: "best", metric } as const,
  }));
  if (quality === undefined) return best;
  const minimal = [0.01, 0.03].map((tolerance) => ({
    text: `fewest attention layers, ${place(view, quality)} within ${tolerance * 100}% of the best`,
    rule: { kind: "minimal-hybrid", metric: quality, tolerance } as const,
  }));
  return [...best, ...minimal];
}

const nameOf = (view: View, trial: number): string => {
  const { label, published, id } = view.trials[trial]!;
  return [label, published ?? id.slice(0, 11)].filter(Boolean).join(" ");
};

/** Chips of the front, more are counted. */
const CHIPS = 60;

/** A button for each layout that can be chosen; those outside the bounds step back with every other view. */
function chips(view: View): HTMLElement[] {
  // F1, F2, ... as in every table, then what was published and is not on the front.
  const rank = (trial: number): number =>
    Number(view.trials[trial]!.label?.slice(1) ?? Number.POSITIVE_INFINITY);
  const all = [...eligible(view)].sort((a, b) => rank(a) - rank(b) || a - b);
  const shown = all.slice(0, CHIPS).map((trial) => {
    const { label, published, number } = view.trials[trial]!;
    const attributes = {
      type: "button",
      class: "chip",
      "data-trial": String(number),
      "data-open": String(trial),
    };
    return make("button", attributes, published === null ? label! : `★ ${label ?? published}`);
  });
  return all.length > CHIPS
    ? [...shown, make("span", { class: "soft" }, `and ${all.length - CHIPS} more`)]
    : shown;
}

/** The metrics that are not bounded yet and that the front was measured on. */
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

/** Builds the sheet; what it returns brings it up to date with newer data, keeping bounds and rule. */
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
    const { order, relax } = decide(view, store.currentBounds, chosen.rule);
    store.setChosen(order[0] ?? null);
    byId("answer").replaceChildren(
      ...(order.length === 0 ? nothing(view, relax) : describe(view, order, metrics)),
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
    rules = rulesOf(view, metrics);
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

const nothing = (view: View, relax: { readonly metric: number; readonly admits: number } | null): Node[] => [
  make("p", { class: "verdict" }, "No layout on the front is within these bounds."),
  make(
    "p",
    {},
    relax === null
      ? "Loosening one bound alone does not help."
      : `Without the bound on ${place(view, relax.metric).toLowerCase()}, ${relax.admits} would be.`,
  ),
];

/** Whether the raw samples of two trials overlap: then the difference between them is not clear. */
function overlap(view: View, a: number, b: number, m: number): boolean {
  const { low, high } = view.metrics[m]!;
  return low[a] != null && low[b] != null && low[a] <= high[b]! && low[b] <= high[a]!;
}

function describe(view: View, order: readonly number[], metrics: readonly number[]): Node[] {
  const [chosen, second] = order as [number, number | undefined];
  const open = (trial: number): HTMLElement =>
    make("button", { type: "button", class: "link", "data-open": String(trial) }, nameOf(view, trial));
  const shown = (m: number, trial: number): Node | string => {
    const { key, value, unit } = view.metrics[m]!;
    if (value[trial] == null) return "–";
    const attributes = { type: "button", class: "number", "data-open": String(trial), "data-metric": key };
    return make("button", attributes, formatValue(value[trial], unit));
  };
  const pair = second === undefined ? [chosen] : [chosen, second];
  let alike = false;
  const rows = metrics.map((m) => {
    const same = second !== undefined && overlap(view, chosen, second, m);
    alike ||= same;
    const cells = pair.map((trial) =>
      make("td", { class: "num" }, same && trial === second ? "≈ " : "", shown(m, trial)),
    );
    const { key, emulated } = view.metrics[m]!;
    const name = `${shortLabel(key).join(" ")}${emulated ? " (emulated)" : ""}`;
    return make("tr", {}, make("th", { scope: "row" }, name), ...cells);
  });
  const layers = pair.map((trial) => make("td", { class: "num" }, String(attentionLayers(view, trial))));
  rows.push(make("tr", {}, make("th", { scope: "row" }, "attention layers"), ...layers));
  const heads = [make("th"), make("th", { class: "num", scope: "col" }, "choice")];
  if (second !== undefined) heads.push(make("th", { class: "num", scope: "col" }, "runner-up"));
  return [
    make(
      "p",
      { class: "verdict" },
      open(chosen),
      make("span", { class: "soft" }, ` of ${order.length} within these bounds`),
    ),
    ...picture(view, chosen, null),
    make("p", { class: "pattern" }, view.trials[chosen]!.pattern),
    make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)),
    ...(alike ? [make("p", { class: "soft" }, "≈ raw samples overlap: no clear difference")] : []),
    ...(second === undefined
      ? [make("p", { class: "soft" }, "No runner-up: it is the only one.")]
      : runnerUp(view, chosen, second, metrics, open)),
  ];
}

/** The layout as the page's list draws it; layers that differ from another layout of the same depth are marked. */
function picture(view: View, trial: number, other: string | null): Node[] {
  const { number, pattern } = view.trials[trial]!;
  const strip = document.querySelector(`.layouts li[data-trial="${number}"] svg.strip`)?.cloneNode(true);
  if (strip === undefined) return [];
  const [own, base] = [tokensOf(pattern), tokensOf(other ?? pattern)];
  if (own.length === base.length)
    for (const [layer, cell] of [...(strip as SVGElement).querySelectorAll("g")].entries())
      cell.classList.toggle("edited", own[layer] !== base[layer]);
  return [make("div", { class: "strip-box" }, strip)];
}

/** More edits than this are counted, not listed. */
const MAX_STEPS = 12;

/** The runner-up, and the way there in single edits: what was measured on that way, and what was not. */
function runnerUp(
  view: View,
  chosen: number,
  second: number,
  metrics: readonly number[],
  open: (trial: number) => HTMLElement,
): Node[] {
  const measured = new Map<string, number>();
  for (const [index, { pattern, state }] of view.trials.entries())
    if ((state === "complete" || state === "infeasible") && !measured.has(pattern))
      measured.set(pattern, index);
  const [from, to] = [view.trials[chosen]!.pattern, view.trials[second]!.pattern];
  const steps = editPath(from, to, (pattern) => measured.has(pattern));
  const count =
    steps.length === 0
      ? "the same mixers, other widths"
      : `${steps.length} single ${steps.length === 1 ? "edit" : "edits"} away`;
  const first = make(
    "p",
    { class: "runner-up" },
    "Runner-up ",
    open(second),
    make(
      "span",
      { class: "soft" },
      steps.length > MAX_STEPS ? ` ${count}` : ` ${count}${steps.length === 0 ? "" : ":"}`,
    ),
  );
  const strip = picture(view, second, from);
  if (steps.length === 0 || steps.length > MAX_STEPS) return [first, ...strip];
  const [objective] = metrics;
  const items = steps.map(({ edit, pattern }, n) => {
    const trial = n === steps.length - 1 ? second : measured.get(pattern);
    if (trial === undefined)
      return make("li", {}, editText(edit), make("span", { class: "soft" }, " not measured"));
    const value = objective === undefined ? null : view.metrics[objective]!.value[trial];
    const shown = value == null ? "" : ` ${formatValue(value, view.metrics[objective!]!.unit)}`;
    return make("li", {}, editText(edit), " ", open(trial), make("span", { class: "soft" }, shown));
  });
  const path = make("ol", { class: "path" }, ...items);
  const [name] = objective === undefined ? [""] : shortLabel(view.metrics[objective]!.key);
  return name === ""
    ? [first, ...strip, path]
    : [first, ...strip, path, make("p", { class: "soft" }, `Beside each measured step: ${name}.`)];
}
