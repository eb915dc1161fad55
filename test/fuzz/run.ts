// Builds and runs one fuzz target.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { buildAgent } from "../../runner/agent/build.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { CompilerMissingError } from "../../runner/devices/device-errors.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { writeSeeds } from "./seeds.ts";

export interface FuzzOptions {
  readonly target: string;
  readonly runs: number;
  /** 0: no limit. */
  readonly seconds: number;
  readonly seed: number;
  /** Default: clang++ if present, else g++. */
  readonly compiler?: string;
}
export interface FuzzResult {
  readonly executed: number;
  /** Number of covered edges; null without libFuzzer. */
  readonly edges: number | null;
  readonly compiler: string;
  /** The sanitizer's report, or null. */
  readonly finding: string | null;
}

const SANITIZE = "address,undefined";

function build(target: string, compiler: string) {
  const sanitize = compiler.includes("clang") ? `fuzzer,${SANITIZE}` : SANITIZE;
  return buildAgent({
    target: hostTarget()!,
    kind: `fuzz-${target}`,
    instrument: {
      compiler,
      flags: ["-g", "-O1", `-fsanitize=${sanitize}`, "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
    },
  });
}

/** Builds and runs a target. Throws CompilerMissingError or CompileError. */
export async function fuzz({ target, runs, seconds, seed, compiler }: FuzzOptions): Promise<FuzzResult> {
  const folder = join(PACKAGE_ROOT, "build", "fuzz");
  const corpus = join(folder, `corpus-${target}-${seed}`);
  mkdirSync(folder, { recursive: true });
  writeSeeds(target, corpus);
  const binary = await build(target, compiler ?? "clang++").catch((error: unknown) => {
    if (compiler === undefined && error instanceof CompilerMissingError) return build(target, "g++");
    throw error;
  });
  const run = spawnSync(
    binary.path,
    [
      corpus,
      `-runs=${runs}`,
      ...(seconds === 0 ? [] : [`-max_total_time=${seconds}`]),
      `-seed=${seed}`,
      "-max_len=8192",
      "-timeout=1800", // wall time, also while the process is paused; no input of 8 KB takes seconds unless the reader hangs
      "-rss_limit_mb=2048",
      "-print_final_stats=1",
      `-artifact_prefix=${join(folder, `${target}-`)}`,
    ],
    {
      stdio: ["ignore", "inherit", "pipe"],
      encoding: "utf8",
      maxBuffer: 2 ** 28,
      // A report of g++'s sanitizer ends with SIGABRT, which stores the input.
      env: { ...process.env, ASAN_OPTIONS: "abort_on_error=1", UBSAN_OPTIONS: "abort_on_error=1" },
    },
  );
  const executed = /stat::number_of_executed_units:\s*(\d+)/.exec(run.stderr)?.[1];
  const failed = run.status !== 0 || executed === undefined;
  const edges = [...run.stderr.matchAll(/cov: (\d+)/g)].at(-1)?.[1];
  return {
    executed: Number(executed ?? 0),
    edges: edges === undefined ? null : Number(edges),
    compiler: binary.compiler,
    finding: failed ? run.stderr.split("\n").slice(-80).join("\n") : null,
  };
}
