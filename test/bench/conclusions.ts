// bench:conclusions: counts how often each chance, interval and verdict of the program is wrong, in simulated
// worlds whose truth is known.
import { cpus } from "node:os";
import { optionsOf, refuse, wholeOf } from "../support/parse-args.ts";
import { calibrationRows } from "./conclusions/calibration.ts";
import { compareRows } from "./conclusions/compare.ts";
import { confirmRows } from "./conclusions/confirm.ts";
import { measuringRows } from "./conclusions/measuring.ts";
import { reproduceRows } from "./conclusions/reproduce.ts";
import type { ConclusionRow } from "./conclusions/row.ts";

/** Number of simulated sweeps, comparisons or studies per row, unless --runs sets it. */
const parts: Readonly<
  Record<
    string,
    {
      readonly runs: number;
      rows(options: { readonly runs: number; readonly seed: number }): Promise<readonly ConclusionRow[]>;
    }
  >
> = {
  calibration: { runs: 300, rows: calibrationRows },
  compare: { runs: 1000, rows: compareRows },
  measuring: { runs: 1000, rows: measuringRows },
  confirm: { runs: 1000, rows: confirmRows },
  reproduce: { runs: 500, rows: reproduceRows },
};

const flags = optionsOf(
  `bench:conclusions [--only ${Object.keys(parts).join("|")}] [--runs N] [--seed 1] [--json]`,
  {
    only: { type: "string" },
    runs: { type: "string" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
);
if (flags.only !== undefined && !(flags.only in parts))
  refuse(`--only ${flags.only}: one of ${Object.keys(parts).join(", ")}`);
const seed = wholeOf("seed", flags.seed, 0);
const rows: ConclusionRow[] = [];
for (const [name, part] of Object.entries(parts)) {
  if (flags.only !== undefined && flags.only !== name) continue;
  const runs = flags.runs === undefined ? part.runs : wholeOf("runs", flags.runs);
  const found = await part.rows({ runs, seed });
  rows.push(...found);
  if (!flags.json) for (const row of found) console.log(lineOf(row));
}
const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
if (flags.json) console.log(JSON.stringify({ machine, rows }));
process.exitCode = rows.every(({ pass }) => pass) ? 0 : 1;

function lineOf({ name, value, low, high, limit, pass }: ConclusionRow): string {
  const shown = (x: number): string => x.toFixed(3);
  return `${pass ? "pass" : "FAIL"}  ${name.padEnd(74)} ${shown(value)} [${shown(low)}, ${shown(high)}]  ${limit}`;
}
