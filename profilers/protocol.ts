// The answers of the agent protocol, version 1: one zod schema for every line an agent may say (requests.ts holds the requests). A device is not
// trusted: nothing that it says is used before it has passed through here. The contract is kernels/README.md.
// Framing, ids in flight and timeouts are left to runner/agent/session.ts.
import { z } from "zod";
import { probeResultSchema, statusResultSchema } from "./probe-result.ts";
import { count, hex, MAX_ANSWER_BYTES, milliseconds, rate, sanitise, text } from "./protocol-fields.ts";
import { PRECISIONS } from "./requests.ts";

export const PROTOCOL_VERSION = 1;
/** Longest request line an agent accepts, in bytes. */
export const MAX_REQUEST_BYTES = 64 * 1024 * 1024;
export const JOB_ID = /^[a-z0-9-]{1,32}$/;
const jobId = z.string().regex(JOB_ID);

export const ERROR_CODES = [
  "bad-request",
  "bad-model",
  "bad-checkpoint",
  "unsupported",
  "unavailable",
  "out-of-memory",
  "crashed",
  "timeout",
  "cancelled",
  "io",
  "diverged",
  "internal",
] as const;
export type AgentErrorCode = (typeof ERROR_CODES)[number];

export const helloSchema = z.object({
  v: z.literal(PROTOCOL_VERSION),
  type: z.literal("hello"),
  agent: z.literal("edgefront-agent"),
  version: text,
  arch: z.enum(["x86_64", "aarch64"]),
  pid: count,
  /** Set by an agent under a forced command: it takes files through `put` only, and says which build it is. */
  confined: z.boolean().optional(),
  sha256: hex.optional(),
});
export const heartbeatSchema = z.object({
  v: z.literal(PROTOCOL_VERSION),
  type: z.literal("heartbeat"),
  uptimeMs: milliseconds,
  job: jobId.nullable(),
  /** The job has not begun: the agent of another coordinator uses the device. */
  waiting: z.boolean().optional(),
});
const answer = { v: z.literal(PROTOCOL_VERSION), id: jobId };
/** Everything an agent may say; `result` and `progress` are narrowed by the request they answer. */
export const agentLineSchema = z.discriminatedUnion("type", [
  helloSchema,
  heartbeatSchema,
  z.object({ ...answer, type: z.literal("progress"), progress: z.record(z.string(), z.unknown()) }),
  z.object({ ...answer, type: z.literal("result"), result: z.record(z.string(), z.unknown()) }),
  z.object({
    v: z.literal(PROTOCOL_VERSION),
    /** null where the request was too broken to carry an id. */
    id: jobId.nullable(),
    type: z.literal("error"),
    error: z.object({
      code: z.enum(ERROR_CODES),
      message: text,
      signal: z
        .string()
        .regex(/^SIG[A-Z0-9+]{1,12}$/)
        .optional(),
    }),
  }),
]);
export type AgentLine = z.infer<typeof agentLineSchema>;
export type Hello = z.infer<typeof helloSchema>;

// ---- results -------------------------------------------------------------------------------------------------------------

const planSchema = z.object({
  weightBytes: count,
  cacheBytes: count,
  activationBytes: count,
  overheadBytes: count,
  predictedPeakBytes: count,
});
/** How much of the processor others took during the measured repetitions, in ms; null: the system does not tell. */
const disturbanceSchema = z.object({
  wallMs: milliseconds,
  /** CPUs that the job may use, over which `stealMs` and `foreignMs` are sums. */
  cpus: count,
  /** By a hypervisor. */
  stealMs: milliseconds.nullable(),
  /** By other processes. */
  foreignMs: milliseconds.nullable(),
  /** Some task of the system waited for a CPU. */
  stalledMs: milliseconds.nullable(),
  /** Threads of the job were ready and did not run: a sum over threads. */
  waitedMs: milliseconds.nullable(),
  /** A control group's quota was used up. */
  throttledMs: milliseconds.nullable(),
});

/** What an agent measures at a context, one value per repetition. */
const sampleFields = {
  /** Until every sequence of the batch has its first token. */
  ttftMs: z.array(milliseconds),
  prefillMs: z.array(milliseconds),
  /** The time of each step after the first token; a step decodes one token of every sequence. */
  decodeMs: z.array(z.array(milliseconds)),
};
export type SampleField = keyof typeof sampleFields;
export const SAMPLE_FIELDS = Object.keys(sampleFields) as readonly SampleField[];

export const measureResultSchema = z.object({
  isa: text,
  threads: count,
  /** Sequences prefilled one after the other and decoded together. */
  batch: count.default(1),
  affinity: z.array(z.number().int().min(-1)).max(4096),
  architecture: text,
  parameters: count,
  weightsFrom: z.enum(["seed", "file"]),
  modelSha256: hex,
  plan: planSchema,
  loadMs: milliseconds,
  firstTokenMs: milliseconds,
  contexts: z
    .array(
      z.object({
        context: count,
        warmups: count,
        stable: z.boolean(),
        ...sampleFields,
        /** Time, least bytes touched and operations done, by kind of operator, summed over the repetitions; where it was asked for. */
        profile: z
          .array(
            z.object({
              phase: z.enum(["prefill", "decode"]),
              op: text,
              calls: count,
              ms: milliseconds,
              bytes: rate,
              flops: rate,
            }),
          )
          .max(64)
          .optional(),
      }),
    )
    .max(256),
  memory: z.object({ peakBytes: count, anonBytes: count, fileBytes: count, swapBytes: count }),
  outputHash: hex,
  /** Absent in results from before it was told. */
  disturbance: disturbanceSchema.optional(),
  frequencyMhz: rate.nullable(),
  temperatureC: z.number().nullable(),
});
export type MeasureResult = z.infer<typeof measureResultSchema>;
export type MeasuredContext = MeasureResult["contexts"][number];

export const verifyResultSchema = z.object({
  isa: text,
  vocab: count,
  positions: z.array(count),
  /** Base64 of little-endian float32, positions x vocab; empty when no logits were asked for. */
  logits: z.string().max(MAX_ANSWER_BYTES),
  checks: z
    .array(
      z.object({
        name: z.enum(["chunking", "prefill-decode", "scalar-twin"]),
        maxRelativeError: z.number().nonnegative().nullable(),
        tolerance: z.number().nonnegative(),
        pass: z.boolean(),
      }),
    )
    .max(16),
});

/** `bytes`: how much of the file has arrived, which is where the next piece starts. */
export const putResultSchema = z.object({ bytes: count, complete: z.boolean() });

export const materializeResultSchema = z.object({ bytes: count, sha256: hex });

/** The program a device would run, one line a fused op; may span lines. */
export const explainResultSchema = z.object({
  listing: z
    .string()
    .max(1_000_000)
    .transform((s) => s.split("\n").map(sanitise).join("\n")),
});

/** (step, mean since the entry before). */
const curve = z.array(z.tuple([count, z.number()])).max(1_000_000);
export const trainResultSchema = z.object({
  steps: count,
  /** The step of the checkpoint it went on from; 0: none. */
  resumedFrom: count.default(0),
  /** Why it ended: all its steps, or what its stop rule saw. */
  stopped: z.enum(["steps", "converged", "plateau", "hopeless", "paused"]).default("steps"),
  gradientNorm: curve.default([]),
  /** Validation during the run: step, loss, accuracy. */
  looks: z
    .array(z.tuple([count, z.number(), z.number()]))
    .max(1_000_000)
    .default([]),
  trainLoss: curve,
  validation: z.object({ loss: z.number(), accuracy: z.number().min(0).max(1), tokens: count }),
  tokensPerSecond: rate,
  seconds: rate,
  parameters: count,
  isa: text,
  threads: count,
  weightsHash: hex,
  /** What the operands of linear layers were rounded to; agents and results from before there was a choice do not say. */
  precision: z.enum(PRECISIONS).default("float32"),
});
export type TrainResult = z.infer<typeof trainResultSchema>;

// ---- progress ------------------------------------------------------------------------------------------------------------

export const measureProgressSchema = z.object({
  phase: z.enum(["load", "warmup", "measure"]),
  context: count,
  repetition: count,
});
export const trainProgressSchema = z.object({
  step: count,
  steps: count,
  loss: z.number(),
  tokensPerSecond: rate,
});
const anyProgress = z.record(z.string(), z.unknown());

/** The jobs of an agent, each with the schema of its result and of its progress. */
export const JOBS = {
  probe: { result: probeResultSchema, progress: anyProgress },
  status: { result: statusResultSchema, progress: anyProgress },
  measure: { result: measureResultSchema, progress: measureProgressSchema },
  verify: { result: verifyResultSchema, progress: anyProgress },
  materialize: { result: materializeResultSchema, progress: anyProgress },
  explain: { result: explainResultSchema, progress: anyProgress },
  train: { result: trainResultSchema, progress: trainProgressSchema },
  put: { result: putResultSchema, progress: anyProgress },
} as const;
export type JobType = keyof typeof JOBS;
export type JobResult<T extends JobType> = z.infer<(typeof JOBS)[T]["result"]>;
export type JobProgress<T extends JobType> = z.infer<(typeof JOBS)[T]["progress"]>;
