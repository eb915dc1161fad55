// Leases on hosts: one holder at a time among all coordinators of a database. Each grant has a token that
// only grows. No clock is stored: the holder increases a counter while it lives, and others judge its silence
// by their own clock. `device`, here and in the table, names the host by its first device record; records
// that share a host share its lease.
import type Database from "better-sqlite3";
import type { Row } from "./database-row.ts";
import { isSameProcess, lifeOf, makeOwner } from "./owner.ts";

/** The proof a result needs: the host was not granted to another coordinator since. */
export interface LeaseProof {
  readonly device: string;
  readonly token: number;
}

export interface Lease extends LeaseProof {
  readonly beats: number;
  readonly holder: string | null;
  /** The coordinator that requested the device next. */
  readonly wanted: string | null;
}

export class LeaseTable {
  /** The owner text of this coordinator. */
  readonly self = makeOwner();

  /** `db` need not be durable: a power cut also ends the coordinators of the machine. */
  constructor(private readonly db: Database.Database) {}

  find(device: string): Lease | null {
    return (
      (this.db.prepare("SELECT * FROM leases WHERE device = ?").get(device) as Lease | undefined) ?? null
    );
  }

  /** Returns the current holder, unless it is known to be dead; null when the device is free. */
  holder(device: string): string | null {
    const holder = this.find(device)?.holder ?? null;
    return holder === null || lifeOf(holder) === "dead" ? null : holder;
  }

  /** Takes a free device that no other coordinator requested first. Returns the new token, or null. */
  take(device: string): number | null {
    const row = this.db
      .prepare(
        `INSERT INTO leases (device, token, beats, holder) VALUES (?, 1, 0, ?)
         ON CONFLICT (device) DO UPDATE SET token = token + 1, beats = 0, holder = excluded.holder, wanted = NULL
         WHERE holder IS NULL AND (wanted IS NULL OR wanted = excluded.holder) RETURNING token`,
      )
      .get(device, this.self) as Row | undefined;
    return (row?.token as number | undefined) ?? null;
  }

  /**
   * Takes a device from a dead or silent holder (or next in line), if nothing changed since `seen`. Returns
   * the new token, or null.
   */
  seize(seen: Lease): number | null {
    const row = this.db
      .prepare(
        `UPDATE leases SET token = token + 1, beats = 0, holder = ?, wanted = NULL
         WHERE device = ? AND token = ? AND beats = ? AND holder IS ? AND wanted IS ? RETURNING token`,
      )
      .get(this.self, seen.device, seen.token, seen.beats, seen.holder, seen.wanted) as Row | undefined;
    return (row?.token as number | undefined) ?? null;
  }

  /** Requests the device from its holder for after the current job. */
  want(device: string): void {
    this.db
      .prepare("UPDATE leases SET wanted = ? WHERE device = ? AND wanted IS NULL")
      .run(this.self, device);
  }

  /** Gives up the place in line. */
  forgo(device: string): void {
    this.db.prepare("UPDATE leases SET wanted = NULL WHERE device = ? AND wanted = ?").run(device, this.self);
  }

  /** Increases the counter of every lease of this coordinator. Returns the leases it still holds. */
  renew(): readonly LeaseProof[] {
    return this.db
      .prepare("UPDATE leases SET beats = beats + 1 WHERE holder = ? RETURNING device, token")
      .all(this.self) as LeaseProof[];
  }

  release({ device, token }: LeaseProof): void {
    this.db
      .prepare("UPDATE leases SET holder = NULL WHERE device = ? AND token = ? AND holder = ?")
      .run(device, token, this.self);
  }

  /** Returns whether the holder is known to be dead, so that its silence need not be awaited. */
  static abandoned(lease: Lease): boolean {
    const owner = lease.holder ?? lease.wanted;
    return owner !== null && lifeOf(owner) === "dead";
  }

  /** Frees the leases of a process that was found silent, so that nobody has to watch it a second time. */
  freeOf(process: string): void {
    const held = this.db
      .prepare("SELECT device, token, holder FROM leases WHERE holder IS NOT NULL")
      .all() as {
      device: string;
      token: number;
      holder: string;
    }[];
    for (const { device, token, holder } of held)
      if (isSameProcess(holder, process))
        this.db
          .prepare("UPDATE leases SET holder = NULL WHERE device = ? AND token = ? AND holder = ?")
          .run(device, token, holder);
  }
}
