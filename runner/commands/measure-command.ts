// edgefront measure: times one layout or GGUF file on one device; with --compare it judges whether two of
// them differ.

import { existsSync } from "node:fs";
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { compareDefaults } from "../../profilers/compare.ts";
import { runtimeOption } from "../runtimes/runtime-option.ts";
import { Store } from "../store/store.ts";
import { say, withDatabase, withJson, withNoWait } from "./common.ts";
import { example } from "./examples.ts";
import { measureOne } from "./measure-one.ts";
import { type MeasureArgs, measureConfig, withRunOptions } from "./measure-options.ts";
import { compareTwo } from "./measure-two.ts";

export const measureCommand: CommandModule<object, MeasureArgs> = {
  command: "measure [model]",
  describe: "Time a layout or a GGUF file on a device, or compare two",
  builder: (yargs) =>
    withRunOptions(
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
        .option("runtime", {
          ...runtimeOption,
          describe:
            "engine to measure with: native, or llama.cpp, with the folder of its libraries: llama.cpp=/path",
        }),
    )
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
          "$0 measure lfm2-350m --runtime llama.cpp",
          "Time a layout on llama.cpp (npm package node-llama-cpp)",
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
