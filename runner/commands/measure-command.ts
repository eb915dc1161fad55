// edgefront measure: times one layout, or a GGUF file, on one device; with --compare it judges whether two of them differ.
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
  describe: "Time a layout or a GGUF file on a device, or judge whether two differ",
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
        describe: "two models: do they differ on this device?",
      })
      .option("pairs", {
        type: "number",
        default: compareDefaults.pairs,
        describe: "most interleaved pairs of --compare; with --extend, pairs to add",
      })
      .option("extend", {
        type: "string",
        requiresArg: true,
        describe: "add pairs to an undecided comparison (its --json)",
      })
      .option("device", {
        type: "string",
        default: "local",
        requiresArg: true,
        describe: "registered device",
      })
      .option("contexts", {
        type: "number",
        array: true,
        defaultDescription: "1024 4096; 1024 to compare",
        describe: "prompt lengths",
      })
      .option("quant", {
        choices: quantizations,
        default: "q4_0" as Quantization,
        describe: "type of the matrices",
      })
      .option("repetitions", {
        type: "number",
        defaultDescription: "the device profile's; 4 to 30 to compare",
        describe: "measured runs after warm-up",
      })
      .option("warmup", {
        type: "number",
        defaultDescription: `the device profile's; ${COMPARE_RUN.warmup.max} to compare`,
        describe: "most warm-up runs before them",
      })
      .option("tokens", { type: "number", default: 32, describe: "tokens decoded after each prompt" })
      .option("threads", { type: "number", default: 0, describe: "0: one per core the device lets us use" })
      .option("isa", { type: "string", default: "auto", describe: "instruction set, e.g. scalar, avx2" })
      .option("kv", { choices: ["f16", "q8_0"] as const, default: "f16" as const, describe: "KV cache type" })
      .option("batch", { type: "number", default: 1, describe: "sequences decoded together" })
      .option("profile", { type: "boolean", default: false, describe: "also time each kind of operator" })
      .option("seed", { type: "number", default: 1, describe: "seed of the weights (layouts only)" })
      .example(example("$0 measure lfm2-350m --device local", "this machine, contexts 1024 and 4096"))
      .example(example("$0 measure lfm2-350m --batch 4 --contexts 1024", "four sequences decoded together"))
      .example(example("$0 measure lfm2-350m --profile", "where the time goes, against the device's peaks"))
      .example(
        example(
          "$0 measure --compare lfm2-350m qwen3-0.6b",
          "at most 20 interleaved pairs, a verdict a metric",
        ),
      )
      .example(
        example(
          "$0 compile lfm2-350m --out lfm2.gguf --weights seed:1 && $0 measure lfm2.gguf --contexts 512 --json",
          "a file, every raw sample",
        ),
      ),
  handler: async (args) => {
    const { model, compare: texts, db } = args;
    if ((model === undefined) === (texts === undefined))
      throw new InvalidInputError("usage", "name one model, or two with --compare (see --help)");
    if (args.extend !== undefined && texts === undefined)
      throw new InvalidInputError(
        "usage",
        "--extend adds to a comparison: name its two models with --compare A B",
      );
    if (texts !== undefined && args.profile)
      throw new InvalidInputError("usage", "--profile is for one model; leave it out of a comparison");
    const config = measureConfig(args);
    // Results of single measurements are printed, not kept; the database is only asked for the device.
    const store = existsSync(db) ? Store.read(db, { onNote: say }) : Store.open(":memory:");
    try {
      if (texts === undefined) await measureOne(model!, args, config, store);
      else await compareTwo(texts, args, config, store);
    } finally {
      store.close();
    }
  },
};
