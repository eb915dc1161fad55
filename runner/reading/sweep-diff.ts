// Compares two sweeps by the statistics of profilers/: changes beyond noise. Very large sweeps are sampled.
import { apart, judgeReruns, rerunDefaults } from "../../profilers/rerun.ts";
import { diffSweeps, type SweepDiff } from "../../reports/diff.ts";
import { frontPoints } from "../../reports/front.ts";
import type { ReportData } from "../../reports/report-model.ts";
import { createRng } from "../../search/rng.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { SweepReader } from "./sweep-reader.ts";

/** About the most layouts, complete in both sweeps, that are compared; beyond it they are evenly spread. */
const MOST_SHARED = 4000;

/** About the most other trials to read: front and configuration need no more. */
const FEW = 200;

/** Compares two sweeps. Resampling is seeded, so equal sweeps give equal results. */
export function sweepDiff(before: ReportData, after: ReportData, sharedInAll?: number): SweepDiff {
  const rng = createRng(1);
  const statistics = {
    ...rerunDefaults,
    judge: (metrics: Parameters<typeof judgeReruns>[0]) => judgeReruns(metrics, rng),
    apart: (a: Parameters<typeof apart>[0], b: Parameters<typeof apart>[0]) => apart(a, b, rng),
  };
  return diffSweeps(before, after, statistics, sharedInAll);
}

interface Stored {
  readonly store: Store;
  readonly sweep: Sweep;
}

/** Compares two stored sweeps, which may be in different databases. */
export function compareSweeps(before: Stored, after: Stored): SweepDiff {
  const [a, b] = [sideOf(before), sideOf(after)];
  const shared = [...a.complete.keys()].filter((id) => b.complete.has(id));
  const every = Math.max(1, Math.ceil(shared.length / MOST_SHARED));
  const compared = shared.filter((_, n) => n % every === 0);
  const read = ({ store, sweep, reader, complete }: Side, other: Side): ReportData => {
    reader.include(compared.map((id) => complete.get(id)!));
    // Shows why a layout of the other front is not on this one.
    reader.include(store.trials.idsOfCandidates(sweep.id, other.front));
    return reader.read(sweep);
  };
  return sweepDiff(read(a, b), read(b, a), shared.length);
}

interface Side extends Stored {
  readonly reader: SweepReader;
  /** Ids of complete trials, by candidate. */
  readonly complete: ReadonlyMap<string, number>;
  readonly front: readonly string[];
}

function sideOf({ store, sweep }: Stored): Side {
  const options = { atMost: FEW, conditions: true, jobs: false, evidence: false };
  const reader = new SweepReader(store, sweep, options);
  const complete = store.trials.complete(sweep.id);
  const front = frontPoints(reader.read(sweep)).map(({ trial }) => trial.id);
  return { store, sweep, reader, complete, front };
}
