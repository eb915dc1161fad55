// The stored form of a trial: its proposal and its end.
import type Database from "better-sqlite3";
import { z } from "zod";
import { type Layout, parseLayout } from "../../candidates/layout.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import type { Origin } from "../../search/strategy.ts";
import { jsonText, now, rowReader } from "./database-row.ts";

/**
 * `screened`: not measured, because it was predicted to be over a budget; `stopped`: its training was ended
 * at a rung.
 */
export const trialStates = [
  "proposed",
  "complete",
  "infeasible",
  "failed",
  "lost",
  "screened",
  "stopped",
] as const;
export type TrialState = (typeof trialStates)[number];

const overBudgetSchema = z.object({
  violations: z
    .array(
      z.object({
        metric: z.string(),
        limit: z.enum(["max", "min"]),
        bound: z.number(),
        value: z.number(),
      }),
    )
    .readonly(),
  /** The repetition that found it over budget; null: it was over budget at first. */
  again: z.enum(["measured", "trained"]).nullable(),
});
/** The budgets that a trial exceeds. */
export type OverBudget = z.infer<typeof overBudgetSchema>;

const originSchema: z.ZodType<Origin> = z.object({
  kind: z.enum(["declared", "random", "enumerated", "mutation", "crossover", "imported"]),
  parents: z.array(z.string()),
  operator: z.string().nullable(),
});

export interface Trial {
  readonly id: number;
  readonly number: number;
  readonly batch: number;
  readonly candidateId: string;
  readonly layout: Layout;
  readonly notation: string;
  readonly parameters: number;
  readonly state: TrialState;
  readonly cause: string | null;
  readonly reason: string | null;
  readonly violation: number | null;
  /** Null when it is not over budget, or when only the sentence is known. */
  readonly overBudget: OverBudget | null;
  readonly finishedAt: string | null;
  /** Null for trials of databases older than origins. */
  readonly origin: Origin | null;
}

/**
 * How a trial ended. `cause` is a stable word, `reason` one line for people; `overBudget` holds the same
 * facts as data.
 */
export interface TrialEnd {
  readonly state: Exclude<TrialState, "proposed">;
  readonly cause?: string;
  readonly reason?: string;
  readonly violation?: number;
  readonly overBudget?: OverBudget;
}

/** A trial that was run elsewhere. */
export interface ImportedTrial {
  readonly layout: Layout;
  readonly metrics: readonly Metric[];
  readonly end: TrialEnd;
}

/** Batch number of imported trials: before the first proposed batch. */
export const IMPORTED_BATCH = -1;

const overBudgetColumn = jsonText(overBudgetSchema).nullable();
export const overBudgetOf = rowReader("trials", overBudgetColumn);

export const trialOf = rowReader(
  "trials",
  z
    .object({
      id: z.number(),
      number: z.number(),
      batch: z.number(),
      candidate_id: z.string(),
      layout: z.string().transform((text) => parseLayout(JSON.parse(text))),
      notation: z.string(),
      parameters: z.number(),
      state: z.enum(trialStates),
      cause: z.string().nullable(),
      reason: z.string().nullable(),
      violation: z.number().nullable(),
      over_budget: overBudgetColumn,
      finished_at: z.string().nullable(),
      origin: jsonText(originSchema).nullable(),
    })
    .transform(
      ({ candidate_id: candidateId, over_budget: overBudget, finished_at: finishedAt, ...row }): Trial => ({
        ...row,
        candidateId,
        overBudget,
        finishedAt,
      }),
    ),
);

/** Columns of an end, in the order of `endValues`. */
export const END_COLUMNS = "state = ?, cause = ?, reason = ?, violation = ?, over_budget = ?";

/** Returns the values of an end for `END_COLUMNS`. */
export const endValues = ({ state, cause, reason, violation, overBudget }: TrialEnd) => [
  state,
  cause ?? null,
  reason ?? null,
  violation ?? null,
  overBudget === undefined ? null : JSON.stringify(overBudget),
];

/** Ends a trial once; a second end is ignored. */
export function endTrial(db: Database.Database, trialId: number, end: TrialEnd): void {
  db.prepare(`UPDATE trials SET ${END_COLUMNS}, finished_at = ? WHERE id = ? AND state = 'proposed'`).run(
    ...endValues(end),
    now(),
    trialId,
  );
}
