// The interface of runtimes: a runtime is an engine that times layouts on a device. Each implementation is
// one file, listed in runtime-registry.ts. Reaching a machine is left to runner/devices/, turns and
// repetitions to runner/farm/.
import type { Layout } from "../../candidates/layout.ts";
import type { Quantization } from "../../candidates/quantization.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import type { Hello, JobType } from "../../profilers/protocol.ts";
import type { CacheFormat, ModelRef } from "../../profilers/requests.ts";
import type { BuildProgress } from "../agent/build.ts";
import type { AgentSession, SessionOptions } from "../agent/session.ts";
import { RunnerError } from "../devices/device-errors.ts";
import type { DeviceRecord } from "../devices/device-record.ts";
import type { AgentBinary } from "../devices/transport.ts";

/** Thrown when the device computes something else than its reference: then none of its measurements count. */
export class WrongOutputError extends RunnerError {
  readonly code = "wrong-output";
  readonly blame = "device";
}

/** Thrown when a runtime computes something else than its reference for one model only. */
export class WrongModelError extends RunnerError {
  readonly code = "wrong-output";
  readonly blame = "candidate";
}

/** Thrown when the runtime cannot run a layout, not even a padded one. */
class NotExpressibleError extends RunnerError {
  readonly code = "unsupported";
  readonly blame = "candidate";
}

/** Whether a runtime can run a layout; known before measuring. */
export type Expressibility =
  | { readonly kind: "exact" }
  /**
   * The runtime runs the layout `as` instead, which computes the same at a higher cost. Costs and gates are
   * those of `as`.
   */
  | { readonly kind: "padded"; readonly as: Layout; readonly why: string }
  | { readonly kind: "none"; readonly why: string };

/**
 * Returns the layout that is run for `layout`: itself, or a padded one.
 * @throws NotExpressibleError (`unsupported`).
 */
export function runnableAs(runtime: Pick<Runtime, "express">, layout: Layout): Layout {
  const expression = runtime.express(layout);
  if (expression.kind === "none") throw new NotExpressibleError(expression.why);
  return expression.kind === "padded" ? expression.as : layout;
}

/** Options for making an agent. */
export interface AgentOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProgress) => void;
}

/** The facts of a session after its greeting. */
interface Greeted {
  readonly hello: Hello;
  readonly probe: ProbeResult;
  /** SHA-256 of the program that was started. */
  readonly programSha256: string;
}

/** The engine that answers in a session. */
export interface Engine {
  readonly version: string;
  /** SHA-256 of everything that computes. Results of two hashes are never mixed silently. */
  readonly sha256: string;
  /** Its computing part in words: cpu, cuda. */
  readonly backend: string;
}

/** Conditions of a correctness check: the same as for the measurements that follow it. */
export interface VerifyContext {
  readonly session: AgentSession;
  readonly placement: { readonly threads: number; readonly cpus?: readonly number[] };
  readonly isa: string;
  readonly signal: AbortSignal;
}

export interface Runtime {
  /**
   * The layout of its calibration runs and of `verify`. Never change it, because stored baselines are of it.
   */
  readonly sentinel: Layout;
  /**
   * The protocol's jobs that its agent supports. An agent that trains is shared by measurements and the
   * native trainer.
   */
  readonly jobs: ReadonlySet<JobType>;
  /** The kinds of metric that a measurement returns, by their names in profilers/. */
  readonly metrics: readonly string[];
  /** Finds or builds the program that speaks the protocol on a device. @throws CompilerMissingError, CompileError. */
  agent(device: DeviceRecord, options?: AgentOptions): Promise<AgentBinary>;
  /**
   * Returns the options that its sessions need.
   * @throws InvalidInputError (`runtime-missing`) where its libraries are not found.
   */
  sessionOptions?(device: DeviceRecord): Pick<SessionOptions, "fields">;
  /** Returns the engine that answers in a session. */
  engine(greeted: Greeted): Engine;
  /** Returns whether it can run a layout exactly, padded, or not at all. */
  express(layout: Layout): Expressibility;
  /**
   * Lowers a layout, which must be exactly expressible, to a model for its agent; weights come from the seed.
   */
  lower(layout: Layout, how: { readonly quantization: Quantization; readonly seed: number }): ModelRef;
  /** Checks its arithmetic before any speed counts. @throws WrongOutputError; errors of the session pass through. */
  verify(context: VerifyContext): Promise<void>;
  /**
   * Checks the arithmetic on one model before its speed counts. Absent where `verify` speaks for every
   * model.
   * @throws WrongModelError; errors of the session pass through.
   */
  verifyModel?(context: VerifyContext, model: ModelRef, kv: CacheFormat): Promise<void>;
}
