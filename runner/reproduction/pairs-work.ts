// Times layouts in interleaved pairs, round by round over all comparisons, so that slow changes of the device
// affect all comparisons alike. Each pair is stored when it ends; the order within each pair follows from the
// study's seed.
import type { Layout } from "../../candidates/layout.ts";
import type { ComparedPair } from "../../profilers/compare.ts";
import { type ContextMetric, metricKinds } from "../../profilers/metrics/kinds.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { validityFlags } from "../../profilers/validity.ts";
import { createRng } from "../../search/rng.ts";
import type { Listener } from "../farm/events.ts";
import { type MeasureConfig, measureOn, placementFor } from "../farm/job-requests.ts";
import { DeviceRest } from "../farm/measurement/rest.ts";
import { windowRules } from "../farm/measurement/window-rules.ts";
import type { Worker } from "../farm/worker.ts";
import { pairsOf, STUDY_PAIR, type StudyPair } from "../reading/study-record.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { P95, TTFT } from "./decide/decide-study.ts";
import { balancedOrders } from "./orders.ts";
import type { Comparison } from "./study-plan.ts";

export interface PairWork {
  readonly store: Store;
  readonly sweep: Sweep;
  readonly comparisons: readonly Comparison[];
  readonly pairs: number;
  layoutOf(label: string): Layout;
  readonly listen: Listener;
  readonly say: (text: string) => void;
}

/**
 * Runs in a process, of which the fastest counts: a burst of other work then spoils one run, not the pair.
 */
const RUNS = 2;
/** Number of discarded pairs in a row after which timing stops. */
const MOST_VOID = 5;

const pairConfig = (config: MeasureConfig): MeasureConfig => ({
  ...config,
  contexts: [Math.max(...config.contexts)],
  repetitions: RUNS,
  warmup: { max: 0, tolerance: 1 },
});

/** Returns the times of the fastest run of a process. */
function valuesOf(result: MeasureResult): ComparedPair["a"] {
  const least = (base: ContextMetric): number =>
    Math.min(...metricKinds[base].samples(result.contexts[0]!, result.batch)!);
  return { [TTFT]: least(TTFT), [P95]: least(P95) };
}

/**
 * Checks the agent's arithmetic and returns a function that waits for an idle device. The function never
 * waits for this machine, which others may use: pairs are interleaved, and waiting would use up the time
 * budget.
 * @throws WrongOutputError if the device computes wrong results.
 */
async function restOf(worker: Worker, config: MeasureConfig, { store, listen }: PairWork) {
  const rules = windowRules(worker.device, config.protocol);
  const rest = new DeviceRest(worker, config, rules, { store, listen });
  const opened = await worker.open();
  const checked = await worker.exclusively((turn) => rest.check(opened, turn));
  const here = worker.device.transport === "local";
  if (here || !rules.guarded || rules.readiness.deadlineSeconds === 0) return async () => true;
  return async () => (await worker.exclusively((turn) => rest.await(checked, opened, turn, 0))).ready;
}

/** Times the pairs, except under an emulator. `fits`: whether a pair of this many minutes may still begin. */
export async function timePairs(
  worker: Worker,
  work: PairWork,
  fits: (minutes: number) => boolean,
): Promise<void> {
  if (worker.emulated || work.pairs === 0) return;
  const { store, sweep, comparisons, pairs, say } = work;
  const config = pairConfig(sweep.config.measure);
  const atRest = await restOf(worker, config, work);
  const known = new Set(pairsOf(store, sweep.id).map(({ comparison, place }) => `${place} ${comparison}`));
  const orders = comparisons.map((_, n) => balancedOrders(pairs, createRng(1000 * sweep.config.seed + n)));
  let longest = 0;
  let voids = 0;
  for (let place = 0; place < pairs; place++) {
    for (const [n, { label, base }] of comparisons.entries()) {
      if (known.has(`${place} ${label}`)) continue;
      for (;;) {
        worker.signal.throwIfAborted();
        if (!fits(longest) || voids >= MOST_VOID) return;
        const begun = performance.now();
        const first = orders[n]![place]!;
        const pair = (await atRest())
          ? await onePair(worker, config, first, work.layoutOf(base), work.layoutOf(label))
          : null;
        const seconds = (performance.now() - begun) / 1000;
        longest = Math.max(longest, seconds / 60);
        voids = pair === null ? voids + 1 : 0;
        if (pair === null) continue;
        const stored: StudyPair = { comparison: label, place, first, ...pair, seconds };
        store.log(STUDY_PAIR, stored, { sweepId: sweep.id, device: worker.device.name });
        break;
      }
    }
    say(`timed pair ${place + 1} (at most ${pairs}) for each of ${comparisons.length} comparisons`);
  }
}

/** Runs one pair. Returns null if a run was discarded. */
async function onePair(
  worker: Worker,
  config: MeasureConfig,
  first: "a" | "b",
  a: Layout,
  b: Layout,
): Promise<Pick<StudyPair, "a" | "b"> | null> {
  const { probe } = await worker.open();
  const run = async (layout: Layout): Promise<ComparedPair["a"] | null> => {
    const { result } = await measureOn(worker, layout, config, () => {});
    const { emulated } = worker;
    const placement = placementFor(worker, config);
    const flags = validityFlags({ result, probe, placement, emulated, cvLimit: Number.POSITIVE_INFINITY });
    return flags.includes("moved") || flags.includes("swapped") ? null : valuesOf(result);
  };
  const one = await run(first === "a" ? a : b);
  const other = one && (await run(first === "a" ? b : a));
  if (one === null || other === null) return null;
  return first === "a" ? { a: one, b: other } : { a: other, b: one };
}
