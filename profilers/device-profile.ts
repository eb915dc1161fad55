// How to measure a kind of device: the conditions under which its numbers count, and how often they are taken. The defaults of each
// kind are files in configs/devices/; a registered device keeps the profile it was enrolled with. Leaves connecting to runner/devices.
import { z } from "zod";

const seconds = z.number().positive().max(86_400);
const fraction = z.number().positive().max(1);

const readinessSchema = z.strictObject({
  maxTemperatureC: z
    .number()
    .min(0)
    .max(130)
    .nullable()
    .describe("Hottest processor sensor at which a block may start; null: not looked at."),
  maxLoad: z
    .number()
    .positive()
    .nullable()
    .describe("Load average of the last minute, per core, at which a block may start; null: not looked at."),
  pollSeconds: seconds.describe("Time between two looks at a device that is not ready."),
  deadlineSeconds: z
    .number()
    .min(0)
    .max(86_400)
    .describe("A device not ready by then is deferred; 0: never waited for, measured as it is and marked."),
  microProbeTolerance: fraction.describe("How far the micro-probe may lie above its baseline."),
  memoryMargin: z
    .number()
    .min(1)
    .max(10)
    .optional()
    .describe("Free memory over what the largest candidate is predicted to take. Default: 1.3."),
});

const sentinelSchema = z.strictObject({
  driftTolerance: fraction.describe("Drift of the sentinel that voids the blocks between two of its runs."),
  everyBlocks: z.int().min(1).max(10_000).describe("Blocks between two runs of the sentinel."),
});

/** What a measurement on a device of this kind has to obey. */
export const measurementProfileSchema = z.strictObject({
  threads: z
    .strictObject({
      policy: z
        .enum(["sweep", "all"])
        .describe("sweep: the best count and core set found at enrolment; all: one per allowed core."),
      tolerance: fraction.describe(
        "Of placements this close to the fastest the one with fewest threads is kept.",
      ),
    })
    .describe("How many threads a measurement uses, unless the request says."),
  readiness: readinessSchema,
  sentinel: sentinelSchema,
  warmup: z
    .strictObject({ max: z.int().min(0).max(100), tolerance: fraction })
    .describe(
      "Whole warm-up runs until two in a row differ by less than the tolerance, unless the request says.",
    ),
  repetitions: z.int().min(1).max(1000).describe("Measured runs in each process, unless the request says."),
  rounds: z
    .int()
    .min(1)
    .max(20)
    .default(1)
    .describe("Fresh processes a candidate is measured in within a window, taking turns with others."),
  windows: z
    .int()
    .min(1)
    .max(20)
    .default(1)
    .describe(
      "Windows at different times over which the repetitions and warm-ups of a candidate are shared out, between those of others.",
    ),
  disturbanceLimit: fraction
    .default(0.5)
    .describe(
      "Largest share of the processor that others may take from a measurement, where the system tells.",
    ),
  retries: z
    .int()
    .min(0)
    .max(20)
    .default(2)
    .describe("Times a void or unstable measurement is taken again before it is kept, marked."),
  cvLimit: fraction.describe("Largest coefficient of variation of a result that counts as stable."),
});
export type MeasurementProfile = z.infer<typeof measurementProfileSchema>;
