// What a job is made of: the request for a layout, sent to a worker, its answer checked. The stored form of a request leaves
// out the plan (the layout and the seed determine it) and paths of this machine.
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { gateViolations } from "../../profilers/gates.ts";
import type { MeasureRequest, MeasureResult, ModelRef, ProbeResult } from "../../profilers/protocol.ts";
import type { SweepConfig } from "../config.ts";
import { placementOf } from "../devices/device.ts";
import type { LeaseProof } from "../store/leases.ts";
import { InvalidMeasurementError } from "./faults.ts";
import type { Worker } from "./worker.ts";

export type MeasureConfig = SweepConfig["measure"];

export const planOf = (plan: Buffer): ModelRef => ({ plan: plan.toString("base64") });

type MeasureOptions = Omit<MeasureRequest, "model"> &
  Required<Pick<MeasureRequest, "contexts" | "decodeTokens" | "repetitions" | "batch">>;

/** What `edgefront measure` may ask for beyond what a sweep does. */
export interface MeasureExtras {
  readonly profile?: boolean;
}

function optionsOf(worker: Worker, config: MeasureConfig, extras: MeasureExtras): MeasureOptions {
  const { contexts, decodeTokens, repetitions, warmup, kv, isa, batch = 1 } = config;
  const placement = config.threads === 0 ? placementOf(worker.device) : { threads: config.threads };
  return { contexts, decodeTokens, repetitions, warmup, kv, isa, batch, ...placement, ...extras };
}

async function request(
  worker: Worker,
  model: ModelRef,
  options: MeasureOptions,
  config: MeasureConfig,
  onStart: () => void,
): Promise<{ readonly result: MeasureResult; readonly lease: LeaseProof; readonly probe: ProbeResult }> {
  const { session, probe } = await worker.open();
  return worker.exclusively(async ({ signal, lease }) => {
    onStart();
    const limits = { timeoutMs: config.timeoutSeconds * 1000, signal };
    return { result: await session.request("measure", { ...options, model }, limits), lease, probe };
  });
}

/** Measures a layout on a device. Throws InvalidMeasurementError when the gates reject the answer. */
export async function measureOn(
  worker: Worker,
  layout: Layout,
  config: MeasureConfig,
  onStart: () => void,
  extras: MeasureExtras = {},
): Promise<{ readonly request: unknown; readonly result: MeasureResult; readonly lease: LeaseProof }> {
  const { quantization, seed } = config;
  const options = optionsOf(worker, config, extras);
  const { plan } = lower(layout, { quantization, seed });
  const { result, lease, probe } = await request(worker, planOf(plan), options, config, onStart);
  const cost = (context: number) => staticCost(layout, { context, quantization });
  const { weightBytes } = cost(0);
  const violations = gateViolations({
    request: options,
    result,
    parameters: parameterCount(layout),
    weightBytes,
    // A step reads the weights once, and the cache of each sequence.
    decodeBytes: (context) => weightBytes + options.batch * (cost(context).decodeBytes - weightBytes),
    readBandwidthGBs: probe.readBandwidthGBs,
  });
  if (violations.length > 0) throw new InvalidMeasurementError(violations.join("; "));
  return { request: { ...options, quantization, seed }, result, lease };
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
  const options = optionsOf(worker, config, extras);
  const { session } = await worker.open();
  const { signal } = worker;
  const remote = await worker.exclusively(() =>
    session.upload(path, `models/${sha256}.gguf`, sha256, { signal }),
  );
  const { result } = await request(worker, { path: remote }, options, config, onStart);
  return { request: { ...options, sha256 }, result };
}
