// The stored front of a sweep. Only trials that ended or changed since the last answer are compared, even
// among a million trials. The answer equals that of a full computation, which runs when the stored front does
// not suffice.
import type Database from "better-sqlite3";
import { orientValues, ParetoArchive } from "../../search/pareto.ts";
import type { Objective } from "../../search/strategy.ts";

export class FrontTable {
  constructor(private readonly db: Database.Database) {}

  /**
   * Returns the ids of the trials on the front, in ascending order.
   * @throws RangeError when a complete trial lacks an objective.
   */
  of(sweepId: number, objectives: readonly Objective[]): readonly number[] {
    const key = JSON.stringify(objectives.map(({ name, direction }) => [name, direction]));
    return (
      this.db.transaction(() => this.kept(sweepId, key)).deferred() ?? this.update(sweepId, key, objectives)
    );
  }

  private ids(table: "front_members" | "front_changes", sweepId: number): readonly number[] {
    return this.db
      .prepare(`SELECT trial_id FROM ${table} WHERE sweep_id = ? ORDER BY trial_id`)
      .pluck()
      .all(sweepId) as number[];
  }

  private isOf(sweepId: number, key: string): boolean {
    return this.db.prepare("SELECT objectives FROM fronts WHERE sweep_id = ?").pluck().get(sweepId) === key;
  }

  /** Null when a trial changed since. */
  private kept(sweepId: number, key: string): readonly number[] | null {
    const changed = this.db.prepare("SELECT 1 FROM front_changes WHERE sweep_id = ? LIMIT 1").get(sweepId);
    return changed === undefined && this.isOf(sweepId, key) ? this.ids("front_members", sweepId) : null;
  }

  private update(sweepId: number, key: string, objectives: readonly Objective[]): readonly number[] {
    const run = (sql: string, ...values: (number | string)[]) => this.db.prepare(sql).run(...values);
    return this.db
      .transaction(() => {
        const changes = this.ids("front_changes", sweepId);
        const members = new Set(this.ids("front_members", sweepId));
        // A member that became worse may free trials that it dominated.
        const enough = this.isOf(sweepId, key) && !changes.some((id) => members.has(id));
        const front = this.frontAmong(sweepId, objectives, enough ? [...members, ...changes] : null);
        run("DELETE FROM front_changes WHERE sweep_id = ?", sweepId);
        run("DELETE FROM front_members WHERE sweep_id = ?", sweepId);
        run("INSERT INTO front_members SELECT ?, value FROM json_each(?)", sweepId, JSON.stringify(front));
        run("INSERT OR REPLACE INTO fronts VALUES (?, ?)", sweepId, key);
        return front;
      })
      .immediate();
  }

  /** The non-dominated of these trials, or of all, sorted by id. */
  private frontAmong(
    sweepId: number,
    objectives: readonly Objective[],
    among: readonly number[] | null,
  ): readonly number[] {
    const values = objectives.map(
      (_, m) => `, (SELECT value FROM metrics WHERE trial_id = t.id AND name = @name${m})`,
    );
    // "+" makes SQLite search by id, not by the index over sweeps, which holds every trial of the sweep.
    const where =
      among === null
        ? "t.sweep_id = @sweepId AND t.state = 'complete'"
        : "+t.sweep_id = @sweepId AND +t.state = 'complete' AND t.id IN (SELECT value FROM json_each(@among))";
    const rows = this.db
      .prepare(`SELECT t.id${values.join("")} FROM trials t WHERE ${where}`)
      .raw()
      .iterate({
        sweepId,
        ...(among === null ? {} : { among: JSON.stringify(among) }),
        ...Object.fromEntries(objectives.map(({ name }, m) => [`name${m}`, name])),
      }) as IterableIterator<[number, ...(number | null)[]]>;
    const archive = new ParetoArchive<number>();
    for (const [id, ...measured] of rows) archive.insert(orientValues(measured, objectives), id);
    return archive.entries.map(({ item }) => item).sort((a, b) => a - b);
  }
}
