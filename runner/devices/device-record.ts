// A device record: how to reach a machine, which machine it is, and which runtime times layouts there. The store keeps it without the
// paths of keys; secrets are never in it.
import { z } from "zod";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { CompilerMissingError } from "./device-errors.ts";
import { keySourcesSchema } from "./key-sources.ts";
import { type DeviceProfile, deviceProfileSchema, profileNamed } from "./profile.ts";
import { algorithmsSchema } from "./ssh-algorithms.ts";
import { hostTarget, TARGETS } from "./toolchain.ts";

/** User-mode emulators the agent may be run under. Their results are labelled emulated. */
export const EMULATORS = ["qemu-aarch64-static"] as const;
export type Emulator = (typeof EMULATORS)[number];

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const deviceName = z.string().regex(NAME, "a device name is lower-case letters, digits and hyphens");
/** As OpenSSH prints it: base64 of the SHA-256 of the raw host key, without padding. */
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

const rate = z.number().positive();
const placement = {
  cpus: z.array(z.number().int().min(0).max(65_535)).min(1).max(4096),
  decodeTokensPerSecond: rate,
  prefillTokensPerSecond: rate,
};

const common = {
  name: deviceName,
  /** The host that this record shares with others, by the name of its first record; see hostOf. (`host` is an address, see below.) */
  machine: deviceName.optional(),
  /** Which runtime times layouts there; absent: native. A text, so that a database of a newer version opens: see runtimeOf. */
  runtime: z
    .string()
    .regex(/^[a-z][a-z0-9.-]{0,31}$/)
    .optional(),
  target: z.enum(TARGETS),
  emulator: z.enum(EMULATORS).optional(),
  /** Threads of a measurement; 0 or absent: one per core the process may use. */
  threads: z.number().int().min(0).max(1024).optional(),
  /** The CPUs it is fastest on, one thread each, and all that were tried for it; see tune.ts. */
  placement: z
    .strictObject({ best: z.strictObject(placement), tried: z.array(z.strictObject(placement)).max(64) })
    .optional(),
  /** The conditions its measurements obey; see profileOf. */
  profile: deviceProfileSchema.optional(),
};
/** A machine to log in to, its host key pinned. */
const endpoint = {
  host: z.string().min(1).max(255),
  port: z.number().int().min(1).max(65_535).optional(),
  user: z.string().min(1).max(64),
  identityFile: z.string().min(1).optional(),
  keys: keySourcesSchema.optional(),
  algorithms: algorithmsSchema.optional(),
  hostKey: z.string().regex(FINGERPRINT),
};
export const deviceRecordSchema = z.discriminatedUnion("transport", [
  z.strictObject({ ...common, transport: z.literal("local") }),
  z.strictObject({
    ...common,
    ...endpoint,
    transport: z.literal("ssh"),
    /** Machines to pass on the way there, the nearest first. */
    jumps: z.array(z.strictObject(endpoint)).max(8).optional(),
  }),
]);
export type DeviceRecord = z.infer<typeof deviceRecordSchema>;
export type SshDeviceRecord = Extract<DeviceRecord, { transport: "ssh" }>;

/** This machine, which needs no registration. @throws CompilerMissingError on a platform the agent is not written for. */
export function localDevice(): DeviceRecord {
  const target = hostTarget();
  if (!target)
    throw new CompilerMissingError(`the agent runs on Linux; this is ${process.platform} on ${process.arch}`);
  return { name: "local", transport: "local", target };
}

/**
 * The host of a device. Several records may share one host, each with its own runtime or login; a host does one thing at a time, so that
 * turns, leases and waits for rest go by its name.
 */
export const hostOf = ({ name, machine }: Pick<DeviceRecord, "name" | "machine">): string => machine ?? name;

/** The runtime of a device, by its id. */
export const runtimeIdOf = ({ runtime }: Pick<DeviceRecord, "runtime">): string => runtime ?? "native";

/** The profile of a device; those registered before there were profiles, and this machine, have the default of their transport. */
export function profileOf(device: DeviceRecord): DeviceProfile {
  return device.profile ?? profileNamed(device.transport === "local" ? "local" : "linux");
}

/** CPUs that are asked for and that the system does not grant today: another control group, Slurm job or cpuset than when they were chosen. */
export const withheldCpus = (
  { cpus = [] }: { readonly cpus?: readonly number[] },
  { allowedCpus }: Pick<ProbeResult, "allowedCpus">,
): readonly number[] => cpus.filter((cpu) => !allowedCpus.includes(cpu));

/** Threads and cores of a measurement that does not name any. */
export function placementOf(device: DeviceRecord): {
  readonly threads: number;
  readonly cpus?: readonly number[];
} {
  if (device.threads !== undefined && device.threads > 0) return { threads: device.threads };
  const cpus = device.placement?.best.cpus;
  return cpus === undefined ? { threads: 0 } : { threads: cpus.length, cpus };
}
