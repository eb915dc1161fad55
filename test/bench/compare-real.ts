// Compares a layout with itself on this machine, through the code of `measure --compare`, and counts
// differences found. Nothing is excluded: a comparison that fails ends the bench. Each result is stored as a
// line, so that a long bench can be stopped and continued.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseNotation } from "../../candidates/notation.ts";
import { compare, compareRules } from "../../runner/commands/measure-compare.ts";
import { sweepSchema } from "../../runner/config/config.ts";
import { measureOn } from "../../runner/farm/job-requests.ts";
import { differs } from "./conclusions/compare.ts";
import { shareRow } from "./conclusions/row.ts";
import { withLocalWorker } from "./local-worker.ts";

/**
 * Small enough for ten comparisons per minute. The second has other mixers and more channels, so that not
 * only one layout is tested.
 */
const LAYOUTS = ["v512 d128 f256 h4/2x32 : c3 g s64 c2", "v2048 d256 f768 h4/2x64 : c3 g c3 s64"] as const;

interface Line {
  readonly layout: string;
  readonly pairs: number;
  readonly different: boolean;
  readonly ended: string;
  readonly seconds: number;
  /** By metric: the change, and the spread of the pairs. */
  readonly metrics: Readonly<Record<string, { readonly change: number; readonly pairSd: number | null }>>;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

export async function compareReal({
  comparisons,
  pairs,
  out,
  json,
}: {
  readonly comparisons: number;
  readonly pairs: number;
  readonly out: string | undefined;
  readonly json: boolean;
}): Promise<void> {
  const lines: Line[] =
    out !== undefined && existsSync(out)
      ? readFileSync(out, "utf8")
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Line)
      : [];
  if (lines.length > 0) console.error(`${lines.length} comparisons are kept in ${out}`);
  const config = sweepSchema.shape.measure.parse({
    contexts: [64],
    decodeTokens: 16,
    repetitions: 20,
    warmup: { max: 1 },
  });
  await withLocalWorker(async (worker, store) => {
    while (lines.length < comparisons) {
      const layout = LAYOUTS[lines.length % LAYOUTS.length]!;
      const run = async () => (await measureOn(worker, parseNotation(layout), config, () => {})).result;
      const started = performance.now();
      const context = { store, listen: () => {} };
      const quiet = { onPair: () => {} };
      const { metrics, ...found } = await compare(
        { a: run, b: run },
        worker,
        config,
        compareRules(pairs),
        context,
        quiet,
      );
      const line: Line = {
        layout,
        pairs: found.pairs.length,
        different: metrics.some(differs),
        ended: found.ended,
        seconds: (performance.now() - started) / 1000,
        metrics: Object.fromEntries(
          metrics.map(({ metric, change, pairSd }) => [metric, { change, pairSd }]),
        ),
      };
      lines.push(line);
      if (out !== undefined) appendFileSync(out, `${JSON.stringify(line)}\n`);
      console.error(
        `${lines.length} of ${comparisons}: ${line.different ? "DIFFERENT" : "not different"}, ${line.pairs} pairs, ${line.seconds.toFixed(1)} s`,
      );
    }
  });
  report(lines.slice(0, comparisons), pairs, json);
}

function report(lines: readonly Line[], pairs: number, json: boolean): void {
  const row = shareRow(
    "identical layouts differ, this machine",
    lines.filter(({ different }) => different).length,
    lines.length,
    "<= 0.05",
  );
  const spread = Object.keys(lines[0]!.metrics).map((metric) => ({
    metric,
    pairSd: median(lines.flatMap(({ metrics }) => metrics[metric]!.pairSd ?? [])),
  }));
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} CPUs, load ${loadavg()[0]!.toFixed(1)}`;
  if (!row.pass) process.exitCode = 1;
  if (json) {
    console.log(JSON.stringify({ machine, rows: [row], spread }, null, 2));
    return;
  }
  const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
  console.log(
    `${row.name}: ${percent(row.value)} of ${lines.length} (95% interval ${percent(row.low)} to ${percent(row.high)}, limit 5%)${row.pass ? "" : "  MISSED"}`,
  );
  console.log(
    `pairs run: median ${median(lines.map((line) => line.pairs))} of at most ${pairs}; ${median(lines.map(({ seconds }) => seconds)).toFixed(1)} s a comparison`,
  );
  for (const { metric, pairSd } of spread)
    console.log(`pair SD of ${metric}: ${percent(pairSd)} (median of comparisons)`);
  console.log(machine);
}
