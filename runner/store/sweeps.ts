// Sweeps in the database, and who is running them. A sweep has at most one living owner; a dead owner's place may be taken.
import type Database from "better-sqlite3";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type Identity, parseIdentity } from "../../profilers/identity.ts";
import type { SweepConfig } from "../config.ts";
import { suggestion } from "../config-errors.ts";
import { livingPid, makeOwner } from "./owner.ts";
import { now, type Row } from "./row.ts";

export interface Sweep {
  readonly id: number;
  readonly name: string;
  readonly state: "running" | "complete";
  readonly config: SweepConfig;
  readonly environment: Readonly<Record<string, string>>;
  /** What its numbers rest on, by content; null where it is older than that. */
  readonly identity: Identity | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly trials: number;
  /** The process that runs it now, or null. */
  readonly runningPid: number | null;
}

export class SweepTable {
  constructor(private readonly db: Database.Database) {}

  private toSweep(row: Row): Sweep {
    return {
      id: row.id as number,
      name: row.name as string,
      state: row.state as Sweep["state"],
      config: JSON.parse(row.config as string) as SweepConfig,
      environment: JSON.parse(row.environment as string) as Record<string, string>,
      identity: parseIdentity(row.identity as string | null),
      createdAt: row.created_at as string,
      finishedAt: row.finished_at as string | null,
      trials: row.trials as number,
      runningPid: livingPid(row.owner as string | null),
    };
  }

  // Trials are numbered from 0 without gaps and never removed: the largest number is found at once, a count reads all of a million.
  private readonly select =
    "SELECT s.*, (SELECT coalesce(max(number) + 1, 0) FROM trials t WHERE t.sweep_id = s.id) AS trials FROM sweeps s";

  all(): readonly Sweep[] {
    return (this.db.prepare(`${this.select} ORDER BY s.id`).all() as Row[]).map((row) => this.toSweep(row));
  }

  /** Who runs what, as one text to compare with a later one: cheap to ask often. */
  owners(): string {
    const rows = this.db.prepare("SELECT name, state, owner FROM sweeps ORDER BY id").all() as Row[];
    return rows
      .map(({ name, state, owner }) => `${name} ${state} ${livingPid(owner as string | null)}`)
      .join();
  }

  find(name: string): Sweep | null {
    const row = this.db.prepare(`${this.select} WHERE s.name = ?`).get(name) as Row | undefined;
    return row === undefined ? null : this.toSweep(row);
  }

  /** Throws InvalidInputError (`unknown-sweep`) with the nearest name. */
  get(name: string): Sweep {
    const sweep = this.find(name);
    if (sweep !== null) return sweep;
    const names = this.all().map((other) => other.name);
    const known = names.length === 0 ? "; the database holds no sweeps" : suggestion(name, names);
    throw new InvalidInputError("unknown-sweep", `there is no sweep "${name}"${known}`);
  }

  /** Makes a sweep owned by this process. Throws InvalidInputError (`sweep-exists`) when the name is taken. */
  create(
    name: string,
    config: SweepConfig,
    environment: Readonly<Record<string, string>>,
    identity: Identity | null = null,
  ): Sweep {
    this.db
      .transaction(() => {
        this.requireFree(name);
        this.db
          .prepare(
            "INSERT INTO sweeps (name, state, config, environment, identity, created_at, owner) VALUES (?, 'running', ?, ?, ?, ?, ?)",
          )
          .run(
            name,
            JSON.stringify(config),
            JSON.stringify(environment),
            identity === null ? null : JSON.stringify(identity),
            now(),
            makeOwner(),
          );
      })
      .immediate();
    return this.get(name);
  }

  /** Throws InvalidInputError (`sweep-exists`) when the name is taken. */
  requireFree(name: string): void {
    if (this.find(name) === null) return;
    throw new InvalidInputError(
      "sweep-exists",
      `a sweep named "${name}" is in the database already; continue it with --resume, or give another --name`,
    );
  }

  /** Throws InvalidInputError (`sweep-running`) while another process runs the sweep. */
  requireIdle(sweep: Sweep): void {
    const pid = this.get(sweep.name).runningPid;
    if (pid === null || pid === process.pid) return;
    throw new InvalidInputError(
      "sweep-running",
      `sweep "${sweep.name}" is being run by process ${pid}; wait for it, or stop it first`,
    );
  }

  /** Takes a sweep over for this process. Throws InvalidInputError (`sweep-running`) while its owner lives. */
  claim(sweep: Sweep): void {
    this.db
      .transaction(() => {
        this.requireIdle(sweep);
        this.db.prepare("UPDATE sweeps SET owner = ? WHERE id = ?").run(makeOwner(), sweep.id);
      })
      .immediate();
  }

  putIdentity(id: number, identity: Identity): void {
    this.db.prepare("UPDATE sweeps SET identity = ? WHERE id = ?").run(JSON.stringify(identity), id);
  }

  release(id: number): void {
    this.db.prepare("UPDATE sweeps SET owner = NULL WHERE id = ?").run(id);
  }

  complete(id: number): void {
    this.db.prepare("UPDATE sweeps SET state = 'complete', finished_at = ? WHERE id = ?").run(now(), id);
  }
}
