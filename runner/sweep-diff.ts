// Two sweeps compared by the statistics of profilers/: what changed beyond noise.
import { apart, judgeReruns, rerunDefaults } from "../profilers/rerun.ts";
import { diffSweeps, type SweepDiff } from "../reports/diff.ts";
import type { ReportData } from "../reports/model.ts";
import { createRng } from "../search/rng.ts";

/** The same for the same sweeps: resampling is seeded. */
export function sweepDiff(before: ReportData, after: ReportData): SweepDiff {
  const rng = createRng(1);
  return diffSweeps(before, after, {
    ...rerunDefaults,
    judge: (metrics) => judgeReruns(metrics, rng),
    apart: (a, b) => apart(a, b, rng),
  });
}
