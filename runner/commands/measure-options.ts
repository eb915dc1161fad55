// Converts the options of edgefront measure to the configuration of a measurement.
import { InvalidInputError } from "../../candidates/errors.ts";
import { issueText } from "../../candidates/issues.ts";
import type { Quantization } from "../../candidates/quantization.ts";
import { sweepSchema } from "../config/config.ts";
import type { MeasureConfig } from "../farm/job-requests.ts";

export interface MeasureArgs {
  model: string | undefined;
  compare: string[] | undefined;
  pairs: number;
  extend: string | undefined;
  device: string;
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
 * Defaults for each run of a comparison. Repetitions replace warm-up runs, because low quantiles leave out
 * the repetitions that were not warm.
 */
export const COMPARE_RUN = { contexts: [1024], warmup: { max: 1 } };

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
