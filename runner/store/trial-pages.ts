// Pages of a sweep's trials in any order, for readers of very large sweeps. Read only.
import type Database from "better-sqlite3";
import { z } from "zod";
import { rowReader } from "./database-row.ts";
import { type TrialState, trialStates } from "./trial-row.ts";

export interface TrialQuery {
  readonly offset: number;
  readonly limit: number;
  readonly state: TrialState | null;
  /** Name of the metric to sort by, which leaves out trials without it; null sorts by number. */
  readonly sort: string | null;
  readonly descending: boolean;
  /** Part of an id or of a notation; empty: any. */
  readonly find: string;
}

export interface TrialRow {
  readonly id: number;
  readonly number: number;
  readonly candidateId: string;
  readonly notation: string;
  readonly state: TrialState;
  readonly reason: string | null;
}

export interface TrialPage {
  readonly total: number;
  readonly rows: readonly TrialRow[];
}

const trialRowOf = rowReader(
  "trials",
  z
    .object({
      id: z.number(),
      number: z.number(),
      candidate_id: z.string(),
      notation: z.string(),
      state: z.enum(trialStates),
      reason: z.string().nullable(),
    })
    .transform(({ candidate_id: candidateId, ...row }): TrialRow => ({ ...row, candidateId })),
);

/** Returns one page, and the number of all trials that match. */
export function trialPage(db: Database.Database, sweepId: number, query: TrialQuery): TrialPage {
  const { sort, state, find, descending } = query;
  const values: Record<string, string | number> = {
    sweepId,
    ...(sort !== null && { sort }),
    ...(state !== null && { state }),
    ...(find !== "" && { find }),
  };
  const from = `FROM trials t JOIN candidates c ON c.id = t.candidate_id
    ${sort === null ? "" : "JOIN metrics m ON m.trial_id = t.id AND m.name = @sort"}
    WHERE t.sweep_id = @sweepId ${state === null ? "" : "AND t.state = @state"}
    ${find === "" ? "" : "AND (instr(c.id, @find) > 0 OR instr(c.notation, @find) > 0)"}`;
  const { total } = db.prepare(`SELECT count(*) AS total ${from}`).get(values) as { total: number };
  const order = `${sort === null ? "t.number" : "m.value"} ${descending ? "DESC" : "ASC"}, t.number`;
  const rows = db
    .prepare(
      `SELECT t.id, t.number, t.candidate_id, t.state, t.reason, c.notation ${from} ORDER BY ${order} LIMIT @limit OFFSET @offset`,
    )
    .all({ ...values, limit: query.limit, offset: query.offset });
  return { total, rows: rows.map(trialRowOf) };
}
