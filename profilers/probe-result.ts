// What a device says of itself: its processor, memory and speed when it is probed, and its state right now.
import { z } from "zod";
import { count, rate, text } from "./protocol-fields.ts";

/** One logical CPU the agent may use. `core`: the lowest CPU that shares its physical core. */
const cpuSchema = z.object({ cpu: count, core: count, capacity: rate.nullable(), maxMhz: rate.nullable() });
export type CpuDescription = z.infer<typeof cpuSchema>;

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
  /** What `threads: 0` means there: one a physical core, within the quota. Absent in probes from before it was told. */
  defaultThreads: count.optional(),
  /** CPUs' worth of time that a control group grants; null: no quota. */
  cpuQuota: rate.nullable().optional(),
  isas: z.array(text).max(64),
  /** The fastest of them on this device, by what its kernels were timed at; what `auto` is resolved to. */
  isa: text,
  kernelRates: z
    .array(z.object({ isa: text, prefillGops: rate, decodeGops: rate }))
    .max(64)
    .default([]),
  features: z.array(text).max(512),
  memoryBytes: count,
  availableBytes: count,
  swapBytes: count,
  /** Going beyond the memory limit ends every process of the control group, the agent among them. */
  oomKillsGroup: z.boolean().optional(),
  loadAverage: rate,
  emulated: z.boolean(),
  temperatureC: z.number().nullable(),
  frequencyMhz: rate.nullable(),
  /** Which sensor and which file these two were read from; absent in probes from before they were told. */
  temperatureSource: text.nullable().optional(),
  frequencySource: text.nullable().optional(),
  cpus: z.array(cpuSchema).max(4096).optional(),
  readBandwidthGBs: rate,
  int8Gops: rate,
  fp32Gflops: rate,
  libc: text,
  compiler: text,
});
export type ProbeResult = z.infer<typeof probeResultSchema>;

/** Returns the number of threads that a request for `threads` gets on this device; 0 asks for its default. */
export const threadsOn = (
  { defaultThreads, allowedCpus }: Pick<ProbeResult, "defaultThreads" | "allowedCpus">,
  threads: number,
): number => (threads === 0 ? (defaultThreads ?? allowedCpus.length) : threads);

/** How a device is right now. */
export const statusResultSchema = z.object({
  temperatureC: z.number().nullable(),
  frequencyMhz: rate.nullable(),
  loadAverage: rate,
  availableBytes: count,
  swapBytes: count,
  bootId: text,
});
export type StatusResult = z.infer<typeof statusResultSchema>;
