// Schemas of a device's description of itself: its processor, memory and speed from a probe, and its present
// state.
import { z } from "zod";
import { count, hex, rate, text } from "./protocol-fields.ts";

/** One logical CPU that the agent may use. `core`: the lowest CPU on the same physical core. */
const cpuSchema = z.object({ cpu: count, core: count, capacity: rate.nullable(), maxMhz: rate.nullable() });
export type CpuDescription = z.infer<typeof cpuSchema>;

/** An engine that is no part of the agent, as the agent found it on the device. */
export const runtimeSchema = z.object({
  id: text,
  version: text,
  /** Its computing part in words: cpu, cuda. */
  backend: text,
  /** SHA-256 over the names and the contents of its files that were loaded. */
  sha256: hex,
});

export const probeResultSchema = z.object({
  arch: z.enum(["x86_64", "aarch64"]),
  os: text,
  kernel: text,
  hostname: z.null(),
  bootId: text,
  pageBytes: count,
  cpuModel: text,
  cores: count,
  allowedCpus: z.array(count).max(4096),
  /**
   * Number of threads that `threads: 0` means there: one per physical core, within the quota. Absent in older
   * probes.
   */
  defaultThreads: count.optional(),
  /** CPU time that a control group grants, in CPUs; null: no quota. */
  cpuQuota: rate.nullable().optional(),
  isas: z.array(text).max(64),
  /** The fastest instruction set on this device, by the timing of its kernels. `auto` resolves to it. */
  isa: text,
  kernelRates: z
    .array(z.object({ isa: text, prefillGops: rate, decodeGops: rate }))
    .max(64)
    .default([]),
  features: z.array(text).max(512),
  memoryBytes: count,
  availableBytes: count,
  swapBytes: count,
  /** Exceeding the memory limit ends every process of the control group, including the agent. */
  oomKillsGroup: z.boolean().optional(),
  loadAverage: rate,
  emulated: z.boolean(),
  temperatureC: z.number().nullable(),
  frequencyMhz: rate.nullable(),
  /** Sources of temperature and frequency: a sensor and a file. Absent in older probes. */
  temperatureSource: text.nullable().optional(),
  frequencySource: text.nullable().optional(),
  cpus: z.array(cpuSchema).max(4096).optional(),
  readBandwidthGBs: rate,
  int8Gops: rate,
  fp32Gflops: rate,
  libc: text,
  compiler: text,
  /** Absent where the agent is its own engine. */
  runtime: runtimeSchema.optional(),
});
export type ProbeResult = z.infer<typeof probeResultSchema>;

/** Returns the number of threads that a request for `threads` gets on this device; 0 asks for its default. */
export const threadsOn = (
  { defaultThreads, allowedCpus }: Pick<ProbeResult, "defaultThreads" | "allowedCpus">,
  threads: number,
): number => (threads === 0 ? (defaultThreads ?? allowedCpus.length) : threads);

/** Present state of a device. */
export const statusResultSchema = z.object({
  temperatureC: z.number().nullable(),
  frequencyMhz: rate.nullable(),
  loadAverage: rate,
  availableBytes: count,
  swapBytes: count,
  bootId: text,
});
export type StatusResult = z.infer<typeof statusResultSchema>;
