// A store with a sweep of two layouts.
import type { Layout } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { parseSweepConfig } from "../../runner/config/config.ts";
import { Store } from "../../runner/store/store.ts";
import type { Proposal } from "../../search/strategy.ts";

export const storedConfig = parseSweepConfig(
  `name: s
space: { vocab: 256, width: 64, depth: 2, mixers: [c3], ffn: 64 }
search: { trials: 2 }
objectives: [{ metric: parameters }]`,
  "s.yaml",
);
export const drawn = (layout: Layout): Proposal => ({
  candidate: layout,
  origin: { kind: "random", parents: [], operator: null },
});
export const storedLayouts = ["c3 c3", "c3 c4"].map((layers) => parseNotation(`v256 d64 f64 : ${layers}`));

/** Returns a new database with a sweep of two proposals. */
export function storeWithSweep(path: string): { store: Store; sweepId: number; trialId: number } {
  const store = Store.open(path);
  const sweepId = store.sweeps.create("s", storedConfig, {}).id;
  store.trials.propose(sweepId, 0, storedLayouts.map(drawn), { rng: [1, 2, 3, 4] });
  return { store, sweepId, trialId: store.trials.batch(sweepId, 0)[0]!.id };
}
