// Leases on hosts: one holder at a time among all coordinators of one database, each grant with a token that only grows. No clock is
// stored: a holder proves that it lives by its beats, and whoever waits judges their silence by its own clock. `device`, here and in the
// table, names the host: its first device record. Records that share a host share its lease.
import type Database from "better-sqlite3";
import type { Row } from "./database-row.ts";
import { isSameProcess, lifeOf, makeOwner } from "./owner.ts";

/** What a result must show: that nobody was granted the host since. */
export interface LeaseProof {
  readonly device: string;
  readonly token: number;
}

export interface Lease extends LeaseProof {
  readonly beats: number;
  readonly holder: string | null;
  /** Who asked for the device next. */
  readonly wanted: string | null;
}

export class LeaseTable {
  /** This coordinator. */
  readonly self = makeOwner();

  /** `db` need not be durable: with the machine's power its coordinators are gone too. */
  constructor(private readonly db: Database.Database) {}

  find(device: string): Lease | null {
    return (
      (this.db.prepare("SELECT * FROM leases WHERE device = ?").get(device) as Lease | undefined) ?? null
    );
  }

  /** Who holds it now and lives; null where it is free. */
  holder(device: string): string | null {
    const holder = this.find(device)?.holder ?? null;
    return holder === null || lifeOf(holder) === "dead" ? null : holder;
  }

  /** Takes a free device that nobody else asked for first. Returns the new token, or null. */
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

  /** Takes a device from a holder (or a next in line) that is dead or silent, if nothing moved since it was `seen`. */
  seize(seen: Lease): number | null {
    const row = this.db
      .prepare(
        `UPDATE leases SET token = token + 1, beats = 0, holder = ?, wanted = NULL
         WHERE device = ? AND token = ? AND beats = ? AND holder IS ? AND wanted IS ? RETURNING token`,
      )
      .get(this.self, seen.device, seen.token, seen.beats, seen.holder, seen.wanted) as Row | undefined;
    return (row?.token as number | undefined) ?? null;
  }

  /** Asks the holder to hand the device on after its job. */
  want(device: string): void {
    this.db
      .prepare("UPDATE leases SET wanted = ? WHERE device = ? AND wanted IS NULL")
      .run(this.self, device);
  }

  /** Gives up the place in line. */
  forgo(device: string): void {
    this.db.prepare("UPDATE leases SET wanted = NULL WHERE device = ? AND wanted = ?").run(device, this.self);
  }

  /** One beat for every lease of this coordinator; those that it still holds. */
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

  /** Its holder is known to be dead: no need to wait for its silence. */
  static abandoned(lease: Lease): boolean {
    const owner = lease.holder ?? lease.wanted;
    return owner !== null && lifeOf(owner) === "dead";
  }

  /** Frees what a process held that was found silent: nobody has to watch it a second time. */
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
