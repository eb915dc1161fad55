// Metrics of trials: a value with its samples, and the sessions in which they were taken. They are written
// with the results they are computed from.
import type Database from "better-sqlite3";
import { z } from "zod";
import type { Metric } from "../../profilers/device-metrics.ts";
import { jsonText, rowReader } from "./database-row.ts";

const numbers = jsonText(z.array(z.number()));

const columns = {
  name: z.string(),
  value: z.number(),
  unit: z.string(),
  stable: z.number(),
  samples: numbers,
  sessions: numbers.nullable(),
};
const toMetric = ({
  name,
  value,
  unit,
  stable,
  samples,
  sessions,
}: z.output<z.ZodObject<typeof columns>>) => ({
  ...{ name, value, unit },
  stable: stable === 1,
  samples,
  ...(sessions !== null && { sessions }),
});
const metricOf = rowReader(
  "metrics",
  z.object(columns).transform((row): Metric => toMetric(row)),
);
const ownedMetricOf = rowReader(
  "metrics",
  z
    .object({ trial_id: z.number(), ...columns })
    .transform((row): [number, Metric] => [row.trial_id, toMetric(row)]),
);

export class MetricTable {
  /**
   * Metrics can be computed again from stored results, so they are written by `quick`, which does not wait
   * for the disk.
   */
  constructor(
    private readonly db: Database.Database,
    private readonly quick: Database.Database,
  ) {}

  put(trialId: number, metrics: readonly Metric[]): void {
    if (metrics.length > 0) this.quick.transaction(() => insertMetrics(this.quick, trialId, metrics))();
  }

  ofTrial(trialId: number): readonly Metric[] {
    return this.db
      .prepare("SELECT * FROM metrics WHERE trial_id = ? ORDER BY name")
      .all(trialId)
      .map(metricOf);
  }

  /** Returns the metrics of these trials, by trial id. */
  ofTrials(ids: readonly number[]): ReadonlyMap<number, readonly Metric[]> {
    const rows = this.db
      .prepare(
        "SELECT * FROM metrics WHERE trial_id IN (SELECT value FROM json_each(?)) ORDER BY trial_id, name",
      )
      .all(JSON.stringify(ids));
    const byTrial = new Map<number, Metric[]>();
    for (const [trial, metric] of rows.map(ownedMetricOf)) {
      const own = byTrial.get(trial);
      if (own === undefined) byTrial.set(trial, [metric]);
      else own.push(metric);
    }
    return byTrial;
  }

  /** Returns the names of all metrics in a sweep. */
  names(sweepId: number): readonly string[] {
    return this.db
      .prepare(
        "SELECT DISTINCT m.name FROM trials t JOIN metrics m ON m.trial_id = t.id WHERE t.sweep_id = ? ORDER BY 1",
      )
      .pluck()
      .all(sweepId) as string[];
  }

  /** Returns the names of a device's metrics that were measured in several sessions for some layout. */
  repeatedNames(device: string): readonly string[] {
    return this.db
      .prepare(
        "SELECT DISTINCT name FROM metrics WHERE sessions IS NOT NULL AND substr(name, -length(?)) = ? ORDER BY 1",
      )
      .pluck()
      .all(`:${device}`, `:${device}`) as string[];
  }

  /**
   * Returns a metric's samples by session from other sweeps, where there were several sessions: the newest,
   * at most `most` layouts.
   */
  repeatedElsewhere(sweepId: number, name: string, most: number): readonly Metric[] {
    return this.db
      .prepare(
        `SELECT m.* FROM metrics m JOIN trials t ON t.id = m.trial_id
         WHERE m.name = ? AND m.sessions IS NOT NULL AND t.sweep_id <> ? ORDER BY m.trial_id DESC LIMIT ?`,
      )
      .all(name, sweepId, most)
      .map(metricOf);
  }

  /** Returns values of some metrics of these trials, without samples, by trial id. */
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
