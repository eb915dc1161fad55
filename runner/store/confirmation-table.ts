// Confirmations: a choice and its runner-up, measured and trained again. Repeating the request continues one
// that was stopped, because its jobs name it (job-target.ts). None of its results joins the metrics of a
// trial.
import type Database from "better-sqlite3";
import { z } from "zod";
import { anyJson, now, rowReader } from "./database-row.ts";

export interface StoredConfirmation {
  readonly id: number;
  /** The request as JSON. */
  readonly request: unknown;
  /** The first of its seeds, all of which were unused before. */
  readonly firstSeed: number;
  /** Null until it has ended. */
  readonly result: unknown;
  readonly finishedAt: string | null;
}

/** Seeds of confirmations begin here, above those of sweeps and repetitions. */
const FIRST_SEED = 1_000_000;

/** The number of seeds reserved for a confirmation. */
export const MOST_SEEDS = 1000;

const confirmationOf = rowReader(
  "confirmations",
  z
    .object({
      id: z.number(),
      request: anyJson,
      first_seed: z.number(),
      result: anyJson.nullable(),
      finished_at: z.string().nullable(),
    })
    .transform(
      ({ first_seed: firstSeed, finished_at: finishedAt, ...row }): StoredConfirmation => ({
        ...row,
        firstSeed,
        finishedAt,
      }),
    ),
);

export class ConfirmationTable {
  constructor(private readonly db: Database.Database) {}

  /** Returns the confirmation of this request, which begins now when there is none. */
  begin(sweepId: number, request: unknown): StoredConfirmation {
    return this.db
      .transaction(() => {
        const known = this.find(sweepId, request);
        if (known !== null) return known;
        const used = this.db.prepare("SELECT max(seed) FROM scores").pluck().get() as number | null;
        const reserved = this.db.prepare("SELECT max(first_seed) FROM confirmations").pluck().get() as
          | number
          | null;
        const first = Math.max(FIRST_SEED, (used ?? 0) + 1, (reserved ?? 0) + MOST_SEEDS);
        this.db
          .prepare(
            "INSERT INTO confirmations (sweep_id, request, first_seed, created_at) VALUES (?, ?, ?, ?)",
          )
          .run(sweepId, JSON.stringify(request), first, now());
        return this.find(sweepId, request)!;
      })
      .immediate();
  }

  /** Returns the confirmation of a request; null when there is none. */
  find(sweepId: number, request: unknown): StoredConfirmation | null {
    const row = this.db
      .prepare("SELECT * FROM confirmations WHERE sweep_id = ? AND request = ?")
      .get(sweepId, JSON.stringify(request));
    return row === undefined ? null : confirmationOf(row);
  }

  /** Returns the latest confirmation of a sweep that has ended; null when there is none. */
  latest(sweepId: number): StoredConfirmation | null {
    const row = this.db
      .prepare(
        "SELECT * FROM confirmations WHERE sweep_id = ? AND result IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT 1",
      )
      .get(sweepId);
    return row === undefined ? null : confirmationOf(row);
  }

  /** Stores the result of a confirmation. */
  end(id: number, result: unknown): void {
    this.db
      .prepare("UPDATE confirmations SET result = ?, finished_at = ? WHERE id = ?")
      .run(JSON.stringify(result), now(), id);
  }
}
