// What a runtime is: an engine that times layouts on a device. One file each implements it, listed in runtime-registry.ts. How a machine is
// reached is runner/devices/, turns and repetitions are runner/farm/.
import type { Layout } from "../../candidates/layout.ts";
import type { Quantization } from "../../candidates/quantization.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import type { Hello, JobType } from "../../profilers/protocol.ts";
import type { ModelRef } from "../../profilers/requests.ts";
import type { BuildProgress } from "../agent/build.ts";
import type { AgentSession } from "../agent/session.ts";
import { RunnerError } from "../devices/device-errors.ts";
import type { DeviceRecord } from "../devices/device-record.ts";
import type { AgentBinary } from "../devices/transport.ts";

/** The device computes something else than its reference: nothing that it measures counts. */
export class WrongOutputError extends RunnerError {
  readonly code = "wrong-output";
  readonly blame = "device";
}

/** The runtime cannot run a layout, not even a padded one. */
class NotExpressibleError extends RunnerError {
  readonly code = "unsupported";
  readonly blame = "candidate";
}

/** Whether a runtime can run a layout; known before anything is measured. */
export type Expressibility =
  | { readonly kind: "exact" }
  /** It runs the layout `as` instead, which computes the same at a higher cost: costs and gates are those of `as`. */
  | { readonly kind: "padded"; readonly as: Layout; readonly why: string }
  | { readonly kind: "none"; readonly why: string };

/** The layout that is run for `layout`: itself, or a padded one. @throws NotExpressibleError (`unsupported`). */
export function runnableAs(runtime: Pick<Runtime, "express">, layout: Layout): Layout {
  const expression = runtime.express(layout);
  if (expression.kind === "none") throw new NotExpressibleError(expression.why);
  return expression.kind === "padded" ? expression.as : layout;
}

/** What an agent is started with on one device, and told while it is made. */
export interface AgentOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BuildProgress) => void;
}

/** A session as it began. */
interface Greeted {
  readonly hello: Hello;
  readonly probe: ProbeResult;
  /** SHA-256 of the program that was started. */
  readonly programSha256: string;
}

/** The engine that answers in a session. */
export interface Engine {
  readonly version: string;
  /** SHA-256 of all that computes: results of two hashes are never mixed without a word. */
  readonly sha256: string;
  /** The part of it that computes, for people: cpu, cuda. */
  readonly backend: string;
}

/** How a correctness check runs: like the measurements that it admits. */
export interface VerifyContext {
  readonly session: AgentSession;
  readonly placement: { readonly threads: number; readonly cpus?: readonly number[] };
  readonly isa: string;
  readonly signal: AbortSignal;
}

export interface Runtime {
  /** The jobs of the protocol that its agent does. One that trains is shared by measurements and the native trainer. */
  readonly jobs: ReadonlySet<JobType>;
  /** The kinds of metric that a measurement gives, as named in profilers/. */
  readonly metrics: readonly string[];
  /** Finds or builds the program that speaks the protocol on a device. @throws CompilerMissingError, CompileError. */
  agent(device: DeviceRecord, options?: AgentOptions): Promise<AgentBinary>;
  /** Says which engine answers in a session. */
  engine(greeted: Greeted): Engine;
  /** Says whether it can run a layout exactly, padded, or not at all. */
  express(layout: Layout): Expressibility;
  /** Lowers a layout, which must be exactly expressible, to a model that its agent takes; weights come from the seed. */
  lower(layout: Layout, how: { readonly quantization: Quantization; readonly seed: number }): ModelRef;
  /** Checks its arithmetic before any speed counts. @throws WrongOutputError; errors of the session pass through. */
  verify(context: VerifyContext): Promise<void>;
}
