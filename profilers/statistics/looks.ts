// Plans when a paired comparison looks at its pairs, and the error rate of each look. The plan exists before
// the first pair, so that the comparison may stop at any look and may be extended afterwards.
//
// The rates of all looks sum to less than the error rate, and the test of a look is exact (paired.ts). So the
// chance that any look errs is within the error rate, whatever the dependence between looks (Bonferroni). The
// intervals of all looks hold together (repeated confidence intervals, Jennison and Turnbull 1989).
// Group-sequential boundaries from Brownian motion were rejected: they need about a tenth fewer pairs, but
// assume equal noise at all times, which a throttling device does not have. Mixture martingales of signs were
// rejected: they are valid after every pair, but at 20 pairs they need differences half as large again.
import { normalQuantile } from "./normal.ts";

export interface Look {
  /** Number of pairs run before this look. */
  readonly pairs: number;
  /** Error rate of the look's test. 1 - rate is the level of its intervals. */
  readonly errorRate: number;
}

/**
 * With fewer pairs, no pattern of orders is rare enough at an error rate that leaves some for the last look.
 */
const FIRST_LOOK = 12;
const GROWTH = 4 / 3;
/** A look this close to the last one is omitted. */
const CLOSE = 2;
/** Share of its stage's error rate for the last look, where most differences must be found. */
const LAST_SHARE = 0.6;
/** Share of the remaining error rate that a stage uses. The remainder is for extensions. */
const STAGE_SHARE = 0.9;

/**
 * Returns the looks of a comparison. `stages`: largest number of pairs of the comparison, then the pairs that
 * each extension adds.
 */
export function plannedLooks(stages: readonly number[], errorRate: number): readonly Look[] {
  let [before, left] = [0, errorRate];
  return stages.flatMap((pairs) => {
    const last = before + pairs;
    const early: number[] = [];
    for (let at = before === 0 ? FIRST_LOOK : grown(before); at < last - CLOSE; at = grown(at))
      early.push(at);
    const rate = left * STAGE_SHARE;
    [before, left] = [last, left - rate];
    if (early.length === 0) return [{ pairs: last, errorRate: rate }];
    return [
      ...early.map((at) => ({ pairs: at, errorRate: ((1 - LAST_SHARE) * rate) / early.length })),
      { pairs: last, errorRate: LAST_SHARE * rate },
    ];
  });
}

/** The next even number of pairs. */
const grown = (pairs: number): number => 2 * Math.ceil((pairs * GROWTH) / 2 - 1e-9);

const POWER = 0.8;

/** The difference that a comparison has to find. */
export interface Target {
  /** Standard deviation of a pair's log-ratio. */
  readonly pairSd: number;
  /** Relative difference. */
  readonly difference: number;
  /** Number of metrics judged together. */
  readonly metrics: number;
  /** Error rate of the whole comparison. */
  readonly errorRate: number;
}

/**
 * Returns the number of pairs with which a comparison finds a difference in 80% of cases, at its last look
 * alone and with the strictest step of Holm's adjustment. The formula is for normal noise, times pi / 3 for
 * ranks instead of means (Lehmann, Nonparametrics, section 2.4). It is right for many pairs. Six pairs are
 * added for small numbers and for heavy or skewed tails (test/bench/conclusions/compare.ts counts).
 */
export function pairsNeeded({ pairSd, difference, metrics, errorRate }: Target): number {
  const rate = (errorRate * STAGE_SHARE * LAST_SHARE) / metrics;
  const z = normalQuantile(1 - rate / 2) + normalQuantile(POWER);
  const many = (Math.PI / 3) * ((z * pairSd) / Math.log1p(difference)) ** 2;
  return Math.max(FIRST_LOOK, Math.ceil(many + 6));
}
