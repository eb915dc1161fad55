// Trials: the proposals, their order, and the end of each. A batch of proposals and the strategy's state
// after it are written in one transaction, so a killed run resumes with the same proposals.
import type Database from "better-sqlite3";
import { z } from "zod";
import { parameterCount } from "../../candidates/cost.ts";
import { type Layout, layoutId } from "../../candidates/layout.ts";
import { formatNotation } from "../../candidates/notation.ts";
import type { Origin, Proposal } from "../../search/strategy.ts";
import { jsonText, now, type Row, rowReader } from "./database-row.ts";
import { insertMetrics } from "./metric-table.ts";
import { type TrialPage, type TrialQuery, trialPage } from "./trial-pages.ts";
import {
  endTrial,
  IMPORTED_BATCH,
  type ImportedTrial,
  overBudgetOf,
  type Trial,
  type TrialEnd,
  type TrialState,
  trialOf,
} from "./trial-row.ts";

/** The state of a trial, without its layout and samples. */
export interface TrialStanding
  extends Pick<Trial, "id" | "number" | "candidateId" | "state" | "reason" | "overBudget"> {
  /** Values of the requested metrics; null where not measured. */
  readonly values: readonly (number | null)[];
}

interface Place {
  readonly sweepId: number;
  readonly number: number;
  readonly batch: number;
}

const SELECT =
  "SELECT t.*, c.layout, c.notation, c.parameters FROM trials t JOIN candidates c ON c.id = t.candidate_id";

const askOf = rowReader(
  "events",
  z.object({ data: jsonText(z.object({ batch: z.number(), strategyState: z.unknown() })) }),
);

export class TrialTable {
  /** A trial's end follows from its jobs, so it is written by `quick`, which does not wait for the disk. */
  constructor(
    private readonly db: Database.Database,
    private readonly quick: Database.Database,
  ) {}

  all(sweepId: number): readonly Trial[] {
    return this.db.prepare(`${SELECT} WHERE t.sweep_id = ? ORDER BY t.number`).all(sweepId).map(trialOf);
  }

  /** Returns the number of trials, which is also the number of the next one: numbers have no gaps. */
  count(sweepId: number): number {
    return this.db
      .prepare("SELECT coalesce(max(number) + 1, 0) FROM trials WHERE sweep_id = ?")
      .pluck()
      .get(sweepId) as number;
  }

  batch(sweepId: number, batch: number): readonly Trial[] {
    return this.db
      .prepare(`${SELECT} WHERE t.sweep_id = ? AND t.batch = ? ORDER BY t.number`)
      .all(sweepId, batch)
      .map(trialOf);
  }

  /** Returns the newest batch and the strategy's state after it was proposed; null before the first. */
  lastAsk(sweepId: number): { readonly batch: number; readonly strategyState: unknown } | null {
    const row = this.db
      .prepare("SELECT data FROM events WHERE sweep_id = ? AND kind = 'ask' ORDER BY id DESC LIMIT 1")
      .get(sweepId);
    return row === undefined ? null : askOf(row).data;
  }

  /**
   * Writes a batch of proposals together with the strategy's state, including its random generator. Also
   * writes the ends of proposals that never begin, and the notes on the batch.
   */
  propose(
    sweepId: number,
    batch: number,
    proposals: readonly (Proposal & { readonly end?: TrialEnd })[],
    strategyState: unknown,
    notes: Readonly<Record<string, object>> = {},
  ): void {
    const event = this.db.prepare(
      "INSERT INTO events (sweep_id, kind, data, created_at) VALUES (?, ?, ?, ?)",
    );
    this.db
      .transaction(() => {
        const n = this.count(sweepId);
        for (const [index, { candidate: layout, origin, end }] of proposals.entries()) {
          const id = this.insert({ sweepId, number: n + index, batch }, layout, origin, "refuse")!;
          if (end !== undefined) endTrial(this.db, id, end);
        }
        for (const [kind, note] of Object.entries(notes))
          event.run(sweepId, kind, JSON.stringify({ batch, ...note }), now());
        event.run(
          sweepId,
          "ask",
          JSON.stringify({ batch, proposed: proposals.length, strategyState }),
          now(),
        );
      })
      .immediate();
  }

  /** Writes trials that were run elsewhere. A sweep that already has trials is left unchanged. */
  import(sweepId: number, trials: readonly ImportedTrial[], source: string): void {
    const origin: Origin = { kind: "imported", parents: [], operator: null };
    this.db
      .transaction(() => {
        if (this.count(sweepId) > 0) return;
        let number = 0;
        for (const { layout, metrics, end } of trials) {
          const id = this.insert({ sweepId, number, batch: IMPORTED_BATCH }, layout, origin, "skip");
          if (id === null) continue;
          number++;
          insertMetrics(this.db, id, metrics);
          endTrial(this.db, id, end);
        }
        this.db
          .prepare("INSERT INTO events (sweep_id, kind, data, created_at) VALUES (?, 'import', ?, ?)")
          .run(sweepId, JSON.stringify({ source, trials: number }), now());
      })
      .immediate();
  }

  /**
   * Writes a layout and its trial within a transaction. Returns the trial's id. When the sweep already has a
   * trial of this layout, `refuse` throws SqliteError and `skip` returns null.
   */
  private insert(place: Place, layout: Layout, origin: Origin, known: "refuse" | "skip"): number | null {
    const { sweepId, number, batch } = place;
    const id = layoutId(layout);
    this.db
      .prepare(
        "INSERT INTO candidates (id, layout, notation, parameters) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
      )
      .run(id, JSON.stringify(layout), formatNotation(layout), parameterCount(layout));
    const { changes, lastInsertRowid } = this.db
      .prepare(
        `INSERT INTO trials (sweep_id, number, batch, candidate_id, origin, created_at) VALUES (?, ?, ?, ?, ?, ?)${known === "skip" ? " ON CONFLICT DO NOTHING" : ""}`,
      )
      .run(sweepId, number, batch, id, JSON.stringify(origin), now());
    return changes === 0 ? null : Number(lastInsertRowid);
  }

  /** Ends a trial once; a second end is ignored. */
  finish(trialId: number, end: TrialEnd): void {
    endTrial(this.quick, trialId, end);
  }

  /** Returns these trials, ordered by number. */
  some(ids: readonly number[]): readonly Trial[] {
    return this.db
      .prepare(`${SELECT} WHERE t.id IN (SELECT value FROM json_each(?)) ORDER BY t.number`)
      .all(JSON.stringify(ids))
      .map(trialOf);
  }

  /** Returns the ids of the newest complete trials, newest first. */
  latestComplete(sweepId: number, most: number): readonly number[] {
    const rows = this.db
      .prepare("SELECT id FROM trials WHERE sweep_id = ? AND state = 'complete' ORDER BY id DESC LIMIT ?")
      .all(sweepId, most) as Row[];
    return rows.map((row) => row.id as number);
  }

  /**
   * Returns the states of trials, ordered by id: those after `after` (an id) and those with these ids. With
   * `names`, also their values of these metrics.
   */
  standing(
    sweepId: number,
    after: number,
    ids: readonly number[],
    names: readonly string[],
  ): readonly TrialStanding[] {
    const columns = names.map(
      (_, n) => `, (SELECT value FROM metrics m WHERE m.trial_id = t.id AND m.name = @name${n})`,
    );
    const select = `SELECT t.id, t.number, t.candidate_id, t.state, t.reason, t.over_budget ${columns.join("")} FROM trials t`;
    const rows = this.db
      // "+" makes SQLite search by id, not by the index over sweeps, which holds every trial of the sweep.
      .prepare(
        `${select} WHERE +t.sweep_id = @sweepId AND t.id > @after
         UNION ALL ${select} WHERE t.id <= @after AND t.id IN (SELECT value FROM json_each(@ids)) ORDER BY 1`,
      )
      .raw()
      .all({
        sweepId,
        after,
        ids: JSON.stringify(ids),
        ...Object.fromEntries(names.map((name, n) => [`name${n}`, name])),
      }) as [number, number, string, TrialState, string | null, string | null, ...(number | null)[]][];
    return rows.map(([id, number, candidateId, state, reason, over, ...values]) => ({
      id,
      number,
      candidateId,
      state,
      reason,
      overBudget: overBudgetOf(over),
      values,
    }));
  }

  /** Returns one page of the trials of a sweep. */
  page(sweepId: number, query: TrialQuery): TrialPage {
    return trialPage(this.db, sweepId, query);
  }

  /** Returns the id of a trial of a sweep; null when there is no such number. */
  idOf(sweepId: number, number: number): number | null {
    const row = this.db
      .prepare("SELECT id FROM trials WHERE sweep_id = ? AND number = ?")
      .get(sweepId, number) as Row | undefined;
    return row === undefined ? null : (row.id as number);
  }

  /** Returns the number of trials in each state; empty states are left out. */
  counts(sweepId: number): Readonly<Partial<Record<TrialState, number>>> {
    const rows = this.db
      .prepare("SELECT state, count(*) FROM trials WHERE sweep_id = ? GROUP BY state")
      .raw()
      .all(sweepId) as [TrialState, number][];
    return Object.fromEntries(rows);
  }

  /** Returns the ids of the trials of these candidates. */
  idsOfCandidates(sweepId: number, candidateIds: readonly string[]): readonly number[] {
    return this.db
      .prepare(
        "SELECT id FROM trials WHERE sweep_id = ? AND candidate_id IN (SELECT value FROM json_each(?)) ORDER BY id",
      )
      .pluck()
      .all(sweepId, JSON.stringify(candidateIds)) as number[];
  }

  /** Returns the ids of the trials whose candidate id begins with this text. */
  idsBeginning(sweepId: number, text: string): readonly number[] {
    return this.db
      .prepare(
        "SELECT id FROM trials WHERE sweep_id = ? AND substr(candidate_id, 1, length(?)) = ? ORDER BY id",
      )
      .pluck()
      .all(sweepId, text, text) as number[];
  }

  /** Returns the ids of the complete trials, by candidate. */
  complete(sweepId: number): ReadonlyMap<string, number> {
    const rows = this.db
      .prepare(
        "SELECT candidate_id, id FROM trials WHERE sweep_id = ? AND state = 'complete' ORDER BY number",
      )
      .raw()
      .all(sweepId) as [string, number][];
    return new Map(rows);
  }

  /** Returns the number of trials that have ended in any way. */
  finished(sweepId: number): number {
    const row = this.db
      .prepare("SELECT count(*) AS n FROM trials WHERE sweep_id = ? AND state <> 'proposed'")
      .get(sweepId) as { n: number };
    return row.n;
  }
}
