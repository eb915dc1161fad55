// bench:compare: how often `measure --compare` errs on a device that throttles, scripted, through the code that decides: false
// positives on identical layouts, detection of a difference, and what measuring A..A, then B..B would have given instead.

import {
  type ComparedPair,
  type CompareRules,
  compareDefaults,
  judgePairs,
  runPairs,
} from "../../profilers/compare.ts";
import { createRng, type SeededRng } from "../../search/rng.ts";
import { parseArgs } from "../support/parse-args.ts";
import { type Curve, curves, throttledSource } from "../support/throttled-source.ts";

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "2000" },
    pairs: { type: "string", default: "20" },
    noise: { type: "string", default: "0.02" },
    difference: { type: "string", default: "0.03" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(
    "bench:compare [--runs 2000] [--pairs 20] [--noise 0.02] [--difference 0.03] [--seed 1] [--json]",
  );
  process.exit(0);
}
const runs = Number(flags.runs);
const noise = Number(flags.noise);
const rules: CompareRules = { ...compareDefaults, pairs: Number(flags.pairs) };

/** All of A, then all of B, paired by their place in the order. */
async function blocked(curve: Curve, ratio: number, rng: SeededRng): Promise<readonly ComparedPair[]> {
  const run = throttledSource(curve, rules.pairs, ratio, noise, rng);
  const sides = { a: [] as Record<string, number>[], b: [] as Record<string, number>[] };
  for (const side of ["a", "b"] as const)
    for (let pair = 0; pair < rules.pairs; pair++) sides[side].push({ ...(await run(side, pair))! });
  return sides.a.map((a, pair) => ({ first: pair % 2 === 0 ? "a" : "b", a, b: sides.b[pair]! }));
}
const interleaved = async (curve: Curve, ratio: number, rng: SeededRng) =>
  (await runPairs(throttledSource(curve, rules.pairs, ratio, noise, rng), rules, rng))!.pairs;

async function rate(collect: typeof interleaved, curve: Curve, ratio: number): Promise<number> {
  const rng = createRng(Number(flags.seed));
  let differing = 0;
  for (let n = 0; n < runs; n++) {
    const [judged] = judgePairs(await collect(curve, ratio, rng), { ttftMs: "min" }, rules);
    if (judged!.verdict.endsWith("better")) differing++;
  }
  return differing / runs;
}

const rows = [];
for (const [name, curve] of Object.entries(curves)) {
  rows.push({
    curve: name,
    runs,
    pairs: rules.pairs,
    noise,
    falsePositives: await rate(interleaved, curve, 1),
    detection: await rate(interleaved, curve, 1 + Number(flags.difference)),
    blockedFalsePositives: await rate(blocked, curve, 1),
  });
}
if (flags.json) console.log(JSON.stringify(rows));
else {
  const percent = (share: number): string => `${(100 * share).toFixed(2)}%`.padStart(8);
  console.log(
    `${runs} comparisons a cell, ${rules.pairs} pairs, ${noise * 100}% noise; stated error rate ${rules.errorRate * 100}%`,
  );
  console.log(`curve      false positives  ${flags.difference} found  false positives of A..A B..B`);
  for (const row of rows)
    console.log(
      `${row.curve.padEnd(10)} ${percent(row.falsePositives)}         ${percent(row.detection)}    ${percent(row.blockedFalsePositives)}`,
    );
}
