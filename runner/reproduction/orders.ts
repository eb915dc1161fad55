// Decides which side of each pair runs first: equally often each, shuffled, so that every pattern is equally
// likely also in any beginning of the sequence. The clock may then end a comparison early, and its test is
// still exact.
import type { Rng } from "../../candidates/space.ts";

export type First = "a" | "b";

/** Returns the first side of each pair. */
export function balancedOrders(pairs: number, rng: Rng): readonly First[] {
  const extra = rng.below(2);
  const orders = Array.from({ length: pairs }, (_, n): First => ((n + extra) % 2 === 0 ? "a" : "b"));
  for (let n = pairs - 1; n > 0; n--) {
    const other = rng.below(n + 1);
    [orders[n], orders[other]] = [orders[other]!, orders[n]!];
  }
  return orders;
}
