// Sweeps with repetitions on a scripted device whose samples scatter, in one folder.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentScript } from "./agent-script.ts";
import { temporaryFolder } from "./built-cli.ts";
import { scriptedSweeps } from "./scripted-sweep.ts";

export const NOISE: AgentScript = { noise: 0.04, jobMs: 12 };
/** Returns a configuration. Errors are estimated from a few layouts that every such sweep repeats first. */
export const config = (repeat: string, more = "", guarded = false): string => `name: scripted
space: { vocab: 256, width: [32, 64, 96, 128], depth: [2, 3, 4], mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffnMultiple: 32, ffn: [64, 128] }
search: { strategy: random, trials: 24, batch: 8, replicate: { layouts: ${repeat === "" ? 0 : 4} }${repeat} }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 3, protocol: { guarded: ${guarded}, retries: 0, cvLimit: 0.5, windows: 1 } }
objectives: [{ metric: decodeP50Ms@32 }, { metric: "kvBytes@32" }]
${more}
`;

/** The test file that uses it must remove it. */
export const folder = temporaryFolder();
writeFileSync(join(folder.path, "corpus.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
export const sweeps = await scriptedSweeps(folder.path, NOISE);
export const script = (text: AgentScript): void =>
  writeFileSync(join(folder.path, "script.json"), JSON.stringify(text));
export const jobsSoFar = (): number => readFileSync(join(folder.path, "jobs.log")).length;
export interface Row {
  readonly id: number;
  readonly trial: number;
  readonly number: number;
  readonly batch: number;
  readonly kind: string;
  readonly sources: string;
  readonly nth: number;
  readonly worth: string;
  readonly state: string;
  readonly cause: string | null;
  readonly reason: string | null;
}
export const repetitionsOf = (db: string): readonly Row[] =>
  sweeps.query<Row>(
    db,
    "SELECT r.*, r.trial_id AS trial, t.number FROM repetitions r JOIN trials t ON t.id = r.trial_id ORDER BY r.id",
  );
export const trialsOf = (db: string) =>
  sweeps.query<{ number: number; batch: number; state: string; kv: number; ms: number; samples: string }>(
    db,
    `SELECT number, batch, state, (SELECT value FROM metrics WHERE trial_id = t.id AND name = 'kvBytes@32') AS kv,
       (SELECT value FROM metrics WHERE trial_id = t.id AND name = 'decodeP50Ms@32:local') AS ms,
       (SELECT samples FROM metrics WHERE trial_id = t.id AND name = 'decodeP50Ms@32:local') AS samples
     FROM trials t ORDER BY number`,
  );
export const minutesOf = (db: string) =>
  sweeps.query<{ again: number; ms: number; kind: string }>(
    db,
    `SELECT kind, (target LIKE '%#%' OR target LIKE 'text:_' AND target <> 'text:1') AS again,
       sum((julianday(finished_at) - julianday(started_at)) * 86400000) AS ms FROM jobs GROUP BY 1, 2`,
  );
export const spentOn = (db: string, kind: string): { readonly share: number } => {
  const rows = minutesOf(db).filter((row) => row.kind === kind);
  const all = rows.reduce((sum, { ms }) => sum + ms, 0);
  return { share: (rows.find(({ again }) => again === 1)?.ms ?? 0) / all };
};
