// edgefront measure --compare, on a device: interleaved pairs of two models, judged at planned looks
// (profilers/compare.ts). Its text is in measure-compare-text.ts, reading an earlier comparison in
// measure-compare-earlier.ts.
import { randomInt } from "node:crypto";
import { InvalidInputError } from "../../candidates/errors.ts";
import {
  type AwaitRest,
  type ComparedRun,
  type CompareRules,
  compareDefaults,
  comparePairs,
  MIN_PAIRS,
  type Side,
} from "../../profilers/compare.ts";
import { comparedValues, directionOf } from "../../profilers/compared-values.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { validityFlags } from "../../profilers/validity.ts";
import { createRng } from "../../search/rng.ts";
import { RunError } from "../base/run-errors.ts";
import { type MeasureConfig, placementFor } from "../farm/job-requests.ts";
import { DeviceRest, type RestContext } from "../farm/measurement/rest.ts";
import { windowRules } from "../farm/measurement/window-rules.ts";
import type { Worker } from "../farm/worker.ts";
import { say } from "./common.ts";

/** Why a run was discarded: a flag of its measurement, or a time of zero. */
type VoidCause = "moved" | "swapped" | "not-ready" | "no-time";

export interface Comparison extends ComparedRun {
  readonly rules: CompareRules;
  /** Number of discarded runs by cause. */
  readonly voidFlags: Readonly<Partial<Record<VoidCause, number>>>;
}

/** Largest number of pairs of a comparison, and of an extension. */
export const MAX_PAIRS = 1000;

/**
 * Returns the rules for this many pairs. `added`: the pairs extend an earlier comparison, so fewer are
 * allowed.
 * @throws InvalidInputError for a number out of range.
 */
export function compareRules(pairs: number, added = false): CompareRules {
  const least = added ? 1 : MIN_PAIRS;
  if (!Number.isInteger(pairs) || pairs < least || pairs > MAX_PAIRS)
    throw new InvalidInputError(
      "usage",
      `--pairs is ${pairs}, but must be a whole number from ${least} to ${MAX_PAIRS}; try --pairs ${compareDefaults.pairs}`,
    );
  return { ...compareDefaults, pairs, maxRepeats: Math.ceil(pairs / 2) };
}

/**
 * Checks the agent's arithmetic. Returns a function that waits for an idle device before each pair, like a
 * measurement window. The function returns false if the device is still busy in the end; the pair is then
 * discarded. It does not wait if the profile never waits.
 */
async function awaitRest(
  worker: Worker,
  config: MeasureConfig,
  context: RestContext,
  onRestless: () => void,
): Promise<AwaitRest> {
  const rules = windowRules(worker.device, config.protocol);
  const rest = new DeviceRest(worker, config, rules, context);
  const opened = await worker.open();
  const checked = await worker.exclusively((turn) => rest.check(opened, turn));
  if (!rules.guarded || rules.readiness.deadlineSeconds === 0 || worker.emulated) return async () => true;
  return async () => {
    const { ready } = await worker.exclusively((turn) => rest.await(checked, opened, turn, 0));
    if (!ready) onRestless();
    return ready;
  };
}

interface CompareOptions {
  /** A comparison that ran all its pairs, which this one extends. */
  readonly earlier?: Pick<ComparedRun, "pairs" | "stages"> | undefined;
  readonly onPair?: (done: number, most: number, voided: number) => void;
}

const sayPair = (done: number, most: number, voided: number): void =>
  say(`pair ${done} of at most ${most}${voided > 0 ? ` (${voided} discarded and repeated)` : ""}`);

/**
 * Compares two models; `run` measures one side once, in a new process.
 * @throws RunError (`device-unsteady`) if too many runs were discarded.
 */
export async function compare(
  run: Readonly<Record<Side, () => Promise<MeasureResult>>>,
  worker: Worker,
  config: MeasureConfig,
  rules: CompareRules,
  context: RestContext,
  { earlier, onPair = sayPair }: CompareOptions = {},
): Promise<Comparison> {
  const { probe } = await worker.open();
  const voidFlags: Partial<Record<VoidCause, number>> = {};
  const note = (cause: VoidCause): void => {
    voidFlags[cause] = (voidFlags[cause] ?? 0) + 1;
  };
  const placement = placementFor(worker, config);
  const measureSide = async (side: Side): Promise<Record<string, number> | null> => {
    const result = await run[side]();
    // The spread of a run's repetitions is part of the noise between pairs, and no reason to discard the run.
    const { emulated } = worker;
    const flags = validityFlags({ result, probe, placement, emulated, cvLimit: Number.POSITIVE_INFINITY });
    const values = comparedValues(result);
    // A time of zero (a coarse clock, or a lying device) has no ratio.
    const timed = Object.values(values).every((value) => value > 0 && Number.isFinite(value));
    const causes: readonly VoidCause[] = [
      ...flags.filter((flag) => flag === "moved" || flag === "swapped"),
      ...(timed ? [] : ["no-time" as const]),
    ];
    for (const cause of causes) note(cause);
    return causes.length > 0 ? null : values;
  };
  const most = rules.pairs + (earlier?.pairs.length ?? 0);
  const ran = await comparePairs(measureSide, {
    rules,
    rng: createRng(randomInt(2 ** 31)),
    directionOf,
    onPair: (done, voided) => onPair(done, most, voided),
    atRest: await awaitRest(worker, config, context, () => note("not-ready")),
    ...(earlier === undefined ? {} : { earlier }),
  });
  if (ran === null) throw unsteady(worker.device.name, rules, voidFlags);
  return { ...ran, rules, voidFlags };
}

const CAUSES: Readonly<Record<VoidCause, string>> = {
  moved: "threads moved to other cores",
  swapped: "memory was swapped out",
  "not-ready": "the device was busy or hot",
  "no-time": "a time was zero",
};

function unsteady(device: string, rules: CompareRules, counts: Comparison["voidFlags"]): RunError {
  const why = Object.entries(counts).map(
    ([cause, count]) => `${CAUSES[cause as VoidCause]} ${count === 1 ? "once" : `${count} times`}`,
  );
  return new RunError(
    "device-unsteady",
    `device ${device} changed too often: more than ${rules.maxRepeats} pairs were discarded (${why.join(", ")}); stop other work on ` +
      "the device and let it cool, or use fewer threads (--threads 1), then run the command again",
  );
}
