// The history of the front: one row for each layout that was ever on it, a bar from its trial to the trial
// that dominated it. Exact for any number of objectives, while a picture of the front shows only two.

import { ticks } from "../labels.ts";
import { makeSvg, opening, svgText } from "./dom.ts";
import type { Store } from "./page-selection.ts";

const LEFT = 96;
const RIGHT = 14;
const ROW = 17;
const BAR = 9;
const TOP = 4;

/** Draws at most `limit` rows of the front's history. Returns false without data. */
export function drawEvolution(element: HTMLElement, store: Store, limit: number): boolean {
  const { view } = store;
  const spans = view.frontSpans;
  if (spans.length === 0) return false;
  // Layouts still on the front are never left out; of the others, the latest are kept.
  const kept = [...spans]
    .sort((a, b) => Number(a.until !== null) - Number(b.until !== null) || b.from - a.from)
    .slice(0, limit)
    .sort((a, b) => a.from - b.from);
  const width = Math.max(320, element.clientWidth);
  const height = TOP + kept.length * ROW + 22;
  const end = Math.max(1, ...view.hypervolume.trial);
  const x = (trial: number): number => LEFT + (trial / end) * (width - LEFT - RIGHT);
  const svg = makeSvg("svg", { width, height, class: "evolution", role: "presentation" });
  for (const trial of ticks(end, Math.floor((width - LEFT) / 80))) {
    svg.append(makeSvg("line", { x1: x(trial), x2: x(trial), y1: TOP, y2: height - 20 }));
    svg.append(
      svgText(trial === 0 ? "trial 0" : trial.toLocaleString("en-US"), x(trial), height - 5, "tick"),
    );
  }
  for (const [row, { trial, from, until }] of kept.entries()) {
    const { label, published, id, number } = view.trials[trial]!;
    const y = TOP + row * ROW + ROW / 2;
    const name = `${published === null ? "" : "★ "}${label ?? (published ?? id).slice(0, 11)}`;
    svg.append(svgText(name, LEFT - 10, y + 4, label === null ? "name gone" : "name"));
    const bar = makeSvg("rect", {
      x: x(from),
      y: y - BAR / 2,
      width: Math.max(2, x(until ?? end) - x(from)),
      height: BAR,
      rx: 2,
      class: `${until === null ? "bar stays" : "bar gone"}${published === null ? "" : " published"}${store.isGreyedOut(trial) ? " out" : ""}`,
    });
    const fate = until === null ? "on the front" : `dominated by trial ${until}`;
    const title = `${[label, published ?? id].filter(Boolean).join(" ")}: trial ${number}, ${fate}`;
    svg.append(opening(bar, trial, title));
  }
  element.replaceChildren(svg);
  return true;
}
