// bench:local: finds a reproducible way to measure a layout's decode time on this machine, which others use
// too. Collects raw token times of layouts of the quickstart for some minutes. Then judges estimators,
// references and ways to spread the repetitions on the same data.
//
//   npm run bench:local [-- --minutes 12 --layouts 12 --out build/bench/local.jsonl --print --json]
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname } from "node:path";
import { summarise } from "../../profilers/statistics/summary.ts";
import { disturbedShare } from "../../profilers/validity.ts";
import { optionsOf, refuse, wholeOf } from "../support/parse-args.ts";
import { collect, readVisits, type Visit } from "./local/collect.ts";
import { judge } from "./local/estimators.ts";

const flags = optionsOf(
  "bench:local [--minutes 12] [--layouts 12] [--tokens 32] [--context 1024] [--seed 1] [--out build/bench/local.jsonl] [--print: only tables of what is in it] [--json]",
  {
    minutes: { type: "string", default: "12" },
    layouts: { type: "string", default: "12" },
    tokens: { type: "string", default: "32" },
    seed: { type: "string", default: "1" },
    context: { type: "string", default: "1024" },
    out: { type: "string", default: "build/bench/local.jsonl" },
    /** Only prints tables of the data in `out`. */
    print: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
);
const { out } = flags;
if (flags.print && !existsSync(out)) refuse(`--print: there is no ${out}; leave --print out to measure`);
if (!flags.print) {
  mkdirSync(dirname(out), { recursive: true });
  rmSync(out, { force: true });
  await collect({
    layouts: wholeOf("layouts", flags.layouts, 3),
    minutes: wholeOf("minutes", flags.minutes),
    seed: wholeOf("seed", flags.seed),
    tokens: wholeOf("tokens", flags.tokens, 2),
    out,
  });
}

const visits = readVisits(out);
const rows = judge(visits, wholeOf("context", flags.context));
const machine = `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`;
const share = (visit: Visit): number | null => (visit.disturbance ? disturbedShare(visit) : null);
const shares = visits.map(share).filter((value) => value !== null);
const others = shares.length === 0 ? null : summarise(shares);
if (flags.json) console.log(JSON.stringify({ machine, load: loadavg(), others, rows }));
else {
  const minutes = (visits.at(-1)!.atSeconds / 60).toFixed(1);
  console.log(`${machine}; ${visits.length} visits in ${minutes} minutes, context ${flags.context}`);
  if (others !== null)
    console.log(
      `others took ${(100 * others.p10).toFixed(0)} to ${(100 * others.p90).toFixed(0)}% of the processor from a visit (p10, p90)`,
    );
  console.log("relative SD   tau  apart halves  phase, scheme, estimator, divided by");
  for (const row of rows)
    console.log(
      `${(100 * row.relativeSd).toFixed(2).padStart(10)}% ${[row.tau, row.tauApart, row.tauHalves].map((tau) => tau.toFixed(2).padStart(6)).join("")}  ${row.phase}, ${row.scheme}, ${row.estimator}, ${row.dividedBy}`,
    );
}
