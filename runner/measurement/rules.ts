// By which rules a device is measured: its profile's, with what the sweep's configuration changes.
import { z } from "zod";
import { measurementProfileSchema } from "../../profilers/device-profile.ts";
import type { WindowRules } from "../../profilers/window.ts";
import { type DeviceRecord, profileOf } from "../devices/device.ts";

const { readiness, sentinel, cvLimit, disturbanceLimit } = measurementProfileSchema.shape;

/** `measure.protocol` of a sweep. */
export const protocolSchema = z.strictObject({
  guarded: z
    .boolean()
    .default(true)
    .describe("false: no readiness gate and no sentinel; flags are still set."),
  rounds: z
    .int()
    .min(1)
    .max(20)
    .optional()
    .describe(
      "Fresh processes a candidate is measured in within a window, taking turns with others; repetitions count for each. Default: the device profile's.",
    ),
  windows: z
    .int()
    .min(1)
    .max(20)
    .optional()
    .describe(
      "Windows at different times over which the repetitions of a candidate are shared out. Default: the device profile's.",
    ),
  retries: z
    .int()
    .min(0)
    .max(20)
    .optional()
    .describe(
      "Times a void or unstable measurement is taken again before it is kept, marked as one not to rely on, or a device that is waited for counts as throttled. Default: the device profile's.",
    ),
  readiness: readiness.partial().default({}).describe("Changes to the device profile's readiness gate."),
  sentinel: sentinel.partial().default({}).describe("Changes to the device profile's sentinel rules."),
  disturbanceLimit: disturbanceLimit.unwrap().optional().describe("Instead of the device profile's."),
  cvLimit: cvLimit.optional().describe("Instead of the device profile's."),
});
export type ProtocolConfig = z.infer<typeof protocolSchema>;

/** `base` with what `changes` says; zod leaves absent keys out, its types do not. */
export const changed = <T extends object>(base: T, changes: { [K in keyof T]?: T[K] | undefined }): T => ({
  ...base,
  ...(changes as Partial<T>),
});

export function windowRules(device: DeviceRecord, config: ProtocolConfig): WindowRules {
  const profile = profileOf(device);
  const { guarded, rounds = profile.rounds, windows = profile.windows, retries = profile.retries } = config;
  return {
    guarded,
    rounds,
    windows,
    retries,
    readiness: changed(profile.readiness, config.readiness),
    sentinel: changed(profile.sentinel, config.sentinel),
    cvLimit: config.cvLimit ?? profile.cvLimit,
    disturbanceLimit: config.disturbanceLimit ?? profile.disturbanceLimit,
  };
}
