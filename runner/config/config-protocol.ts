// `measure.protocol` of a sweep: what it changes of a device profile's rules of measuring.
import { z } from "zod";
import { measurementProfileSchema } from "../../profilers/device-profile.ts";

const { readiness, sentinel, cvLimit, disturbanceLimit } = measurementProfileSchema.shape;

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
