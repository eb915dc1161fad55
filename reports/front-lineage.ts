// The ancestors of each layout on the front. If a strategy recorded no parents, the earliest finished layout
// one edit apart stands in, and is marked. The page draws them.

import { tokensOf } from "./edits.ts";
import { frontPoints, publishedOffFront } from "./front.ts";
import type { ReportData, ReportTrial } from "./report-model.ts";

export interface LineageNode {
  /** Number of the trial. */
  readonly trial: number;
  /** Number of its parent trial; null at the beginning of a line. */
  readonly parent: number | null;
  /** Line of the drawing. A first child continues its parent's line. */
  readonly row: number;
}
export interface Lineage {
  readonly nodes: readonly LineageNode[];
  readonly rows: number;
  /** False where parents were not recorded. Links then only mean that one edit lies between two layouts. */
  readonly recorded: boolean;
  /** Layouts of the front left out because there are too many lines. */
  readonly omitted: number;
}

/** Number of lines of descent that are drawn. */
const MAX_ROWS = 60;

const finished = ({ state }: ReportTrial): boolean => state === "complete" || state === "infeasible";

/** For each finished trial, the earliest one before it that differs in one layer. */
function oneEditApart(trials: readonly ReportTrial[]): ReadonlyMap<number, number> {
  const first = new Map<string, number>();
  const parents = new Map<number, number>();
  for (const trial of trials) {
    if (!finished(trial)) continue;
    const tokens = tokensOf(trial.pattern);
    const keys = tokens.map((_, layer) => tokens.with(layer, "*").join(" "));
    const near = keys.flatMap((key) => first.get(key) ?? []);
    if (near.length > 0) parents.set(trial.number, Math.min(...near));
    for (const key of keys) if (!first.has(key)) first.set(key, trial.number);
  }
  return parents;
}

function recordedParents(trials: readonly ReportTrial[]): ReadonlyMap<number, number> {
  const numbers = new Map(trials.map(({ id, number }) => [id, number]));
  return new Map(
    trials.flatMap(({ number, parents }): [number, number][] => {
      const parent = (parents ?? []).map((id) => numbers.get(id)).find((n) => n !== undefined && n < number);
      return parent === undefined ? [] : [[number, parent]];
    }),
  );
}

/** Cached, because the page's section and the data of its script need the same lineage. */
const made = new WeakMap<ReportData["trials"], Lineage>();

/** Returns the lineage of the front and of published layouts. */
export function lineageOf(data: ReportData): Lineage {
  const known = made.get(data.trials) ?? traced(data);
  made.set(data.trials, known);
  return known;
}

function traced(data: ReportData): Lineage {
  const recorded = data.trials.some(({ parents }) => (parents ?? []).length > 0);
  const parents = recorded ? recordedParents(data.trials) : oneEditApart(data.trials);
  const ends = [...frontPoints(data).map(({ trial }) => trial), ...publishedOffFront(data)];
  const members = new Map<number, number | null>();
  const children = new Map<number, number[]>();
  for (const { number } of ends.slice(0, MAX_ROWS)) {
    for (let at = number; !members.has(at); ) {
      const parent = parents.get(at) ?? null;
      members.set(at, parent);
      if (parent === null) break;
      children.set(parent, [...(children.get(parent) ?? []), at]);
      at = parent;
    }
  }
  // Children come after their parents, so sizes are summed from the newest backwards.
  const newestFirst = [...members.keys()].sort((a, b) => b - a);
  const size = new Map<number, number>();
  for (const at of newestFirst)
    size.set(at, 1 + (children.get(at) ?? []).reduce((sum, child) => sum + size.get(child)!, 0));
  const nodes: LineageNode[] = [];
  let rows = 0;
  const roots = newestFirst.filter((at) => members.get(at) === null).reverse();
  const stack = roots.reverse().map((at) => ({ at, row: -1 }));
  while (stack.length > 0) {
    const { at, row: given } = stack.pop()!;
    const row = given < 0 ? rows++ : given;
    nodes.push({ trial: at, parent: members.get(at)!, row });
    const own = [...(children.get(at) ?? [])].sort((a, b) => size.get(b)! - size.get(a)! || a - b);
    for (const child of own.slice(1).reverse()) stack.push({ at: child, row: -1 });
    if (own.length > 0) stack.push({ at: own[0]!, row });
  }
  return { nodes, rows, recorded, omitted: Math.max(0, ends.length - MAX_ROWS) };
}
