// The history of a sweep, job by job: which device worked when, and the content that each result rests on.
// Read only.
import type Database from "better-sqlite3";
import { z } from "zod";
import { parseResultIdentity, type ResultIdentity } from "../../profilers/identity.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { summarise } from "../../profilers/statistics/summary.ts";
import { jsonOf, type Row, rowReader } from "./database-row.ts";
import type { JobKind, JobTarget } from "./job-target.ts";
import { evidenceColumns, evidenceOf } from "./result-evidence.ts";

export interface JobSpan extends JobTarget {
  readonly id: number;
  readonly trialId: number;
  /** The device it ran on: an equal one when its own was lost. Null in databases older than device farms. */
  readonly device: string | null;
  readonly state: "running" | "done" | "failed" | "lost";
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly error: string | null;
}

export interface JobHistory extends JobSpan {
  /**
   * False for results that do not enter the trial's metrics: those of a repetition that did not join, and
   * those of confirmations.
   */
  readonly counts: boolean;
  /** The content that the result rests on; null when it was not recorded. */
  readonly identity: ResultIdentity | null;
  /** The evidence of the result, by name as text; empty while there is no result. */
  readonly evidence: Readonly<Record<string, string>>;
}

export interface JobDuration extends Omit<JobTarget, "confirmation"> {
  readonly trialId: number;
  /** The job has a result. */
  readonly done: boolean;
  readonly minutes: number;
}

/** The state of a device while a sweep measured on it. */
export interface MeasuredProbe {
  readonly agentSha256: string;
  readonly result: ProbeResult;
  readonly emulated: boolean;
  /** Threads of its first measurement. */
  readonly threads: number | null;
}

interface Conditions {
  /** Hashes of the agents that measured. */
  readonly agents: readonly string[];
  /** Decode time of the calibration run before each measurement's window, in milliseconds. */
  readonly sentinelMs: readonly number[];
}

export class HistoryTable {
  constructor(private readonly db: Database.Database) {}

  /** Returns the jobs of these trials with their evidence, in the order of their start. */
  ofTrials(trialIds: readonly number[]): readonly JobHistory[] {
    const rows = this.db
      .prepare(
        `SELECT j.*, NOT EXISTS (
             SELECT 1 FROM repetitions r JOIN json_each(r.sources) source
             WHERE r.trial_id = j.trial_id AND r.kind = j.kind AND r.state <> 'joined' AND r.nth = j.nth AND source.value = j.source
               AND j.rung_percent IS NULL
           ) AND j.confirmation IS NULL AS counts, coalesce(m.identity, s.identity) AS identity, m.probe_id, json_extract(p.result, '$.cpuModel') AS cpu,
           m.agent_sha256 AS measured_by, m.emulated, s.agent_sha256 AS trained_by,
           json_extract(m.request, '$.conduct.flags') AS flags, json_extract(m.request, '$.conduct.sentinel.drift') AS drift,
           json_extract(m.request, '$.conduct.windows') AS windows, json_extract(m.request, '$.conduct.readiness.objection') AS objection,
           ${evidenceColumns}
         FROM jobs j LEFT JOIN measurements m ON m.job_id = j.id LEFT JOIN scores s ON s.job_id = j.id
           LEFT JOIN probes p ON p.id = m.probe_id
         WHERE j.trial_id IN (SELECT value FROM json_each(?)) ORDER BY j.started_at, j.id`,
      )
      .all(JSON.stringify(trialIds)) as Row[];
    return rows.map((row) => {
      const identity = parseResultIdentity(row.identity as string | null);
      return { ...spanOf(row), counts: row.counts === 1, identity, evidence: evidenceOf(row, identity) };
    });
  }

  /**
   * Yields which device worked when: jobs of a sweep after `after` (an id), and those of the named trials,
   * ordered by id.
   */
  *spans(sweepId: number, after: number, trialIds: readonly number[]): Generator<JobSpan> {
    const select = `SELECT j.id, j.trial_id, j.kind, j.source, j.nth, j.rung_percent, j.confirmation, j.device, j.state, j.started_at, j.finished_at, j.error_message FROM jobs j`;
    // Rows are read as arrays, because a large sweep has hundreds of thousands of jobs.
    const rows = this.db
      .prepare(
        `${select} JOIN trials t ON t.id = j.trial_id WHERE j.id > @after AND +t.sweep_id = @sweepId
         UNION ALL ${select} WHERE j.id <= @after AND j.trial_id IN (SELECT value FROM json_each(@ids)) ORDER BY 1`,
      )
      .raw()
      .iterate({ sweepId, after, ids: JSON.stringify(trialIds) }) as IterableIterator<SpanRow>;
    for (const [id, trialId, kind, source, nth, rungPercent, confirmation, ...rest] of rows) {
      const [device, state, startedAt, finishedAt, error] = rest;
      const target = { kind, source, nth, rungPercent, confirmation };
      yield { id, trialId, ...target, device, state, startedAt, finishedAt, error };
    }
  }

  /**
   * Yields the minutes that each ended job of a sweep took of its device or trainer, ordered by id.
   * Confirmations are left out.
   */
  *durations(sweepId: number): Generator<JobDuration> {
    const conduct = (path: string) => `json_extract(m.request, '$.conduct.${path}')`;
    const rows = this.db
      .prepare(
        `SELECT j.trial_id, j.kind, j.source, j.nth, j.rung_percent, j.state, j.started_at, j.finished_at,
           ${conduct("rules.rounds")}, ${conduct("contenders")}, ${conduct("place")}, ${conduct("busyMs")}
         FROM jobs j JOIN trials t ON t.id = j.trial_id LEFT JOIN measurements m ON m.job_id = j.id
         WHERE t.sweep_id = ? AND j.finished_at IS NOT NULL AND j.confirmation IS NULL ORDER BY j.id`,
      )
      .raw()
      .iterate(sweepId) as IterableIterator<DurationRow>;
    for (const [trialId, kind, source, nth, rungPercent, state, start, end, ...conducted] of rows) {
      const [rounds, contenders, place, busyMs] = conducted;
      // The candidates of a window begin one after the other and end together. Each gets its share of the
      // time from its own beginning.
      const turns = (rounds ?? 1) * (contenders ?? 1) - (place ?? 0);
      const minutes = (((Date.parse(end) - Date.parse(start)) / 60_000) * (rounds ?? 1)) / turns;
      // Older results lack the device time; each took one window.
      const own = busyMs === null ? minutes : busyMs / 60_000;
      yield { trialId, kind, source, nth, rungPercent, done: state === "done", minutes: own };
    }
  }

  /**
   * Returns the probes that a sweep measured a device with, in the order they were taken. Probes taken when
   * the device was enrolled again are left out. A probe belongs to one session and so to one sweep, which its
   * first measurement tells.
   */
  probes(sweepId: number, device: string): readonly MeasuredProbe[] {
    return this.db
      .prepare(
        `SELECT p.agent_sha256, p.result, m.emulated, json_extract(m.result, '$.threads') AS threads
         FROM probes p JOIN measurements m ON m.job_id = (SELECT min(job_id) FROM measurements WHERE probe_id = p.id)
           JOIN jobs j ON j.id = m.job_id JOIN trials t ON t.id = j.trial_id
         WHERE p.device = ? AND t.sweep_id = ? ORDER BY p.id`,
      )
      .all(device, sweepId)
      .map(probeOf);
  }

  /** Returns those of these devices for which an emulator took at least one measurement of the sweep. */
  emulatedDevices(sweepId: number, devices: readonly string[]): readonly string[] {
    const some = this.db
      .prepare(
        `SELECT 1 FROM measurements m JOIN jobs j ON j.id = m.job_id JOIN trials t ON t.id = j.trial_id
         WHERE m.emulated = 1 AND t.sweep_id = ? AND m.device = ? LIMIT 1`,
      )
      .pluck();
    return devices.filter((device) => some.get(sweepId, device) !== undefined);
  }

  /** Returns the conditions under which each device measured. */
  conditions(sweepId: number): ReadonlyMap<string, Conditions> {
    const rows = this.db
      .prepare(
        `SELECT m.device, m.agent_sha256 AS agent, json_extract(m.request, '$.conduct.sentinel.before.decodeMs') AS decodeMs
         FROM trials t JOIN jobs j ON j.trial_id = t.id JOIN measurements m ON m.job_id = j.id
         WHERE t.sweep_id = ? ORDER BY j.id`,
      )
      .all(sweepId) as { device: string; agent: string; decodeMs: string | null }[];
    const found = new Map<string, { agents: string[]; sentinelMs: number[] }>();
    for (const { device, agent, decodeMs } of rows) {
      const { agents, sentinelMs } = found.get(device) ?? { agents: [], sentinelMs: [] };
      found.set(device, { agents, sentinelMs });
      if (!agents.includes(agent)) agents.push(agent);
      if (decodeMs !== null) sentinelMs.push(summarise(JSON.parse(decodeMs) as number[]).median);
    }
    return found;
  }

  /** Returns a number that changes with every commit of another connection; cheap to read often. */
  revision(): number {
    return this.db.pragma("data_version", { simple: true }) as number;
  }
}

type DurationRow = [
  trialId: number,
  kind: JobKind,
  source: string,
  nth: number,
  rungPercent: number | null,
  state: JobSpan["state"],
  start: string,
  end: string,
  rounds: number | null,
  contenders: number | null,
  place: number | null,
  busyMs: number | null,
];

type SpanRow = [
  id: number,
  trialId: number,
  kind: JobKind,
  source: string,
  nth: number,
  rungPercent: number | null,
  confirmation: number | null,
  device: string | null,
  state: JobSpan["state"],
  startedAt: string,
  finishedAt: string | null,
  error: string | null,
];

const probeOf = rowReader(
  "probes",
  z
    .object({
      agent_sha256: z.string(),
      result: jsonOf<ProbeResult>(),
      emulated: z.number(),
      threads: z.number().nullable(),
    })
    .transform(
      ({ agent_sha256: agentSha256, emulated, ...row }): MeasuredProbe => ({
        ...row,
        agentSha256,
        emulated: emulated === 1,
      }),
    ),
);

const spanOf = rowReader(
  "jobs",
  z
    .object({
      id: z.number(),
      trial_id: z.number(),
      kind: z.enum(["measure", "train"]),
      source: z.string(),
      nth: z.number(),
      rung_percent: z.number().nullable(),
      confirmation: z.number().nullable(),
      device: z.string().nullable(),
      state: z.enum(["running", "done", "failed", "lost"]),
      started_at: z.string(),
      finished_at: z.string().nullable(),
      error_message: z.string().nullable(),
    })
    .transform(
      (row): JobSpan => ({
        id: row.id,
        trialId: row.trial_id,
        kind: row.kind,
        source: row.source,
        nth: row.nth,
        rungPercent: row.rung_percent,
        confirmation: row.confirmation,
        device: row.device,
        state: row.state,
        startedAt: row.started_at,
        finishedAt: row.finished_at,
        error: row.error_message,
      }),
    ),
);
