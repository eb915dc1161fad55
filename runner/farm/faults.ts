// Whose fault it was, and what follows: every way a job can end without a result is routed to a cause, and each cause has its policy in
// one table. Device faults never count against a candidate. What the policies ask for is done by evaluate.ts and fleet.ts.

import { RunError } from "../base/run-errors.ts";
import { withoutPathsIn } from "../config/without-paths.ts";
import { AgentDiedError, AgentError, JobCancelledError, RunnerError } from "../devices/device-errors.ts";
import type { DeviceFault } from "../store/health-table.ts";

export interface Policy {
  /** What becomes of the job: run again, ends the trial, or ends the sweep. */
  readonly job: "retry" | "failed" | "infeasible";
  /** `failed` and `infeasible` are believed when they came this often in one trial; until then the job runs again. */
  readonly believedAfter: number;
  /** What becomes of the device. `fault` counts towards its quarantine, `quarantine` needs a person. */
  readonly device: "innocent" | "fault" | "cool" | "quarantine";
  /** Pauses before the device is tried again, one a failure in a row; the last one repeats. */
  readonly pausesMs: readonly number[];
}

const SECOND = 1000;
const innocent = { device: "innocent", pausesMs: [0] } as const;
const backoff = [1, 2, 4, 8, 15, 30, 60].map((s) => s * SECOND);

export const policies = {
  /** Reset, silence, no route: the link's fault. */
  transport: { job: "retry", believedAfter: 1, device: "fault", pausesMs: backoff },
  /** The device broke the protocol, its disk, its agent or its own promises. */
  device: { job: "retry", believedAfter: 1, device: "fault", pausesMs: backoff },
  /** The agent went away under a living connection: the device's fault, until one candidate did it again and again. */
  "agent-died": { job: "retry", believedAfter: 3, device: "fault", pausesMs: backoff },
  /** Two tries, then not before 30 s: servers lock out who insists. */
  authentication: {
    job: "retry",
    believedAfter: 1,
    device: "fault",
    pausesMs: [1, 30, 60, 300].map((s) => s * SECOND),
  },
  /** Somebody else may be answering: never tried again by itself. */
  "host-key": { job: "retry", believedAfter: 1, device: "quarantine", pausesMs: [0] },
  /** Voided by heat or by a move to small cores: cool down; deferred after the third. */
  throttled: {
    job: "retry",
    believedAfter: 3,
    device: "cool",
    pausesMs: [30, 60, 120].map((s) => s * SECOND),
  },
  "out-of-memory": { job: "infeasible", believedAfter: 1, ...innocent },
  /** A refusal of the layout: deterministic, believed at once. */
  candidate: { job: "failed", believedAfter: 1, ...innocent },
  /** A signal in the job's own process: reproduced once. */
  crash: { job: "failed", believedAfter: 2, ...innocent },
  "wrong-output": { job: "failed", believedAfter: 2, ...innocent },
  timeout: { job: "failed", believedAfter: 2, ...innocent },
  /** Another coordinator was granted the device. */
  lease: { job: "retry", believedAfter: 1, ...innocent },
} as const satisfies Record<string, Policy>;
export type Cause = keyof typeof policies;

/** Every error code that a job or a connection can end with. What is not here stops the sweep (a bug, Ctrl-C, a missing compiler). */
const causes: Readonly<Record<string, Cause>> = {
  "transport-lost": "transport",
  unreachable: "transport",
  "upload-failed": "device",
  "agent-start": "device",
  protocol: "device",
  "job-timeout": "device",
  io: "device",
  internal: "device",
  unavailable: "device",
  contradiction: "device",
  "wrong-output": "device",
  "auth-failed": "authentication",
  "host-key-changed": "host-key",
  throttled: "throttled",
  "out-of-memory": "out-of-memory",
  "bad-model": "candidate",
  "bad-checkpoint": "device",
  unsupported: "candidate",
  diverged: "candidate",
  crashed: "crash",
  "invalid-measurement": "wrong-output",
  timeout: "timeout",
  "lease-lost": "lease",
};

export interface Fault extends DeviceFault {
  readonly route: Cause;
}

/** A measurement that came back but cannot be right. */
export class InvalidMeasurementError extends RunnerError {
  readonly code = "invalid-measurement";
  readonly blame = "candidate";
}

/** What the device says cannot be right whatever layout it runs: its probes are wrong, or it tells too little. */
export class DeviceContradictionError extends RunnerError {
  readonly code = "contradiction";
  readonly blame = "device";
}

/** The device changed: it is hot, slower than before, or short of memory. It cools down, and the job runs again later. */
export class ThrottledError extends RunnerError {
  readonly code = "throttled";
  readonly blame = "device";
}

/** The error for a quarantined device. `then`: the command after repairing and restoring the device. */
export const quarantineError = (name: string, reason: string | null, then: string): RunError =>
  new RunError(
    "device-quarantined",
    `device ${name} is quarantined: ${reason}. When it is repaired: edgefront device restore ${name}, then ${then}`,
  );

const MAX_REASON = 500;

/** Routes an error of a job on `device`. Null: not the job's affair; the sweep stops with it. */
export function routeFault(error: unknown, device: string): Fault | null {
  if (!(error instanceof RunnerError) || error instanceof JobCancelledError) return null;
  const route = error instanceof AgentDiedError ? "agent-died" : causes[error.code];
  if (route === undefined || (error instanceof AgentError && error.code === "cancelled")) return null;
  const message = withoutPathsIn(error.message.split("\n")[0]!);
  const reason = `${message} (on ${device})`.slice(0, MAX_REASON);
  return { route, cause: error.code, reason };
}
