// What a job is made of: the request for a layout, sent to a worker, its answer checked. The stored form of a request leaves
// out the plan (the layout and the seed determine it) and paths of this machine.
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Layout } from "../../candidates/layout.ts";
import { deviceContradiction, type GateInput, gateViolations } from "../../profilers/gates.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import type { MeasureRequest, ModelRef } from "../../profilers/requests.ts";
import type { SweepConfig } from "../config/config.ts";
import { placementOf, profileOf } from "../devices/device-record.ts";
import { runnableAs } from "../runtimes/runtime.ts";
import { DeviceContradictionError, InvalidMeasurementError } from "./faults.ts";
import { changed } from "./measurement/window-rules.ts";
import type { Opened, Turn, Worker } from "./worker.ts";

export type MeasureConfig = SweepConfig["measure"];

type MeasureOptions = Omit<MeasureRequest, "model"> &
  Required<Pick<MeasureRequest, "contexts" | "decodeTokens" | "repetitions" | "batch">>;

/** What `edgefront measure` may ask for beyond what a sweep does. */
export interface MeasureExtras {
  readonly profile?: boolean;
}

/** Threads and cores that a measurement asks for: the configuration's, else the device's own. */
export const placementFor = (
  worker: Pick<Worker, "device">,
  { threads }: Pick<MeasureConfig, "threads">,
): ReturnType<typeof placementOf> => (threads === 0 ? placementOf(worker.device) : { threads });

/**
 * The kernels a measurement asks for: the configuration's, else those that the device's own probe found the fastest.
 * @throws InvalidInputError (`isa-missing`) where the device does not have them.
 */
export function isaFor(
  { isa, isas }: Pick<ProbeResult, "isa" | "isas">,
  config: Pick<MeasureConfig, "isa">,
): string {
  if (config.isa === "auto") return isa;
  // Nothing of what is asked could be measured there, whatever the layout.
  if (!isas.includes(config.isa))
    throw new InvalidInputError(
      "isa-missing",
      `the device has no ${config.isa} kernels, only ${isas.join(", ")}; set measure.isa (or --isa) to auto or to one of these`,
    );
  return config.isa;
}

function optionsOf(
  worker: Worker,
  probe: ProbeResult,
  config: MeasureConfig,
  extras: MeasureExtras,
): MeasureOptions {
  const profile = profileOf(worker.device);
  const { contexts, decodeTokens, repetitions = profile.repetitions, kv, batch = 1 } = config;
  return {
    contexts,
    decodeTokens,
    repetitions,
    warmup: changed(profile.warmup, config.warmup ?? {}),
    kv,
    isa: isaFor(probe, config),
    batch,
    ...placementFor(worker, config),
    ...extras,
  };
}

const run = (
  { session }: Opened,
  { signal }: Turn,
  model: ModelRef,
  options: MeasureOptions,
  config: MeasureConfig,
): Promise<MeasureResult> =>
  session.request("measure", { ...options, model }, { timeoutMs: config.timeoutSeconds * 1000, signal });

/** Bytes that measuring a layout takes at least: its weights, and what it remembers of each sequence at its longest. */
export function predictedBytes(layout: Layout, config: MeasureConfig): number {
  const { quantization, contexts, decodeTokens, batch = 1, kv } = config;
  const context = Math.max(...contexts) + decodeTokens;
  const kvElementBytes = kv === "q8_0" ? 34 / 32 : 2;
  const { weightBytes, residentBytes } = staticCost(layout, { context, quantization, kvElementBytes });
  return weightBytes + batch * (residentBytes - weightBytes);
}

/** Probes that a device is given to show a bandwidth that explains what it measured. */
const PROBES_AGAIN = 3;

/**
 * Holds a measurement against the best of all probes of its device. One that is faster than memory allows means that the device was probed
 * while something else used its memory: it is probed again, now that nothing of ours runs there.
 * @throws DeviceContradictionError where that does not explain it: the layout is not to blame.
 */
async function requireConsistency(
  worker: Worker,
  opened: Opened,
  turn: Turn,
  input: GateInput,
): Promise<void> {
  let found = deviceContradiction(input);
  for (let tries = 0; found?.kind === "bandwidth" && tries < PROBES_AGAIN; tries++) {
    await worker.probeAgain(opened, turn);
    found = deviceContradiction({ ...input, readBandwidthGBs: worker.readBandwidthGBs });
  }
  if (found === null) return;
  const { name } = worker.device;
  throw new DeviceContradictionError(
    found.reason,
    found.kind === "bandwidth"
      ? `Free the device of other work, then: edgefront device probe ${name}`
      : `Measure where /proc/self/status can be read`,
  );
}

/**
 * Measures a layout within a turn on its device.
 * @throws InvalidMeasurementError where the gates reject the answer, NotExpressibleError where the runtime cannot run the layout.
 */
export async function measureIn(
  worker: Worker,
  opened: Opened,
  turn: Turn,
  layout: Layout,
  config: MeasureConfig,
  extras: MeasureExtras = {},
): Promise<{ readonly request: unknown; readonly result: MeasureResult }> {
  const { quantization, seed } = config;
  const options = optionsOf(worker, opened.probe, config, extras);
  const runs = runnableAs(worker.runtime, layout);
  const model = worker.runtime.lower(runs, { quantization, seed });
  const result = await run(opened, turn, model, options, config);
  const cost = (context: number) => staticCost(runs, { context, quantization });
  const { weightBytes } = cost(0);
  const input: GateInput = {
    request: options,
    result,
    parameters: parameterCount(runs),
    weightBytes,
    // A step reads the weights once, and the cache of each sequence.
    decodeBytes: (context) => weightBytes + options.batch * (cost(context).decodeBytes - weightBytes),
    readBandwidthGBs: worker.readBandwidthGBs,
  };
  const violations = gateViolations(input);
  if (violations.length > 0) throw new InvalidMeasurementError(violations.join("; "));
  await requireConsistency(worker, opened, turn, input);
  return { request: { ...options, quantization, seed }, result };
}

/** Measures a layout in a turn of its own. */
export async function measureOn(
  worker: Worker,
  layout: Layout,
  config: MeasureConfig,
  onStart: () => void,
  extras: MeasureExtras = {},
): Promise<{ readonly request: unknown; readonly result: MeasureResult }> {
  const opened = await worker.open();
  return worker.exclusively((turn) => {
    onStart();
    return measureIn(worker, opened, turn, layout, config, extras);
  });
}

/** Measures a GGUF file, uploaded by its hash first. Its own header says what it is; only counts are checked here. */
export async function measureFile(
  worker: Worker,
  path: string,
  sha256: string,
  config: MeasureConfig,
  onStart: () => void,
  extras: MeasureExtras = {},
): Promise<{ readonly request: unknown; readonly result: MeasureResult }> {
  const opened = await worker.open();
  const { session, probe } = opened;
  const options = optionsOf(worker, probe, config, extras);
  const { signal } = worker;
  const remote = await worker.exclusively(() =>
    session.upload(path, `models/${sha256}.gguf`, sha256, { signal }),
  );
  const result = await worker.exclusively((turn) => {
    onStart();
    return run(opened, turn, { path: remote }, options, config);
  });
  return { request: { ...options, sha256 }, result };
}
