// edgefront measure MODEL: times one layout or file once on a device, and prints the result.
import { counted } from "../../candidates/words.ts";
import { describeSamples, deviceMetrics } from "../../profilers/device-metrics.ts";
import type { ContextMetric } from "../../profilers/metrics/kinds.ts";
import { metricName } from "../../profilers/metrics/name.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { FLAGS, validityFlags } from "../../profilers/validity.ts";
import { formatNumber } from "../../reports/format.ts";
import { createRng } from "../../search/rng.ts";
import { software } from "../base/version.ts";
import { profileOf } from "../devices/device-record.ts";
import { isaFor, type MeasureConfig, placementFor } from "../farm/job-requests.ts";
import type { Worker } from "../farm/worker.ts";
import { runtimeOf } from "../runtimes/runtime-registry.ts";
import type { Store } from "../store/store.ts";
import { withWorker } from "../sweep/solo.ts";
import { columns, formatBytes, interruptSignal, printEither, say } from "./common.ts";
import { type MeasureArgs, measuredDevice } from "./measure-options.ts";
import { describeEngine, labelOf, modelOf } from "./measured-model.ts";
import { peaksOf, profileTable } from "./profile-table.ts";

const percent = (predicted: number, measured: number): string => {
  const off = (predicted / measured - 1) * 100;
  return `${off >= 0 ? "+" : ""}${off.toFixed(1)}%`;
};

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
          `Rates are over all ${result.batch} sequences. TTFT ends when each has its first token. P50 and P95 are of a step.`,
        ]
      : []),
    ...(unstable ? ["~ unstable: the repetitions vary by more than 5%; run it again on an idle device"] : []),
  ].join("\n");
}

/** Returns what is known of the memory: a prediction for edgefront's own engine, the least for another. */
function memoryText({ plan: { predictedPeakBytes }, memory, runtime }: MeasureResult): string {
  const bytes = formatBytes(predictedPeakBytes);
  if (runtime === undefined) return `predicted ${bytes} (${percent(predictedPeakBytes, memory.peakBytes)})`;
  const { flashAttention, mmap } = runtime;
  return `of which weights and cache take ${bytes}; flash attention ${flashAttention ? "on" : "off"}, mmap ${mmap ? "on" : "off"}`;
}

/** Verifies the agent's arithmetic before timing, because a wrong answer has no valid time. */
async function checkAgent(worker: Worker, config: MeasureConfig): Promise<void> {
  const { session, probe } = await worker.open();
  const placement = placementFor(worker, config);
  const isa = isaFor(probe, config);
  await worker.exclusively(({ signal }) => worker.runtime.verify({ session, placement, isa, signal }));
}

/**
 * Measures the model that `text` names and prints the result.
 * @throws InvalidInputError, RunError and the errors of the device.
 */
export async function measureOne(
  text: string,
  args: MeasureArgs,
  config: MeasureConfig,
  store: Store,
): Promise<void> {
  const { device: name, json } = args;
  const model = await modelOf(text);
  const device = measuredDevice(args, store);
  const runsAs = model.runsAs(runtimeOf(device));
  await withWorker(
    store,
    device,
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
        runtime: describeEngine(worker),
        ...(runsAs === null ? {} : { runsAs }),
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
          ...(runsAs === null
            ? []
            : [`measured as ${runsAs.notation}, with zeros in the added weights: ${runsAs.why}`]),
          `${result.parameters.toLocaleString("en")} parameters on ${labelOf(worker)}: ${result.isa}, ${counted(result.threads, "thread")}${result.batch > 1 ? `, batch ${result.batch}` : ""}`,
          "",
          table(result, name),
          "",
          ...(args.profile ? [profileTable(result, peaksOf(probe)), ""] : []),
          `peak memory ${formatBytes(result.memory.peakBytes)} (anonymous ${formatBytes(result.memory.anonBytes)}, file ` +
            `${formatBytes(result.memory.fileBytes)}, swap ${formatBytes(result.memory.swapBytes)}),\n` +
            memoryText(result),
          ...flags.filter((flag) => flag !== "unstable").map((flag) => `${flag}: ${FLAGS[flag]}`),
          `load ${result.loadMs.toFixed(0)} ms, first token after ${result.firstTokenMs.toFixed(0)} ms`,
        ].join("\n"),
      );
    },
    { noWait: !args.wait },
  );
}
