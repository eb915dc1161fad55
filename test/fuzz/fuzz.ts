// fuzz: runs the readers of files and requests (kernels/fuzz) with the address and undefined-behaviour
// sanitizers: by libFuzzer with clang++, by fuzz/standalone.cc with g++. A finding stores its input in
// build/fuzz and exits with code 1.
import { numberOf, optionsOf, refuse, wholeOf } from "../support/parse-args.ts";
import { fuzz } from "./run.ts";
import { SEEDS } from "./seeds.ts";

const names = Object.keys(SEEDS);
const USAGE = `fuzz [--target all|${names.join("|")}] [--runs 1000000] [--seconds 0: no limit] [--seed 1] [--compiler clang++, else g++]`;
const flags = optionsOf(USAGE, {
  target: { type: "string", default: "all" },
  runs: { type: "string", default: "1000000" },
  seconds: { type: "string", default: "0" },
  seed: { type: "string", default: "1" },
  compiler: { type: "string", default: "" },
});
if (!["all", ...names].includes(flags.target)) refuse(USAGE);
for (const target of flags.target === "all" ? names : [flags.target]) {
  const result = await fuzz({
    target,
    runs: wholeOf("runs", flags.runs, 0),
    seconds: numberOf("seconds", flags.seconds),
    seed: wholeOf("seed", flags.seed, 0),
    ...(flags.compiler === "" ? {} : { compiler: flags.compiler }),
  });
  if (result.finding !== null) {
    console.error(result.finding);
    process.exit(1);
  }
  const edges = result.edges === null ? "" : `, ${result.edges} edges`;
  console.log(
    `${target}: ${result.executed.toLocaleString("en")} executions${edges}, no finding (${result.compiler}, seed ${flags.seed})`,
  );
}
