// bench:compare: counts how often `measure --compare` errs. Without --real it uses scripted devices that
// throttle: false differences of identical layouts, detection of a difference, and the result of measuring
// A..A, then B..B instead. For all numbers of pairs and all differences: npm run bench:conclusions -- --only
// compare.
//
//   --real 200        comparisons of a tiny layout with itself on this machine: how many differ. --out keeps them, and
//                     a second run continues where the first ended. 200 take about 20 minutes on a quiet machine.
//   --estimators 20   pairs of runs of three layouts on this machine, every estimator of a run's speed on the same
//                     samples, with and without a reference layout timed beside them. The spread within pairs
//                     decides which estimator a comparison uses.
import {
  type ComparedPair,
  type CompareRules,
  compareDefaults,
  judgePairs,
} from "../../profilers/compare.ts";
import { createRng, type SeededRng } from "../../search/rng.ts";
import { numbersOf, optionsOf, wholeOf } from "../support/parse-args.ts";
import { type Curve, curves, otherCurves, tails, throttledSource } from "../support/throttled-source.ts";
import { compareEstimators } from "./compare-estimators.ts";
import { compareReal } from "./compare-real.ts";
import { compareOnce, differs } from "./conclusions/compare.ts";

const flags = optionsOf(
  `bench:compare [--runs 2000] [--pairs 20] [--noise 0.02] [--difference 0.03] [--seed 1] [--json]
bench:compare --real 200 [--pairs 20] [--out FILE.jsonl] [--json]
bench:compare --estimators 20 [--json]`,
  {
    runs: { type: "string", default: "2000" },
    pairs: { type: "string", default: "20" },
    noise: { type: "string", default: "0.02" },
    difference: { type: "string", default: "0.03" },
    seed: { type: "string", default: "1" },
    real: { type: "string" },
    out: { type: "string" },
    estimators: { type: "string" },
    json: { type: "boolean", default: false },
  },
);
const pairs = wholeOf("pairs", flags.pairs, 10);

/** Measures all of A, then all of B, paired by their place in the order. */
async function blocked(curve: Curve, ratio: number, noise: number, rng: SeededRng): Promise<boolean> {
  const rules: CompareRules = { ...compareDefaults, pairs };
  const run = throttledSource({ curve, pairs, ratio, noise, rng });
  const sides = { a: [] as Record<string, number>[], b: [] as Record<string, number>[] };
  for (const side of ["a", "b"] as const)
    for (let pair = 0; pair < pairs; pair++) sides[side].push({ ...(await run(side, pair))! });
  const paired = sides.a.map(
    (a, pair): ComparedPair => ({ first: pair % 2 === 0 ? "a" : "b", a, b: sides.b[pair]! }),
  );
  return judgePairs(paired, { ttftMs: "min" }, rules).some(differs);
}

async function interleaved(curve: Curve, ratio: number, noise: number, rng: SeededRng): Promise<boolean> {
  const device = { name: "", curve, tails: tails.normal, noise };
  return (await compareOnce({ device, pairs, ratio }, rng))?.metrics.some(differs) ?? true;
}

async function simulated(runs: number, noise: number, difference: number): Promise<void> {
  const rate = async (collect: typeof interleaved, curve: Curve, ratio: number): Promise<number> => {
    const rng = createRng(wholeOf("seed", flags.seed, 0));
    let differing = 0;
    for (let n = 0; n < runs; n++) if (await collect(curve, ratio, noise, rng)) differing++;
    return differing / runs;
  };
  const rows = [];
  for (const [name, curve] of Object.entries({ ...curves, ...otherCurves })) {
    rows.push({
      curve: name,
      runs,
      pairs,
      noise,
      falsePositives: await rate(interleaved, curve, 1),
      detection: await rate(interleaved, curve, 1 + difference),
      blockedFalsePositives: await rate(blocked, curve, 1),
    });
  }
  if (flags.json) {
    console.log(JSON.stringify(rows));
    return;
  }
  const percent = (share: number): string => `${(100 * share).toFixed(2)}%`.padStart(8);
  console.log(
    `${runs} comparisons a cell, at most ${pairs} pairs, ${noise * 100}% noise; stated error rate ${compareDefaults.errorRate * 100}%`,
  );
  console.log(`curve          false positives  ${difference} found  false positives of A..A B..B`);
  for (const row of rows)
    console.log(
      `${row.curve.padEnd(14)} ${percent(row.falsePositives)}         ${percent(row.detection)}    ${percent(row.blockedFalsePositives)}`,
    );
}

const { json } = flags;
if (flags.real !== undefined)
  await compareReal({ comparisons: wholeOf("real", flags.real), pairs, out: flags.out, json });
else if (flags.estimators !== undefined)
  await compareEstimators({ pairs: wholeOf("estimators", flags.estimators, 5), json });
else
  await simulated(
    wholeOf("runs", flags.runs),
    numbersOf("noise", flags.noise, 0)[0]!,
    numbersOf("difference", flags.difference, 0)[0]!,
  );
