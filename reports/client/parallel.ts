// Draws parallel coordinates: one axis per objective or budgeted metric, better always up, one line per
// layout. SVG is used, because plotly.js's version needs a policy that allows compiling code from text.
// Dragging along an axis selects.
import { formatValue } from "../format.ts";
import { endLabels, titleLines } from "../labels.ts";
import { makeSvg, opening, svgText } from "./dom.ts";
import type { Store } from "./page-selection.ts";
import { decisionMetrics } from "./sheet.ts";

const TOP = 58;
const BOTTOM = 26;
const LINE = 13;
/** Half of the widest title line: the room needed beside the outer axes. */
const SIDE = 74;
/** Width for the name of a published layout beside the last axis. */
const NAMED_SIDE = 118;
const NAME_CHARACTERS = 16;
const TITLE_CHARACTERS = 20;
const END = 0.025;

const shortened = (name: string): string =>
  name.length > NAME_CHARACTERS ? `${name.slice(0, NAME_CHARACTERS - 1)}…` : name;

/** Contents of the drawing, and the positions of values. */
interface Frame {
  readonly store: Store;
  readonly svg: SVGElement;
  /** Indices into view.metrics, one axis each. */
  readonly metrics: readonly number[];
  /** Indices into view.trials. */
  readonly trials: readonly number[];
  readonly height: number;
  readonly ranges: readonly { readonly worst: number; readonly best: number }[];
  x(axis: number): number;
  /** Position of a share of the axis: 0 the worst, 1 the best. */
  y(fraction: number): number;
  share(axis: number, trial: number): number;
}

/** Null where there is nothing to compare. */
function frameOf(element: HTMLElement, store: Store): Frame | null {
  const { view } = store;
  const metrics = decisionMetrics(store);
  const trials = view.trials.flatMap((trial, index) =>
    trial.state === "complete" && metrics.every((m) => view.metrics[m]!.value[index] != null) ? [index] : [],
  );
  if (metrics.length < 2 || trials.length === 0) return null;
  const [width, height] = [Math.max(element.clientWidth, metrics.length * 155), element.clientHeight];
  const right = trials.some((trial) => view.trials[trial]!.published !== null) ? NAMED_SIDE : SIDE;
  const ranges = metrics.map((m) => {
    const values = trials.map((trial) => view.metrics[m]!.value[trial]!);
    const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    return view.metrics[m]!.direction === "max" ? { worst: low, best: high } : { worst: high, best: low };
  });
  return {
    ...{ store, metrics, trials, height, ranges },
    svg: makeSvg("svg", { width, height, class: "parallel", role: "presentation" }),
    x: (axis) => SIDE + (axis * (width - SIDE - right)) / (metrics.length - 1),
    y: (fraction) => height - BOTTOM - fraction * (height - TOP - BOTTOM),
    share: (axis, trial) => {
      const { worst, best } = ranges[axis]!;
      return best === worst ? 0.5 : (view.metrics[metrics[axis]!]!.value[trial]! - worst) / (best - worst);
    },
  };
}

/** Draws parallel coordinates into the element. Returns false without data. */
export function drawParallel(element: HTMLElement, store: Store): boolean {
  const frame = frameOf(element, store);
  if (frame === null) return false;
  const isNamed = (trial: number): boolean =>
    store.view.trials[trial]!.label !== null || store.view.trials[trial]!.published !== null;
  const named = frame.trials.filter(isNamed);
  const plain = frame.trials.filter((trial) => !isNamed(trial));
  frame.svg.append(
    ...plainPaths(frame, plain),
    ...named.map((trial) => namedPath(frame, trial)),
    ...frame.metrics.flatMap((m, axis) => axisMarks(frame, axis, m)),
    ...endNames(frame, named),
  );
  element.replaceChildren(frame.svg);
  return true;
}

const lineOf = ({ metrics, x, y, share }: Frame, trial: number): string =>
  `M${metrics.map((_, axis) => `${x(axis).toFixed(1)},${y(share(axis, trial)).toFixed(1)}`).join("L")}`;

/**
 * All dominated layouts are two paths, for admitted and other ones. 5,000 elements would be slow to lay out.
 */
const plainPaths = (frame: Frame, trials: readonly number[]): SVGElement[] =>
  [false, true].flatMap((admitted) => {
    const d = trials
      .filter((trial) => frame.store.admits(trial) === admitted)
      .map((trial) => lineOf(frame, trial))
      .join("");
    return d === "" ? [] : [makeSvg("path", { d, class: admitted ? "plain" : "plain out" })];
  });

/** A separate line, which opens the layout's details. */
function namedPath(frame: Frame, trial: number): SVGElement {
  const { store, metrics } = frame;
  const { label, published, id } = store.view.trials[trial]!;
  const kind = trial === store.currentChoice ? "chosen" : published === null ? "front" : "published";
  const path = makeSvg("path", {
    d: lineOf(frame, trial),
    class: store.admits(trial) ? kind : `${kind} out`,
  });
  const name = [label, published ?? id].filter(Boolean).join(" ");
  const values = metrics.map((m) => {
    const { label: of, unit, value } = store.view.metrics[m]!;
    return `${of} ${formatValue(value[trial]!, unit)}`;
  });
  return opening(path, trial, [name, ...values].join("\n"));
}

/** Names beside the last axis: the choice, then published layouts, then others while there is room. */
function endNames({ store, metrics, x, y, share }: Frame, named: readonly number[]): SVGElement[] {
  const { view } = store;
  const last = metrics.length - 1;
  const rank = (trial: number): number =>
    trial === store.currentChoice ? 0 : view.trials[trial]!.published !== null ? 1 : 2;
  const shown = named.filter((trial) => store.admits(trial)).sort((a, b) => rank(a) - rank(b));
  // Names stay below the axis's best value, which is written above its end.
  const beside = (trial: number): number => Math.max(y(share(last, trial)), TOP + 6);
  const texts = endLabels(
    shown.map((trial) => {
      const { label, published } = view.trials[trial]!;
      return { y: beside(trial), text: label ?? `★ ${shortened(published!)}` };
    }),
  );
  return shown.flatMap((trial, n) => {
    if (texts[n] === "") return [];
    const type = trial === store.currentChoice ? "tip chosen" : "tip";
    return [svgText(texts[n]!, x(last) + 15, beside(trial) + 4, type)];
  });
}

function axisMarks(frame: Frame, axis: number, m: number): SVGElement[] {
  const { store, ranges, height, x } = frame;
  const { label, device, unit, emulated } = store.view.metrics[m]!;
  const text = (content: string, at: number, type: string): SVGElement => svgText(content, x(axis), at, type);
  const brush = makeSvg("rect", {
    x: x(axis) - 11,
    y: TOP,
    width: 22,
    height: height - TOP - BOTTOM,
    class: "brush",
  });
  brush.addEventListener("pointerdown", (event) => startBrush(frame, event, axis, brush));
  const place = `${device ?? ""}${emulated ? " (emulated)" : ""}`;
  const title = titleLines(label, TITLE_CHARACTERS);
  // Titles end just above the value below them, whether they have one line or more.
  const lowest = TOP - 4 - LINE;
  const names = title.map((line, n) => {
    const after = title.length - 1 - n + (place === "" ? 0 : 1);
    return text(line, lowest - after * LINE, "name");
  });
  return [
    makeSvg("line", { x1: x(axis), x2: x(axis), y1: TOP, y2: height - BOTTOM }),
    ...names,
    ...(place === "" ? [] : [text(place, lowest, "")]),
    text(formatValue(ranges[axis]!.best, unit), TOP - 4, "end"),
    text(formatValue(ranges[axis]!.worst, unit), height - BOTTOM + 14, "end"),
    brush,
  ];
}

function startBrush(frame: Frame, down: PointerEvent, axis: number, handle: SVGElement): void {
  const { store, svg, trials, height, x, y, share } = frame;
  handle.setPointerCapture(down.pointerId);
  const box = svg.getBoundingClientRect();
  const at = (event: PointerEvent): number => {
    const along = (height - BOTTOM - (event.clientY - box.top)) / (height - TOP - BOTTOM);
    // A position near an end counts as the end, so that a pixel does not exclude the best or the worst.
    return along > 1 - END ? 1 : along < END ? 0 : along;
  };
  const from = at(down);
  const mark = makeSvg("rect", { x: x(axis) - 7, width: 14, class: "range" });
  svg.append(mark);
  handle.addEventListener("pointermove", (event) => {
    const [low, high] = [Math.min(from, at(event)), Math.max(from, at(event))];
    mark.setAttribute("y", String(y(high)));
    mark.setAttribute("height", String(y(low) - y(high)));
  });
  handle.addEventListener(
    "pointerup",
    (event) => {
      const [low, high] = [Math.min(from, at(event)), Math.max(from, at(event))];
      const inside = trials.filter((trial) => share(axis, trial) >= low && share(axis, trial) <= high);
      store.setBrush(high - low < 0.01 ? null : inside);
    },
    { once: true },
  );
}
