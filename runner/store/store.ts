// The database as the rest of the runner sees it: one object with a table each, and the log of events.
import type Database from "better-sqlite3";
import { DeviceTable } from "./devices.ts";
import { HistoryTable } from "./history.ts";
import { JobTable } from "./jobs.ts";
import { type OpenOptions, openDatabase } from "./open.ts";
import { now, type Row } from "./row.ts";
import { SweepTable } from "./sweeps.ts";
import { TrialTable } from "./trials.ts";

export interface StoredEvent {
  readonly kind: string;
  readonly data: unknown;
  readonly createdAt: string;
}

export class Store {
  readonly sweeps: SweepTable;
  readonly trials: TrialTable;
  readonly jobs: JobTable;
  readonly devices: DeviceTable;
  readonly history: HistoryTable;

  private constructor(private readonly db: Database.Database) {
    this.sweeps = new SweepTable(db);
    this.trials = new TrialTable(db);
    this.jobs = new JobTable(db, this.trials);
    this.devices = new DeviceTable(db);
    this.history = new HistoryTable(db);
  }

  static open(path: string, options: OpenOptions = {}): Store {
    return new Store(openDatabase(path, options));
  }

  /** Several writes as one. */
  transaction<T>(write: () => T): T {
    return this.db.transaction(write).immediate();
  }

  log(kind: string, data: unknown, ids: { sweepId?: number; trialId?: number } = {}): void {
    this.db
      .prepare("INSERT INTO events (sweep_id, trial_id, kind, data, created_at) VALUES (?, ?, ?, ?, ?)")
      .run(ids.sweepId ?? null, ids.trialId ?? null, kind, JSON.stringify(data), now());
  }

  events(sweepId: number): readonly StoredEvent[] {
    const rows = this.db
      .prepare("SELECT kind, data, created_at FROM events WHERE sweep_id = ? ORDER BY id")
      .all(sweepId) as Row[];
    return rows.map((row) => ({
      kind: row.kind as string,
      data: JSON.parse(row.data as string) as unknown,
      createdAt: row.created_at as string,
    }));
  }

  /** No sweeps and no devices: nothing would be lost with the file. */
  isEmpty(): boolean {
    return this.sweeps.all().length === 0 && this.devices.all().length === 0;
  }

  close(): void {
    this.db.close();
  }
}
