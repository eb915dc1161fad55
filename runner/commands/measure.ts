// edgefront measure: times one layout, or a GGUF file, on one device.
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Layout } from "../../candidates/layout.ts";
import { formatNotation } from "../../candidates/notation.ts";
import { type Quantization, quantizations } from "../../candidates/quantization.ts";
import { deviceMetrics } from "../../profilers/device-metrics.ts";
import { type ContextMetric, contextMetricName } from "../../profilers/metrics.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { sweepSchema } from "../config.ts";
import { deviceNamed } from "../devices/known.ts";
import { layoutFrom } from "../layouts.ts";
import { Store } from "../store/store.ts";
import { type MeasureConfig, measureFile, measureOn } from "../sweep/jobs.ts";
import { withWorker } from "../sweep/solo.ts";
import { columns, formatBytes, interruptSignal, printEither, say, withDatabase, withJson } from "./common.ts";
import { peaksOf, profileTable } from "./profile-table.ts";

interface Args {
  model: string;
  device: string;
  db: string;
  json: boolean;
  contexts: number[];
  quant: Quantization;
  repetitions: number;
  warmup: number;
  tokens: number;
  threads: number;
  isa: string;
  kv: "f16" | "q8_0";
  batch: number;
  seed: number;
  profile: boolean;
}

function measureConfig(args: Args): MeasureConfig {
  const parsed = sweepSchema.shape.measure.safeParse({
    devices: [args.device],
    quantization: args.quant,
    contexts: args.contexts,
    decodeTokens: args.tokens,
    repetitions: args.repetitions,
    warmup: { max: args.warmup },
    threads: args.threads,
    isa: args.isa,
    kv: args.kv,
    batch: args.batch,
    seed: args.seed,
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new InvalidInputError("usage", `${issue.path.join(".")}: ${issue.message} (see --help)`);
}

function table(result: MeasureResult, device: string): string {
  const metrics = new Map(deviceMetrics(result, device).map((metric) => [metric.name, metric]));
  const cell = (name: ContextMetric, context: number): string => {
    const metric = metrics.get(contextMetricName(name, context, device, result.batch))!;
    return `${metric.value.toPrecision(4)}${metric.stable ? "" : " ~"}`;
  };
  const rows = result.contexts.map(({ context }) => [
    String(context),
    cell("ttftMs", context),
    cell("prefillTokensPerSecond", context),
    cell("decodeTokensPerSecond", context),
    cell("decodeP50Ms", context),
    cell("decodeP95Ms", context),
  ]);
  const unstable = [...metrics.values()].some((metric) => !metric.stable);
  return [
    columns(
      [["CONTEXT", "TTFT ms", "PREFILL t/s", "DECODE t/s", "P50 ms", "P95 ms"], ...rows],
      [0, 1, 2, 3, 4, 5],
    ),
    ...(result.batch > 1
      ? [
          `rates over all ${result.batch} sequences; TTFT until each has its first token, P50 and P95 of a step`,
        ]
      : []),
    ...(unstable ? ["~ unstable: the repetitions vary by more than 5%"] : []),
  ].join("\n");
}

const isFile = (model: string): boolean => model.endsWith(".gguf");

export const measureCommand: CommandModule<object, Args> = {
  command: "measure <model>",
  describe: "Time a layout or a GGUF file on a device",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("model", {
        type: "string",
        demandOption: true,
        describe: "name, notation, JSON file, or GGUF file",
      })
      .option("device", {
        type: "string",
        default: "local",
        requiresArg: true,
        describe: "registered device",
      })
      .option("contexts", { type: "number", array: true, default: [1024, 4096], describe: "prompt lengths" })
      .option("quant", {
        choices: quantizations,
        default: "q4_0" as Quantization,
        describe: "type of the matrices",
      })
      .option("repetitions", { type: "number", default: 3, describe: "measured runs after warm-up" })
      .option("warmup", { type: "number", default: 4, describe: "most warm-up runs before them" })
      .option("tokens", { type: "number", default: 32, describe: "tokens decoded after each prompt" })
      .option("threads", { type: "number", default: 0, describe: "0: one per core the device lets us use" })
      .option("isa", { type: "string", default: "auto", describe: "instruction set, e.g. scalar, avx2" })
      .option("kv", { choices: ["f16", "q8_0"] as const, default: "f16" as const, describe: "KV cache type" })
      .option("batch", { type: "number", default: 1, describe: "sequences decoded together" })
      .option("profile", { type: "boolean", default: false, describe: "also time each kind of operator" })
      .option("seed", { type: "number", default: 1, describe: "seed of the weights (layouts only)" })
      .example("$0 measure lfm2-350m --device local", "this machine, contexts 1024 and 4096")
      .example("$0 measure lfm2-350m --batch 4 --contexts 1024", "four sequences decoded together")
      .example("$0 measure lfm2-350m --profile", "where the time goes, against the device's peaks")
      .example("$0 measure lfm2.gguf --contexts 512 --json", "a file, every raw sample"),
  handler: async (args) => {
    const { model, device: name, db, json } = args;
    const config = measureConfig(args);
    const file = isFile(model);
    if (file && !existsSync(model))
      throw new InvalidInputError("unreadable-model", `there is no file ${model}`);
    const layout: Layout | null = file ? null : layoutFrom(model);
    // Results of single measurements are printed, not kept; the database is only asked for the device.
    const store = Store.open(existsSync(db) ? db : ":memory:");
    try {
      const device = deviceNamed(store, name);
      await withWorker(store, device, interruptSignal(), async (worker) => {
        const onStart = (): void => say(`measuring on ${name}`);
        const extras = args.profile ? { profile: true } : {};
        const { result } =
          layout === null
            ? await measureFile(worker, model, await sha256Of(model), config, onStart, extras)
            : await measureOn(worker, layout, config, onStart, extras);
        const { probe } = await worker.open();
        const label = worker.emulated ? `${name} (EMULATED: says nothing about hardware)` : name;
        const data = {
          model: layout === null ? model : formatNotation(layout),
          device: name,
          emulated: worker.emulated,
          agentSha256: worker.agentSha256,
          metrics: deviceMetrics(result, name),
          ...(args.profile ? { peaks: peaksOf(probe) } : {}),
          result,
        };
        printEither(json, data, () =>
          [
            `${layout === null ? model : formatNotation(layout)}`,
            `${result.parameters.toLocaleString("en")} parameters on ${label}: ${result.isa}, ${result.threads} threads${result.batch > 1 ? `, batch ${result.batch}` : ""}`,
            "",
            table(result, name),
            "",
            ...(args.profile ? [profileTable(result, peaksOf(probe)), ""] : []),
            `peak memory ${formatBytes(result.memory.peakBytes)} (anonymous ${formatBytes(result.memory.anonBytes)}, file ` +
              `${formatBytes(result.memory.fileBytes)}, swap ${formatBytes(result.memory.swapBytes)}),\n` +
              `predicted ${formatBytes(result.plan.predictedPeakBytes)} (${percent(result.plan.predictedPeakBytes, result.memory.peakBytes)})`,
            `load ${result.loadMs.toFixed(0)} ms, first token after ${result.firstTokenMs.toFixed(0)} ms`,
          ].join("\n"),
        );
      });
    } finally {
      store.close();
    }
  },
};

const percent = (predicted: number, measured: number): string => {
  const off = (predicted / measured - 1) * 100;
  return `${off >= 0 ? "+" : ""}${off.toFixed(1)}%`;
};

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
