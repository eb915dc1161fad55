// The database for the rest of the runner: one object with a member for each table, and the log of events.
import type Database from "better-sqlite3";
import { z } from "zod";
import { dropAtExit } from "../base/ends.ts";
import { ConfirmationTable } from "./confirmation-table.ts";
import { anyJson, now, rowReader } from "./database-row.ts";
import { DeviceTable } from "./device-table.ts";
import { FrontTable } from "./front-table.ts";
import { copyForReading, isGuest, isLive, type PrivateCopy } from "./guest.ts";
import { type EventIds, HealthTable } from "./health-table.ts";
import { HistoryTable } from "./history-table.ts";
import { JobTable } from "./job-table.ts";
import { LeaseTable } from "./lease-table.ts";
import { MetricTable } from "./metric-table.ts";
import { discardDatabase, type OpenOptions, openDatabase } from "./open.ts";
import { RepetitionTable } from "./repetition-table.ts";
import { SweepTable } from "./sweep-table.ts";
import { TrialTable } from "./trial-table.ts";

export interface StoredEvent {
  readonly kind: string;
  readonly data: unknown;
  readonly device: string | null;
  readonly cause: string | null;
  readonly createdAt: string;
}

const eventOf = rowReader(
  "events",
  z
    .object({
      kind: z.string(),
      data: anyJson,
      device: z.string().nullable(),
      cause: z.string().nullable(),
      created_at: z.string(),
    })
    .transform(({ created_at: createdAt, ...row }): StoredEvent => ({ ...row, createdAt })),
);

export class Store {
  readonly sweeps: SweepTable;
  readonly trials: TrialTable;
  readonly metrics: MetricTable;
  readonly repetitions: RepetitionTable;
  readonly confirmations: ConfirmationTable;
  readonly fronts: FrontTable;
  readonly jobs: JobTable;
  readonly devices: DeviceTable;
  readonly history: HistoryTable;
  readonly health: HealthTable;
  readonly leases: LeaseTable;

  /**
   * `quick` does not wait for the disk, unlike results: a lease or a begun job means nothing after a power
   * cut.
   */
  private constructor(
    private readonly db: Database.Database,
    private readonly quick: Database.Database,
    private readonly path: string,
    private readonly copy: PrivateCopy | null = null,
  ) {
    this.sweeps = new SweepTable(db, quick);
    this.trials = new TrialTable(db, quick);
    this.metrics = new MetricTable(db, quick);
    this.repetitions = new RepetitionTable(db);
    this.confirmations = new ConfirmationTable(db);
    this.fronts = new FrontTable(quick);
    this.jobs = new JobTable(db, quick);
    this.devices = new DeviceTable(db);
    this.history = new HistoryTable(db);
    this.health = new HealthTable(db, (kind, data, ids) => this.log(kind, data, ids));
    this.leases = new LeaseTable(quick);
  }

  static open(path: string, options: OpenOptions = {}): Store {
    const db = openDatabase(path, options);
    return new Store(db, Store.second(db, path, options), path);
  }

  /** A database in memory belongs to its connection, so there is only one. */
  private static second(db: Database.Database, path: string, options: OpenOptions): Database.Database {
    return path === ":memory:" ? db : openDatabase(path, { ...options, durable: false });
  }

  /**
   * Opens a database for reading; writes to it may be lost. A guest reads a private copy, so that no file is
   * left beside the database that its owner could trip over.
   * @throws InvalidInputError when there is no database.
   */
  static read(path: string, options: Pick<OpenOptions, "onNote"> = {}): Store {
    if (!isGuest(path)) return Store.open(path, { ...options, mustExist: true });
    const copy = copyForReading(path);
    dropAtExit(copy.folder);
    try {
      const ofCopy = { mustExist: true, backup: false };
      const db = openDatabase(copy.path, ofCopy);
      return new Store(db, Store.second(db, copy.path, ofCopy), copy.path, copy);
    } catch (error) {
      copy.remove();
      throw error;
    }
  }

  /**
   * Opens a database to follow its changes, without ever writing to it. Returns null for a guest while the
   * owner is not connected: then only a copy can be read.
   */
  static follow(path: string): Store | null {
    if (isGuest(path) && !isLive(path)) return null;
    return Store.open(path, { mustExist: true, readOnly: true });
  }

  /** Runs several writes as one. */
  transaction<T>(write: () => T): T {
    return this.db.transaction(write).immediate();
  }

  /** Runs several reads on one state of the database. */
  snapshot<T>(read: () => T): T {
    return this.db.transaction(read).deferred();
  }

  log(kind: string, data: unknown, ids: EventIds = {}): void {
    const { sweepId = null, trialId = null, device = null, cause = null } = ids;
    this.db
      .prepare(
        "INSERT INTO events (sweep_id, trial_id, kind, data, device, cause, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
      )
      .run(sweepId, trialId, kind, JSON.stringify(data), device, cause, now());
  }

  /** Returns the events of a sweep in order, or those of one kind. */
  events(sweepId: number, kind?: string): readonly StoredEvent[] {
    return this.db
      .prepare(
        `SELECT kind, data, device, cause, created_at FROM events
         WHERE sweep_id = @sweepId ${kind === undefined ? "" : "AND kind = @kind"} ORDER BY id`,
      )
      .all({ sweepId, ...(kind === undefined ? {} : { kind }) })
      .map(eventOf);
  }

  /** Returns whether there are no sweeps and no devices, so that nothing would be lost with the file. */
  isEmpty(): boolean {
    return this.sweeps.all().length === 0 && this.devices.all().length === 0;
  }

  /** Stops waiting for locks: the last writes of a run that already waited in vain must not wait again. */
  hurry(): void {
    for (const db of [this.db, this.quick]) db.pragma("busy_timeout = 0");
  }

  close(): void {
    this.quick.close();
    this.db.close();
    this.copy?.remove();
  }

  /**
   * Closes the database. Removes the file that this process made (by its inode) if it is empty and no other
   * process has it open.
   */
  discard(made: bigint): void {
    const empty = this.isEmpty();
    this.quick.close();
    if (empty) discardDatabase(this.db, this.path, made);
    else this.db.close();
  }
}
