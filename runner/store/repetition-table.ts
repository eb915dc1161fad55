// Repetitions: a complete trial measured or trained once more. Chosen with a batch of proposals and written in its transaction; each ends
// once, joined (the trial's metrics are those of all its samples from then on, in the same transaction) or failed (the trial stays as it was).
import type Database from "better-sqlite3";
import type { Metric } from "../../profilers/device-metrics.ts";
import { now, type Row } from "./database-row.ts";
import type { JobKind } from "./job-table.ts";
import { insertMetrics, type TrialEnd } from "./trial-table.ts";

/** Why it was chosen: hypervolume it is expected to put right, and the minutes that takes. */
export interface RepetitionWorth {
  readonly gain: number;
  readonly minutes: number;
}

/** One to be done. */
export interface PlannedRepetition {
  readonly trialId: number;
  readonly kind: JobKind;
  /** Its jobs: `device#2`, or `task:seed`. */
  readonly targets: readonly string[];
  /** How many proposals of its batch come before it. */
  readonly place: number;
  readonly worth: RepetitionWorth;
}

export interface Repetition extends PlannedRepetition {
  readonly id: number;
  readonly batch: number;
  readonly state: "planned" | "joined" | "failed";
  readonly cause: string | null;
  readonly reason: string | null;
}

/** Why a repetition came to nothing: a stable word, and one line for people. */
export interface RepetitionFault {
  readonly cause: string;
  readonly reason: string;
}

export class RepetitionTable {
  constructor(private readonly db: Database.Database) {}

  private list(where: string, ...values: readonly number[]): readonly Repetition[] {
    const rows = this.db
      .prepare(`SELECT * FROM repetitions WHERE ${where} ORDER BY batch, place, id`)
      .all(...values) as Row[];
    return rows.map((row) => ({
      id: row.id as number,
      trialId: row.trial_id as number,
      batch: row.batch as number,
      place: row.place as number,
      kind: row.kind as JobKind,
      targets: JSON.parse(row.targets as string) as string[],
      worth: JSON.parse(row.worth as string) as RepetitionWorth,
      state: row.state as Repetition["state"],
      cause: row.cause as string | null,
      reason: row.reason as string | null,
    }));
  }

  /** Writes what was chosen with a batch, in the transaction of its proposals. */
  plan(sweepId: number, batch: number, planned: readonly PlannedRepetition[]): void {
    const insert = this.db.prepare(
      "INSERT INTO repetitions (sweep_id, trial_id, batch, place, kind, targets, worth) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    for (const { trialId, place, kind, targets, worth } of planned)
      insert.run(sweepId, trialId, batch, place, kind, JSON.stringify(targets), JSON.stringify(worth));
  }

  /** Every repetition of a sweep, in the order they were chosen. */
  all(sweepId: number): readonly Repetition[] {
    return this.list("sweep_id = ?", sweepId);
  }

  batch(sweepId: number, batch: number): readonly Repetition[] {
    return this.list("sweep_id = ? AND batch = ?", sweepId, batch);
  }

  ofTrial(trialId: number): readonly Repetition[] {
    return this.list("trial_id = ?", trialId);
  }

  /** Joins its results: the trial's metrics are these from now on, and its end is `end` where it turned out over budget. False: it has ended already. */
  join({ id, trialId }: Repetition, metrics: readonly Metric[], end: TrialEnd | null): boolean {
    return this.db
      .transaction(() => {
        if (!this.end(id, "joined", null)) return false;
        insertMetrics(this.db, trialId, metrics);
        if (end !== null)
          this.db
            .prepare(
              "UPDATE trials SET state = ?, cause = ?, reason = ?, violation = ? WHERE id = ? AND state = 'complete'",
            )
            .run(end.state, end.cause ?? null, end.reason ?? null, end.violation ?? null, trialId);
        return true;
      })
      .immediate();
  }

  /** Ends it without a result. */
  fail({ id }: Repetition, fault: RepetitionFault): void {
    this.end(id, "failed", fault);
  }

  private end(id: number, state: Repetition["state"], fault: RepetitionFault | null): boolean {
    const { changes } = this.db
      .prepare(
        "UPDATE repetitions SET state = ?, cause = ?, reason = ?, finished_at = ? WHERE id = ? AND state = 'planned'",
      )
      .run(state, fault?.cause ?? null, fault?.reason ?? null, now(), id);
    return changes === 1;
  }
}
