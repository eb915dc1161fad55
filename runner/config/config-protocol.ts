// `measure.protocol` of a sweep: changes to the measuring rules of a device profile.
import { z } from "zod";
import { measurementProfileSchema } from "../../profilers/device-profile.ts";

const { readiness, sentinel, cvLimit, disturbanceLimit } = measurementProfileSchema.shape;

export const protocolSchema = z.strictObject({
  guarded: z
    .boolean()
    .default(true)
    .describe("false: no readiness check and no calibration run; flags are still set."),
  rounds: z
    .int()
    .min(1)
    .max(20)
    .optional()
    .describe(
      "New processes for each layout within a window, in turn with other layouts; repetitions count for each process. Default: the device profile's.",
    ),
  windows: z
    .int()
    .min(1)
    .max(20)
    .optional()
    .describe(
      "Measurement windows at different times that share a layout's repetitions. Default: the device profile's.",
    ),
  retries: z
    .int()
    .min(0)
    .max(20)
    .optional()
    .describe(
      "Repeats of a discarded or unstable measurement, before it is kept and marked or the device counts as throttled. Default: the device profile's.",
    ),
  readiness: readiness.partial().default({}).describe("Changes to the device profile's readiness check."),
  sentinel: sentinel.partial().default({}).describe("Changes to the device profile's calibration rules."),
  disturbanceLimit: disturbanceLimit.unwrap().optional().describe("Replaces the device profile's limit."),
  cvLimit: cvLimit.optional().describe("Replaces the device profile's limit."),
});
export type ProtocolConfig = z.infer<typeof protocolSchema>;
