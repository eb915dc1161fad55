// edgefront measure: times one layout, or a GGUF file, on one device; with --compare it judges whether two of them differ.

import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { issueText } from "../../candidates/issues.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation } from "../../candidates/notation.ts";
import { type Quantization, quantizations } from "../../candidates/quantization.ts";
import { compareDefaults } from "../../profilers/compare.ts";
import { repetitionsFor } from "../../profilers/compared-values.ts";
import { describeSamples, deviceMetrics } from "../../profilers/device-metrics.ts";
import type { ContextMetric } from "../../profilers/metrics/kinds.ts";
import { metricName } from "../../profilers/metrics/name.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { FLAGS, validityFlags } from "../../profilers/validity.ts";
import { formatNumber } from "../../reports/format.ts";
import { createRng } from "../../search/rng.ts";
import { software } from "../base/version.ts";
import { sweepSchema } from "../config/config.ts";
import { layoutFrom } from "../config/layouts.ts";
import { isGguf } from "../config/model-files.ts";
import { profileOf } from "../devices/device-record.ts";
import type { SweepEvent } from "../farm/events.ts";
import {
  isaFor,
  type MeasureConfig,
  type MeasureExtras,
  measureFile,
  measureOn,
  placementFor,
} from "../farm/job-requests.ts";
import { deviceNamed } from "../farm/known.ts";
import type { Worker } from "../farm/worker.ts";
import { Store } from "../store/store.ts";
import { withWorker } from "../sweep/solo.ts";
import {
  columns,
  formatBytes,
  interruptSignal,
  printEither,
  say,
  withDatabase,
  withJson,
  withNoWait,
} from "./common.ts";
import { example } from "./examples.ts";
import { compare, compareRules } from "./measure-compare.ts";
import { readEarlier, requireSame } from "./measure-compare-earlier.ts";
import { comparisonText } from "./measure-compare-text.ts";
import { peaksOf, profileTable } from "./profile-table.ts";

interface Args {
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
 * What a comparison asks of each run where nothing else is said. Low quantiles of the repetitions leave out those that were not warm:
 * repetitions take the place of warm-up runs.
 */
const COMPARE_RUN = { contexts: [1024], warmup: { max: 1 } };

function measureConfig(args: Args): MeasureConfig {
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

function table(result: MeasureResult, device: string): string {
  const metrics = new Map(deviceMetrics(result, device).map((metric) => [metric.name, metric]));
  const cell = (base: ContextMetric, context: number): string => {
    const metric = metrics.get(metricName({ base, context, device, batch: result.batch }))!;
    return `${formatNumber(metric.value, 4)}${metric.stable ? "" : " ~"}`;
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

/** A layout, or a file of weights, as something to measure again and again. */
interface Model {
  readonly name: string;
  /** What it is, whatever it is called: a notation, or the digest of a file. */
  readonly identity: string;
  measure(
    worker: Worker,
    config: MeasureConfig,
    onStart: () => void,
    extras?: MeasureExtras,
  ): Promise<MeasureResult>;
}

/** Throws InvalidInputError where the text names no layout and no file. */
async function modelOf(text: string): Promise<Model> {
  if (text.toLowerCase() in namedLayouts || !isGguf(text)) {
    const layout = layoutFrom(text);
    const notation = formatNotation(layout);
    return {
      name: notation,
      identity: notation,
      measure: async (...args) => {
        const [worker, ...rest] = args;
        return (await measureOn(worker, layout, ...rest)).result;
      },
    };
  }
  if (!existsSync(text)) throw new InvalidInputError("unreadable-model", `there is no file ${text}`);
  const sha256 = await sha256Of(text);
  return {
    name: text,
    identity: `sha256:${sha256}`,
    measure: async (...args) => {
      const [worker, ...rest] = args;
      return (await measureFile(worker, text, sha256, ...rest)).result;
    },
  };
}

/** A wrong answer in no time is no result: the agent's arithmetic is checked before anything is timed. */
async function checkAgent(worker: Worker, config: MeasureConfig): Promise<void> {
  const { session, probe } = await worker.open();
  const placement = placementFor(worker, config);
  const isa = isaFor(probe, config);
  await worker.exclusively(({ signal }) => worker.runtime.verify({ session, placement, isa, signal }));
}

const labelOf = (worker: Worker): string =>
  worker.emulated ? `${worker.device.name} (EMULATED: says nothing about hardware)` : worker.device.name;

async function measureOne(text: string, args: Args, config: MeasureConfig, store: Store): Promise<void> {
  const { device: name, json } = args;
  const model = await modelOf(text);
  await withWorker(
    store,
    deviceNamed(store, name),
    interruptSignal(),
    async (worker) => {
      const extras = args.profile ? { profile: true } : {};
      await checkAgent(worker, config);
      const result = await model.measure(worker, config, () => say(`measuring on ${name}`), extras);
      const { probe } = await worker.open();
      const flags = validityFlags({
        result,
        probe,
        placement: placementFor(worker, config),
        emulated: worker.emulated,
        cvLimit: profileOf(worker.device).cvLimit,
        disturbanceLimit: profileOf(worker.device).disturbanceLimit,
      });
      const data = {
        model: model.name,
        device: name,
        emulated: worker.emulated,
        agentSha256: worker.agentSha256,
        software: software(),
        flags,
        metrics: deviceMetrics(result, name).map((metric) => ({
          ...metric,
          summary: describeSamples(metric, createRng(1)),
        })),
        ...(args.profile ? { peaks: peaksOf(probe) } : {}),
        result,
      };
      printEither(json, data, () =>
        [
          model.name,
          `${result.parameters.toLocaleString("en")} parameters on ${labelOf(worker)}: ${result.isa}, ${plural(result.threads, "thread")}${result.batch > 1 ? `, batch ${result.batch}` : ""}`,
          "",
          table(result, name),
          "",
          ...(args.profile ? [profileTable(result, peaksOf(probe)), ""] : []),
          `peak memory ${formatBytes(result.memory.peakBytes)} (anonymous ${formatBytes(result.memory.anonBytes)}, file ` +
            `${formatBytes(result.memory.fileBytes)}, swap ${formatBytes(result.memory.swapBytes)}),\n` +
            `predicted ${formatBytes(result.plan.predictedPeakBytes)} (${percent(result.plan.predictedPeakBytes, result.memory.peakBytes)})`,
          ...flags.filter((flag) => flag !== "unstable").map((flag) => `${flag}: ${FLAGS[flag]}`),
          `load ${result.loadMs.toFixed(0)} ms, first token after ${result.firstTokenMs.toFixed(0)} ms`,
        ].join("\n"),
      );
    },
    { noWait: !args.wait },
  );
}

/** Repetitions of each run, by how long they take; also brings both models into the device's file cache. */
async function pilot(models: readonly Model[], worker: Worker, asked: MeasureConfig): Promise<number> {
  const results: MeasureResult[] = [];
  for (const model of models)
    results.push(await model.measure(worker, { ...asked, repetitions: 2 }, () => {}));
  return repetitionsFor(results);
}

async function compareTwo(
  texts: readonly string[],
  args: Args,
  asked: MeasureConfig,
  store: Store,
): Promise<void> {
  const { device: name, json, extend } = args;
  const rules = compareRules(args.pairs, extend !== undefined);
  const earlier = extend === undefined ? undefined : readEarlier(extend);
  const [a, b] = [await modelOf(texts[0]!), await modelOf(texts[1]!)];
  await withWorker(
    store,
    deviceNamed(store, name),
    interruptSignal(),
    async (worker) => {
      const repetitions =
        asked.repetitions ?? earlier?.measure.repetitions ?? (await pilot([a, b], worker, asked));
      const config = { ...asked, repetitions };
      const identity = {
        identities: { a: a.identity, b: b.identity },
        device: name,
        agentSha256: worker.agentSha256,
        measure: config,
      };
      if (earlier !== undefined) requireSame(extend!, earlier, identity);
      const run = (model: Model) => () => model.measure(worker, config, () => {});
      const listen = (event: SweepEvent): void => {
        if (event.kind === "waiting") say(event.text);
      };
      const runs = { a: run(a), b: run(b) };
      const comparison = await compare(runs, worker, config, rules, { store, listen }, { earlier });
      const names = { a: a.name, b: b.name };
      const data = {
        models: names,
        ...identity,
        emulated: worker.emulated,
        software: software(),
        ...comparison,
      };
      printEither(json, data, () => comparisonText(comparison, names, labelOf(worker)));
    },
    { noWait: !args.wait },
  );
}

export const measureCommand: CommandModule<object, Args> = {
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

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

const percent = (predicted: number, measured: number): string => {
  const off = (predicted / measured - 1) * 100;
  return `${off >= 0 ? "+" : ""}${off.toFixed(1)}%`;
};

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
