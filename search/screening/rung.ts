// When a training run may end early: the validation loss at which enough earlier layouts, no worse in anything else, had already done
// better at the same step. Dominance in the sweep's objectives with the loss reached so far in place of the score.
import type { Vector } from "../pareto.ts";

/** An earlier layout at the rung: its other objectives (smaller is better) and its loss there. */
export interface AtRung {
  readonly others: Vector;
  readonly loss: number;
}

/** A loss above this means that `dominatedBy` peers were no worse anywhere; null where no loss could mean that. */
export function hopelessAbove(own: Vector, peers: readonly AtRung[], dominatedBy: number): number | null {
  const rivals = peers
    .filter(({ others }) => others.every((value, m) => value <= own[m]!))
    .map(({ loss }) => loss)
    .sort((a, b) => a - b);
  return rivals[dominatedBy - 1] ?? null;
}
