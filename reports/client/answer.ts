// The page's answer to bounds and a rule: the chosen layout, its runner-up, the values of both, and the edits
// between them.
import { lossOf, marginOf } from "../../search/selection/choice.ts";
import { editPath, editText, tokensOf } from "../edits.ts";
import { formatRange, formatValue } from "../format.ts";
import { metricLabel, shortLabel } from "../metrics.ts";
import type { View } from "../page/view.ts";
import { choiceAt, type Decision } from "./decide.ts";
import { make } from "./dom.ts";

/** Returns the label of a metric, marked where it comes from an emulator. */
export const place = (view: View, metric: number): string => {
  const { key, emulated } = view.metrics[metric]!;
  return `${metricLabel(key)}${emulated ? " (emulated)" : ""}`;
};

const nameOf = (view: View, trial: number): string => {
  const { label, published, id } = view.trials[trial]!;
  return [label, published ?? id.slice(0, 11)].filter(Boolean).join(" ");
};

/** Returns the answer if no layout is within the bounds. */
export const nothing = (view: View, { relax }: Decision): Node[] => [
  make("p", { class: "verdict" }, "No layout on the front is within these bounds."),
  make(
    "p",
    {},
    relax === null
      ? "Relax more than one bound: removing a single one does not help."
      : `Without the bound on ${place(view, relax.metric).toLowerCase()}, ${relax.admits} ${relax.admits === 1 ? "layout" : "layouts"} would be.`,
  ),
];

/** True if the difference between two layouts is within its error, or their errors are unknown. */
function alike(view: View, a: number, b: number, m: number): boolean {
  const [first, second] = [choiceAt(view, a), choiceAt(view, b)];
  const { key: name, direction } = view.metrics[m]!;
  if (first === undefined || second === undefined || direction === null) return false;
  const objective = { name, direction };
  const [better, worse] =
    lossOf(first, objective) <= lossOf(second, objective) ? [first, second] : [second, first];
  const known = [better, worse].every(
    ({ metrics }) => metrics[name] !== undefined && metrics[name].low !== null,
  );
  return known && lossOf(worse, objective) - lossOf(better, objective) <= marginOf(better, worse, objective);
}

/** Returns a value with its interval and marks, as a button that opens its raw samples. */
function figure(view: View, trial: number, m: number): Node[] {
  const { key, unit } = view.metrics[m]!;
  const known = choiceAt(view, trial)?.metrics[key];
  if (known === undefined) return [new Text("–")];
  const { value, low, high, marks } = known;
  const attributes = { type: "button", class: "number", "data-open": String(trial), "data-metric": key };
  const interval = low === null || high === null || low === high ? "" : formatRange(low, high, unit);
  const notes = [interval, ...marks].filter((text) => text !== "").join(", ");
  return [
    make("button", attributes, formatValue(value, unit)),
    ...(marks.length > 0 ? [new Text(" ~")] : []),
    ...(notes === "" ? [] : [make("span", { class: "known soft" }, notes)]),
  ];
}

const percent = (chance: number): string => `${Math.round(100 * chance)}%`;

/** Returns the table of the choice beside its runner-up, every value with its interval and marks. */
function pairTable(view: View, pair: readonly number[], metrics: readonly number[]): Node[] {
  const [chosen, second] = pair as [number, number | undefined];
  let same = false;
  const row = (name: string, cells: readonly Node[]): HTMLElement =>
    make("tr", {}, make("th", { scope: "row" }, name), ...cells);
  const number = (...content: readonly (Node | string)[]): HTMLElement =>
    make("td", { class: "num" }, ...content);
  const rows = metrics.map((m) => {
    const equal = second !== undefined && alike(view, chosen, second, m);
    same ||= equal;
    const { key, emulated } = view.metrics[m]!;
    return row(
      `${shortLabel(key).join(" ")}${emulated ? " (emulated)" : ""}`,
      pair.map((trial) => number(equal && trial === second ? "≈ " : "", ...figure(view, trial, m))),
    );
  });
  const choices = pair.map((trial) => choiceAt(view, trial)!);
  rows.push(
    row(
      "attention layers",
      choices.map(({ attentionLayers }) => number(String(attentionLayers))),
    ),
  );
  if (choices.some(({ chance }) => chance !== null))
    rows.push(
      row(
        "chance on the front",
        choices.map(({ chance }) => number(chance === null ? "–" : percent(chance))),
      ),
    );
  const heads = [make("th"), make("th", { class: "num", scope: "col" }, "choice")];
  if (second !== undefined) heads.push(make("th", { class: "num", scope: "col" }, "runner-up"));
  const marked = choices.some((choice) =>
    metrics.some((m) => (choice.metrics[view.metrics[m]!.key]?.marks.length ?? 0) > 0),
  );
  const notes = [
    ...(same ? ["≈ no difference beyond the error"] : []),
    ...(marked ? ["~ do not rely on this value"] : []),
  ];
  return [
    make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)),
    ...(notes.length === 0 ? [] : [make("p", { class: "soft" }, notes.join("; "))]),
  ];
}

/** Returns the choice, its runner-up, the reasons, and the edits from one to the other. */
export function describe(
  view: View,
  { order, feasible, reasons }: Decision,
  metrics: readonly number[],
): Node[] {
  const [chosen, second] = order as [number, number | undefined];
  const open = (trial: number): HTMLElement =>
    make("button", { type: "button", class: "link", "data-open": String(trial) }, nameOf(view, trial));
  return [
    make(
      "p",
      { class: "verdict" },
      open(chosen),
      make("span", { class: "soft" }, ` of ${feasible} within these bounds`),
    ),
    ...picture(view, chosen, null),
    make("p", { class: "pattern" }, view.trials[chosen]!.pattern),
    ...pairTable(view, second === undefined ? [chosen] : [chosen, second], metrics),
    make(
      "details",
      {},
      make("summary", {}, "Reasons"),
      make("ul", { class: "reasons soft" }, ...reasons.map((text) => make("li", {}, text))),
    ),
    ...(second === undefined
      ? [make("p", { class: "soft" }, "No runner-up: no other layout is within the bounds.")]
      : runnerUp(view, chosen, second, metrics, open)),
  ];
}

/** The layout as in the page's list. Layers that differ from another layout of the same depth are marked. */
function picture(view: View, trial: number, other: string | null): Node[] {
  const { number, pattern } = view.trials[trial]!;
  const strip = document.querySelector(`.layouts li[data-trial="${number}"] svg.strip`)?.cloneNode(true);
  if (strip === undefined) return [];
  const [own, base] = [tokensOf(pattern), tokensOf(other ?? pattern)];
  if (own.length === base.length)
    for (const [layer, cell] of [...(strip as SVGElement).querySelectorAll(":scope > g")].entries())
      cell.classList.toggle("edited", own[layer] !== base[layer]);
  return [make("div", { class: "strip-box" }, strip)];
}

/** More edits than this are counted rather than listed. */
const MAX_STEPS = 12;

/** Returns the runner-up and the single edits that lead to it, with the measured layouts on the way. */
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
      ? "same mixers, other widths"
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
    : [
        first,
        ...strip,
        path,
        make("p", { class: "soft" }, `The value beside each measured step is ${name}.`),
      ];
}
