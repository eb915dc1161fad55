// fuzz:gguf: libFuzzer over the model loader (kernels/tests/fuzz_gguf.cc) with the address and undefined-behaviour sanitizers. Seeds are
// tiny plans and files of every architecture and type, made here; a finding leaves its input in build/fuzz and exits 1. Needs clang++.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { quantizations } from "../../candidates/quantization.ts";
import { buildAgent } from "../../runner/agent/build.ts";
import { CompilerMissingError } from "../../runner/agent/errors.ts";
import { hostTarget } from "../../runner/agent/toolchain.ts";
import { parseArgs } from "../support/parse-args.ts";

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log("fuzz:gguf [--runs 1000000] [--seconds 0: no limit] [--seed 1]");
  process.exit(0);
}

const LAYOUTS = [
  "v32 d32 f32 h2/1x16 : c3 g", // lfm2
  "v32 d32 f32 h2/1x16 : c2 s4 g c8", // edgefront
  "v32 d32 f32 h2/2x16 : g g", // qwen3
  "v32 d32 f32 h2/2x16n : g g", // llama
  "v32 d256 f32 h1/1x32 : c3", // rows that Q6_K takes
];

/** Plans that end after the tensor table, and a file with data. */
function writeSeeds(folder: string): void {
  for (const [i, notation] of LAYOUTS.entries())
    for (const quantization of quantizations)
      writeFileSync(
        join(folder, `${i}-${quantization}`),
        lower(parseNotation(notation), { quantization, seed: 1 }).plan,
      );
  const { plan, tensors } = lower(parseNotation("v8 d32 f32 h1/1x32 : c2"), { quantization: "q4_0" });
  const bytes = tensors.reduce((sum, tensor) => sum + Math.ceil(tensor.bytes / 32) * 32, 0);
  const padding = Buffer.alloc(-plan.length & 31);
  writeFileSync(join(folder, "data"), Buffer.concat([plan, padding, Buffer.alloc(bytes, 0x3a)]));
}

const corpus = join("build/fuzz", `corpus-${flags.seed}`);
mkdirSync(corpus, { recursive: true });
writeSeeds(corpus);
const { path } = await buildAgent({
  target: hostTarget()!,
  kind: "fuzzer",
  instrument: {
    compiler: "clang++",
    flags: ["-g", "-O2", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"],
  },
}).catch((error: unknown) => {
  if (!(error instanceof CompilerMissingError)) throw error;
  console.error(error.message);
  process.exit(2);
});
const run = spawnSync(
  path,
  [
    corpus,
    `-runs=${flags.runs}`,
    ...(flags.seconds === "0" ? [] : [`-max_total_time=${flags.seconds}`]),
    `-seed=${flags.seed}`,
    "-max_len=8192",
    "-timeout=1800", // of wall time, also while the process is paused: no input of 8 KB takes seconds unless it hangs
    "-rss_limit_mb=2048",
    "-print_final_stats=1",
    "-artifact_prefix=build/fuzz/",
  ],
  { stdio: ["ignore", "inherit", "pipe"], encoding: "utf8", maxBuffer: 2 ** 28 },
);
const executed = /stat::number_of_executed_units:\s*(\d+)/.exec(run.stderr)?.[1];
if (run.status !== 0 || executed === undefined) {
  console.error(run.stderr.split("\n").slice(-80).join("\n"));
  process.exit(1);
}
const coverage = [...run.stderr.matchAll(/cov: (\d+)/g)].at(-1)?.[1];
console.log(
  `${Number(executed).toLocaleString("en")} executions, ${coverage} edges, no finding (seed ${flags.seed})`,
);
