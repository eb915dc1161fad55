// Whose fault it was: the routing of every way a job can end without a result. Device faults never count against a candidate.
import {
  AgentError,
  AuthenticationError,
  HostKeyChangedError,
  JobCancelledError,
  RunnerError,
} from "../agent/errors.ts";

export type Fault =
  /** The candidate cannot run within this device's limits: kept, shown, never on the front. */
  | { readonly kind: "infeasible"; readonly cause: string; readonly reason: string }
  /** The candidate itself fails. `confirm`: believed only when it has happened twice. */
  | { readonly kind: "failed"; readonly cause: string; readonly reason: string; readonly confirm: boolean }
  /** The infrastructure's fault: the job runs again. */
  | { readonly kind: "lost"; readonly cause: string; readonly reason: string };

/** A measurement that came back but cannot be right. */
export class InvalidMeasurementError extends RunnerError {
  readonly code = "invalid-measurement";
  readonly blame = "candidate";
}

/** Causes that may be chance (a stray signal, a busy machine): the candidate is blamed only when they come twice. */
const doubtful: ReadonlySet<string> = new Set(["crashed", "timeout", "invalid-measurement"]);

const MAX_REASON = 500;

/**
 * Routes an error of a job on `device`. Null: not the job's affair; the sweep stops with it (a bug, Ctrl-C, a changed host
 * key, a refused login, a missing compiler: trying again would not help).
 */
export function routeFault(error: unknown, device: string): Fault | null {
  if (!(error instanceof RunnerError) || error instanceof JobCancelledError) return null;
  if (error instanceof HostKeyChangedError || error instanceof AuthenticationError) return null;
  const { code: cause, blame } = error;
  const reason = `${error.message.split("\n")[0]} (on ${device})`.slice(0, MAX_REASON);
  if (error instanceof AgentError && cause === "out-of-memory") return { kind: "infeasible", cause, reason };
  if (error instanceof AgentError && cause === "cancelled") return null;
  if (blame === "candidate") return { kind: "failed", cause, reason, confirm: doubtful.has(cause) };
  if (blame === "device" || blame === "nobody") return { kind: "lost", cause, reason };
  return null;
}
