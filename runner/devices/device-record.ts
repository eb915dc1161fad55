// A device record: how to reach a machine, which machine it is, and which runtime times layouts there. The store
// keeps it without the paths of keys; it never holds secrets.
import { z } from "zod";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { CompilerMissingError } from "./device-errors.ts";
import { keySourcesSchema } from "./key-sources.ts";
import { type DeviceProfile, deviceProfileSchema, profileNamed } from "./profile.ts";
import { algorithmsSchema } from "./ssh-algorithms.ts";
import { hostTarget, TARGETS } from "./toolchain.ts";

/** User-mode emulators that may run the agent. Their results are labelled emulated. */
export const EMULATORS = ["qemu-aarch64-static"] as const;
export type Emulator = (typeof EMULATORS)[number];

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
const deviceName = z.string().regex(NAME, "a device name is lower-case letters, digits and hyphens");
/** A fingerprint in OpenSSH's form: base64 of the SHA-256 of the raw host key, without padding. */
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
  /** The folder of the runtime's libraries on the device, where the user names one; see identities.ts. */
  runtimePath: z.string().min(1).max(4096).optional(),
  target: z.enum(TARGETS),
  emulator: z.enum(EMULATORS).optional(),
  /** Threads of a measurement; 0 or absent: one per core the process may use. */
  threads: z.number().int().min(0).max(1024).optional(),
  /** The fastest CPUs, one thread each, and all placements that were timed; see tune.ts. */
  placement: z
    .strictObject({ best: z.strictObject(placement), tried: z.array(z.strictObject(placement)).max(64) })
    .optional(),
  /** The conditions of its measurements; see profileOf. */
  profile: deviceProfileSchema.optional(),
};
/** A machine to log in to, with its pinned host key. */
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
    /** Jump hosts, the nearest first. */
    jumps: z.array(z.strictObject(endpoint)).max(8).optional(),
  }),
]);
export type DeviceRecord = z.infer<typeof deviceRecordSchema>;
export type SshDeviceRecord = Extract<DeviceRecord, { transport: "ssh" }>;

/**
 * Returns the record of this machine, which needs no registration. @throws CompilerMissingError on a platform
 * without an agent.
 */
export function localDevice(): DeviceRecord {
  const target = hostTarget();
  if (!target)
    throw new CompilerMissingError(
      `the agent runs on Linux on x86-64 or aarch64, but this machine is ${process.platform} on ${process.arch}; register a Linux device: edgefront device add NAME --host HOST`,
    );
  return { name: "local", transport: "local", target };
}

/**
 * Returns the host of a device. Several records may share one host, each with its own runtime or login. A host
 * does one thing at a time, so turns, leases and waits for rest go by its name.
 */
export const hostOf = ({ name, machine }: Pick<DeviceRecord, "name" | "machine">): string => machine ?? name;

/** Returns the id of a device's runtime. */
export const runtimeIdOf = ({ runtime }: Pick<DeviceRecord, "runtime">): string => runtime ?? "native";

/**
 * Returns the profile of a device. Records without a profile (this machine, and old registrations) have the
 * default of their transport.
 */
export function profileOf(device: DeviceRecord): DeviceProfile {
  return device.profile ?? profileNamed(device.transport === "local" ? "local" : "linux");
}

/**
 * Returns the requested CPUs that the system does not grant now, for example in another control group, Slurm
 * job or cpuset.
 */
export const withheldCpus = (
  { cpus = [] }: { readonly cpus?: readonly number[] },
  { allowedCpus }: Pick<ProbeResult, "allowedCpus">,
): readonly number[] => cpus.filter((cpu) => !allowedCpus.includes(cpu));

/** Returns the default threads and cores of a measurement. */
export function placementOf(device: DeviceRecord): {
  readonly threads: number;
  readonly cpus?: readonly number[];
} {
  if (device.threads !== undefined && device.threads > 0) return { threads: device.threads };
  const cpus = device.placement?.best.cpus;
  return cpus === undefined ? { threads: 0 } : { threads: cpus.length, cpus };
}
