// Imports trials of an earlier sweep (by name) or of an export (report --format jsonl) into a new sweep. They
// keep their metrics, are reported to the strategy before its first proposal, and are judged by the new sweep's
// budgets.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type Layout, parseLayout } from "../../candidates/layout.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { digestOf, type Part, partFrom, partOfKey, partsEver } from "../../profilers/identity.ts";
import { parseMetricName } from "../../profilers/metrics/name.ts";
import type { Budget } from "../../search/budgets.ts";
import { judge } from "../../search/judge.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import { withoutPaths } from "../config/without-paths.ts";
import type { Brought } from "../farm/sweep-identity.ts";
import type { Store } from "../store/store.ts";
import type { ImportedTrial } from "../store/trial-row.ts";

interface Sources {
  readonly trials: readonly Source[];
  readonly brought: Brought;
}
interface Source {
  readonly layout: Layout;
  /**
   * Whether the trial's end depended on its values alone, so that it can be judged again. A trial that ran
   * out of memory may have every counted metric and still be unusable.
   */
  readonly byItsValues: boolean;
  readonly metrics: readonly Metric[];
}

const line = z.object({
  state: z.string(),
  layout: z.unknown(),
  metrics: z.record(
    z.string(),
    z.object({
      value: z.number(),
      unit: z.string(),
      samples: z.array(z.number()),
      stable: z.boolean(),
      provenance: z.object({ emulated: z.string() }).partial().optional(),
    }),
  ),
  /** Absent in exports older than digests, and for imported trials. */
  identity: z.record(z.string(), z.string()).optional(),
});

/**
 * The parts that two configurations must share for comparable values: how layouts were measured and scored,
 * not which were searched.
 */
const conditions = ({ measure, score }: SweepConfig) => ({ measure, score });

/** The identity of an emulator that is known only by a mark on its values. */
const emulatedPart = (device: string): Part =>
  partFrom("probe", device, {
    digest: digestOf("emulated"),
    shown: "run under an emulator",
    emulated: true,
  });

function fromSweep(store: Store, name: string, config: SweepConfig): Sources {
  const sweep = store.sweeps.get(name);
  const theirs = conditions(withoutPaths(sweep.config));
  const ours = conditions(withoutPaths(config));
  const differs = (["measure", "score"] as const).filter(
    (part) => !isDeepStrictEqual(theirs[part], ours[part]),
  );
  if (differs.length > 0)
    throw new InvalidInputError(
      "other-conditions",
      `sweep "${name}" was measured under another \`${differs.join("` and `")}\`; its values are not comparable with new ones. Make these parts equal, or leave out --warm-start`,
    );
  const emulated = store.history.emulatedDevices(sweep.id, sweep.config.measure.devices);
  const { identity } = sweep;
  const known = identity === null ? [] : partsEver(identity);
  const unmarked = emulated.filter((device) => !known.some((one) => one.of === device && one.emulated));
  const brought = {
    from: `sweep "${name}"`,
    parts: [...known, ...unmarked.map(emulatedPart)],
    incomplete: identity === null || identity.unknown.length > 0,
  };
  const trials = store.trials
    .all(sweep.id)
    .filter(({ state }) => state === "complete" || state === "infeasible")
    .map((trial) => ({
      layout: trial.layout,
      byItsValues: trial.state === "complete" || trial.cause === "over-budget",
      metrics: store.metrics.ofTrial(trial.id),
    }));
  return { trials, brought };
}

function fromFile(path: string): Sources {
  const bad = (n: number, why: string): InvalidInputError =>
    new InvalidInputError(
      "bad-import",
      `${path}:${n + 1}: ${why}; write the file with: edgefront report <sweep> --format jsonl`,
    );
  let text: string;
  try {
    text = readFileSync(path, "utf8").replace(/^\ufeff/, "");
  } catch (cause) {
    throw new InvalidInputError("unreadable-import", `cannot read ${path}; check the path`, { cause });
  }
  const parts = new Map<string, Part>();
  let incomplete = false;
  const trials = text.split("\n").flatMap((row, n): Source[] => {
    if (row.trim() === "") return [];
    let data: unknown;
    try {
      data = JSON.parse(row);
    } catch {
      throw bad(n, "not JSON");
    }
    const parsed = line.safeParse(data);
    if (!parsed.success) throw bad(n, "not a trial");
    const { state, layout, metrics, identity } = parsed.data;
    if (state !== "complete" && state !== "infeasible") return [];
    const list = Object.entries(metrics).map(([name, { provenance: _, ...metric }]) => ({ name, ...metric }));
    incomplete ||= identity === undefined;
    for (const one of partsOfLine(parsed.data)) parts.set(JSON.stringify(one), one);
    // An export does not say why a layout was infeasible.
    return [{ layout: parseLayout(layout), byItsValues: state === "complete", metrics: list }];
  });
  return { trials, brought: { from: basename(path), parts: [...parts.values()], incomplete } };
}

/**
 * The identity behind one exported trial. Only the values say whether a device was emulated, not the digests.
 */
function partsOfLine({ identity = {}, metrics }: z.infer<typeof line>): readonly Part[] {
  const emulated = Object.entries(metrics).flatMap(([name, { provenance }]) =>
    provenance?.emulated === "yes" ? [parseMetricName(name).device ?? ""] : [],
  );
  const parts = Object.entries(identity).flatMap(([key, digest]) => partOfKey(key, digest) ?? []);
  const unmarked = emulated.filter((device) => !(`probe:${device}` in identity));
  return [
    ...parts.map((one) =>
      one.what === "probe" && emulated.includes(one.of) ? { ...one, emulated: true as const } : one,
    ),
    ...unmarked.map(emulatedPart),
  ];
}

/**
 * Returns the trials of `source`, judged by the new budgets. Trials without every objective are left out:
 * they were over budget before it was measured, or were measured elsewhere.
 * @throws InvalidInputError when no trial is left, or when the conditions of the sweeps differ.
 */
export function importedTrials(
  store: Store,
  source: string,
  config: SweepConfig,
  objectives: readonly Objective[],
  budgets: readonly Budget[],
): { readonly trials: readonly ImportedTrial[]; readonly brought: Brought } {
  const { trials: sources, brought } = /\.jsonl$/.test(source)
    ? fromFile(source)
    : fromSweep(store, source, config);
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
  return { trials, brought };
}
