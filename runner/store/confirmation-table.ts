// Confirmations: a choice and its runner-up measured and trained anew. One that was stopped is continued by asking the same again: its jobs
// are found by their targets. Nothing of it joins the metrics of a trial.
import type Database from "better-sqlite3";
import { now, type Row } from "./database-row.ts";

export interface StoredConfirmation {
  readonly id: number;
  /** What was asked, as JSON. */
  readonly request: unknown;
  /** The first of its seeds; no layout was trained with one of them before. */
  readonly firstSeed: number;
  /** Null until it has ended. */
  readonly result: unknown;
  readonly finishedAt: string | null;
}

/** Seeds of confirmations begin here, beyond those of sweeps and repetitions. */
const FIRST_SEED = 1_000_000;

/** Seeds that a confirmation may use. */
export const MOST_SEEDS = 1000;

/** Ends a target's source: no name of a device or a task holds it. */
const MARK = "#confirm";

/** What training results of a confirmation are kept under: `text#confirm3`. */
export const confirmTask = (task: string, id: number): string => `${task}${MARK}${id}`;

/** Which measurement of a device: `local#confirm3.2` is the second of confirmation 3. */
export const confirmNth = (id: number, session: number): string => `${MARK.slice(1)}${id}.${session}`;

export const isConfirmation = (target: string): boolean => /#confirm\d/.test(target);

/** As isConfirmation, in SQL. */
export const CONFIRMATION_LIKE = "'%#confirm%'";

export class ConfirmationTable {
  constructor(private readonly db: Database.Database) {}

  private toConfirmation(row: Row): StoredConfirmation {
    return {
      id: row.id as number,
      request: JSON.parse(row.request as string) as unknown,
      firstSeed: row.first_seed as number,
      result: row.result === null ? null : (JSON.parse(row.result as string) as unknown),
      finishedAt: row.finished_at as string | null,
    };
  }

  /** The confirmation of this request, begun now where there is none. */
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

  /** What came of a request; null where it was never asked. */
  find(sweepId: number, request: unknown): StoredConfirmation | null {
    const row = this.db
      .prepare("SELECT * FROM confirmations WHERE sweep_id = ? AND request = ?")
      .get(sweepId, JSON.stringify(request)) as Row | undefined;
    return row === undefined ? null : this.toConfirmation(row);
  }

  /** The latest of a sweep that has ended; null where none has. */
  latest(sweepId: number): StoredConfirmation | null {
    const row = this.db
      .prepare(
        "SELECT * FROM confirmations WHERE sweep_id = ? AND result IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT 1",
      )
      .get(sweepId) as Row | undefined;
    return row === undefined ? null : this.toConfirmation(row);
  }

  /** Writes what came of it. */
  end(id: number, result: unknown): void {
    this.db
      .prepare("UPDATE confirmations SET result = ?, finished_at = ? WHERE id = ?")
      .run(JSON.stringify(result), now(), id);
  }
}
