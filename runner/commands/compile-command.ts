// edgefront compile: lowers a layout to a GGUF file, with or without weights made from a seed.
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { expressionOf, lower } from "../../candidates/gguf/lower.ts";
import { layoutId } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation } from "../../candidates/notation.ts";
import { type Quantization, quantizations } from "../../candidates/quantization.ts";
import { counted } from "../../candidates/words.ts";
import { layoutFrom } from "../config/layouts.ts";
import { localDevice } from "../devices/device-record.ts";
import { trialNamed } from "../reading/trial-named.ts";
import { Store } from "../store/store.ts";
import { withWorker } from "../sweep/solo.ts";
import {
  formatBytes,
  interruptSignal,
  printEither,
  readStore,
  withDatabase,
  withJson,
  withNoWait,
} from "./common.ts";
import { enginesOf, type FileEngine, fileEngines, filesFor, materialize } from "./compile-files.ts";
import { example } from "./examples.ts";
import { writeWhole } from "./output.ts";
import { outputTarget } from "./output-target.ts";

interface Args {
  layout: string;
  sweep: string | undefined;
  db: string;
  out: string | undefined;
  quant: Quantization;
  weights: string;
  engine: FileEngine;
  explain: boolean;
  context: number;
  wait: boolean;
  json: boolean;
}

/**
 * Returns the seed, or null for no weights.
 * @throws InvalidInputError for anything but `none` or `seed:N`.
 */
function parseWeights(text: string): number | null {
  if (text === "none") return null;
  const seed = /^seed:(\d{1,15})$/.exec(text)?.[1];
  if (seed === undefined)
    throw new InvalidInputError(
      "usage",
      `--weights is "${text}", but must be none or seed:N; try --weights seed:1`,
    );
  return Number(seed);
}

export const compileCommand: CommandModule<object, Args> = {
  command: "compile <layout>",
  describe: "Write a layout as a GGUF file, or list the program that the kernels run for it",
  builder: (yargs) =>
    withNoWait(withJson(withDatabase(yargs)))
      .positional("layout", {
        type: "string",
        demandOption: true,
        describe: "name, notation, layout JSON or config.json; with --sweep also F1, #12 or an id",
      })
      .option("sweep", { type: "string", requiresArg: true, describe: "sweep that the trial belongs to" })
      .option("out", { type: "string", requiresArg: true, describe: "GGUF file to write" })
      .option("quant", {
        choices: quantizations,
        default: "q4_0" as Quantization,
        describe: "number format of the matrices",
      })
      .option("weights", {
        type: "string",
        default: "none",
        requiresArg: true,
        describe: "none: header only; seed:N: weights generated from seed N",
      })
      .option("engine", {
        choices: fileEngines,
        default: "edgefront" as FileEngine,
        describe: "engine that must run the file; for llama.cpp, weights are padded with zeros if needed",
      })
      .option("explain", {
        type: "boolean",
        default: false,
        describe: "list the program: operations, bytes, FLOPs, peak memory",
      })
      .option("context", { type: "number", default: 4096, describe: "context length of the listing" })
      .check(({ out, explain }) => {
        if (out === undefined && !explain)
          throw new InvalidInputError(
            "usage",
            "no output is asked for; give --out model.gguf, --explain, or both",
          );
        return true;
      })
      .example(
        example(
          "$0 compile lfm2-350m --out lfm2.gguf --weights seed:1",
          "Write a file that llama.cpp runs too",
        ),
      )
      .example(
        example(
          "$0 compile F1 --sweep quickstart --out f1.gguf --weights seed:1",
          "Write a layout of a front",
        ),
      )
      .example(
        example(
          '$0 compile "v512 d128 f256 h4/2x32 : c3 c5 g" --engine llama.cpp --out c.gguf --weights seed:1',
          "Fill the shorter convolution up with zeros, as llama.cpp needs it",
        ),
      )
      .example(example("$0 compile lfm2-350m --explain", "List what the kernels do for one token")),
  handler: async ({ layout: text, sweep, db, out, quant, weights, engine, explain, context, wait, json }) => {
    const layout =
      sweep === undefined
        ? layoutFrom(text)
        : await readStore(db, (store) => trialNamed(store, store.sweeps.get(sweep), text).trial.layout);
    const seed = parseWeights(weights);
    if (out !== undefined) outputTarget(out);
    const name = text in namedLayouts ? text : layoutId(layout);
    const seeded = seed === null ? {} : { seed };
    const files = filesFor(layout, engine, { quantization: quant, name, vocabulary: true, ...seeded });
    const lowered = files.padded?.plan ?? files.exact;
    let bytes = lowered.plan.length;
    let listing: string | null = null;
    if (out !== undefined && seed === null) await writeWhole(out, lowered.plan);
    if (explain || (out !== undefined && seed !== null)) {
      // Nothing is kept, so the worker's store is in memory.
      const store = Store.open(":memory:");
      await withWorker(
        store,
        localDevice(),
        interruptSignal(),
        async (worker) => {
          if (out !== undefined && seed !== null) bytes = await materialize(worker, files, out);
          if (!explain) return;
          const { session } = await worker.open();
          const plan = lower(layout, { quantization: quant, seed: 0 }).plan.toString("base64");
          ({ listing } = await session.request("explain", { model: { plan }, context }));
        },
        { noWait: !wait },
      ).finally(() => store.close());
    }
    const why = files.padded === null ? expressionOf(layout).why : null;
    const data = {
      id: layoutId(layout),
      notation: formatNotation(layout),
      architecture: lowered.architecture,
      // The file has edgefront's own architecture if upstream ones cannot express the layout.
      runsOn: out !== undefined && seed === null ? [] : enginesOf(files),
      ...(why === null ? {} : { onlyEdgefrontBecause: why }),
      ...(files.padded === null ? {} : { paddedBecause: expressionOf(layout).why }),
      tensors: lowered.tensors.length,
      weightBytes: lowered.weightBytes,
      ...(out === undefined ? {} : { out, bytes, weights: seed === null ? "none" : `seed:${seed}` }),
      ...(listing === null ? {} : { listing }),
    };
    printEither(json, data, () =>
      [
        ...(listing === null ? [] : [listing.trimEnd()]),
        ...(out === undefined
          ? []
          : [
              `wrote ${out}: ${lowered.architecture}, ${counted(lowered.tensors.length, "tensor")}, ${formatBytes(bytes)}` +
                (seed === null
                  ? " (header and tensor table only, which no program runs; for weights add --weights seed:1)"
                  : ""),
              ...(files.padded === null
                ? []
                : [
                    `padded: some weights are zeros, because llama.cpp does not run the layout as it is: ${expressionOf(layout).why}`,
                  ]),
              ...(why === null
                ? []
                : [
                    `only edgefront runs this file, because llama.cpp has no architecture for the layout: ${why}`,
                  ]),
            ]),
      ].join("\n"),
    );
  },
};
