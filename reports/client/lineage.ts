// The lineage of the front over trials: a point a layout, a line to what it was varied from. Points are buttons.
import { editText, layerEdits } from "../edits.ts";
import { LINEAGE_FOOT, LINEAGE_ROW } from "../page/sizes.ts";
import { makeSvg } from "./dom.ts";
import type { Store } from "./store.ts";

const LEFT = 16;
/** Room for the names at the right end of the lines. */
const RIGHT = 150;
const TOP = 14;

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
    const out = store.stepsBack(trial) ? " out" : "";
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
      "data-open": trial,
      tabindex: 0,
      role: "button",
      "aria-label": how,
    });
    point.append(makeSvg("circle", { cx: x(trial), cy: y(row), r: kind === "ancestor" ? 4 : 6 }));
    const title = makeSvg("title", {});
    title.textContent = how;
    point.append(title);
    if (kind !== "ancestor" || last.get(row) === x(trial)) {
      const text = makeSvg("text", { x: x(trial) + 10, y: y(row) + 4 });
      text.textContent = last.get(row) === x(trial) ? name : (label ?? "");
      point.append(text);
    }
    points.push(point);
  }
  svg.append(...points);
  const axis = makeSvg("text", { x: LEFT, y: height - 4, class: "tick" });
  axis.textContent = `trial 0 to ${end}`;
  svg.append(axis);
  element.replaceChildren(svg);
  return true;
}
