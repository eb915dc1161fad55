// Finds the estimator of a run's speed that varies least within pairs, on this machine under its present
// load. All estimators use the same samples, alone and divided by a reference layout (the calibration run)
// timed before and after each side. profilers/compared-values.ts has the estimators of a comparison.
import { availableParallelism, cpus, loadavg } from "node:os";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { drawOrders, pairedShift } from "../../profilers/statistics/paired.ts";
import { quantile } from "../../profilers/statistics/summary.ts";
import { SENTINEL, SENTINEL_REQUEST } from "../../profilers/window.ts";
import type { Worker } from "../../runner/farm/worker.ts";
import { createRng } from "../../search/rng.ts";
import { withLocalWorker } from "./local-worker.ts";

const LAYOUTS = {
  tiny: "v512 d128 f256 h4/2x32 : c3 g s64 c2",
  small: "v2048 d256 f768 h4/2x64 : c3 g c3 g c3 s64",
  "30M": "v8192 d512 f1536 h8/4x64 : c3 c3 g c3 c3 g c3 g",
} as const;
const REQUEST = { contexts: [128], decodeTokens: 16, repetitions: 12, warmup: { max: 1, tolerance: 0.03 } };

type Times = MeasureResult["contexts"][number];
const at = (q: number, values: readonly number[]): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    q,
  );
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Time of a run in ms, by each estimator. */
const ESTIMATORS: Readonly<Record<string, (times: Times) => number>> = {
  "decode, median repetition": ({ decodeMs }) => at(0.5, decodeMs.map(sum)),
  "decode, fastest repetition": ({ decodeMs }) => at(0, decodeMs.map(sum)),
  "decode, median token": ({ decodeMs }) => at(0.5, decodeMs.flat()),
  "decode, lower quartile of tokens": ({ decodeMs }) => at(0.25, decodeMs.flat()),
  "decode, fastest tenth of tokens": ({ decodeMs }) => at(0.1, decodeMs.flat()),
  "decode, fastest token": ({ decodeMs }) => at(0, decodeMs.flat()),
  "TTFT, median repetition": ({ ttftMs }) => at(0.5, ttftMs),
  "TTFT, lower quartile": ({ ttftMs }) => at(0.25, ttftMs),
  "TTFT, fastest tenth": ({ ttftMs }) => at(0.1, ttftMs),
  "TTFT, fastest repetition": ({ ttftMs }) => at(0, ttftMs),
};

interface Pair {
  readonly runs: readonly [Times, Times];
  /** Reference times before the first run, between the two, and after the second. */
  readonly references: readonly [Times, Times, Times];
}

const planOf = (layout: typeof SENTINEL): string =>
  lower(layout, { quantization: "q4_0", seed: 1 }).plan.toString("base64");

async function pairOf(worker: Worker, notation: string): Promise<Pair> {
  const { session, probe } = await worker.open();
  const measure = (plan: string, request: typeof REQUEST | typeof SENTINEL_REQUEST): Promise<Times> =>
    worker.exclusively(async ({ signal }) => {
      const asked = {
        ...request,
        contexts: [...request.contexts],
        model: { plan },
        isa: probe.isa,
        threads: 0,
      };
      return (await session.request("measure", asked, { timeoutMs: 120_000, signal })).contexts[0]!;
    });
  const [plan, reference] = [planOf(parseNotation(notation)), planOf(SENTINEL)];
  const before = await measure(reference, SENTINEL_REQUEST);
  const first = await measure(plan, REQUEST);
  const between = await measure(reference, SENTINEL_REQUEST);
  const second = await measure(plan, REQUEST);
  return { runs: [first, second], references: [before, between, await measure(reference, SENTINEL_REQUEST)] };
}

/**
 * Robust spread of log-ratios within pairs of one layout. The sides are drawn at random, because nothing
 * distinguishes them.
 */
function spreadOf(differences: readonly number[]): number {
  const orders = drawOrders(differences.length, createRng(1).below);
  const signed = orders.map((order, i) => ({
    ...order,
    difference: order.first === "a" ? differences[i]! : -differences[i]!,
  }));
  return pairedShift(signed).pairSd!;
}

export async function compareEstimators({
  pairs,
  json,
}: {
  readonly pairs: number;
  readonly json: boolean;
}): Promise<void> {
  const rows: { layout: string; estimator: string; pairSd: number; pairSdOfRatio: number }[] = [];
  await withLocalWorker(async (worker) => {
    for (const [layout, notation] of Object.entries(LAYOUTS)) {
      const measured: Pair[] = [];
      for (let i = 0; i < pairs; i++) {
        measured.push(await pairOf(worker, notation));
        console.error(`${layout}: pair ${i + 1} of ${pairs}`);
      }
      for (const [estimator, of] of Object.entries(ESTIMATORS)) {
        const change = ([a, b]: readonly [Times, Times]): number => Math.log(of(b) / of(a));
        const plain = measured.map(({ runs }) => change(runs));
        // The device's own change from beside the first run to beside the second: half of the change over the
        // three references.
        const ratio = measured.map(
          ({ references: [before, , after] }, i) => plain[i]! - change([before, after]) / 2,
        );
        rows.push({ layout, estimator, pairSd: spreadOf(plain), pairSdOfRatio: spreadOf(ratio) });
      }
    }
  });
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} CPUs, load ${loadavg()[0]!.toFixed(1)}`;
  if (json) {
    console.log(JSON.stringify({ machine, pairs, rows }, null, 2));
    return;
  }
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`.padStart(8);
  console.log(
    `layout  estimator                          pair SD  as a ratio to the reference (${pairs} pairs)`,
  );
  for (const { layout, estimator, pairSd, pairSdOfRatio } of rows)
    console.log(`${layout.padEnd(7)} ${estimator.padEnd(33)} ${percent(pairSd)}  ${percent(pairSdOfRatio)}`);
  console.log(machine);
}
