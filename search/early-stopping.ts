// Decides whether a trial's training continues past a rung: asynchronous successive halving (ASHA, Li et al.
// 2018, arXiv 1810.05934) over several objectives (Schmucker et al. 2021, arXiv 2106.12639). Each trial is
// judged once, against earlier trials that reached the same rung. Unfinished training is compared with a
// margin, measurements without one. Everything here is pure: the runner trains and records.
import { contributions, referencePoint } from "./hypervolume.ts";
import { nonDominatedSort, type Vector } from "./pareto.ts";

/** A trial at a rung. Values are oriented: smaller is better. */
export interface RungEntry {
  /** Number of the trial. */
  readonly trial: number;
  readonly vector: Vector;
}

interface RungRule {
  /**
   * The best 1/eta continue, even if another trial dominates them. They are ordered by rank, then by
   * hypervolume contribution.
   */
  readonly eta: number;
  /** Lead in training that another trial needs, as a share of the range of values at the rung. */
  readonly margin: number;
  /** No trial is stopped before this many have reached the rung, the judged one included. */
  readonly minimum: number;
}

export interface RungVerdict {
  readonly goesOn: boolean;
  /**
   * `few`: too few trials to compare; `close`: no trial is better by more than the margin; `best`: among the
   * best 1/eta.
   */
  readonly why: "few" | "close" | "best" | "dominated";
  /** Number of trials at the rung, this one included. */
  readonly reached: number;
  /** Number of those trials that continue in any case. */
  readonly kept: number;
  /** Place of the trial, from 1; null where the place was not needed. */
  readonly place: number | null;
  /** The trial that dominates this one by most; null where none does by more than the margin. */
  readonly against: number | null;
}

/**
 * Judges `own` among `others` at the same rung. `training[m]` marks axes of unfinished training; the other
 * axes are measured. A trial is dominated if another is no worse on any measured axis and better on every
 * training axis by more than the margin. While an axis tells no trials apart (a task that no trial has begun
 * to learn), no trial is stopped.
 */
export function judgeRung(
  own: RungEntry,
  others: readonly RungEntry[],
  training: readonly boolean[],
  { eta, margin, minimum }: RungRule,
): RungVerdict {
  if (!training.includes(true)) throw new RangeError("a rung needs an axis that training decides");
  const all = [own, ...others];
  const reached = all.length;
  const kept = Math.max(1, Math.ceil(reached / eta));
  const open = { goesOn: true, reached, kept, place: null, against: null };
  if (reached < minimum) return { ...open, why: "few" };
  const range = own.vector.map((_, m) => {
    const values = all.map(({ vector }) => vector[m]!);
    return Math.max(...values) - Math.min(...values);
  });
  /**
   * Sum, in ranges, of another trial's lead in training; null where it does not dominate by more than the
   * margin.
   */
  const lead = ({ vector }: RungEntry): number | null => {
    let sum = 0;
    for (const [m, value] of own.vector.entries()) {
      const better = value - vector[m]!;
      if (training[m] ? better <= margin * range[m]! : better < 0) return null;
      if (training[m]) sum += better / range[m]!;
    }
    return sum;
  };
  let against: { readonly trial: number; readonly lead: number } | null = null;
  for (const other of others) {
    const by = lead(other);
    if (by !== null && (against === null || by > against.lead)) against = { trial: other.trial, lead: by };
  }
  if (against === null) return { ...open, why: "close" };
  const place = placeOf(all, range);
  const goesOn = place <= kept;
  return { goesOn, why: goesOn ? "best" : "dominated", reached, kept, place, against: against.trial };
}

/**
 * Place of the first entry, from 1. Fronts come in order. Within a front the larger hypervolume contribution
 * is first, then the older trial.
 */
function placeOf(all: readonly RungEntry[], range: readonly number[]): number {
  let before = 0;
  for (const front of nonDominatedSort(all.map(({ vector }) => vector))) {
    const own = front.indexOf(0);
    if (own === -1) {
      before += front.length;
      continue;
    }
    const scaled = all.map(({ vector }) => vector.map((value, m) => value / (range[m]! || 1)));
    const parts = contributions(
      front.map((index) => scaled[index]!),
      referencePoint(scaled),
    );
    const ahead = front.filter(
      (index, n) =>
        n !== own &&
        (parts[n]! > parts[own]! || (parts[n] === parts[own] && all[index]!.trial < all[0]!.trial)),
    );
    return before + ahead.length + 1;
  }
  throw new RangeError("an entry is on no front");
}
