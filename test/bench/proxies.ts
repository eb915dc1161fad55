// bench:proxies: what quality proxies tell and what they cost; the parts are in proxies/, the tables they gave in profilers/BENCHMARKS.md.
// Every run is appended to --out as a line of JSON, and one that is there already is not run again: a part can be stopped at any time.
import { parseArgs } from "../support/parse-args.ts";
import { RunBook } from "./proxies/book.ts";
import { distillation } from "./proxies/distillation.ts";
import { learningRate } from "./proxies/learning-rate.ts";
import { ranking } from "./proxies/ranking.ts";
import { MAD, MQAR, table } from "./proxies/tables.ts";

const { values: flags } = parseArgs({
  options: {
    part: { type: "string", default: "" },
    out: { type: "string", default: "build/proxies.jsonl" },
    agents: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    steps: { type: "string", default: "1000" },
    width: { type: "string", default: "64" },
    config: { type: "string", default: "configs/quickstart.yaml" },
    task: { type: "string", default: "" },
    times: { type: "string", default: "1" },
    against: { type: "string" },
    print: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1);
const book = new RunBook(flags.out, flags.print ? 0 : Number(flags.agents));
const steps = Number(flags.steps);
const width = Number(flags.width);
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  mad: () => table(book, MAD, { steps, width, seeds }),
  mqar: () => table(book, MQAR, { steps, width, seeds }),
  rate: () => learningRate(book, { steps, seeds }),
  distil: () => distillation(book, { steps, seeds, out: flags.out }),
  ranking: () =>
    ranking(book, {
      config: flags.config,
      task: flags.task,
      seeds,
      times: flags.times.split(",").map(Number),
      against: flags.against === undefined ? undefined : Number(flags.against),
    }),
};
const part = PARTS[flags.part];
if (flags.help || part === undefined) {
  console.log(
    `bench:proxies --part ${Object.keys(PARTS).join("|")} [--out F.jsonl] [--agents 1: side by side, a thread each] [--seeds 1] [--steps 1000] [--print: only what is there]
  mad, mqar: [--width 64]
  ranking: [--config configs/quickstart.yaml] [--task text] [--times 1: lengths, of the configured steps, each ranked against 8 times it,
    or against --against times those steps]`,
  );
  process.exit(flags.help ? 0 : 2);
}
await part();
