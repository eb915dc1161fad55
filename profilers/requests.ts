// Requests of the agent protocol, version 1, from the coordinator to an agent. The coordinator writes them
// itself, so types are enough; answers are checked (protocol.ts). Contract: kernels/README.md.

/** Precision of the operands of linear layers in training. Everything else is float32 in both. */
export const PRECISIONS = ["float32", "bfloat16"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** The model of a request: the plan itself (base64 GGUF, weights from its seed) or a file on the device. */
export type ModelRef = { readonly plan: string } | { readonly path: string };

/** Number format of the KV cache in measurements. */
export type CacheFormat = "f16" | "q8_0";

interface CommonOptions {
  /** 0: one per core that the process may use. */
  readonly threads?: number;
  readonly isa?: string;
  /**
   * CPUs that the job may use. If the system withholds some, the job runs on the others, and the affinity in
   * its answer shows this.
   */
  readonly cpus?: readonly number[];
}
export interface MeasureRequest extends CommonOptions {
  readonly model: ModelRef;
  readonly contexts?: readonly number[];
  readonly decodeTokens?: number;
  readonly repetitions?: number;
  readonly warmup?: { readonly max: number; readonly tolerance: number };
  readonly chunk?: number;
  readonly kv?: CacheFormat;
  /** Number of sequences decoded together. */
  readonly batch?: number;
  /** Also times each kind of operator, at a small cost in speed. */
  readonly profile?: boolean;
}
export interface VerifyRequest extends CommonOptions {
  readonly model: ModelRef;
  /** Absent: an agent of another engine takes fixed ones. */
  readonly tokens?: readonly number[];
  readonly chunk?: number;
  /** Number of tokens that are prefilled; the others are decoded one by one. Default: all. */
  readonly prefill?: number;
  readonly logits?: "all" | "last" | "none";
  /** First position for which `all` returns logits. */
  readonly from?: number;
  readonly checks?: boolean;
  readonly kv?: CacheFormat | "f32";
}
export interface MaterializeRequest extends CommonOptions {
  readonly model: ModelRef;
  readonly out: string;
}
export interface ExplainRequest extends CommonOptions {
  readonly model: ModelRef;
  /** Length of the sequence that the plan must hold. */
  readonly context?: number;
}
export interface TrainRequest extends CommonOptions {
  readonly model: ModelRef;
  readonly seed: number;
  readonly data: {
    readonly kind: "examples" | "stream";
    readonly train: string;
    readonly validation: string;
    readonly length: number;
  };
  readonly steps: number;
  readonly batch: number;
  /**
   * Default: float32. Requests omit the default, so that stored requests from before this choice stay
   * identical.
   */
  readonly precision?: Precision;
  readonly optimizer?: {
    readonly learningRate?: number;
    readonly minLearningRate?: number;
    readonly warmupSteps?: number;
    readonly beta1?: number;
    readonly beta2?: number;
    readonly epsilon?: number;
    readonly weightDecay?: number;
    readonly clip?: number;
  };
  readonly evalBatches?: number;
  readonly reportEvery?: number;
  /** `pooled`: every position is predicted from the state at the last one. */
  readonly head?: "tokens" | "pooled";
  /** Beyond this width, learning rates of matrices shrink (muP). */
  readonly baseWidth?: number;
  readonly objective?: {
    readonly kind: "cross-entropy" | "top-k" | "decoupled-top-k";
    readonly k?: number;
    readonly temperature?: number;
    /** Share of the distillation loss; the other part is cross-entropy. */
    readonly mix?: number;
  };
  /** A GGUF with the student's vocabulary, or an EFL1 file of dumped log-probabilities. */
  readonly teacher?: { readonly path: string } | { readonly logits: string };
  readonly stop?: {
    readonly every?: number;
    readonly accuracy?: number | undefined;
    readonly patience?: number | undefined;
    readonly improvement?: number;
    readonly hopelessStep?: number | undefined;
    readonly hopelessLoss?: number | undefined;
  };
  readonly checkpoint?: {
    readonly path: string;
    readonly every?: number;
    /** The run ends as `paused` after this many steps. A repeated request continues it there. */
    readonly pauseAt?: number;
  };
  /** File for the trained weights, as a GGUF. */
  readonly out?: string;
}

/** One piece of a data file, for an agent that can receive files in no other way. */
export interface PutRequest {
  readonly name: string;
  readonly sha256: string;
  /** Size of the whole file. */
  readonly bytes: number;
  readonly offset: number;
  /** Base64. Empty: only asks how much of the file is present. */
  readonly data: string;
}

/** Fields of every request to an agent of another engine. */
export interface EngineFields {
  /** The folder of the engine's libraries on the device. */
  readonly library: string;
  /** A folder on the device for the file of a plan. Default: below the agent's working folder. */
  readonly scratch?: string;
}

/** The request of each job. */
export interface JobRequests {
  readonly probe: CommonOptions;
  readonly status: Record<string, never>;
  readonly measure: MeasureRequest;
  readonly verify: VerifyRequest;
  readonly materialize: MaterializeRequest;
  readonly explain: ExplainRequest;
  readonly train: TrainRequest;
  readonly put: PutRequest;
}
