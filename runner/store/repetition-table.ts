// Repetitions: a complete trial measured or trained again. A repetition is planned with a batch, in the
// transaction of its proposals, and ends once. Joined: the trial's metrics include its samples from then on,
// in the same transaction. Failed: the trial stays unchanged.
import type Database from "better-sqlite3";
import { z } from "zod";
import type { Metric } from "../../profilers/device-metrics.ts";
import { jsonText, now, rowReader } from "./database-row.ts";
import type { JobKind } from "./job-target.ts";
import { insertMetrics } from "./metric-table.ts";
import { END_COLUMNS, endValues, type TrialEnd } from "./trial-row.ts";

/** Why it was planned: the hypervolume it is expected to correct, and the minutes it takes. */
export interface RepetitionWorth {
  readonly gain: number;
  readonly minutes: number;
}

/** A repetition to do. */
export interface PlannedRepetition {
  readonly trialId: number;
  readonly kind: JobKind;
  /** Its devices, or its tasks. */
  readonly sources: readonly string[];
  /** The number of the measurement on each device, or the seed of each task. */
  readonly nth: number;
  /** The number of its batch's proposals that come before it. */
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

/** Why a repetition failed: a stable word, and one line for people. */
export interface RepetitionFault {
  readonly cause: string;
  readonly reason: string;
}

const repetitionOf = rowReader(
  "repetitions",
  z
    .object({
      id: z.number(),
      trial_id: z.number(),
      batch: z.number(),
      place: z.number(),
      kind: z.enum(["measure", "train"]),
      sources: jsonText(z.array(z.string())),
      nth: z.number(),
      worth: jsonText(z.object({ gain: z.number(), minutes: z.number() })),
      state: z.enum(["planned", "joined", "failed"]),
      cause: z.string().nullable(),
      reason: z.string().nullable(),
    })
    .transform(({ trial_id: trialId, ...row }): Repetition => ({ ...row, trialId })),
);

export class RepetitionTable {
  constructor(private readonly db: Database.Database) {}

  private list(where: string, ...values: readonly number[]): readonly Repetition[] {
    return this.db
      .prepare(`SELECT * FROM repetitions WHERE ${where} ORDER BY batch, place, id`)
      .all(...values)
      .map(repetitionOf);
  }

  /** Writes the repetitions of a batch, in the transaction of its proposals. */
  plan(sweepId: number, batch: number, planned: readonly PlannedRepetition[]): void {
    const insert = this.db.prepare(
      "INSERT INTO repetitions (sweep_id, trial_id, batch, place, kind, sources, nth, worth) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    );
    for (const { trialId, place, kind, sources, nth, worth } of planned) {
      const text = [JSON.stringify(sources), JSON.stringify(worth)] as const;
      insert.run(sweepId, trialId, batch, place, kind, text[0], nth, text[1]);
    }
  }

  /** Returns every repetition of a sweep, in planned order. */
  all(sweepId: number): readonly Repetition[] {
    return this.list("sweep_id = ?", sweepId);
  }

  batch(sweepId: number, batch: number): readonly Repetition[] {
    return this.list("sweep_id = ? AND batch = ?", sweepId, batch);
  }

  ofTrial(trialId: number): readonly Repetition[] {
    return this.list("trial_id = ?", trialId);
  }

  /**
   * Joins its results: the trial gets these metrics, and the end `end` if it is now over budget. Returns
   * false when the repetition has already ended.
   */
  join({ id, trialId }: Repetition, metrics: readonly Metric[], end: TrialEnd | null): boolean {
    return this.db
      .transaction(() => {
        if (!this.end(id, "joined", null)) return false;
        insertMetrics(this.db, trialId, metrics);
        if (end !== null)
          this.db
            .prepare(`UPDATE trials SET ${END_COLUMNS} WHERE id = ? AND state = 'complete'`)
            .run(...endValues(end), trialId);
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
