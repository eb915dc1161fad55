// The state of every device (ready, busy, cooling, lost or quarantined) with its reason, faults, queue and
// temperature. Every change is also an event with its cause. When a state changes is decided by runner/farm/
// and by the user.
import type Database from "better-sqlite3";
import { z } from "zod";
import { jsonText, now, type Row, rowReader } from "./database-row.ts";
import { isRunning } from "./sweep-table.ts";

export type DeviceState = "ready" | "busy" | "cooling" | "lost" | "quarantined";
/** The way out of a quarantine: a passed verification, or only a person. */
export type Readmission = "sentinel" | "restore";

export interface DeviceFault {
  /** A stable word: transport-lost, protocol, auth-failed, ... */
  readonly cause: string;
  /** One line for people. */
  readonly reason: string;
}

export interface DeviceHealth {
  readonly device: string;
  readonly state: DeviceState;
  /** Why the device is cooling, lost or quarantined. */
  readonly reason: string | null;
  readonly readmission: Readmission | null;
  /** Jobs that wait for it, over all running sweeps. */
  readonly queued: number;
  /** Infrastructure faults of the last 24 h since the device was last restored. */
  readonly recentFaults: number;
  readonly lastFault: (DeviceFault & { readonly at: string }) | null;
  readonly temperatureC: number | null;
  readonly temperatureAt: string | null;
  readonly bootId: string | null;
  readonly changedAt: string | null;
}

export interface EventIds {
  readonly sweepId?: number;
  readonly trialId?: number;
  readonly device?: string;
  readonly cause?: string;
}

/** Number of infrastructure faults within the window that quarantine a device. */
export const QUARANTINE_FAULTS = 3;
const WINDOW_MS = 24 * 3600 * 1000;

const states = {
  state: z.enum(["ready", "cooling", "lost", "quarantined"]),
  reason: z.string().nullable(),
  readmission: z.enum(["sentinel", "restore"]).nullable(),
};
const stateOf = rowReader("device_health", z.object({ ...states, cause: z.string().nullable() }));
const healthOf = rowReader(
  "device_health",
  z
    .object({
      ...states,
      temperature_c: z.number().nullable(),
      temperature_at: z.string().nullable(),
      boot_id: z.string().nullable(),
      changed_at: z.string(),
    })
    .transform((row) => ({
      state: row.state,
      reason: row.reason,
      readmission: row.readmission,
      temperatureC: row.temperature_c,
      temperatureAt: row.temperature_at,
      bootId: row.boot_id,
      changedAt: row.changed_at as string | null,
    })),
);
const faultOf = rowReader(
  "events",
  z
    .object({ cause: z.string(), data: jsonText(z.object({ reason: z.string() })), created_at: z.string() })
    .transform(({ cause, data: { reason }, created_at: at }) => ({ cause, reason, at })),
);

/** The health of a device to which no job was sent. */
const UNKNOWN: ReturnType<typeof healthOf> = {
  state: "ready",
  reason: null,
  readmission: null,
  temperatureC: null,
  temperatureAt: null,
  bootId: null,
  changedAt: null,
};

export class HealthTable {
  constructor(
    private readonly db: Database.Database,
    private readonly log: (kind: string, data: unknown, ids: EventIds) => void,
  ) {}

  deviceHealth(device: string): DeviceHealth {
    const row = this.db.prepare("SELECT * FROM device_health WHERE device = ?").get(device);
    const stored = row === undefined ? UNKNOWN : healthOf(row);
    const fault = this.db
      .prepare(
        "SELECT cause, data, created_at FROM events WHERE device = ? AND kind = 'device-fault' ORDER BY id DESC LIMIT 1",
      )
      .get(device);
    const running = this.runningJobs(device);
    const busy = stored.state === "ready" && running > 0;
    return {
      device,
      state: busy ? "busy" : stored.state,
      reason: stored.reason,
      readmission: stored.readmission,
      queued: Math.max(0, running - (busy ? 1 : 0)),
      recentFaults: this.recentFaults(device),
      lastFault: fault === undefined ? null : faultOf(fault),
      temperatureC: stored.temperatureC,
      temperatureAt: stored.temperatureAt,
      bootId: stored.bootId,
      changedAt: stored.changedAt,
    };
  }

  /** Returns the stored state alone, which is cheap enough to read before each job. */
  state(device: string): Pick<DeviceHealth, "reason" | "readmission"> & {
    readonly state: Exclude<DeviceState, "busy">;
    readonly cause: string | null;
  } {
    const row = this.db
      .prepare("SELECT state, cause, reason, readmission FROM device_health WHERE device = ?")
      .get(device);
    return row === undefined
      ? { state: "ready", cause: null, reason: null, readmission: null }
      : stateOf(row);
  }

  /** Jobs that began and have not ended, of sweeps whose coordinator lives. */
  private runningJobs(device: string): number {
    const rows = this.db
      .prepare(
        `SELECT s.owner, s.owner_beat_at AS beatAt, count(*) AS n FROM jobs j JOIN trials t ON t.id = j.trial_id JOIN sweeps s ON s.id = t.sweep_id
         WHERE j.state = 'running' AND j.device = ? GROUP BY s.id`,
      )
      .all(device) as { owner: string | null; beatAt: string | null; n: number }[];
    return rows.reduce((sum, { owner, beatAt, n }) => sum + (isRunning(owner, beatAt) ? n : 0), 0);
  }

  private recentFaults(device: string): number {
    const { n } = this.db
      .prepare(
        `SELECT count(*) AS n FROM events WHERE device = ? AND kind = 'device-fault' AND created_at > ?
           AND id > coalesce((SELECT forgiven FROM device_health WHERE device = ?), 0)`,
      )
      .get(device, new Date(Date.now() - WINDOW_MS).toISOString(), device) as { n: number };
    return n;
  }

  private put(
    device: string,
    state: Exclude<DeviceState, "busy">,
    fault: Partial<DeviceFault> = {},
    readmission: Readmission | null = null,
  ): void {
    this.db
      .prepare(
        `INSERT INTO device_health (device, state, cause, reason, readmission, changed_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (device) DO UPDATE SET state = excluded.state, cause = excluded.cause, reason = excluded.reason,
           readmission = excluded.readmission, changed_at = excluded.changed_at`,
      )
      .run(device, state, fault.cause ?? null, fault.reason ?? null, readmission, now());
  }

  /**
   * Records an infrastructure fault. The third within 24 h quarantines the device. Returns whether the device
   * is now quarantined.
   */
  recordDeviceFault(device: string, fault: DeviceFault, ids: EventIds = {}): boolean {
    return this.db
      .transaction(() => {
        this.log("device-fault", { reason: fault.reason }, { ...ids, device, cause: fault.cause });
        const faults = this.recentFaults(device);
        const { state } = this.state(device);
        if (state === "quarantined") return true;
        if (faults < QUARANTINE_FAULTS) {
          this.put(device, "lost", fault);
          return false;
        }
        this.quarantine(
          device,
          `${faults} faults within 24 h, the last: ${fault.reason}`,
          "sentinel",
          fault.cause,
        );
        return true;
      })
      .immediate();
  }

  /** Quarantines a device. By default only `restore` brings it back. */
  quarantine(
    device: string,
    reason: string,
    readmission: Readmission = "restore",
    cause = "by-hand",
    ids: EventIds = {},
  ): void {
    this.db
      .transaction(() => {
        this.put(device, "quarantined", { cause, reason }, readmission);
        this.log("quarantined", { reason, readmission }, { ...ids, device, cause });
      })
      .immediate();
  }

  /** Returns a device to use and forgives its faults. */
  restore(device: string, how: "sentinel-passed" | "by-hand" = "by-hand"): void {
    this.db
      .transaction(() => {
        this.put(device, "ready");
        this.log("restored", {}, { device, cause: how });
        this.db
          .prepare(
            "UPDATE device_health SET forgiven = (SELECT coalesce(max(id), 0) FROM events) WHERE device = ?",
          )
          .run(device);
      })
      .immediate();
  }

  /** Marks a device as too hot or throttled to be measured, which is not a fault. */
  cool(device: string, reason: string, ids: EventIds = {}): void {
    this.db
      .transaction(() => {
        this.put(device, "cooling", { cause: "throttled", reason });
        this.log("cooling", { reason }, { ...ids, device, cause: "throttled" });
      })
      .immediate();
  }

  /** Records that a device answers again. A quarantine stays. */
  ready(device: string): void {
    const { state } = this.state(device);
    if (state === "lost" || state === "cooling") this.put(device, "ready");
  }

  /**
   * Stores the boot id that answered. Returns true when it differs from the last one, so the device was
   * restarted.
   */
  sawBoot(device: string, bootId: string, ids: EventIds = {}): boolean {
    return this.db
      .transaction(() => {
        const row = this.db.prepare("SELECT boot_id FROM device_health WHERE device = ?").get(device) as
          | Row
          | undefined;
        if (row?.boot_id === bootId) return false;
        if (row === undefined) this.put(device, "ready");
        this.db.prepare("UPDATE device_health SET boot_id = ? WHERE device = ?").run(bootId, device);
        const restarted = row !== undefined && row.boot_id !== null;
        if (restarted) this.log("rebooted", {}, { ...ids, device, cause: "boot-id" });
        return restarted;
      })
      .immediate();
  }

  sawTemperature(device: string, celsius: number): void {
    this.db
      .prepare("UPDATE device_health SET temperature_c = ?, temperature_at = ? WHERE device = ?")
      .run(celsius, now(), device);
  }
}
