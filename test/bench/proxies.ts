// bench:proxies: tests how well quality proxies predict and what they cost. The parts are in proxies/, their
// tables in profilers/BENCHMARKS.md. Every run is appended to --out as a line of JSON and is not repeated, so
// that a part can be stopped at any time.
import { numbersOf, optionsOf, refuse, wholeOf } from "../support/parse-args.ts";
import { type Place, RunBook } from "./proxies/book.ts";
import { distillation } from "./proxies/distillation.ts";
import { learningRate } from "./proxies/learning-rate.ts";
import { PlanFolder } from "./proxies/plan-folder.ts";
import { precision } from "./proxies/precision.ts";
import { ranking } from "./proxies/ranking.ts";
import { MAD, mqarColumns, table } from "./proxies/tables.ts";

const USAGE = `bench:proxies --part ranking|mad|mqar|rate|distil|precision [--out F.jsonl] [--agents 1: side by side, a thread each] [--seeds 1] [--steps 1000] [--print: only what is there]
    [--isa avx2: on every machine the same numbers] [--backend native|pytorch] [--python python3]
    [--plan FOLDER: train nothing; write the runs that are missing, for FOLDER/run-plan.py on another machine]
  mad, mqar: [--width 64] [--head-dim 16] [--batch N: default, each task's own] [--rates 3e-3: the best of several, 1e-3,3e-3] [--vocab 256: of mqar]
  ranking: [--config configs/quickstart.yaml] [--task text] [--times 1: lengths, of the configured steps, each ranked against 8 times it,
    or against --against times those steps] [--dear-seeds 1: of the longer side; two show what seeds alone change]
  precision: [--config configs/quickstart.yaml] [--task recall] [--layouts 10] [--seeds 1: two also show what seeds alone change]`;
const flags = optionsOf(USAGE, {
  part: { type: "string", default: "" },
  out: { type: "string", default: "build/proxies.jsonl" },
  agents: { type: "string", default: "1" },
  seeds: { type: "string", default: "1" },
  steps: { type: "string", default: "1000" },
  width: { type: "string", default: "64" },
  "head-dim": { type: "string", default: "16" },
  batch: { type: "string" },
  rates: { type: "string", default: "3e-3" },
  vocab: { type: "string", default: "256" },
  "dear-seeds": { type: "string", default: "1" },
  isa: { type: "string" },
  backend: { type: "string", default: "native" },
  python: { type: "string", default: "python3" },
  plan: { type: "string" },
  config: { type: "string", default: "configs/quickstart.yaml" },
  task: { type: "string", default: "" },
  times: { type: "string", default: "1" },
  against: { type: "string" },
  layouts: { type: "string", default: "10" },
  print: { type: "boolean", default: false },
});
const upTo = (flag: "seeds" | "dear-seeds"): readonly number[] =>
  Array.from({ length: wholeOf(flag, flags[flag]) }, (_, i) => i + 1);
const seeds = upTo("seeds");
const { backend } = flags;
if (backend !== "native" && backend !== "pytorch") refuse(`--backend ${backend}: native or pytorch`);
const placeOf = (): Place => {
  if (flags.print) return { kind: "nowhere" };
  if (flags.plan !== undefined) return { kind: "plan", folder: new PlanFolder(flags.plan, backend) };
  const python = backend === "pytorch" ? { python: flags.python } : {};
  return { kind: "here", agents: wholeOf("agents", flags.agents), ...python };
};
const book = new RunBook(flags.out, {
  place: placeOf(),
  ...(flags.isa === undefined ? {} : { isa: flags.isa }),
});
const steps = wholeOf("steps", flags.steps);
const tableOptions = {
  steps,
  width: wholeOf("width", flags.width),
  headDim: wholeOf("head-dim", flags["head-dim"]),
  rates: numbersOf("rates", flags.rates, 0),
  batch: flags.batch === undefined ? undefined : wholeOf("batch", flags.batch),
  seeds,
};
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  mad: () => table(book, MAD, tableOptions),
  mqar: () => table(book, mqarColumns(wholeOf("vocab", flags.vocab)), tableOptions),
  rate: () => learningRate(book, { steps, seeds }),
  distil: () => distillation(book, { steps, seeds, out: flags.out }),
  precision: () =>
    precision(book, {
      config: flags.config,
      task: flags.task,
      seeds,
      layouts: wholeOf("layouts", flags.layouts),
    }),
  ranking: () =>
    ranking(book, {
      config: flags.config,
      task: flags.task,
      seeds,
      dearSeeds: upTo("dear-seeds"),
      times: numbersOf("times", flags.times, 0),
      against: flags.against === undefined ? undefined : numbersOf("against", flags.against, 0)[0],
    }),
};
const part = PARTS[flags.part];
if (part === undefined) refuse(USAGE);
if (tableOptions.width % tableOptions.headDim !== 0)
  refuse(`--width ${flags.width}: no multiple of --head-dim ${flags["head-dim"]}`);
try {
  await part();
} catch (error) {
  // A trainer cannot start or refuses the request. The error's message tells which.
  if (!(error instanceof Error && "code" in error)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
