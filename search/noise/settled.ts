// Decides when a front has settled: no more hypervolume for a while, and no point whose place on the front is
// in doubt.
import { counted } from "../../candidates/words.ts";

export interface SettledOptions {
  /** Number of finished trials without a gain before the search may stop. */
  readonly patience: number;
  /** A gain is a relative growth of the hypervolume by more than this. */
  readonly minimumGain: number;
  /** A point is in doubt while its chance to be on the front lies within (doubt, 1 - doubt). */
  readonly doubt: number;
}

const settledDefaults: SettledOptions = { patience: 50, minimumGain: 0.005, doubt: 0.1 };

export interface Settled {
  readonly settled: boolean;
  readonly reason: string;
}

/**
 * Decides whether the front has settled. `hypervolumes`: after every finished trial, under one reference.
 * `probabilities`: of the points known now.
 */
export function frontSettled(
  hypervolumes: readonly number[],
  probabilities: readonly number[],
  options: SettledOptions = settledDefaults,
): Settled {
  const { patience, minimumGain, doubt } = options;
  if (hypervolumes.length <= patience) {
    return {
      settled: false,
      reason: `only ${counted(hypervolumes.length, "trial")}, at least ${patience + 1} are needed`,
    };
  }
  const now = hypervolumes.at(-1)!;
  const before = hypervolumes.at(-1 - patience)!;
  if (now <= 0) return { settled: false, reason: "nothing feasible beyond the reference point yet" };
  const gain = (now - before) / now;
  if (gain > minimumGain) {
    return {
      settled: false,
      reason: `the last ${counted(patience, "trial")} grew the hypervolume by ${(100 * gain).toFixed(2)}%`,
    };
  }
  const doubtful = probabilities.filter((p) => p > doubt && p < 1 - doubt).length;
  if (doubtful > 0)
    return {
      settled: false,
      reason: `${counted(doubtful, "layout")} may be on the front; repeat them with search.repeat`,
    };
  return {
    settled: true,
    reason: `no gain above ${100 * minimumGain}% in ${counted(patience, "trial")}, and every layout is certain`,
  };
}
