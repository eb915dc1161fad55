// The profile of a kind of device: the conditions of a valid measurement, and the number of repetitions. The
// defaults are files in configs/devices/. A registered device keeps its own copy. runner/devices connects to
// it.
import { z } from "zod";

const seconds = z.number().positive().max(86_400);
const fraction = z.number().positive().max(1);

const readinessSchema = z.strictObject({
  maxTemperatureC: z
    .number()
    .min(0)
    .max(130)
    .nullable()
    .describe(
      "Highest temperature (C) of the hottest processor sensor at the start of a window; null: no limit.",
    ),
  maxLoad: z
    .number()
    .positive()
    .nullable()
    .describe("Highest load average of the last minute, per core, at the start of a window; null: no limit."),
  pollSeconds: seconds.describe("Time between two checks of a device that is not ready."),
  deadlineSeconds: z
    .number()
    .min(0)
    .max(86_400)
    .describe("A device that is not ready by then counts as throttled; 0: never wait, measure and mark."),
  microProbeTolerance: fraction.describe("Largest excess of the calibration run over its baseline."),
  memoryMargin: z
    .number()
    .min(1)
    .max(10)
    .optional()
    .describe("Required free memory, as a multiple of the largest layout's predicted memory. Default: 1.3."),
});

const sentinelSchema = z.strictObject({
  driftTolerance: fraction.describe(
    "Change between two calibration runs that discards the measurements in between.",
  ),
  everyBlocks: z.int().min(1).max(10_000).describe("Largest number of layouts between two calibration runs."),
});

/** The rules of a measurement on a device of this kind. */
export const measurementProfileSchema = z.strictObject({
  threads: z
    .strictObject({
      policy: z
        .enum(["sweep", "all"])
        .describe(
          "sweep: the fastest number and set of cores found by device add; all: one thread per available core.",
        ),
      tolerance: fraction.describe(
        "Among placements this close to the fastest, the one with the fewest threads is used.",
      ),
    })
    .describe("Default threads of a measurement."),
  readiness: readinessSchema,
  sentinel: sentinelSchema,
  warmup: z
    .strictObject({ max: z.int().min(0).max(100), tolerance: fraction })
    .describe("Default warm-up repetitions, until two in a row differ by less than the tolerance."),
  repetitions: z.int().min(1).max(1000).describe("Default measured repetitions in each process."),
  rounds: z
    .int()
    .min(1)
    .max(20)
    .default(1)
    .describe("New processes for each layout within a window, in turn with other layouts."),
  windows: z
    .int()
    .min(1)
    .max(20)
    .default(1)
    .describe("Measurement windows at different times that share a layout's repetitions and warm-ups."),
  disturbanceLimit: fraction
    .default(0.5)
    .describe(
      "Largest share of the processor that other work may take from a measurement, if the system reports it.",
    ),
  retries: z
    .int()
    .min(0)
    .max(20)
    .default(2)
    .describe("Repeats of a discarded or unstable measurement before it is kept and marked."),
  cvLimit: fraction.describe("Largest coefficient of variation of a result that counts as stable."),
});
export type MeasurementProfile = z.infer<typeof measurementProfileSchema>;
