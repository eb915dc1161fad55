// Draws the lineage of the front over trials: a point per layout, a line to its parent. Points are buttons.
import { editText, layerEdits } from "../edits.ts";
import { ticks } from "../labels.ts";
import { LINEAGE_FOOT, LINEAGE_ROW } from "../page/sizes.ts";
import { makeSvg, opening, STAR, svgText } from "./dom.ts";
import type { Store } from "./page-selection.ts";

const LEFT = 16;
/** Width for the names at the right end of the lines. */
const RIGHT = 150;
const TOP = 22;

/** Draws the lineage into the element. Returns false without data. */
export function drawLineage(element: HTMLElement, store: Store): boolean {
  const { view } = store;
  if (view.lineage.length === 0) return false;
  const width = Math.max(480, element.clientWidth);
  const rows = Math.max(...view.lineage.map(({ row }) => row)) + 1;
  const height = rows * LINEAGE_ROW + LINEAGE_FOOT;
  const end = Math.max(1, ...view.lineage.map(({ trial }) => view.trials[trial]!.number));
  const x = (trial: number): number => LEFT + (view.trials[trial]!.number / end) * (width - LEFT - RIGHT);
  const y = (row: number): number => TOP + row * LINEAGE_ROW;
  const svg = makeSvg("svg", { width, height, class: "lineage", role: "presentation" });
  const rowOf = new Map(view.lineage.map(({ trial, row }) => [trial, row]));
  const last = new Map<number, number>();
  for (const { trial, row } of view.lineage) last.set(row, Math.max(last.get(row) ?? -1, x(trial)));
  const points: SVGElement[] = [];
  for (const { trial, parent, row } of view.lineage) {
    const { label, published, id, number, pattern, origin, state } = view.trials[trial]!;
    const out = store.isGreyedOut(trial) ? " out" : "";
    if (parent !== null) {
      const from = [x(parent), y(rowOf.get(parent)!)] as const;
      const bend = from[1] === y(row) ? "" : `C${from[0] + 14},${y(row)} ${from[0] + 6},${y(row)} `;
      const to = `${x(trial)},${y(row)}`;
      const d =
        bend === ""
          ? `M${from}L${to}`
          : `M${from}${bend}${from[0] + 20 < x(trial) ? `${from[0] + 20},${y(row)}L${to}` : to}`;
      svg.append(makeSvg("path", { d, class: view.lineageRecorded ? "link" : "link apart" }));
    }
    const kind = published !== null ? "published" : label !== null ? "front" : "ancestor";
    const name = [label, published ?? id.slice(0, 11)].filter(Boolean).join(" ");
    const edits = parent === null ? [] : layerEdits(view.trials[parent]!.pattern, pattern);
    const how = [
      `${name}, trial ${number}`,
      ...(state === "complete" ? [] : [state === "infeasible" ? "over budget" : state]),
      ...(origin === null ? [] : [origin]),
      ...(edits.length === 0 ? [] : [edits.map(editText).join("; ")]),
    ].join(": ");
    const point = makeSvg("g", {
      class: `node ${kind}${out}${trial === store.currentChoice ? " chosen" : ""}`,
    });
    // A wider invisible mark is easier to hit.
    point.append(makeSvg("circle", { cx: x(trial), cy: y(row), r: 11, class: "hit" }));
    point.append(
      kind === "published"
        ? makeSvg("path", { d: STAR, transform: `translate(${x(trial)} ${y(row)})` })
        : makeSvg("circle", { cx: x(trial), cy: y(row), r: kind === "ancestor" ? 4 : 6 }),
    );
    opening(point, trial, how);
    const ends = last.get(row) === x(trial);
    if (kind !== "ancestor" || ends) {
      // On a line, only the space above it is free.
      const text = makeSvg(
        "text",
        ends ? { x: x(trial) + 11, y: y(row) + 4 } : { x: x(trial) + 4, y: y(row) - 7 },
      );
      text.textContent = ends ? name : (label ?? published ?? "");
      point.append(text);
    }
    points.push(point);
  }
  for (const trial of ticks(end, Math.floor((width - LEFT - RIGHT) / 80))) {
    const at = LEFT + (trial / end) * (width - LEFT - RIGHT);
    svg.prepend(makeSvg("line", { x1: at, x2: at, y1: 0, y2: height - 20 }));
    svg.append(svgText(trial === 0 ? "trial 0" : trial.toLocaleString("en-US"), at, height - 5, "tick"));
  }
  svg.append(...points);
  element.dataset.lanes = "true";
  element.replaceChildren(svg);
  return true;
}
