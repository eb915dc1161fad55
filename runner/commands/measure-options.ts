// Declares the options of one run of edgefront measure, and converts them to the configuration of a
// measurement.
import type { Argv } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { issueText } from "../../candidates/issues.ts";
import { type Quantization, quantizations } from "../../candidates/quantization.ts";
import { sweepSchema } from "../config/config.ts";
import type { DeviceRecord } from "../devices/device-record.ts";
import type { MeasureConfig } from "../farm/job-requests.ts";
import { deviceNamed } from "../farm/known.ts";
import { namedRuntime, withRuntime } from "../runtimes/runtime-option.ts";
import type { Store } from "../store/store.ts";

export interface MeasureArgs {
  model: string | undefined;
  compare: string[] | undefined;
  pairs: number;
  extend: string | undefined;
  device: string;
  runtime: string | undefined;
  db: string;
  json: boolean;
  contexts: number[] | undefined;
  quant: Quantization;
  repetitions: number | undefined;
  warmup: number | undefined;
  tokens: number;
  threads: number;
  isa: string;
  kv: "f16" | "q8_0";
  batch: number;
  seed: number;
  profile: boolean;
  wait: boolean;
}

/**
 * Returns the device to measure on, with the runtime of the options if they name one.
 * @throws InvalidInputError (`unknown-device`, `unknown-runtime`).
 */
export function measuredDevice(
  { device, runtime }: Pick<MeasureArgs, "device" | "runtime">,
  store: Store,
): DeviceRecord {
  const record = deviceNamed(store, device);
  return runtime === undefined ? record : withRuntime(record, namedRuntime(runtime));
}

/**
 * Defaults for each run of a comparison. Repetitions replace warm-up runs, because low quantiles leave out
 * the repetitions that were not warm.
 */
export const COMPARE_RUN = { contexts: [1024], warmup: { max: 1 } };

/** Adds the options of one run. */
export const withRunOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option("contexts", {
      type: "number",
      array: true,
      defaultDescription: "1024 4096; 1024 to compare",
      describe: "prompt lengths in tokens",
    })
    .option("quant", {
      choices: quantizations,
      default: "q4_0" as Quantization,
      describe: "number format of the matrices",
    })
    .option("repetitions", {
      type: "number",
      defaultDescription: "the device profile's; 4 to 30 to compare",
      describe: "measured repetitions after warm-up",
    })
    .option("warmup", {
      type: "number",
      defaultDescription: `the device profile's; ${COMPARE_RUN.warmup.max} to compare`,
      describe: "largest number of warm-up runs",
    })
    .option("tokens", { type: "number", default: 32, describe: "tokens decoded after each prompt" })
    .option("threads", { type: "number", default: 0, describe: "threads; 0: one per available core" })
    .option("isa", {
      type: "string",
      default: "auto",
      describe: "instruction set, e.g. scalar, avx2; auto: the fastest",
    })
    .option("kv", {
      choices: ["f16", "q8_0"] as const,
      default: "f16" as const,
      describe: "number format of the KV cache",
    })
    .option("batch", { type: "number", default: 1, describe: "sequences decoded together" })
    .option("profile", { type: "boolean", default: false, describe: "also time each kind of operator" })
    .option("seed", { type: "number", default: 1, describe: "seed of the weights (layouts only)" });

/**
 * Returns the checked configuration.
 * @throws InvalidInputError (`usage`) for an invalid option.
 */
export function measureConfig(args: MeasureArgs): MeasureConfig {
  const usual = args.compare === undefined ? { contexts: [1024, 4096] } : COMPARE_RUN;
  const warmup = args.warmup === undefined ? {} : { warmup: { max: args.warmup } };
  // Only a comparison waits until the device is at rest.
  const protocol = !args.wait ? { protocol: { readiness: { deadlineSeconds: 0 } } } : {};
  const parsed = sweepSchema.shape.measure.safeParse({
    ...protocol,
    devices: [args.device],
    quantization: args.quant,
    ...usual,
    ...(args.contexts === undefined ? {} : { contexts: args.contexts }),
    ...(args.repetitions === undefined ? {} : { repetitions: args.repetitions }),
    ...warmup,
    decodeTokens: args.tokens,
    threads: args.threads,
    isa: args.isa,
    kv: args.kv,
    batch: args.batch,
    seed: args.seed,
  });
  if (parsed.success) return parsed.data;
  throw new InvalidInputError("usage", `${issueText(parsed.error)} (see --help)`);
}
