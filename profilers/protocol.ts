// Answers of the agent protocol, version 1: one zod schema for every line that an agent may send (requests.ts
// has the requests). Devices are not trusted: every answer passes these schemas before use. The contract is
// kernels/README.md. runner/agent/session.ts handles framing, ids in flight and timeouts.
import { z } from "zod";
import { probeResultSchema, runtimeSchema, statusResultSchema } from "./probe-result.ts";
import { count, hex, MAX_ANSWER_BYTES, milliseconds, rate, sanitise, text } from "./protocol-fields.ts";
import { PRECISIONS } from "./requests.ts";

export const PROTOCOL_VERSION = 1;
/** Longest request line that an agent accepts, in bytes. */
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
  /** Set by an agent under a forced command: it takes files through `put` only, and names its build. */
  confined: z.boolean().optional(),
  sha256: hex.optional(),
});
export const heartbeatSchema = z.object({
  v: z.literal(PROTOCOL_VERSION),
  type: z.literal("heartbeat"),
  uptimeMs: milliseconds,
  job: jobId.nullable(),
  /** The job has not started, because another coordinator's agent uses the device. */
  waiting: z.boolean().optional(),
});
const answer = { v: z.literal(PROTOCOL_VERSION), id: jobId };
/**
 * Every line that an agent may send. `result` and `progress` are narrowed by the request that they answer.
 */
export const agentLineSchema = z.discriminatedUnion("type", [
  helloSchema,
  heartbeatSchema,
  z.object({ ...answer, type: z.literal("progress"), progress: z.record(z.string(), z.unknown()) }),
  z.object({ ...answer, type: z.literal("result"), result: z.record(z.string(), z.unknown()) }),
  z.object({
    v: z.literal(PROTOCOL_VERSION),
    /** Null where the request was too malformed to have an id. */
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
/**
 * Processor time lost to other work during the measured repetitions, in ms. Null: the system does not report
 * it.
 */
const disturbanceSchema = z.object({
  wallMs: milliseconds,
  /** Number of CPUs that the job may use. `stealMs` and `foreignMs` are sums over these. */
  cpus: count,
  /** Time taken by a hypervisor. */
  stealMs: milliseconds.nullable(),
  /** Time taken by other processes. */
  foreignMs: milliseconds.nullable(),
  /** Time in which some task of the system waited for a CPU. */
  stalledMs: milliseconds.nullable(),
  /** Time in which threads of the job were ready but did not run; a sum over threads. */
  waitedMs: milliseconds.nullable(),
  /** Time in which the quota of a control group was used up. */
  throttledMs: milliseconds.nullable(),
});

/** Measurements of an agent at one context, one value per repetition. */
const sampleFields = {
  /** Time until every sequence of the batch has its first token. */
  ttftMs: z.array(milliseconds),
  prefillMs: z.array(milliseconds),
  /** Time of each step after the first token. A step decodes one token of every sequence. */
  decodeMs: z.array(z.array(milliseconds)),
};
export type SampleField = keyof typeof sampleFields;
export const SAMPLE_FIELDS = Object.keys(sampleFields) as readonly SampleField[];

export const measureResultSchema = z.object({
  isa: text,
  threads: count,
  /** Number of sequences, prefilled one after the other and decoded together. */
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
        /**
         * Time, least bytes touched and operations by kind of operator, summed over the repetitions. Present
         * on request.
         */
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
  /** Absent in older results. */
  disturbance: disturbanceSchema.optional(),
  frequencyMhz: rate.nullable(),
  temperatureC: z.number().nullable(),
  /** Absent where the agent is its own engine. */
  runtime: runtimeSchema
    .extend({
      /** The kind of attention: the agent tries both, and keeps the plain one where it is clearly faster. */
      flashAttention: z.boolean(),
      /** Whether the weights are mapped from their file. */
      mmap: z.boolean(),
    })
    .optional(),
});
export type MeasureResult = z.infer<typeof measureResultSchema>;
export type MeasuredContext = MeasureResult["contexts"][number];

export const verifyResultSchema = z.object({
  isa: text,
  vocab: count,
  positions: z.array(count),
  /** Base64 of little-endian float32 [positions x vocab]; empty when no logits were requested. */
  logits: z.string().max(MAX_ANSWER_BYTES),
  checks: z
    .array(
      z.object({
        name: z.enum(["chunking", "prefill-decode", "scalar-twin", "reference", "flash-attention", "batch"]),
        /** Of edgefront's own engine. Null: not finite. */
        maxRelativeError: z.number().nonnegative().nullable().optional(),
        /** Of another engine: KL divergence of next-token distributions, in nats. Null: not finite. */
        divergence: z.number().nullable().optional(),
        tolerance: z.number().nonnegative(),
        pass: z.boolean(),
      }),
    )
    .max(16),
});

/** `bytes`: received length of the file. The next piece starts there. */
export const putResultSchema = z.object({ bytes: count, complete: z.boolean() });

export const materializeResultSchema = z.object({ bytes: count, sha256: hex });

/** The program that a device would run, with one line of the listing per fused operation. */
export const explainResultSchema = z.object({
  listing: z
    .string()
    .max(1_000_000)
    .transform((s) => s.split("\n").map(sanitise).join("\n")),
});

/** Entries (step, mean since the previous entry). */
const curve = z.array(z.tuple([count, z.number()])).max(1_000_000);
export const trainResultSchema = z.object({
  steps: count,
  /** Step of the checkpoint that the run continued from; 0: none. */
  resumedFrom: count.default(0),
  /** Reason for the end: all its steps, or the stop rule's finding. */
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
  /**
   * Rounding of the operands of linear layers. Agents and results from before this choice do not state it.
   */
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

/** Jobs of an agent, each with the schemas of its result and its progress. */
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
