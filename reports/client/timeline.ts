// The timeline: one lane for each device and trainer, one bar for each job. Gaps are idle time.
import { formatValue } from "../format.ts";
import { busyShare } from "./busy.ts";
import { makeSvg, opening, svgText } from "./dom.ts";
import type { Store } from "./page-selection.ts";

/** Width for a lane's name, and its limit, up to which a name is written in full. */
const LEFT = 96;
const MAX_LEFT = 170;
const CHARACTER = 7;
const RIGHT = 12;
/** Half of the widest time under the lanes. */
const TICK = 32;
const LANE = 30;
const BAR = 18;
const TOP = 4;
/**
 * More bars than this become one path per kind: they would be too many elements, and too thin to point at.
 */
const MAX_BARS = 1500;

const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 36_000, 86_400];

function clock(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`;
  return `${Math.floor(seconds / 3600)}:${String(Math.floor((seconds % 3600) / 60)).padStart(2, "0")} h`;
}

/** Draws the timeline into the element. Returns false without data. */
export function drawTimeline(element: HTMLElement, store: Store): boolean {
  const { view } = store;
  const spans = view.timeline;
  if (spans.length === 0) return false;
  const lanes = [...new Set(spans.map(({ lane }) => lane))];
  const end = spans.reduce((latest, { endMs }) => Math.max(latest, endMs), 1);
  const width = Math.max(320, element.clientWidth);
  const height = TOP + lanes.length * LANE + 24;
  const longest = lanes.reduce((most, { length }) => Math.max(most, length), 0);
  const left = Math.min(MAX_LEFT, width / 3, Math.max(LEFT, longest * CHARACTER + 8));
  const fits = Math.floor((left - 6) / CHARACTER);
  const x = (ms: number): number => left + (ms / end) * (width - left - RIGHT);
  const svg = makeSvg("svg", { width, height, class: "timeline", role: "presentation" });

  const wanted = end / 1000 / Math.max(2, Math.floor((width - left) / 90));
  const step = STEPS.find((seconds) => seconds >= wanted) ?? 86_400;
  for (let seconds = 0; seconds * 1000 <= end; seconds += step) {
    const at = x(seconds * 1000);
    svg.append(makeSvg("line", { x1: at, x2: at, y1: TOP, y2: height - 22 }));
    svg.append(svgText(clock(seconds), Math.min(at, width - TICK), height - 6, "tick"));
  }
  const place = new Map(view.trials.map(({ number }, index) => [number, index]));
  const paths = new Map<string, string>();
  for (const span of spans) {
    const y = TOP + lanes.indexOf(span.lane) * LANE + (LANE - BAR) / 2;
    const [from, to] = [x(span.startMs), Math.max(x(span.endMs), x(span.startMs) + 0.8)];
    const kind = span.ok ? span.kind : "broken";
    if (spans.length > MAX_BARS) {
      const d = `M${from.toFixed(1)},${y}H${to.toFixed(1)}V${y + BAR}H${from.toFixed(1)}Z`;
      paths.set(kind, (paths.get(kind) ?? "") + d);
      continue;
    }
    const bar = makeSvg("rect", { x: from, y, width: to - from, height: BAR, class: `bar ${kind}` });
    const trial = span.trial === null ? undefined : place.get(span.trial);
    if (trial !== undefined && store.isGreyedOut(trial)) bar.classList.add("out");
    const lasted = formatValue(span.endMs - span.startMs, "ms");
    const title = `${span.kind}${span.trial === null ? "" : ` of trial ${span.trial}`}: ${span.detail ?? span.lane}, ${lasted}`;
    svg.append(opening(bar, trial, title));
  }
  for (const [kind, d] of paths) svg.append(makeSvg("path", { d, class: `bar ${kind}` }));
  for (const [index, lane] of lanes.entries()) {
    const share = busyShare(
      spans.filter((span) => span.lane === lane),
      end,
    );
    const y = TOP + index * LANE + LANE / 2;
    svg.append(svgText(lane.length > fits ? `${lane.slice(0, fits - 1)}…` : lane, 0, y - 1, "lane"));
    svg.append(svgText(`${Math.round(share * 100)}% busy`, 0, y + 11, "share"));
  }
  element.dataset.lanes = "true";
  element.replaceChildren(svg);
  return true;
}
