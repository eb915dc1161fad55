// Single edits of layers between two layouts, and the path of single edits that passes through the most
// measured layouts. Works on patterns (`c3 c3 g`), so that the page can use it too.

/** One layer changed, added or removed. `layer` counts in the layout from which the edits start. */
export interface LayerEdit {
  readonly layer: number;
  /** Null if a layer is added before `layer`. */
  readonly from: string | null;
  /** Null if the layer is removed. */
  readonly to: string | null;
}

/** Returns the layers of a pattern, as tokens. */
export const tokensOf = (pattern: string): string[] => pattern.split(" ").filter(Boolean);

/**
 * Returns the edits that turn one layout into another: layer by layer at equal depth, else the fewest edits
 * (Wagner and Fischer, 1974).
 */
export function layerEdits(from: string, to: string): readonly LayerEdit[] {
  const [a, b] = [tokensOf(from), tokensOf(to)];
  if (a.length === b.length)
    return a.flatMap((token, layer) => (token === b[layer] ? [] : [{ layer, from: token, to: b[layer]! }]));
  // cost[i][j]: number of edits between the first i layers of a and the first j of b.
  const cost = Array.from({ length: a.length + 1 }, (_, i) =>
    Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)),
  );
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++)
      cost[i]![j] = Math.min(
        cost[i - 1]![j - 1]! + Number(a[i - 1] !== b[j - 1]),
        cost[i - 1]![j]! + 1,
        cost[i]![j - 1]! + 1,
      );
  const edits: LayerEdit[] = [];
  let [i, j] = [a.length, b.length];
  while (i > 0 || j > 0) {
    const here = cost[i]![j]!;
    if (i > 0 && j > 0 && here === cost[i - 1]![j - 1]! + Number(a[i - 1] !== b[j - 1])) {
      if (a[i - 1] !== b[j - 1]) edits.push({ layer: i - 1, from: a[i - 1]!, to: b[j - 1]! });
      i--;
      j--;
    } else if (i > 0 && here === cost[i - 1]![j]! + 1) {
      edits.push({ layer: i - 1, from: a[i - 1]!, to: null });
      i--;
    } else {
      edits.push({ layer: i, from: null, to: b[j - 1]! });
      j--;
    }
  }
  return edits.reverse();
}

/** Returns e.g. `layer 4 g → c3`. */
export function editText({ layer, from, to }: LayerEdit): string {
  if (from === null) return `${to} added before layer ${layer}`;
  return to === null ? `layer ${layer} ${from} taken away` : `layer ${layer} ${from} → ${to}`;
}

function applied(from: readonly string[], edits: readonly LayerEdit[]): string {
  const out: string[] = [];
  for (let layer = 0; layer <= from.length; layer++) {
    const here = edits.filter((edit) => edit.layer === layer);
    for (const { from: old, to } of here) if (old === null) out.push(to!);
    if (layer === from.length) break;
    const change = here.find((edit) => edit.from !== null);
    if (change === undefined) out.push(from[layer]!);
    else if (change.to !== null) out.push(change.to);
  }
  return out.join(" ");
}

export interface EditStep {
  readonly edit: LayerEdit;
  /** The layout after this edit. */
  readonly pattern: string;
}

/** A longer list of edits keeps the order of the layers: the orders of k edits pass through 2^k layouts. */
const MAX_ORDERED = 10;

/**
 * Returns single edits from one layout to the other, in the order that passes through the most `known`
 * layouts.
 */
export function editPath(from: string, to: string, known: (pattern: string) => boolean): readonly EditStep[] {
  const edits = layerEdits(from, to);
  const tokens = tokensOf(from);
  if (edits.length > MAX_ORDERED)
    return edits.map((edit, n) => ({ edit, pattern: applied(tokens, edits.slice(0, n + 1)) }));
  const all = 2 ** edits.length;
  const patterns = Array.from({ length: all }, (_, set) =>
    applied(
      tokens,
      edits.filter((_, n) => set & (1 << n)),
    ),
  );
  // Sets of edits made so far, as bit masks in ascending order. Every set comes after the sets that lead to
  // it.
  const reach = new Array<number>(all).fill(-1);
  const last = new Array<number>(all).fill(-1);
  reach[0] = 0;
  for (let set = 1; set < all; set++)
    for (let n = edits.length - 1; n >= 0; n--) {
      if (!(set & (1 << n))) continue;
      const passed = reach[set ^ (1 << n)]! + Number(known(patterns[set]!));
      if (passed >= reach[set]!) [reach[set], last[set]] = [passed, n];
    }
  const steps: EditStep[] = [];
  for (let set = all - 1; set > 0; set ^= 1 << last[set]!)
    steps.push({ edit: edits[last[set]!]!, pattern: patterns[set]! });
  return steps.reverse();
}
