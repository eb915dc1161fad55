// Registered devices and the results of their probes. Records hold no keys and no paths of a user.
import type Database from "better-sqlite3";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import type { SentinelRun } from "../../profilers/window.ts";
import { suggestion } from "../config/config-errors.ts";
import { type DeviceRecord, deviceRecordSchema } from "../devices/device-record.ts";
import { jsonOf, jsonText, now, rowReader } from "./database-row.ts";

export interface StoredProbe {
  readonly id: number;
  readonly agentSha256: string;
  readonly result: ProbeResult;
  readonly createdAt: string;
}

const deviceOf = rowReader("devices", z.object({ record: jsonText(deviceRecordSchema) }));
const baselineOf = rowReader("events", z.object({ data: jsonOf<{ readonly run: SentinelRun }>() }));
const probeOf = rowReader(
  "probes",
  z
    .object({
      id: z.number(),
      agent_sha256: z.string(),
      result: jsonOf<ProbeResult>(),
      created_at: z.string(),
    })
    .transform(
      (row): StoredProbe => ({
        id: row.id,
        agentSha256: row.agent_sha256,
        result: row.result,
        createdAt: row.created_at,
      }),
    ),
);

export class DeviceTable {
  constructor(private readonly db: Database.Database) {}

  all(): readonly DeviceRecord[] {
    return this.db
      .prepare("SELECT record FROM devices ORDER BY name")
      .all()
      .map((row) => deviceOf(row).record);
  }

  find(name: string): DeviceRecord | null {
    const row = this.db.prepare("SELECT record FROM devices WHERE name = ?").get(name);
    return row === undefined ? null : deviceOf(row).record;
  }

  /**
   * Returns a registered device.
   * @throws InvalidInputError (`unknown-device`) that suggests the nearest name.
   */
  require(name: string, known: readonly string[]): DeviceRecord {
    const device = this.find(name);
    if (device !== null) return device;
    const hint = suggestion(name, known);
    throw new InvalidInputError(
      "unknown-device",
      `there is no device "${name}"${hint}; register it with edgefront device add`,
    );
  }

  /**
   * Registers a device.
   * @throws InvalidInputError (`device-exists`) when the name is taken.
   */
  add(record: DeviceRecord): void {
    const { changes } = this.db
      .prepare("INSERT INTO devices (name, record, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
      .run(record.name, JSON.stringify(record), now());
    if (changes === 0) {
      throw new InvalidInputError(
        "device-exists",
        `a device "${record.name}" is registered already; remove it first (edgefront device remove ${record.name})`,
      );
    }
  }

  /** Replaces the record of a registered device with the same name. */
  update(record: DeviceRecord): void {
    this.db.prepare("UPDATE devices SET record = ? WHERE name = ?").run(JSON.stringify(record), record.name);
  }

  remove(name: string): void {
    this.db
      .transaction(() => {
        this.db.prepare("DELETE FROM devices WHERE name = ?").run(name);
        this.db.prepare("DELETE FROM device_health WHERE device = ?").run(name);
      })
      .immediate();
  }

  putProbe(device: string, agentSha256: string, result: ProbeResult): number {
    const { lastInsertRowid } = this.db
      .prepare("INSERT INTO probes (device, agent_sha256, result, created_at) VALUES (?, ?, ?, ?)")
      .run(device, agentSha256, JSON.stringify(result), now());
    return Number(lastInsertRowid);
  }

  lastProbe(device: string): StoredProbe | null {
    const row = this.db.prepare("SELECT * FROM probes WHERE device = ? ORDER BY id DESC LIMIT 1").get(device);
    return row === undefined ? null : probeOf(row);
  }

  /**
   * Returns the highest read bandwidth of all probes of a device with this agent, in GB/s; null when it was
   * never probed.
   */
  bestReadBandwidth(device: string, agentSha256: string): number | null {
    return this.db
      .prepare(
        "SELECT max(json_extract(result, '$.readBandwidthGBs')) AS best FROM probes WHERE device = ? AND agent_sha256 = ?",
      )
      .pluck()
      .get(device, agentSha256) as number | null;
  }

  /**
   * Returns the first stored calibration run of a device with this content (agent, machine, placement); null
   * when there is none.
   */
  sentinelBaseline(device: string, content: string): SentinelRun | null {
    const row = this.db
      .prepare(
        `SELECT data FROM events WHERE device = ? AND kind = 'sentinel-baseline' AND json_extract(data, '$.content') = ?
         ORDER BY id LIMIT 1`,
      )
      .get(device, content);
    return row === undefined ? null : baselineOf(row).data.run;
  }

  putSentinelBaseline(device: string, content: string, run: SentinelRun): void {
    this.db
      .prepare("INSERT INTO events (device, kind, data, created_at) VALUES (?, 'sentinel-baseline', ?, ?)")
      .run(device, JSON.stringify({ content, run }), now());
  }
}
