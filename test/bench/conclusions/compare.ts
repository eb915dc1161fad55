// Counts conclusions of `measure --compare` on scripted devices through the code that decides, early stops
// included. Do intervals hold the truth, how often is a difference false, and is a true difference found as
// often as predicted?
import {
  type ComparedRun,
  type CompareRules,
  compareDefaults,
  comparePairs,
  type MetricComparison,
} from "../../../profilers/compare.ts";
import { pairsNeeded } from "../../../profilers/statistics/looks.ts";
import { drawOrders, pairedShift } from "../../../profilers/statistics/paired.ts";
import { createRng, type SeededRng } from "../../../search/rng.ts";
import {
  type Curve,
  curves,
  otherCurves,
  type Tails,
  tails,
  throttledSource,
} from "../../support/throttled-source.ts";
import { type ConclusionRow, type ConclusionRuns, shareRow } from "./row.ts";

/** A scripted device: a curve, tails of the noise, and the noise's scale. */
export interface Device {
  readonly name: string;
  readonly curve: Curve;
  readonly tails: Tails;
  readonly noise: number;
}

/** Every curve with noise of every kind. */
const devices: readonly Device[] = Object.entries({ ...curves, ...otherCurves }).flatMap(([curve, of]) =>
  Object.entries(tails).map(([kind, noiseOf]) => ({
    name: `${curve}, ${kind}`,
    curve: of,
    tails: noiseOf,
    noise: 0.03,
  })),
);

interface Compared {
  readonly device: Device;
  readonly pairs: number;
  readonly ratio: number;
  readonly metrics?: readonly string[];
  /** Number of pairs by which an undecided comparison is extended. */
  readonly extension?: number;
}

/** Runs one comparison; null where it failed. */
export async function compareOnce(
  { device, pairs, ratio, metrics, extension }: Compared,
  rng: SeededRng,
): Promise<ComparedRun | null> {
  const rules: CompareRules = { ...compareDefaults, pairs };
  const { curve, noise } = device;
  const total = pairs + (extension ?? 0);
  const run = throttledSource({
    curve,
    pairs: total,
    ratio,
    noise,
    rng,
    tails: device.tails,
    ...(metrics === undefined ? {} : { metrics }),
  });
  const context = { rng, directionOf: () => "min" as const };
  try {
    const ran = await comparePairs(run, { ...context, rules });
    if (ran === null || extension === undefined || ran.ended === "decided") return ran;
    // A difference that was found counts, whatever an extension finds afterwards.
    if (ratio === 1 && ran.metrics.some(differs)) return ran;
    return await comparePairs(run, { ...context, rules: { ...rules, pairs: extension }, earlier: ran });
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    return null;
  }
}

export const differs = ({ verdict }: MetricComparison): boolean => verdict.endsWith("better");
const covers = ({ interval }: MetricComparison, ratio: number): boolean =>
  interval.low <= ratio - 1 && ratio - 1 <= interval.high;

const DIFFERENCES = [
  ["0", 1],
  ["2%", 1.02],
  ["5%", 1.05],
  ["8%", 1.08],
  ["30%", 1.3],
  ["2x", 2],
  ["10x", 10],
] as const;
const [LEAST, MOST] = [10, 41];

/** Rows over all numbers of pairs and all devices in turn. */
async function coverageRows(runs: number, rng: SeededRng): Promise<readonly ConclusionRow[]> {
  const rows: ConclusionRow[] = [];
  const crashes = { count: 0, of: 0 };
  for (const [name, ratio] of DIFFERENCES) {
    for (const parity of [0, 1]) {
      let held = 0;
      for (let n = 0; n < runs; n++) {
        const pairs = LEAST + parity + 2 * (n % ((MOST - LEAST + 1) / 2));
        const run = await compareOnce({ device: devices[n % devices.length]!, pairs, ratio }, rng);
        if (run === null) crashes.count++;
        else if (covers(run.metrics[0]!, ratio)) held++;
      }
      crashes.of += runs;
      rows.push(
        shareRow(
          `coverage, difference ${name}, ${parity === 0 ? "10 to 40" : "11 to 41"} pairs`,
          held,
          runs,
          ">= 0.93",
        ),
      );
    }
  }
  return [
    shareRow("crashes, 10 to 41 pairs, differences 0 to 10x", crashes.count, crashes.of, "<= 0"),
    ...rows,
  ];
}

const METRICS = ["ttftMs", "decodeMs", "otherMs"] as const;

/** Share of comparisons of three metrics for which `wrong` holds, over all devices and numbers of pairs. */
async function countRow(
  name: string,
  limit: string,
  compared: Omit<Compared, "device" | "pairs">,
  wrong: (run: ComparedRun) => boolean,
  runs: number,
  rng: SeededRng,
): Promise<ConclusionRow> {
  let count = 0;
  for (let n = 0; n < runs; n++) {
    const device = devices[n % devices.length]!;
    const run = await compareOnce(
      { device, pairs: LEAST + rng.below(MOST - LEAST + 1), metrics: METRICS, ...compared },
      rng,
    );
    if (run === null || wrong(run)) count++;
  }
  return shareRow(name, count, runs, limit);
}

/** Pair SD of a device without a curve, from a comparison of very many pairs. */
function spreadOf(device: Device, rng: SeededRng): number {
  const orders = drawOrders(20_000, (n) => rng.below(n));
  const noise = () => device.noise * (device.tails(rng) - device.tails(rng));
  const sds = Array.from({ length: 20 }, (_, part) => {
    const pairs = orders.slice(1000 * part, 1000 * (part + 1));
    return pairedShift(pairs.map((order) => ({ ...order, difference: noise() }))).pairSd!;
  });
  return sds.reduce((sum, sd) => sum + sd, 0) / sds.length;
}

/** Checks that a difference is found as often as `pairsNeeded` predicts, on a device whose pair SD is 5%. */
async function powerRow(
  kind: keyof typeof tails,
  difference: number,
  runs: number,
  rng: SeededRng,
): Promise<ConclusionRow> {
  const unit: Device = { name: kind, curve: otherCurves.steady, tails: tails[kind], noise: 1 };
  const pairSd = 0.05;
  const device = { ...unit, noise: pairSd / spreadOf(unit, rng) };
  const pairs = pairsNeeded({
    pairSd,
    difference,
    metrics: METRICS.length,
    errorRate: compareDefaults.errorRate,
  });
  let found = 0;
  for (let n = 0; n < runs; n++) {
    const run = await compareOnce({ device, pairs, ratio: 1 + difference, metrics: METRICS }, rng);
    if (run !== null && run.metrics[0]!.verdict === "a-better") found++;
  }
  return shareRow(
    `power, difference ${100 * difference}%, pair SD 5%, ${kind} noise, ${pairs} pairs`,
    found,
    runs,
    ">= 0.8",
  );
}

/** Returns the rows of this part. `runs`: comparisons per row. */
export async function compareRows({ runs, seed }: ConclusionRuns): Promise<readonly ConclusionRow[]> {
  const rng = createRng(seed);
  const anyDiffers = (run: ComparedRun): boolean => run.metrics.some(differs);
  const rows = [...(await coverageRows(runs, rng))];
  const count = async (
    ...args: [string, string, Omit<Compared, "device" | "pairs">, (run: ComparedRun) => boolean]
  ) => void rows.push(await countRow(...args, runs, rng));
  await count("identical layouts differ, 3 metrics, early stop", "<= 0.05", { ratio: 1 }, anyDiffers);
  await count(
    "identical layouts differ, 3 metrics, extended by 20",
    "<= 0.05",
    { ratio: 1, extension: 20 },
    anyDiffers,
  );
  await count(
    "interval leaves out 8%, extended by 20",
    "<= 0.07",
    { ratio: 1.08, extension: 20 },
    (run) => !covers(run.metrics[0]!, 1.08),
  );
  await count(
    "a difference of 2.5% is called the same within 2%",
    "<= 0.05",
    { ratio: 1.025 },
    (run) => run.metrics[0]!.verdict === "same",
  );
  for (const kind of ["normal", "heavy"] as const) rows.push(await powerRow(kind, 0.05, runs, rng));
  rows.push(await powerRow("normal", 0.02, Math.ceil(runs / 2), rng));
  return rows;
}
