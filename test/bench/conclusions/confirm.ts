// Tests confirmed choices: bias of the reported quality, coverage of the intervals, how often a choice is
// truly over budget. Also tests whether the page chooses like the command line. Selection and confirmation
// are the product's; only samples are simulated.

import { mean, squaredDeviations } from "../../../profilers/statistics/summary.ts";
import { DEFAULT_REPLACEMENTS, DEFAULT_SESSIONS } from "../../../runner/sweep/confirm-defaults.ts";
import { DEFAULT_TOLERANCE } from "../../../runner/sweep/selection.ts";
import { judge } from "../../../search/judge.ts";
import type { Estimate, Scale } from "../../../search/noise/estimate.ts";
import { estimates } from "../../../search/noise/estimate.ts";
import { nonDominated } from "../../../search/pareto.ts";
import { createRng, type SeededRng } from "../../../search/rng.ts";
import type { Choice } from "../../../search/selection/choice.ts";
import { confirmChoice, type Fresh, type Stage } from "../../../search/selection/confirm.ts";
import type { RuleName } from "../../../search/selection/rules.ts";
import { agreementOf } from "./agreement.ts";
import { type ConclusionRow, type ConclusionRuns, meets, shareRow } from "./row.ts";
import { auditedNoise, type SampledLayout, sample, type TrueLayout, worlds } from "./worlds.ts";

/** Layouts of a simulated sweep, and the number of those that it measures and trains twice. */
const LAYOUTS = 100;
const REPEATED = 8;

const TIME = "decodeP50Ms@1024:device";
const SCORE = "recall.accuracy";
const objectives = [
  { name: TIME, direction: "min", unit: "ms" },
  { name: SCORE, direction: "max", unit: "fraction" },
] as const;
const scales: Readonly<Record<string, Scale>> = { [TIME]: "ratio", [SCORE]: "difference" };

const estimatesOf = (layouts: readonly SampledLayout[]): Readonly<Record<string, readonly Estimate[]>> => ({
  [TIME]: estimates(
    layouts.map(({ tokenMs }) => tokenMs),
    "ratio",
  ),
  [SCORE]: estimates(
    layouts.map(({ accuracy }) => accuracy),
    "difference",
  ),
});

/** A sweep's layouts as inputs of the rule. Slower layouts have more attention layers. */
function choicesOf(
  truth: readonly TrueLayout[],
  known: Readonly<Record<string, readonly Estimate[]>>,
  rng: SeededRng,
): readonly Choice[] {
  const front = new Set(
    nonDominated(truth.map((_, n) => [known[TIME]![n]!.value, -known[SCORE]![n]!.value])),
  );
  return truth.map(({ tokenMs }, n) => ({
    id: `layout${n}`,
    trial: n,
    pattern: "",
    parameters: 1e6,
    attentionLayers: Math.max(0, Math.round(3 + 8 * (tokenMs - 1) + 3 * rng.next())),
    mixerKinds: 2,
    onFront: front.has(n),
    chance: null,
    metrics: Object.fromEntries(
      objectives.map(({ name }) => {
        const { value, low, high } = known[name]![n]!;
        return [name, { value, low, high, marks: [] }];
      }),
    ),
  }));
}

/** Samples of a layout for a confirmation: those that decide, then those that are reported. */
interface Taken {
  readonly check: SampledLayout;
  readonly report: SampledLayout;
}

const joined = ({ check, report }: Taken): SampledLayout => ({
  tokenMs: {
    ...check.tokenMs,
    samples: [...check.tokenMs.samples, ...report.tokenMs.samples],
    sessions: [...check.tokenMs.sessions!, ...report.tokenMs.sessions!],
  },
  accuracy: { ...check.accuracy, samples: [...check.accuracy.samples, ...report.accuracy.samples] },
});

/** Estimates of each layout from its samples of a stage, with spreads pooled with those of the sweep. */
function knownOf(sweep: readonly SampledLayout[], taken: ReadonlyMap<string, Taken>, stage: Stage) {
  const own = [...taken.values()].map((one) => (stage === "both" ? joined(one) : one[stage]));
  const known = estimatesOf([...sweep, ...own]);
  return new Map(
    [...taken.keys()].map((id, n): [string, Fresh] => [
      id,
      {
        metrics: Object.fromEntries(
          objectives.map(({ name }) => [name, { ...known[name]![sweep.length + n]!, scale: scales[name]! }]),
        ),
      },
    ]),
  );
}

interface Tally {
  runs: number;
  confirmed: number;
  /**
   * Number of sweeps whose first choice, by the sweep's values alone, is truly over budget. `over`: the same
   * for confirmed choices.
   */
  unconfirmedOver: number;
  over: number;
  readonly bias: number[];
  readonly unconfirmedBias: number[];
  readonly held: { score: number; time: number };
  replaced: number;
}

const emptyTally = (): Tally => ({
  ...{ runs: 0, confirmed: 0, unconfirmedOver: 0, over: 0, bias: [], unconfirmedBias: [], replaced: 0 },
  held: { score: 0, time: 0 },
});

const holds = ({ low, high }: Estimate, truth: number): boolean => low! <= truth && truth <= high!;

async function confirmOnce(world: string, rule: RuleName, tally: Tally, rng: SeededRng): Promise<void> {
  const truth = Array.from({ length: LAYOUTS }, () => worlds[world]!(rng));
  const sweep = truth.map((layout, n) => sample(layout, n < REPEATED ? 2 : 1, auditedNoise, rng));
  // Half of the layouts are over this budget.
  const max = truth.map(({ tokenMs }) => tokenMs).sort((a, b) => a - b)[LAYOUTS >> 1]!;
  const budgets = [{ metric: TIME, max }];
  const taken = new Map<string, Taken>();
  const choices = choicesOf(truth, estimatesOf(sweep), rng);
  const fresh = (choice: Choice): SampledLayout =>
    sample(truth[choice.trial]!, DEFAULT_SESSIONS, auditedNoise, rng);
  const { chosen, rejected } = await confirmChoice(
    choices,
    {
      ...{ rule, budgets, kept: budgets, objectives, quality: objectives[1], tolerance: DEFAULT_TOLERANCE },
      replacements: DEFAULT_REPLACEMENTS,
    },
    async (pair, stage) => {
      for (const choice of pair)
        if (!taken.has(choice.id)) taken.set(choice.id, { check: fresh(choice), report: fresh(choice) });
      return knownOf(sweep, taken, stage);
    },
  );
  tally.runs++;
  tally.replaced += rejected.length;
  const isOver = (choice: Choice): boolean =>
    judge(budgets, { [TIME]: truth[choice.trial]!.tokenMs }).state === "infeasible";
  const first = rejected[0]?.choice ?? chosen?.choice;
  if (first !== undefined) {
    if (isOver(first)) tally.unconfirmedOver++;
    tally.unconfirmedBias.push(
      (first.metrics[SCORE]!.value - truth[first.trial]!.accuracy) / auditedNoise.seed,
    );
  }
  if (chosen === null || "fault" in chosen.fresh) return;
  tally.confirmed++;
  const own = truth[chosen.choice.trial]!;
  if (isOver(chosen.choice)) tally.over++;
  const { [SCORE]: score, [TIME]: time } = chosen.fresh.metrics;
  tally.bias.push((score!.value - own.accuracy) / auditedNoise.seed);
  if (holds(score!, own.accuracy)) tally.held.score++;
  if (holds(time!, own.tokenMs)) tally.held.time++;
}

/** A mean with its 95% interval. `size`: the limit applies to its absolute value. */
function meanRow(name: string, values: readonly number[], limit: string): ConclusionRow {
  const center = mean(values);
  const half = 1.96 * Math.sqrt(squaredDeviations(values) / (values.length - 1) / values.length);
  return {
    name,
    value: center,
    low: center - half,
    high: center + half,
    limit,
    pass: meets(Math.abs(center), limit),
  };
}

const RULES: readonly RuleName[] = ["minimal-hybrid", "best-quality"];

/**
 * With fewer confirmed choices, a single world is not judged. `WORLD`: largest share truly over budget in a
 * single world, wider than for all together.
 */
const ENOUGH = 100;
const WORLD = 0.08;

export async function confirmRows({ runs, seed }: ConclusionRuns): Promise<readonly ConclusionRow[]> {
  const rng = createRng(seed);
  const all = emptyTally();
  const rows: ConclusionRow[] = [];
  const tallies = [];
  for (const world of Object.keys(worlds))
    for (const rule of RULES) {
      const tally = emptyTally();
      for (let run = 0; run < Math.ceil(runs / RULES.length); run++)
        await confirmOnce(world, rule, tally, rng);
      tallies.push({ name: `${world}, ${rule}`, tally });
    }
  for (const { tally } of tallies) {
    for (const key of ["runs", "confirmed", "unconfirmedOver", "over", "replaced"] as const)
      all[key] += tally[key];
    for (const key of ["bias", "unconfirmedBias"] as const)
      for (const value of tally[key]) all[key].push(value);
    for (const key of ["score", "time"] as const) all.held[key] += tally.held[key];
  }
  rows.push(
    meanRow("confirm: |bias| of the reported quality, in seed SD", all.bias, "<= 0.05"),
    meanRow(
      "confirm: for contrast, bias of the sweep's value of its first choice",
      all.unconfirmedBias,
      "<= 9",
    ),
    shareRow("confirm: 95% intervals of the quality hold", all.held.score, all.confirmed, "0.93 to 0.97"),
    shareRow("confirm: 95% intervals of the time hold", all.held.time, all.confirmed, "0.93 to 0.97"),
    shareRow("confirm: confirmed choice truly over budget", all.over, all.confirmed, "<= 0.05"),
    shareRow(
      "confirm: for contrast, the sweep's first choice truly over",
      all.unconfirmedOver,
      all.runs,
      "<= 1",
    ),
    shareRow("confirm: a choice is confirmed", all.confirmed, all.runs, ">= 0.7"),
    ...tallies
      .filter(({ tally }) => tally.confirmed >= ENOUGH)
      .map(({ name, tally }) =>
        shareRow(`confirm: truly over budget (${name})`, tally.over, tally.confirmed, `<= ${WORLD}`),
      ),
  );
  const { same, of } = agreementOf({ runs, seed });
  rows.push(shareRow("confirm: page and command line choose the same", same, of, ">= 1"));
  return rows;
}
