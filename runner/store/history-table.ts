// What happened in a sweep, job by job: who worked when, and what each result rests on. Read only.
import type Database from "better-sqlite3";
import { parseResultIdentity, type ResultIdentity } from "../../profilers/identity.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { summarise } from "../../profilers/statistics/summary.ts";
import { CONFIRMATION_LIKE } from "./confirmation-table.ts";
import type { Row } from "./database-row.ts";
import type { JobKind } from "./job-table.ts";

export interface JobSpan {
  readonly id: number;
  readonly trialId: number;
  readonly kind: JobKind;
  /** A device's name (`#2`: its second measurement of the trial), or `task:seed`. */
  readonly target: string;
  /** What it ran on: an equal device where its own was lost. Null in databases older than farms. */
  readonly device: string | null;
  readonly state: "running" | "done" | "failed" | "lost";
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly error: string | null;
}

export interface JobHistory extends JobSpan {
  /** False for the results of a repetition that came to nothing: the trial's metrics are made without them. */
  readonly counts: boolean;
  /** What the result rests on by content; null where it was not kept. */
  readonly identity: ResultIdentity | null;
  /** What the result rests on, name and value as text; empty while there is none. */
  readonly evidence: Readonly<Record<string, string>>;
}

export interface JobDuration {
  readonly trialId: number;
  readonly kind: JobKind;
  readonly target: string;
  /** It has a result. */
  readonly done: boolean;
  readonly minutes: number;
}

/** How a device was while a sweep measured on it. */
export interface MeasuredProbe {
  readonly agentSha256: string;
  readonly result: ProbeResult;
  readonly emulated: boolean;
  /** Of its first measurement. */
  readonly threads: number | null;
}

interface Conditions {
  /** Hashes of the agents that measured. */
  readonly agents: readonly string[];
  /** What decoding the sentinel took before each measurement's window, in milliseconds. */
  readonly sentinelMs: readonly number[];
}

/** Facts of a result, by the name they are shown under. The JSON stays in SQLite: results are large, these are not. */
const facts = {
  measure: {
    isa: "isa",
    threads: "threads",
    cores: "affinity",
    weights: "weightsFrom",
    output: "outputHash",
  },
  train: { isa: "isa", threads: "threads", steps: "steps", weights: "weightsHash" },
} as const;
const readings = { MHz: "frequencyMhz", "°C": "temperatureC" } as const;

/** Contents that a score is shown with; those of a measurement are its agent and its probe. */
const TRAINED_ON: readonly string[] = ["corpus", "tokenizer", "data", "teacher"];

const HASH = /^[0-9a-f]{16,}$/;
const shown = (value: unknown): string => {
  if (typeof value === "number") return String(Number(value.toPrecision(4)));
  const text = String(value);
  if (HASH.test(text)) return text.slice(0, 12);
  return text.replace(/^\[|\]$/g, "").replaceAll(",", ", ");
};

export class HistoryTable {
  constructor(private readonly db: Database.Database) {}

  /** Jobs of these trials with what they rest on, in the order they were started. */
  ofTrials(trialIds: readonly number[]): readonly JobHistory[] {
    const columns = (table: string, fields: Readonly<Record<string, string>>): string =>
      Object.entries(fields)
        .map(([name, path]) => `json_extract(${table}.result, '$.${path}') AS "${table}.${name}"`)
        .join(", ");
    const rows = this.db
      .prepare(
        `SELECT j.*, NOT EXISTS (
             SELECT 1 FROM repetitions r JOIN json_each(r.targets) t
             WHERE r.trial_id = j.trial_id AND r.kind = j.kind AND r.state <> 'joined' AND t.value = j.target
           ) AND j.target NOT LIKE ${CONFIRMATION_LIKE} AS counts, coalesce(m.identity, s.identity) AS identity, m.probe_id, json_extract(p.result, '$.cpuModel') AS cpu,
           m.agent_sha256 AS measured_by, m.emulated, s.agent_sha256 AS trained_by,
           json_extract(m.request, '$.conduct.flags') AS flags, json_extract(m.request, '$.conduct.sentinel.drift') AS drift,
           json_extract(m.request, '$.conduct.windows') AS windows, json_extract(m.request, '$.conduct.readiness.objection') AS objection,
           ${columns("m", { ...facts.measure, ...readings })}, ${columns("s", facts.train)}
         FROM jobs j LEFT JOIN measurements m ON m.job_id = j.id LEFT JOIN scores s ON s.job_id = j.id
           LEFT JOIN probes p ON p.id = m.probe_id
         WHERE j.trial_id IN (SELECT value FROM json_each(?)) ORDER BY j.started_at, j.id`,
      )
      .all(JSON.stringify(trialIds)) as Row[];
    return rows.map((row) => {
      const identity = parseResultIdentity(row.identity as string | null);
      return { ...toSpan(row), counts: row.counts === 1, identity, evidence: evidenceOf(row, identity) };
    });
  }

  /** Who worked when: jobs of a sweep after `after` (an id), and those of the trials named, in the order of their ids. */
  *spans(sweepId: number, after: number, trialIds: readonly number[]): Generator<JobSpan> {
    const select = `SELECT j.id, j.trial_id, j.kind, j.target, j.device, j.state, j.started_at, j.finished_at, j.error_message FROM jobs j`;
    // Rows as arrays: a large sweep has hundreds of thousands of jobs.
    const rows = this.db
      .prepare(
        `${select} JOIN trials t ON t.id = j.trial_id WHERE j.id > @after AND +t.sweep_id = @sweepId
         UNION ALL ${select} WHERE j.id <= @after AND j.trial_id IN (SELECT value FROM json_each(@ids)) ORDER BY 1`,
      )
      .raw()
      .iterate({ sweepId, after, ids: JSON.stringify(trialIds) }) as IterableIterator<SpanRow>;
    for (const [id, trialId, kind, target, device, state, startedAt, finishedAt, error] of rows)
      yield { id, trialId, kind, target, device, state, startedAt, finishedAt, error };
  }

  /** What each ended job of a sweep, confirmations apart, took of its device or trainer, in the order of their ids. */
  *durations(sweepId: number): Generator<JobDuration> {
    const conduct = (path: string) => `json_extract(m.request, '$.conduct.${path}')`;
    const rows = this.db
      .prepare(
        `SELECT j.trial_id, j.kind, j.target, j.state, j.started_at, j.finished_at,
           ${conduct("rules.rounds")}, ${conduct("contenders")}, ${conduct("place")}, ${conduct("busyMs")}
         FROM jobs j JOIN trials t ON t.id = j.trial_id LEFT JOIN measurements m ON m.job_id = j.id
         WHERE t.sweep_id = ? AND j.finished_at IS NOT NULL AND j.target NOT LIKE ${CONFIRMATION_LIKE} ORDER BY j.id`,
      )
      .raw()
      .iterate(sweepId) as IterableIterator<
      [
        number,
        JobKind,
        string,
        JobSpan["state"],
        string,
        string,
        number | null,
        number | null,
        number | null,
        number | null,
      ]
    >;
    for (const [trialId, kind, target, state, start, end, rounds, contenders, place, busyMs] of rows) {
      // A window's candidates begin one after the other and end together: each has its part of the time from its own beginning on.
      const turns = (rounds ?? 1) * (contenders ?? 1) - (place ?? 0);
      const minutes = (((Date.parse(end) - Date.parse(start)) / 60_000) * (rounds ?? 1)) / turns;
      // Results from before it was recorded come of one window each.
      const own = busyMs === null ? minutes : busyMs / 60_000;
      yield { trialId, kind, target, done: state === "done", minutes: own };
    }
  }

  /**
   * The probes that a sweep measured a device with, in the order they were taken: not those of the device as it was enrolled since. A probe
   * is of one session and so of one sweep, which its first measurement tells.
   */
  probes(sweepId: number, device: string): readonly MeasuredProbe[] {
    const rows = this.db
      .prepare(
        `SELECT p.agent_sha256, p.result, m.emulated, json_extract(m.result, '$.threads') AS threads
         FROM probes p JOIN measurements m ON m.job_id = (SELECT min(job_id) FROM measurements WHERE probe_id = p.id)
           JOIN jobs j ON j.id = m.job_id JOIN trials t ON t.id = j.trial_id
         WHERE p.device = ? AND t.sweep_id = ? ORDER BY p.id`,
      )
      .all(device, sweepId) as Row[];
    return rows.map((row) => ({
      agentSha256: row.agent_sha256 as string,
      result: JSON.parse(row.result as string) as ProbeResult,
      emulated: row.emulated === 1,
      threads: row.threads as number | null,
    }));
  }

  /** Those of these devices of which an emulator took a number of the sweep. */
  emulatedDevices(sweepId: number, devices: readonly string[]): readonly string[] {
    const some = this.db
      .prepare(
        `SELECT 1 FROM measurements m JOIN jobs j ON j.id = m.job_id JOIN trials t ON t.id = j.trial_id
         WHERE m.emulated = 1 AND t.sweep_id = ? AND m.device = ? LIMIT 1`,
      )
      .pluck();
    return devices.filter((device) => some.get(sweepId, device) !== undefined);
  }

  /** Under what each device measured. */
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

  /** Changes with every commit of any other connection: cheap to ask often. */
  revision(): number {
    return this.db.pragma("data_version", { simple: true }) as number;
  }
}

type SpanRow = [
  id: number,
  trialId: number,
  kind: JobKind,
  target: string,
  device: string | null,
  state: JobSpan["state"],
  startedAt: string,
  finishedAt: string | null,
  error: string | null,
];

const toSpan = (row: Row): JobSpan => ({
  id: row.id as number,
  trialId: row.trial_id as number,
  kind: row.kind as JobKind,
  target: row.target as string,
  device: row.device as string | null,
  state: row.state as JobSpan["state"],
  startedAt: row.started_at as string,
  finishedAt: row.finished_at as string | null,
  error: row.error_message as string | null,
});

function evidenceOf(row: Row, identity: ResultIdentity | null): Readonly<Record<string, string>> {
  const agent = (row.measured_by ?? row.trained_by) as string | null;
  if (agent === null) return {};
  const out: Record<string, string> = { agent: shown(agent) };
  const table = row.measured_by === null ? "s" : "m";
  for (const name of Object.keys({ ...facts.measure, ...facts.train, ...readings })) {
    const value = row[`${table}.${name}`];
    if (value !== undefined && value !== null) out[name] = shown(value);
  }
  if (row.emulated === 1) out.emulated = "yes";
  if (typeof row.cpu === "string") out.cpu = row.cpu;
  if (typeof row.probe_id === "number") out.probe = `#${row.probe_id}`;
  const contents = table === "s" ? TRAINED_ON : [];
  for (const [key, digest] of Object.entries(identity?.digests ?? {})) {
    const what = key.slice(0, key.indexOf(":"));
    if (contents.includes(what)) out[what] = shown(digest);
  }
  const differs = identity?.differs ?? [];
  if (differs.length > 0) out["differs in"] = differs.map((key) => key.replace(":", " of ")).join(", ");
  const flags = JSON.parse((row.flags as string | null) ?? "[]") as string[];
  if (flags.length > 0) out.flags = flags.join(", ");
  if (typeof row.drift === "number") out.drift = `${(100 * row.drift).toFixed(1)}%`;
  if (typeof row.objection === "string") out["not at rest"] = row.objection;
  if (typeof row.windows === "number" && row.windows > 1) out.windows = String(row.windows);
  return out;
}
