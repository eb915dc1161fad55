// The requests of the agent protocol, version 1: what the coordinator asks of an agent. It is our own word, so that shapes are enough; answers
// are checked (protocol.ts). Contract: kernels/README.md.

/** Of the operands of linear layers in training; everything else is float32 in both. */
export const PRECISIONS = ["float32", "bfloat16"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** A model in a request: the plan itself (base64 GGUF, weights from its seed) or a file on the device. */
export type ModelRef = { readonly plan: string } | { readonly path: string };

interface CommonOptions {
  /** 0 = one per core the process may use. */
  readonly threads?: number;
  readonly isa?: string;
  /** CPUs the job may use. Where the system withholds some it runs on the others, and the affinity of its answer says so. */
  readonly cpus?: readonly number[];
}
export interface MeasureRequest extends CommonOptions {
  readonly model: ModelRef;
  readonly contexts?: readonly number[];
  readonly decodeTokens?: number;
  readonly repetitions?: number;
  readonly warmup?: { readonly max: number; readonly tolerance: number };
  readonly chunk?: number;
  readonly kv?: "f16" | "q8_0";
  /** Sequences decoded together. */
  readonly batch?: number;
  /** Also time each kind of operator; costs a little speed. */
  readonly profile?: boolean;
}
export interface VerifyRequest extends CommonOptions {
  readonly model: ModelRef;
  readonly tokens: readonly number[];
  readonly chunk?: number;
  /** How many of the tokens are prefilled; the rest are decoded one by one. Default: all. */
  readonly prefill?: number;
  readonly logits?: "all" | "last" | "none";
  /** First position whose logits `all` answers with. */
  readonly from?: number;
  readonly checks?: boolean;
  readonly kv?: "f16" | "q8_0" | "f32";
}
export interface MaterializeRequest extends CommonOptions {
  readonly model: ModelRef;
  readonly out: string;
}
export interface ExplainRequest extends CommonOptions {
  readonly model: ModelRef;
  /** Length of the sequence the plan must hold. */
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
  /** Default: float32, which requests leave out, so that what was stored of them before there was a choice stays what it was. */
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
  /** `pooled`: every position is read out of the last one's state. */
  readonly head?: "tokens" | "pooled";
  /** Widths beyond this shrink the learning rates of matrices (muP). */
  readonly baseWidth?: number;
  readonly objective?: {
    readonly kind: "cross-entropy" | "top-k" | "decoupled-top-k";
    readonly k?: number;
    readonly temperature?: number;
    /** Share of the distilling part; the rest is cross-entropy. */
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
    /** The run ends `paused` after so many of its steps, and goes on from there when asked again. */
    readonly pauseAt?: number;
  };
  /** Where to write the trained weights, as a GGUF. */
  readonly out?: string;
}

/** One piece of a data file, for an agent that can be given files in no other way. */
export interface PutRequest {
  readonly name: string;
  readonly sha256: string;
  /** Of the whole file. */
  readonly bytes: number;
  readonly offset: number;
  /** Base64. Empty: only says what is there. */
  readonly data: string;
}

/** What each job takes. */
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
