// Builds the request for a layout, sends it to a worker and checks the answer. The stored form of a request
// leaves out the plan (the layout and the seed determine it) and paths of this machine.
import { leastBytesRead, parameterCount, staticCost } from "../../candidates/cost.ts";
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

/** Options of `edgefront measure` that sweeps do not have. */
export interface MeasureExtras {
  readonly profile?: boolean;
}

/** Returns the threads and cores of a measurement: the configuration's, else the device's own. */
export const placementFor = (
  worker: Pick<Worker, "device">,
  { threads }: Pick<MeasureConfig, "threads">,
): ReturnType<typeof placementOf> => (threads === 0 ? placementOf(worker.device) : { threads });

/**
 * Returns the instruction set whose kernels a measurement uses: the configuration's, else the one that the
 * device's probe found fastest.
 * @throws InvalidInputError (`isa-missing`) when the device lacks it.
 */
export function isaFor(
  { isa, isas }: Pick<ProbeResult, "isa" | "isas">,
  config: Pick<MeasureConfig, "isa">,
): string {
  if (config.isa === "auto") return isa;
  // Without these kernels no layout could be measured on the device.
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

async function run(
  { runtime }: Pick<Worker, "runtime">,
  { session }: Opened,
  { signal }: Turn,
  model: ModelRef,
  options: MeasureOptions,
  config: MeasureConfig,
): Promise<MeasureResult> {
  const { threads = 0, cpus, isa = "auto", kv = "f16" } = options;
  const placement = { threads, ...(cpus === undefined ? {} : { cpus }) };
  await runtime.verifyModel?.({ session, placement, isa, signal }, model, kv);
  return session.request(
    "measure",
    { ...options, model },
    { timeoutMs: config.timeoutSeconds * 1000, signal },
  );
}

/**
 * Returns the least bytes that measuring a layout takes: its weights, and the state of each sequence at its
 * longest.
 */
export function predictedBytes(layout: Layout, config: MeasureConfig): number {
  const { quantization, contexts, decodeTokens, batch = 1, kv } = config;
  const context = Math.max(...contexts) + decodeTokens;
  const kvElementBytes = kv === "q8_0" ? 34 / 32 : 2;
  const { weightBytes, residentBytes } = staticCost(layout, { context, quantization, kvElementBytes });
  return weightBytes + batch * (residentBytes - weightBytes);
}

/** The most extra probes that may show a bandwidth that explains a measurement. */
const PROBES_AGAIN = 3;

/**
 * Compares a measurement with the best of all probes of its device. A speed above the memory bandwidth means
 * that the device was busy while it was probed. It is then probed again, now that no job of ours runs there.
 * @throws DeviceContradictionError when new probes do not explain it: the layout is not to blame.
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
 * @throws InvalidMeasurementError when the gates reject the answer, NotExpressibleError when the runtime
 * cannot run the layout.
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
  const result = await run(worker, opened, turn, model, options, config);
  const { batch } = options;
  const { weightBytes } = staticCost(runs, { context: 0, quantization });
  const input: GateInput = {
    request: options,
    result,
    parameters: parameterCount(runs),
    weightBytes,
    decodeReadBytes: (context) => leastBytesRead(runs, { context, quantization, batch }),
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

/**
 * Measures a GGUF file, which is first uploaded under its hash. Its own header describes the model. Gates are
 * not applied.
 */
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
    return run(worker, opened, turn, { path: remote }, options, config);
  });
  return { request: { ...options, sha256 }, result };
}
