// Trials: what was proposed, in which order, and what became of it. A batch of proposals and the strategy's state after
// making it are written in one transaction, so that a killed run resumes to the same proposals.
import type Database from "better-sqlite3";
import { parameterCount } from "../../candidates/cost.ts";
import { type Layout, layoutId, parseLayout } from "../../candidates/layout.ts";
import { formatNotation } from "../../candidates/notation.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import type { Origin, Proposal } from "../../search/strategy.ts";
import { now, type Row } from "./database-row.ts";
import { type TrialPage, type TrialQuery, trialPage } from "./trial-pages.ts";

/** `screened`: not measured, predicted to be certainly over budget; `stopped`: its training was ended at a rung. */
export type TrialState = "proposed" | "complete" | "infeasible" | "failed" | "lost" | "screened" | "stopped";

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
  readonly finishedAt: string | null;
  /** Null for trials of databases older than origins. */
  readonly origin: Origin | null;
}

/** What a trial came to, without its layout and metrics. */
export interface TrialStanding extends Pick<Trial, "id" | "number" | "candidateId" | "state" | "reason"> {
  /** Of the metrics asked for; null where not measured. */
  readonly values: readonly (number | null)[];
}

/** How a trial ended. `cause` is a stable word, `reason` one line for people. */
export interface TrialEnd {
  readonly state: Exclude<TrialState, "proposed">;
  readonly cause?: string;
  readonly reason?: string;
  readonly violation?: number;
}

/** A trial that was run elsewhere. */
export interface ImportedTrial {
  readonly layout: Layout;
  readonly metrics: readonly Metric[];
  readonly end: TrialEnd;
}

/** Batch of imported trials: before the first that is proposed. */
export const IMPORTED_BATCH = -1;

export class TrialTable {
  /** What a trial came to follows from its jobs: it is written by `quick`, which does not wait for the disk, as its jobs' results did. */
  constructor(
    private readonly db: Database.Database,
    private readonly quick: Database.Database,
  ) {}

  private toTrial(row: Row): Trial {
    return {
      id: row.id as number,
      number: row.number as number,
      batch: row.batch as number,
      candidateId: row.candidate_id as string,
      layout: parseLayout(JSON.parse(row.layout as string)),
      notation: row.notation as string,
      parameters: row.parameters as number,
      state: row.state as TrialState,
      cause: row.cause as string | null,
      reason: row.reason as string | null,
      violation: row.violation as number | null,
      finishedAt: row.finished_at as string | null,
      origin: row.origin === null ? null : (JSON.parse(row.origin as string) as Origin),
    };
  }

  private readonly select =
    "SELECT t.*, c.layout, c.notation, c.parameters FROM trials t JOIN candidates c ON c.id = t.candidate_id WHERE t.sweep_id = ?";

  all(sweepId: number): readonly Trial[] {
    return (this.db.prepare(`${this.select} ORDER BY t.number`).all(sweepId) as Row[]).map((row) =>
      this.toTrial(row),
    );
  }

  /** Also the number of the next trial: numbers have no gaps. */
  count(sweepId: number): number {
    return this.db
      .prepare("SELECT coalesce(max(number) + 1, 0) FROM trials WHERE sweep_id = ?")
      .pluck()
      .get(sweepId) as number;
  }

  batch(sweepId: number, batch: number): readonly Trial[] {
    const rows = this.db
      .prepare(`${this.select} AND t.batch = ? ORDER BY t.number`)
      .all(sweepId, batch) as Row[];
    return rows.map((row) => this.toTrial(row));
  }

  /** The newest batch and the strategy's state after it was proposed; null before the first. */
  lastAsk(sweepId: number): { readonly batch: number; readonly strategyState: unknown } | null {
    const row = this.db
      .prepare("SELECT data FROM events WHERE sweep_id = ? AND kind = 'ask' ORDER BY id DESC LIMIT 1")
      .get(sweepId) as Row | undefined;
    return row === undefined
      ? null
      : (JSON.parse(row.data as string) as { batch: number; strategyState: unknown });
  }

  /**
   * Writes a batch of proposals together with the strategy's state (its random generator's included), those that end before they begin, and
   * what was noted of them.
   */
  propose(
    sweepId: number,
    batch: number,
    proposals: readonly (Proposal & { readonly end?: TrialEnd })[],
    strategyState: unknown,
    notes: Readonly<Record<string, object>> = {},
  ): void {
    const candidate = this.db.prepare(
      "INSERT INTO candidates (id, layout, notation, parameters) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    const trial = this.db.prepare(
      "INSERT INTO trials (sweep_id, number, batch, candidate_id, origin, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    );
    const event = this.db.prepare(
      "INSERT INTO events (sweep_id, kind, data, created_at) VALUES (?, ?, ?, ?)",
    );
    this.db
      .transaction(() => {
        const n = this.count(sweepId);
        for (const [index, { candidate: layout, origin, end }] of proposals.entries()) {
          const id = layoutId(layout);
          candidate.run(id, JSON.stringify(layout), formatNotation(layout), parameterCount(layout));
          const { lastInsertRowid } = trial.run(sweepId, n + index, batch, id, JSON.stringify(origin), now());
          if (end !== undefined) endTrial(this.db, Number(lastInsertRowid), end);
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

  /** Writes trials that were run elsewhere, once: a sweep that has any already is left as it is. */
  import(sweepId: number, trials: readonly ImportedTrial[], source: string): void {
    const candidate = this.db.prepare(
      "INSERT INTO candidates (id, layout, notation, parameters) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    const trial = this.db.prepare(
      "INSERT INTO trials (sweep_id, number, batch, candidate_id, origin, created_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    const origin: Origin = { kind: "imported", parents: [], operator: null };
    this.db
      .transaction(() => {
        if (this.count(sweepId) > 0) return;
        let number = 0;
        for (const { layout, metrics, end } of trials) {
          const id = layoutId(layout);
          candidate.run(id, JSON.stringify(layout), formatNotation(layout), parameterCount(layout));
          const { changes, lastInsertRowid } = trial.run(
            sweepId,
            number,
            IMPORTED_BATCH,
            id,
            JSON.stringify(origin),
            now(),
          );
          if (changes === 0) continue;
          number++;
          insertMetrics(this.db, Number(lastInsertRowid), metrics);
          endTrial(this.db, Number(lastInsertRowid), end);
        }
        this.db
          .prepare("INSERT INTO events (sweep_id, kind, data, created_at) VALUES (?, 'import', ?, ?)")
          .run(sweepId, JSON.stringify({ source, trials: number }), now());
      })
      .immediate();
  }

  /** Ends a trial once; a second end is ignored. */
  finish(trialId: number, end: TrialEnd): void {
    endTrial(this.quick, trialId, end);
  }

  /** Metrics that follow from the layout, or from results that are stored. */
  putMetrics(trialId: number, metrics: readonly Metric[]): void {
    if (metrics.length > 0) this.quick.transaction(() => insertMetrics(this.quick, trialId, metrics))();
  }

  private toMetric(row: Row): Metric {
    return {
      name: row.name as string,
      value: row.value as number,
      unit: row.unit as string,
      stable: row.stable === 1,
      samples: JSON.parse(row.samples as string) as number[],
      ...(row.sessions !== null && { sessions: JSON.parse(row.sessions as string) as number[] }),
    };
  }

  metrics(trialId: number): readonly Metric[] {
    const rows = this.db
      .prepare("SELECT * FROM metrics WHERE trial_id = ? ORDER BY name")
      .all(trialId) as Row[];
    return rows.map((row) => this.toMetric(row));
  }

  /** These trials, in the order of their numbers. */
  some(ids: readonly number[]): readonly Trial[] {
    const rows = this.db
      .prepare(
        "SELECT t.*, c.layout, c.notation, c.parameters FROM trials t JOIN candidates c ON c.id = t.candidate_id WHERE t.id IN (SELECT value FROM json_each(?)) ORDER BY t.number",
      )
      .all(JSON.stringify(ids)) as Row[];
    return rows.map((row) => this.toTrial(row));
  }

  /** Metrics of these trials, by trial id. */
  metricsOf(ids: readonly number[]): ReadonlyMap<number, readonly Metric[]> {
    const rows = this.db
      .prepare(
        "SELECT * FROM metrics WHERE trial_id IN (SELECT value FROM json_each(?)) ORDER BY trial_id, name",
      )
      .all(JSON.stringify(ids)) as Row[];
    const byTrial = new Map<number, Metric[]>();
    for (const row of rows) {
      const own = byTrial.get(row.trial_id as number);
      if (own === undefined) byTrial.set(row.trial_id as number, [this.toMetric(row)]);
      else own.push(this.toMetric(row));
    }
    return byTrial;
  }

  /** Names of the metrics that any trial of a sweep has. */
  metricNames(sweepId: number): readonly string[] {
    return this.db
      .prepare(
        "SELECT DISTINCT m.name FROM trials t JOIN metrics m ON m.trial_id = t.id WHERE t.sweep_id = ? ORDER BY 1",
      )
      .pluck()
      .all(sweepId) as string[];
  }

  /** Metrics of a device that some layout was measured for in several sessions. */
  repeatedMetrics(device: string): readonly string[] {
    return this.db
      .prepare(
        "SELECT DISTINCT name FROM metrics WHERE sessions IS NOT NULL AND substr(name, -length(?)) = ? ORDER BY 1",
      )
      .pluck()
      .all(`:${device}`, `:${device}`) as string[];
  }

  /** Ids of the newest complete trials, newest first. */
  latestComplete(sweepId: number, most: number): readonly number[] {
    const rows = this.db
      .prepare("SELECT id FROM trials WHERE sweep_id = ? AND state = 'complete' ORDER BY id DESC LIMIT ?")
      .all(sweepId, most) as Row[];
    return rows.map((row) => row.id as number);
  }

  /** Samples of a metric by session in other sweeps than this one, where there were several; the newest, at most `most` layouts. */
  repeatedElsewhere(sweepId: number, name: string, most: number): readonly Metric[] {
    const rows = this.db
      .prepare(
        `SELECT m.* FROM metrics m JOIN trials t ON t.id = m.trial_id
         WHERE m.name = ? AND m.sessions IS NOT NULL AND t.sweep_id <> ? ORDER BY m.trial_id DESC LIMIT ?`,
      )
      .all(name, sweepId, most) as Row[];
    return rows.map((row) => this.toMetric(row));
  }

  /** Values of some metrics of these trials, without their samples, by trial id. */
  valuesOf(
    ids: readonly number[],
    names: readonly string[],
  ): ReadonlyMap<number, Readonly<Record<string, number>>> {
    const rows = this.db
      .prepare(
        "SELECT trial_id, name, value FROM metrics WHERE trial_id IN (SELECT value FROM json_each(?)) AND name IN (SELECT value FROM json_each(?))",
      )
      .raw()
      .all(JSON.stringify(ids), JSON.stringify(names)) as [number, string, number][];
    const byTrial = new Map<number, Record<string, number>>();
    for (const [trial, name, value] of rows) {
      const own = byTrial.get(trial) ?? {};
      own[name] = value;
      byTrial.set(trial, own);
    }
    return byTrial;
  }

  /** Where trials stand: those after `after` (an id) and those named, in the order of their ids; with `names`, values of metrics. */
  standing(
    sweepId: number,
    after: number,
    ids: readonly number[],
    names: readonly string[],
  ): readonly TrialStanding[] {
    const columns = names.map(
      (_, n) => `, (SELECT value FROM metrics m WHERE m.trial_id = t.id AND m.name = @name${n})`,
    );
    const select = `SELECT t.id, t.number, t.candidate_id, t.state, t.reason ${columns.join("")} FROM trials t`;
    const rows = this.db
      // "+": by id, not by the index over sweeps, which holds every trial of the sweep.
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
      }) as [number, number, string, TrialState, string | null, ...(number | null)[]][];
    return rows.map(([id, number, candidateId, state, reason, ...values]) => ({
      id,
      number,
      candidateId,
      state,
      reason,
      values,
    }));
  }

  /** One page of the trials of a sweep. */
  page(sweepId: number, query: TrialQuery): TrialPage {
    return trialPage(this.db, sweepId, query);
  }

  /** The id of a trial of a sweep; null where there is no such number. */
  idOf(sweepId: number, number: number): number | null {
    const row = this.db
      .prepare("SELECT id FROM trials WHERE sweep_id = ? AND number = ?")
      .get(sweepId, number) as Row | undefined;
    return row === undefined ? null : (row.id as number);
  }

  /** How many trials are in each state; states without any are left out. */
  counts(sweepId: number): Readonly<Partial<Record<TrialState, number>>> {
    const rows = this.db
      .prepare("SELECT state, count(*) FROM trials WHERE sweep_id = ? GROUP BY state")
      .raw()
      .all(sweepId) as [TrialState, number][];
    return Object.fromEntries(rows);
  }

  /** Ids of the trials of these candidates. */
  idsOfCandidates(sweepId: number, candidateIds: readonly string[]): readonly number[] {
    return this.db
      .prepare(
        "SELECT id FROM trials WHERE sweep_id = ? AND candidate_id IN (SELECT value FROM json_each(?)) ORDER BY id",
      )
      .pluck()
      .all(sweepId, JSON.stringify(candidateIds)) as number[];
  }

  /** Ids of the trials of candidates whose id begins so. */
  idsBeginning(sweepId: number, text: string): readonly number[] {
    return this.db
      .prepare(
        "SELECT id FROM trials WHERE sweep_id = ? AND substr(candidate_id, 1, length(?)) = ? ORDER BY id",
      )
      .pluck()
      .all(sweepId, text, text) as number[];
  }

  /** Ids of the complete trials, by candidate. */
  complete(sweepId: number): ReadonlyMap<string, number> {
    const rows = this.db
      .prepare(
        "SELECT candidate_id, id FROM trials WHERE sweep_id = ? AND state = 'complete' ORDER BY number",
      )
      .raw()
      .all(sweepId) as [string, number][];
    return new Map(rows);
  }

  /** Trials that have ended, whatever became of them. */
  finished(sweepId: number): number {
    const row = this.db
      .prepare("SELECT count(*) AS n FROM trials WHERE sweep_id = ? AND state <> 'proposed'")
      .get(sweepId) as { n: number };
    return row.n;
  }
}

/** Writes metrics within a transaction of the caller. */
export function insertMetrics(db: Database.Database, trialId: number, metrics: readonly Metric[]): void {
  const insert = db.prepare(
    "INSERT OR REPLACE INTO metrics (trial_id, name, value, unit, stable, samples, sessions) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  for (const { name, value, unit, stable, samples, sessions } of metrics) {
    const sizes = sessions === undefined ? null : JSON.stringify(sessions);
    insert.run(trialId, name, value, unit, stable ? 1 : 0, JSON.stringify(samples), sizes);
  }
}

function endTrial(db: Database.Database, trialId: number, end: TrialEnd): void {
  db.prepare(
    "UPDATE trials SET state = ?, cause = ?, reason = ?, violation = ?, finished_at = ? WHERE id = ? AND state = 'proposed'",
  ).run(end.state, end.cause ?? null, end.reason ?? null, end.violation ?? null, now(), trialId);
}
