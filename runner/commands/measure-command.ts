// edgefront measure: times one layout or GGUF file on one device; with --compare it judges whether two of
// them differ.

import { existsSync } from "node:fs";
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type Quantization, quantizations } from "../../candidates/quantization.ts";
import { compareDefaults } from "../../profilers/compare.ts";
import { Store } from "../store/store.ts";
import { say, withDatabase, withJson, withNoWait } from "./common.ts";
import { example } from "./examples.ts";
import { measureOne } from "./measure-one.ts";
import { COMPARE_RUN, type MeasureArgs, measureConfig } from "./measure-options.ts";
import { compareTwo } from "./measure-two.ts";

export const measureCommand: CommandModule<object, MeasureArgs> = {
  command: "measure [model]",
  describe: "Time a layout or a GGUF file on a device, or compare two",
  builder: (yargs) =>
    withNoWait(withJson(withDatabase(yargs)))
      .positional("model", {
        type: "string",
        describe: "name, notation, layout JSON, config.json, or GGUF file",
      })
      .option("compare", {
        type: "string",
        array: true,
        nargs: 2,
        describe: "two models to compare: a verdict for each metric",
      })
      .option("pairs", {
        type: "number",
        default: compareDefaults.pairs,
        describe: "largest number of interleaved pairs for --compare; with --extend, pairs to add",
      })
      .option("extend", {
        type: "string",
        requiresArg: true,
        describe: "add pairs to an undecided comparison: the file with its --json output",
      })
      .option("device", {
        type: "string",
        default: "local",
        requiresArg: true,
        describe: "name of a registered device; local: this machine",
      })
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
      .option("seed", { type: "number", default: 1, describe: "seed of the weights (layouts only)" })
      .example(
        example(
          "$0 measure lfm2-350m --device local",
          "Time a layout on this machine, with prompts of 1024 and 4096 tokens",
        ),
      )
      .example(example("$0 measure lfm2-350m --batch 4 --contexts 1024", "Decode four sequences together"))
      .example(
        example(
          "$0 measure lfm2-350m --profile",
          "Show the time of each operator beside the device's peak rates",
        ),
      )
      .example(
        example(
          "$0 measure --compare lfm2-350m qwen3-0.6b",
          "Compare two models in at most 20 interleaved pairs",
        ),
      )
      .example(
        example(
          "$0 compile lfm2-350m --out lfm2.gguf --weights seed:1 && $0 measure lfm2.gguf --contexts 512 --json",
          "Time a GGUF file and print every raw sample",
        ),
      ),
  handler: async (args) => {
    const { model, compare: texts, db } = args;
    if ((model === undefined) === (texts === undefined))
      throw new InvalidInputError(
        "usage",
        "give one model, or two with --compare A B (see edgefront measure --help)",
      );
    if (args.extend !== undefined && texts === undefined)
      throw new InvalidInputError(
        "usage",
        "--extend adds pairs to a comparison; name its two models with --compare A B",
      );
    if (texts !== undefined && args.profile)
      throw new InvalidInputError(
        "usage",
        "--profile works for one model only; leave it out, or leave out --compare",
      );
    const config = measureConfig(args);
    // Single measurements are printed, not stored; the database only supplies the device.
    const store = existsSync(db) ? Store.read(db, { onNote: say }) : Store.open(":memory:");
    try {
      if (texts === undefined) await measureOne(model!, args, config, store);
      else await compareTwo(texts, args, config, store);
    } finally {
      store.close();
    }
  },
};
