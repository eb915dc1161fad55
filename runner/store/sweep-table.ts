// Sweeps in the database, and their owners. A sweep has at most one owner, which increases a counter while it
// lives. A silent owner may be replaced. Watching for silence is left to runner/sweep/sweep-ownership.ts.
import type Database from "better-sqlite3";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type Identity, parseIdentity } from "../../profilers/identity.ts";
import type { SweepConfig } from "../config/config.ts";
import { suggestion } from "../config/config-errors.ts";
import { jsonOf, jsonText, now, rowReader } from "./database-row.ts";
import { describeOwner, isSameProcess, lifeOf, makeOwner } from "./owner.ts";

export interface Sweep {
  readonly id: number;
  readonly name: string;
  readonly state: "running" | "complete";
  readonly config: SweepConfig;
  readonly environment: Readonly<Record<string, string>>;
  /** The content that its values rest on; null for a sweep older than this record. */
  readonly identity: Identity | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly trials: number;
  /** Whether a process runs it now, as far as this process can tell. */
  readonly isRunning: boolean;
}

/** The owner of a sweep, and its latest sign of life. */
export interface Ownership {
  readonly owner: string | null;
  readonly token: number;
  readonly beats: number;
}

/** Owners beat every few seconds. */
const RECENT_MS = 30_000;

/** Used for lists and refusals only: no clock decides about taking over. */
const isRecent = (beatAt: string | null, recentMs = RECENT_MS): boolean =>
  beatAt !== null && Math.abs(Date.now() - Date.parse(beatAt)) < recentMs;

/**
 * Returns whether an owner runs its sweep. `beatAt`: its last beat, which counts if the owner cannot be seen.
 */
export function isRunning(owner: string | null, beatAt: string | null): boolean {
  if (owner === null) return false;
  const life = lifeOf(owner);
  return life === "alive" || (life === "unknown" && isRecent(beatAt));
}

const sweepOf = rowReader(
  "sweeps",
  z
    .object({
      id: z.number(),
      name: z.string(),
      state: z.enum(["running", "complete"]),
      // A configuration of an earlier version may lack required keys of today's schema; it is checked when
      // resumed.
      config: jsonOf<SweepConfig>(),
      environment: jsonText(z.record(z.string(), z.string())),
      identity: z.string().nullable().transform(parseIdentity),
      created_at: z.string(),
      finished_at: z.string().nullable(),
      trials: z.number(),
      owner: z.string().nullable(),
      owner_beat_at: z.string().nullable(),
    })
    .transform(
      (row): Sweep => ({
        id: row.id,
        name: row.name,
        state: row.state,
        config: row.config,
        environment: row.environment,
        identity: row.identity,
        createdAt: row.created_at,
        finishedAt: row.finished_at,
        trials: row.trials,
        isRunning: isRunning(row.owner, row.owner_beat_at),
      }),
    ),
);

const ownerOf = rowReader(
  "sweeps",
  z.object({
    name: z.string(),
    state: z.string(),
    owner: z.string().nullable(),
    owner_token: z.number(),
    owner_beat_at: z.string().nullable(),
  }),
);

export class SweepTable {
  /** The owner text of this coordinator. */
  readonly self = makeOwner();

  /** `quick` need not be durable: beats mean nothing after a power cut. */
  constructor(
    private readonly db: Database.Database,
    private readonly quick: Database.Database,
  ) {}

  // Trials are numbered from 0 without gaps and never removed. The largest number is found at once; a count
  // would read up to a million rows.
  private readonly select =
    "SELECT s.*, (SELECT coalesce(max(number) + 1, 0) FROM trials t WHERE t.sweep_id = s.id) AS trials FROM sweeps s";

  all(): readonly Sweep[] {
    return this.db.prepare(`${this.select} ORDER BY s.id`).all().map(sweepOf);
  }

  /** Returns all owners as one text, to compare with a later one; cheap to read often. */
  owners(): string {
    return this.db
      .prepare("SELECT name, state, owner, owner_token, owner_beat_at FROM sweeps ORDER BY id")
      .all()
      .map(ownerOf)
      .map(({ name, state, owner, owner_token: token, owner_beat_at: beatAt }) =>
        [name, state, token, isRunning(owner, beatAt)].join(" "),
      )
      .join();
  }

  find(name: string): Sweep | null {
    const row = this.db.prepare(`${this.select} WHERE s.name = ?`).get(name);
    return row === undefined ? null : sweepOf(row);
  }

  /**
   * Returns a sweep by name.
   * @throws InvalidInputError (`unknown-sweep`) that suggests the nearest name.
   */
  get(name: string): Sweep {
    const sweep = this.find(name);
    if (sweep !== null) return sweep;
    const names = this.all().map((other) => other.name);
    const known = names.length === 0 ? "; the database holds no sweeps" : suggestion(name, names);
    throw new InvalidInputError("unknown-sweep", `there is no sweep "${name}"${known}`);
  }

  /**
   * Creates a sweep that this process owns.
   * @throws InvalidInputError (`sweep-exists`) when the name is taken.
   */
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
            `INSERT INTO sweeps (name, state, config, environment, identity, created_at, owner, owner_token, owner_beat_at)
             VALUES (?, 'running', ?, ?, ?, ?, ?, 1, ?)`,
          )
          .run(
            name,
            JSON.stringify(config),
            JSON.stringify(environment),
            identity === null ? null : JSON.stringify(identity),
            now(),
            this.self,
            now(),
          );
      })
      .immediate();
    return this.get(name);
  }

  /**
   * Checks that a name is free.
   * @throws InvalidInputError (`sweep-exists`) when the name is taken.
   */
  requireFree(name: string): void {
    if (this.find(name) === null) return;
    throw new InvalidInputError(
      "sweep-exists",
      `a sweep named "${name}" is in the database already; continue it with --resume, or give another --name`,
    );
  }

  ownership(id: number): Ownership {
    return this.db
      .prepare("SELECT owner, owner_token AS token, owner_beats AS beats FROM sweeps WHERE id = ?")
      .get(id) as Ownership;
  }

  /**
   * Returns whether a sweep may be taken over. `free`: it has no owner, or the owner is this process or a
   * dead one. `watch`: only its counter can tell.
   * @throws InvalidInputError (`sweep-running`) while another process visibly runs it.
   */
  standing(sweep: Sweep, recentMs = RECENT_MS): "free" | "watch" {
    const { owner, beatAt } = this.db
      .prepare("SELECT owner, owner_beat_at AS beatAt FROM sweeps WHERE id = ?")
      .get(sweep.id) as { owner: string | null; beatAt: string | null };
    if (owner === null || isSameProcess(owner, this.self)) return "free";
    const life = lifeOf(owner);
    if (life === "dead") return "free";
    // A process that lives without beating is stopped or hangs.
    if (life === "alive" && isRecent(beatAt, recentMs)) throw this.runningError(sweep);
    return "watch";
  }

  runningError(sweep: Sweep): InvalidInputError {
    const { owner } = this.ownership(sweep.id);
    return new InvalidInputError(
      "sweep-running",
      `sweep "${sweep.name}" is being run by ${owner === null ? "another process" : describeOwner(owner)}; wait for it, or stop it first`,
    );
  }

  /**
   * Takes a sweep over for this process, if nothing changed since `seen`.
   * @throws InvalidInputError (`sweep-running`).
   */
  claim(sweep: Sweep, seen: Ownership): void {
    const { changes } = this.db
      .prepare(
        `UPDATE sweeps SET owner = ?, owner_token = owner_token + 1, owner_beats = 0, owner_beat_at = ?
         WHERE id = ? AND owner IS ? AND owner_token = ? AND owner_beats = ?`,
      )
      .run(this.self, now(), sweep.id, seen.owner, seen.token, seen.beats);
    if (changes === 0) throw this.runningError(sweep);
  }

  putIdentity(id: number, identity: Identity): void {
    this.db.prepare("UPDATE sweeps SET identity = ? WHERE id = ?").run(JSON.stringify(identity), id);
  }

  /** Records a sign of life. Returns false when this coordinator no longer owns the sweep. */
  beat(id: number): boolean {
    const { changes } = this.quick
      .prepare(
        "UPDATE sweeps SET owner_beats = owner_beats + 1, owner_beat_at = ? WHERE id = ? AND owner = ?",
      )
      .run(now(), id, this.self);
    return changes > 0;
  }

  /** Returns whether this coordinator owns the sweep. Inside a write transaction the answer cannot change. */
  isOwn(id: number): boolean {
    return this.ownership(id).owner === this.self;
  }

  /** Gives up the sweep if this coordinator owns it. */
  release(id: number): void {
    this.db.prepare("UPDATE sweeps SET owner = NULL WHERE id = ? AND owner = ?").run(id, this.self);
  }

  complete(id: number): void {
    this.db.prepare("UPDATE sweeps SET state = 'complete', finished_at = ? WHERE id = ?").run(now(), id);
  }
}
