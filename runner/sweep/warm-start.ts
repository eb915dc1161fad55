// Trials of an earlier sweep (by name) or of an export (report --format jsonl) taken into a new sweep: kept with their metrics as
// imported trials, told to the strategy before its first proposal, judged by the new sweep's own budgets.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type Layout, parseLayout } from "../../candidates/layout.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { type Budget, judge } from "../../search/budgets.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config.ts";
import type { Store } from "../store/store.ts";
import type { ImportedTrial } from "../store/trials.ts";

interface Source {
  readonly layout: Layout;
  /** Ended for nothing but its values: they may be judged anew. One that ran out of memory may have all that is counted, and is no good. */
  readonly byItsValues: boolean;
  readonly metrics: readonly Metric[];
}

const line = z.object({
  state: z.string(),
  layout: z.unknown(),
  metrics: z.record(
    z.string(),
    z.object({ value: z.number(), unit: z.string(), samples: z.array(z.number()), stable: z.boolean() }),
  ),
});

/** What must be equal for values of one sweep to stand in another: how they were measured, not what was searched. */
const conditions = ({ measure, score }: SweepConfig) => ({ measure, score });

function fromSweep(store: Store, name: string, config: SweepConfig): readonly Source[] {
  const sweep = store.sweeps.get(name);
  const [theirs, ours] = [conditions(sweep.config), JSON.parse(JSON.stringify(conditions(config))) as object];
  const differs = (["measure", "score"] as const).filter(
    (part) => !isDeepStrictEqual(theirs[part], (ours as typeof theirs)[part]),
  );
  if (differs.length > 0)
    throw new InvalidInputError(
      "other-conditions",
      `sweep "${name}" was measured under another \`${differs.join("` and `")}\`; its values cannot stand beside new ones. Make these parts equal, or start without it`,
    );
  return store.trials
    .all(sweep.id)
    .filter(({ state }) => state === "complete" || state === "infeasible")
    .map((trial) => ({
      layout: trial.layout,
      byItsValues: trial.state === "complete" || trial.cause === "over-budget",
      metrics: store.trials.metrics(trial.id),
    }));
}

function fromFile(path: string): readonly Source[] {
  const bad = (n: number, why: string): InvalidInputError =>
    new InvalidInputError(
      "bad-import",
      `${path}:${n + 1}: ${why}; write the file with: edgefront report <sweep> --format jsonl`,
    );
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new InvalidInputError("unreadable-import", `cannot read ${path}; check the path`, { cause });
  }
  return text.split("\n").flatMap((row, n): Source[] => {
    if (row.trim() === "") return [];
    let data: unknown;
    try {
      data = JSON.parse(row);
    } catch {
      throw bad(n, "not JSON");
    }
    const parsed = line.safeParse(data);
    if (!parsed.success) throw bad(n, "not a trial");
    const { state, layout, metrics } = parsed.data;
    if (state !== "complete" && state !== "infeasible") return [];
    const list = Object.entries(metrics).map(([name, metric]) => ({ name, ...metric }));
    // An export does not say for what a layout was infeasible.
    return [{ layout: parseLayout(layout), byItsValues: state === "complete", metrics: list }];
  });
}

/**
 * Trials of `source`, judged again. Those that lack an objective here are left out (they were over budget before it was measured,
 * or measured elsewhere). Throws InvalidInputError when nothing is left, or when the conditions of a sweep differ.
 */
export function importedTrials(
  store: Store,
  source: string,
  config: SweepConfig,
  objectives: readonly Objective[],
  budgets: readonly Budget[],
): readonly ImportedTrial[] {
  const sources = /\.jsonl$/.test(source) ? fromFile(source) : fromSweep(store, source, config);
  const trials = sources.flatMap(({ layout, byItsValues, metrics }): ImportedTrial[] => {
    const values = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
    const verdict = judge(budgets, values);
    if (verdict.state === "infeasible")
      return [
        {
          layout,
          metrics,
          end: {
            state: "infeasible",
            cause: "over-budget",
            reason: "imported over budget",
            violation: verdict.total,
          },
        },
      ];
    const whole =
      byItsValues && verdict.state === "feasible" && objectives.every(({ name }) => name in values);
    return whole ? [{ layout, metrics, end: { state: "complete" } }] : [];
  });
  if (trials.length === 0)
    throw new InvalidInputError(
      "nothing-to-import",
      `"${source}" has no trial with all of this sweep's objectives (${objectives.map(({ name }) => name).join(", ")})`,
    );
  return trials;
}
