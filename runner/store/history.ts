// What happened in a sweep, job by job: who worked when, and what each result rests on. Read only.
import type Database from "better-sqlite3";
import type { JobKind } from "./jobs.ts";
import type { Row } from "./row.ts";

export interface JobHistory {
  readonly trialId: number;
  readonly kind: JobKind;
  /** A device's name, or `task:seed`. */
  readonly target: string;
  readonly state: "running" | "done" | "failed" | "lost";
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly error: string | null;
  /** What the result rests on, name and value as text; empty while there is none. */
  readonly evidence: Readonly<Record<string, string>>;
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

const HASH = /^[0-9a-f]{16,}$/;
const shown = (value: unknown): string => {
  if (typeof value === "number") return String(Number(value.toPrecision(4)));
  const text = String(value);
  if (HASH.test(text)) return text.slice(0, 12);
  return text.replace(/^\[|\]$/g, "").replaceAll(",", ", ");
};

export class HistoryTable {
  constructor(private readonly db: Database.Database) {}

  /** Every job of a sweep, in the order they were started. */
  ofSweep(sweepId: number): readonly JobHistory[] {
    const columns = (table: string, fields: Readonly<Record<string, string>>): string =>
      Object.entries(fields)
        .map(([name, path]) => `json_extract(${table}.result, '$.${path}') AS "${table}.${name}"`)
        .join(", ");
    const rows = this.db
      .prepare(
        `SELECT j.*, m.agent_sha256 AS measured_by, m.emulated, s.agent_sha256 AS trained_by,
           ${columns("m", { ...facts.measure, ...readings })}, ${columns("s", facts.train)}
         FROM jobs j JOIN trials t ON t.id = j.trial_id
         LEFT JOIN measurements m ON m.job_id = j.id LEFT JOIN scores s ON s.job_id = j.id
         WHERE t.sweep_id = ? ORDER BY j.started_at, j.id`,
      )
      .all(sweepId) as Row[];
    return rows.map((row) => ({
      trialId: row.trial_id as number,
      kind: row.kind as JobKind,
      target: row.target as string,
      state: row.state as JobHistory["state"],
      startedAt: row.started_at as string,
      finishedAt: row.finished_at as string | null,
      error: row.error_message as string | null,
      evidence: evidenceOf(row),
    }));
  }

  /** Changes with every commit of any other connection: cheap to ask often. */
  revision(): number {
    return this.db.pragma("data_version", { simple: true }) as number;
  }
}

function evidenceOf(row: Row): Readonly<Record<string, string>> {
  const agent = (row.measured_by ?? row.trained_by) as string | null;
  if (agent === null) return {};
  const out: Record<string, string> = { agent: shown(agent) };
  const table = row.measured_by === null ? "s" : "m";
  for (const name of Object.keys({ ...facts.measure, ...facts.train, ...readings })) {
    const value = row[`${table}.${name}`];
    if (value !== undefined && value !== null) out[name] = shown(value);
  }
  if (row.emulated === 1) out.emulated = "yes";
  return out;
}
