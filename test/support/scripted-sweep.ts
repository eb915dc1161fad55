// Sweeps in this process on a scripted agent that stands for this machine. The loop, the store and every
// decision are real; only the device's numbers are scripted. A copy of the database at any event equals the
// database after kill -9 at that moment.
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { parseSweepConfig } from "../../runner/config/config.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import type { SweepEvent } from "../../runner/farm/events.ts";
import { Store } from "../../runner/store/store.ts";
import { runSweep } from "../../runner/sweep/run-sweep.ts";
import type { FarmOptions } from "../../runner/sweep/staff.ts";
import { scriptedAgent } from "../faults/farm.ts";
import type { AgentScript } from "./agent-script.ts";

export interface ScriptedSweeps {
  /** Options for driving its devices, for other work on them. */
  readonly farm: FarmOptions;
  /** Runs or resumes the sweep to its end. Returns its events. */
  run(
    db: string,
    config: string,
    options?: {
      readonly name?: string;
      readonly resume?: boolean;
      readonly warmStart?: string;
      readonly allowMixed?: boolean;
      readonly listen?: (event: SweepEvent) => void;
    },
  ): Promise<readonly SweepEvent[]>;
  /** Copies the present database, as if no process ran its sweep. */
  copy(from: string, to: string): void;
  query<T>(db: string, sql: string): T[];
}

/** Creates the sweeps. All files are in `folder`, locks and caches included. */
export async function scriptedSweeps(
  folder: string,
  script: AgentScript = {},
  /** Another build of the agent: different bytes with the same behaviour. */
  build = "",
): Promise<ScriptedSweeps> {
  process.env.XDG_CACHE_HOME = join(folder, "cache");
  // Nothing is really measured on this machine, so it takes no turns with real measurements.
  process.env.EDGEFRONT_HOST_LOCK = folder;
  const built = await scriptedAgent();
  // Outside this package, whose scripts are modules.
  const program = join(folder, "agent.cjs");
  copyFileSync(built.path, program);
  writeFileSync(join(folder, "script.json"), JSON.stringify(script));
  const path = join(folder, "agent");
  writeFileSync(path, `#!/bin/sh\nHOME=${folder} exec ${process.execPath} ${program} "$@"\n# ${build}\n`);
  chmodSync(path, 0o755);
  const agent: AgentBinary = { path, sha256: createHash("sha256").update(readFileSync(path)).digest("hex") };
  const file = (db: string): string => join(folder, db);
  const farm: FarmOptions = {
    agentFor: async () => agent,
    timing: { pauseScale: 0.01 },
    leases: { ttlMs: 2000, renewMs: 300, pollMs: 20, idleMs: 20 },
  };
  return {
    farm,
    async run(db, config, { name = "scripted", resume = false, listen, ...more } = {}) {
      const events: SweepEvent[] = [];
      const store = Store.open(file(db));
      try {
        await runSweep(store, {
          name,
          config: parseSweepConfig(config, "scripted.yaml"),
          folder,
          resume,
          ...more,
          signal: new AbortController().signal,
          listen: (event) => {
            events.push(event);
            listen?.(event);
          },
          farm,
        });
        return events;
      } finally {
        store.close();
      }
    },
    copy(from, to) {
      const db = new Database(file(from));
      db.exec(`VACUUM INTO '${file(to)}'`);
      db.close();
      const copied = new Database(file(to));
      copied.exec("UPDATE sweeps SET owner = NULL");
      copied.close();
    },
    query(db, sql) {
      const database = new Database(file(db), { readonly: true });
      try {
        return database.prepare(sql).all() as never[];
      } finally {
        database.close();
      }
    },
  };
}
