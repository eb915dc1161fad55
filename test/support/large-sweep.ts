// TEST DATA: a database with a requested number of trials, written through the store's own tables. Layouts
// and ids are real; the "measured" numbers come from a formula with seeded noise.
import { join } from "node:path";
import Database from "better-sqlite3";
import { parameterCount } from "../../candidates/cost.ts";
import { isGlobalAttention, type Layout, layoutId } from "../../candidates/layout.ts";
import { formatNotation, parseMixer } from "../../candidates/notation.ts";
import { ffnOfWidth } from "../../candidates/ops/operator-registry.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { readSweepConfig } from "../../runner/config/config.ts";
import { Store } from "../../runner/store/store.ts";
import { testRng } from "./report-data.ts";
import { writeTinySweep } from "./tiny-sweep.ts";

const KINDS = ["c2", "c3", "c5", "s8", "s16", "g"].map((text) => parseMixer(text, { h: "4/2x16" }));
const DEPTH = 8;

/** Distinct layouts, one for each number below 6^8. */
function layoutOf(number: number): Layout {
  let digits = (number * 1_000_003) % KINDS.length ** DEPTH;
  const layers = Array.from({ length: DEPTH }, () => {
    const mixer = KINDS[digits % KINDS.length]!;
    digits = Math.floor(digits / KINDS.length);
    return { mixer, ffn: ffnOfWidth(128) };
  });
  return { vocab: 256, width: 64, layers };
}

/** Not a real machine. Its name states this wherever the page shows it. */
const PROBE: ProbeResult = {
  arch: "x86_64",
  os: "SYNTHETIC",
  kernel: "SYNTHETIC",
  hostname: null,
  bootId: "synthetic",
  pageBytes: 4096,
  cpuModel: "SYNTHETIC: made-up measurements",
  cores: 2,
  allowedCpus: [0, 1],
  isas: ["avx2"],
  isa: "avx2",
  kernelRates: [],
  features: [],
  memoryBytes: 8e9,
  availableBytes: 4e9,
  swapBytes: 0,
  loadAverage: 0,
  emulated: false,
  temperatureC: null,
  frequencyMhz: null,
  readBandwidthGBs: 10,
  int8Gops: 100,
  fp32Gflops: 50,
  libc: "-",
  compiler: "synthetic",
};
const AGENT = "5f".repeat(32);

/** State, cause, sentence and data of a trial over its budget. */
function overBudget(value: number): readonly [string, string, string, string] {
  const violations = [{ metric: "kvBytes@32", limit: "max", bound: 3000, value }];
  const sentence = `kvBytes@32 is ${value}, budget max 3000`;
  return ["infeasible", "over-budget", sentence, JSON.stringify({ violations, again: null })];
}

/** Writes the sweep `synthetic`. More trials can be added later, as by a running sweep. */
export class LargeSweep {
  readonly path: string;
  private readonly db: Database.Database;
  private readonly random = testRng(7);
  private readonly sweepId: number;
  private readonly start = Date.now();
  private n = 0;

  constructor(folder: string) {
    this.path = join(folder, "edgefront.db");
    const config = readSweepConfig(
      writeTinySweep(folder, {
        name: "synthetic",
        trials: 1_000_000,
        objectives: ["decodeP50Ms@32", "text.bitsPerByte"],
      }),
    );
    const store = Store.open(this.path);
    this.sweepId = store.sweeps.create("synthetic", config, { edgefront: "0.1.0", node: process.version }).id;
    store.devices.putProbe("local", AGENT, PROBE);
    store.close();
    this.db = new Database(this.path);
    this.db.pragma("journal_mode = WAL");
    this.db.pragma("synchronous = OFF");
    // A million random ids exceed SQLite's 2 MB of cache. Rows written here refer only to rows written here.
    this.db.pragma("cache_size = -400000");
    this.db.pragma("foreign_keys = OFF");
  }

  /**
   * Adds finished trials, each with a measurement and a training, in one transaction. `progress` is called
   * every 100,000.
   */
  add(count: number, progress?: (made: number) => void): void {
    const { db, random } = this;
    const sql = (text: string) => db.prepare(text);
    const trial = sql(
      "INSERT INTO trials (id, sweep_id, number, batch, candidate_id, state, cause, reason, over_budget, created_at, finished_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    const job = sql(
      "INSERT INTO jobs (trial_id, kind, target, source, state, started_at, finished_at) VALUES (?, ?, ?, ?, 'done', ?, ?)",
    );
    const measurement = sql(
      "INSERT INTO measurements (job_id, device, agent_sha256, emulated, request, result, created_at) VALUES (?, 'local', ?, 0, '{}', ?, ?)",
    );
    const metric = sql(
      "INSERT INTO metrics (trial_id, name, value, unit, stable, samples) VALUES (?, ?, ?, ?, 1, ?)",
    );
    const result = JSON.stringify({ isa: "avx2", threads: 2, affinity: [0, 1], outputHash: "ab".repeat(16) });
    db.transaction(() => {
      const ids = this.addCandidates(count);
      // Other sweeps may share the database.
      const firstId = sql("SELECT coalesce(max(id), 0) + 1 FROM trials").pluck().get() as number;
      for (let made = 0; made < count; made++, this.n++) {
        const { n } = this;
        const layout = layoutOf(n);
        const at = (seconds: number): string => new Date(this.start + (n * 4 + seconds) * 1000).toISOString();
        const luck = random.next();
        const [state, cause, reason, over = null] =
          luck < 0.03
            ? ["failed", "crashed", `crashed: SIGILL at step ${random.below(900)}`]
            : luck < 0.15
              ? overBudget(3000 + random.below(900))
              : ["complete", null, null];
        const trialId = firstId + made;
        const measured = Number(job.run(trialId, "measure", "local", "local", at(0), at(1)).lastInsertRowid);
        measurement.run(measured, AGENT, result, at(1));
        job.run(trialId, "train", "text:1", "text", at(1), at(4));
        if (state !== "failed") {
          const global = layout.layers.filter(isGlobalAttention).length;
          const speed = 1 + 0.08 * global + 0.1 * random.next();
          const sampled = (name: string, value: number, unit: string): void => {
            const samples = Array.from({ length: 3 }, () => value * (1 + 0.02 * (random.next() - 0.5)));
            metric.run(trialId, name, samples.sort((a, b) => a - b)[1], unit, JSON.stringify(samples));
          };
          sampled("decodeP50Ms@32:local", speed, "ms");
          sampled("ttftMs@32:local", speed * 9, "ms");
          sampled("peakBytes:local", 3e6 * speed, "bytes");
          sampled("text.bitsPerByte", 1.5 + Math.exp(-0.5 * global) + 0.05 * random.next(), "bits/byte");
        }
        // Written last, so that the triggers for the front examine a trial once and not at each of its
        // metrics.
        trial.run(
          trialId,
          this.sweepId,
          n,
          Math.floor(n / 8),
          ids[made],
          state,
          cause,
          reason,
          over,
          at(0),
          at(4),
        );
        if ((made + 1) % 100_000 === 0) progress?.(made + 1);
      }
    })();
    // A closed sweep has no write-ahead log to read.
    if (count >= 100_000) db.pragma("wal_checkpoint(TRUNCATE)");
  }

  /**
   * Inserts in the order of ids, because any other order rewrites a large table repeatedly. Returns ids by
   * number of trial.
   */
  private addCandidates(count: number): readonly string[] {
    const ids = Array.from({ length: count }, (_, made) => layoutId(layoutOf(this.n + made)));
    const insert = this.db.prepare(
      "INSERT INTO candidates (id, layout, notation, parameters) VALUES (?, ?, ?, ?)",
    );
    const order = ids.map((_, made) => made).sort((a, b) => (ids[a]! < ids[b]! ? -1 : 1));
    for (const made of order) {
      const layout = layoutOf(this.n + made);
      insert.run(ids[made], JSON.stringify(layout), formatNotation(layout), parameterCount(layout));
    }
    return ids;
  }

  close(): void {
    this.db.close();
  }
}
