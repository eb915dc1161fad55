// Jobs: one measurement on one device, or one training run of one task and seed. A job's result, its metrics
// and its end are one transaction. A fence guards it: the result of a job that was started again since is
// refused, so nothing is stored twice.
import type Database from "better-sqlite3";
import { z } from "zod";
import type { Metric } from "../../profilers/device-metrics.ts";
import type { ResultIdentity } from "../../profilers/identity.ts";
import type { MeasureResult, TrainResult } from "../../profilers/protocol.ts";
import { anyJson, jsonOf, now, rowReader } from "./database-row.ts";
import { type JobPart, type JobTarget, keyOf } from "./job-target.ts";
import type { LeaseProof } from "./lease-table.ts";
import { insertMetrics } from "./metric-table.ts";

/** A started job. Its result must carry the current `fence`. */
export interface Job {
  readonly id: number;
  readonly trialId: number;
  readonly fence: number;
  readonly attempts: number;
  /** When the job got its device; the time before was waiting. */
  begunAt: string | null;
}

export interface MeasurementRecord {
  readonly device: string;
  readonly agentSha256: string;
  readonly emulated: boolean;
  readonly probeId: number | null;
  /** The request without its plan, which the layout and the seed determine. */
  readonly request: unknown;
  readonly result: MeasureResult;
  readonly identity?: ResultIdentity | undefined;
}

export interface ScoreRecord {
  readonly task: string;
  readonly seed: number;
  readonly agentSha256: string;
  readonly request: unknown;
  readonly result: TrainResult;
  readonly identity?: ResultIdentity | undefined;
}

const orNull = (identity: ResultIdentity | undefined): string | null =>
  identity === undefined ? null : JSON.stringify(identity);

const startedOf = rowReader("jobs", z.object({ id: z.number(), fence: z.number(), attempts: z.number() }));
// Results passed the protocol's schema when they arrived. Results of older agents may not pass today's
// schema.
const measuredOf = rowReader("measurements", z.object({ request: anyJson, result: jsonOf<MeasureResult>() }));
const scoredOf = rowReader("scores", z.object({ request: anyJson, result: jsonOf<TrainResult>() }));
const seededOf = rowReader("scores", z.object({ seed: z.number(), result: jsonOf<TrainResult>() }));

export class JobTable {
  constructor(
    private readonly db: Database.Database,
    private readonly quick: Database.Database,
  ) {}

  /** Starts a job, or starts it again with a new fence. */
  start(trialId: number, target: JobTarget, device: string): Job {
    const { kind, source, nth, rungPercent, confirmation } = target;
    const row = this.quick
      .prepare(
        `INSERT INTO jobs (trial_id, kind, target, source, nth, rung_percent, confirmation, device, state, fence, started_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', 1, ?)
         ON CONFLICT (trial_id, kind, target) DO UPDATE SET state = 'running', fence = fence + 1, device = excluded.device, started_at = excluded.started_at,
           finished_at = NULL, error_code = NULL, error_message = NULL
         WHERE jobs.state <> 'done'
         RETURNING id, fence, attempts`,
      )
      .get(trialId, kind, keyOf(target), source, nth, rungPercent, confirmation, device, now());
    if (row === undefined)
      throw new Error(`job ${kind} ${keyOf(target)} of trial ${trialId} is done already`);
    return { trialId, ...startedOf(row), begunAt: null };
  }

  /**
   * Records that the job's own time starts now. The time is stored with the job's end, so that the device
   * does not wait for the disk.
   */
  begin(job: Job): void {
    job.begunAt = now();
  }

  /**
   * Marks the job done and runs `write` in the same transaction, if its fence still holds and its device was
   * not granted to another coordinator. Returns whether it did.
   */
  private finish(job: Job, lease: LeaseProof, write: () => void): boolean {
    return this.db
      .transaction(() => {
        const { changes } = this.db
          .prepare(
            `UPDATE jobs SET state = 'done', started_at = coalesce(?, started_at), finished_at = ? WHERE id = ? AND fence = ? AND state = 'running'
               AND EXISTS (SELECT 1 FROM leases WHERE device = ? AND token = ?)`,
          )
          .run(job.begunAt, now(), job.id, job.fence, lease.device, lease.token);
        if (changes === 1) write();
        return changes === 1;
      })
      .immediate();
  }

  /** Stores a measurement with its metrics. Returns false for a stale result, which is not stored. */
  finishMeasurement(
    job: Job,
    lease: LeaseProof,
    record: MeasurementRecord,
    metrics: readonly Metric[],
  ): boolean {
    return this.finish(job, lease, () => {
      this.db
        .prepare(
          `INSERT INTO measurements (job_id, device, lease_token, agent_sha256, emulated, probe_id, request, result, identity, created_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(
          job.id,
          record.device,
          lease.token,
          record.agentSha256,
          record.emulated ? 1 : 0,
          record.probeId,
          JSON.stringify(record.request),
          JSON.stringify(record.result),
          orNull(record.identity),
          now(),
        );
      insertMetrics(this.db, job.trialId, metrics);
      if (record.result.temperatureC !== null) {
        this.db
          .prepare("UPDATE device_health SET temperature_c = ?, temperature_at = ? WHERE device = ?")
          .run(record.result.temperatureC, now(), record.device);
      }
    });
  }

  finishScore(job: Job, lease: LeaseProof, record: ScoreRecord): boolean {
    return this.finish(job, lease, () => {
      this.db
        .prepare(
          "INSERT INTO scores (job_id, task, seed, agent_sha256, request, result, identity, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(
          job.id,
          record.task,
          record.seed,
          record.agentSha256,
          JSON.stringify(record.request),
          JSON.stringify(record.result),
          orNull(record.identity),
          now(),
        );
    });
  }

  /**
   * Ends a job without a result and counts an attempt. `lost`: the device is to blame; `failed`: the
   * candidate.
   */
  fail(job: Job, state: "failed" | "lost", code: string, message: string): void {
    this.db
      .prepare(
        `UPDATE jobs SET state = ?, started_at = coalesce(?, started_at), error_code = ?, error_message = ?, finished_at = ?, attempts = attempts + 1
         WHERE id = ? AND fence = ? AND state = 'running'`,
      )
      .run(state, job.begunAt, code, message, now(), job.id, job.fence);
  }

  isDone(trialId: number, target: JobTarget): boolean {
    const row = this.db
      .prepare("SELECT 1 FROM jobs WHERE trial_id = ? AND kind = ? AND target = ? AND state = 'done'")
      .get(trialId, target.kind, keyOf(target));
    return row !== undefined;
  }

  /** Returns the request and the result of one training run of a trial; null when it has no result. */
  score(trialId: number, target: JobTarget): Pick<ScoreRecord, "request" | "result"> | null {
    const row = this.db
      .prepare(
        "SELECT s.request, s.result FROM scores s JOIN jobs j ON j.id = s.job_id WHERE j.trial_id = ? AND j.kind = 'train' AND j.target = ?",
      )
      .get(trialId, keyOf(target));
    return row === undefined ? null : scoredOf(row);
  }

  /** Returns the request and the result of one measurement of a trial; null when it has no result. */
  measured(trialId: number, target: JobTarget): Pick<MeasurementRecord, "request" | "result"> | null {
    const row = this.db
      .prepare(
        "SELECT m.request, m.result FROM measurements m JOIN jobs j ON j.id = m.job_id WHERE j.trial_id = ? AND j.kind = 'measure' AND j.target = ?",
      )
      .get(trialId, keyOf(target));
    return row === undefined ? null : measuredOf(row);
  }

  /** Returns the training results of one task of a trial with their seeds, ordered by seed. */
  scoresBySeed(
    trialId: number,
    task: string,
    { rungPercent = null, confirmation = null }: JobPart = {},
  ): readonly Pick<ScoreRecord, "seed" | "result">[] {
    return this.db
      .prepare(
        `SELECT s.seed, s.result FROM scores s JOIN jobs j ON j.id = s.job_id
         WHERE j.trial_id = ? AND j.kind = 'train' AND j.source = ? AND j.rung_percent IS ? AND j.confirmation IS ? ORDER BY s.seed`,
      )
      .all(trialId, task, rungPercent, confirmation)
      .map(seededOf);
  }

  /** Returns the training results of one task of a trial, ordered by seed. */
  scores(trialId: number, task: string, part: JobPart = {}): readonly TrainResult[] {
    return this.scoresBySeed(trialId, task, part).map(({ result }) => result);
  }
}
