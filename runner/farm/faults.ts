// Routes every way in which a job can end without a result to a cause. One table holds the policy of each
// cause. Device faults never count against a candidate. Policies are carried out by runner/sweep/ (the job)
// and fleet.ts (the device).

import { RunError } from "../base/run-errors.ts";
import { withoutPathsIn } from "../config/without-paths.ts";
import { AgentDiedError, AgentError, JobCancelledError, RunnerError } from "../devices/device-errors.ts";
import type { DeviceFault } from "../store/health-table.ts";

export interface Policy {
  /** The consequence for the job: it runs again, ends the trial as failed, or makes the layout infeasible. */
  readonly job: "retry" | "failed" | "infeasible";
  /**
   * How often `failed` or `infeasible` must occur in one trial to be believed. Until then the job runs again.
   */
  readonly believedAfter: number;
  /** The consequence for the device. `fault` counts towards its quarantine; `quarantine` needs a person. */
  readonly device: "innocent" | "fault" | "cool" | "quarantine";
  /** Pauses before the device is tried again, one for each consecutive failure. The last one repeats. */
  readonly pausesMs: readonly number[];
}

const SECOND = 1000;
const innocent = { device: "innocent", pausesMs: [0] } as const;
const backoff = [1, 2, 4, 8, 15, 30, 60].map((s) => s * SECOND);

export const policies = {
  /** Reset, silence, no route: the link is to blame. */
  transport: { job: "retry", believedAfter: 1, device: "fault", pausesMs: backoff },
  /** The protocol, the disk or the agent of the device failed, or its answers contradict each other. */
  device: { job: "retry", believedAfter: 1, device: "fault", pausesMs: backoff },
  /**
   * The agent died under a living connection. The device is to blame, until one candidate causes it
   * repeatedly.
   */
  "agent-died": { job: "retry", believedAfter: 3, device: "fault", pausesMs: backoff },
  /** Two tries, then a pause of at least 30 s: servers lock out clients that insist. */
  authentication: {
    job: "retry",
    believedAfter: 1,
    device: "fault",
    pausesMs: [1, 30, 60, 300].map((s) => s * SECOND),
  },
  /** Another server may be answering, so the connection is never retried automatically. */
  "host-key": { job: "retry", believedAfter: 1, device: "quarantine", pausesMs: [0] },
  /**
   * The measurement was voided by heat or by a move to small cores. The device cools down; the trial is
   * deferred after the third time.
   */
  throttled: {
    job: "retry",
    believedAfter: 3,
    device: "cool",
    pausesMs: [30, 60, 120].map((s) => s * SECOND),
  },
  "out-of-memory": { job: "infeasible", believedAfter: 1, ...innocent },
  /** The layout is refused. This is deterministic, so it is believed at once. */
  candidate: { job: "failed", believedAfter: 1, ...innocent },
  /** The job's own process died from a signal. The crash must occur twice. */
  crash: { job: "failed", believedAfter: 2, ...innocent },
  "wrong-output": { job: "failed", believedAfter: 2, ...innocent },
  timeout: { job: "failed", believedAfter: 2, ...innocent },
  /** Another coordinator was granted the device. */
  lease: { job: "retry", believedAfter: 1, ...innocent },
} as const satisfies Record<string, Policy>;
export type Cause = keyof typeof policies;

/**
 * Every error code that a job or a connection can end with. Any other code stops the sweep (a bug, Ctrl-C, a
 * missing compiler).
 */
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

/** Thrown when a measurement has impossible values. */
export class InvalidMeasurementError extends RunnerError {
  readonly code = "invalid-measurement";
  readonly blame = "candidate";
}

/**
 * Thrown when the device's statements are impossible for any layout: its probes are wrong, or it reports too
 * little.
 */
export class DeviceContradictionError extends RunnerError {
  readonly code = "contradiction";
  readonly blame = "device";
}

/**
 * Thrown when the device changed: it is hot, slower than before, or short of memory. It cools down, and the
 * job runs again later.
 */
export class ThrottledError extends RunnerError {
  readonly code = "throttled";
  readonly blame = "device";
}

/**
 * Returns the error for a quarantined device. `then`: the command after repairing and restoring the device.
 */
export const quarantineError = (name: string, reason: string | null, then: string): RunError =>
  new RunError(
    "device-quarantined",
    `device ${name} is quarantined: ${reason}. When it is repaired: edgefront device restore ${name}, then ${then}`,
  );

const MAX_REASON = 500;

/**
 * Returns the fault behind an error of a job on `device`; null when the error is no fault of a job and stops
 * the sweep.
 */
export function routeFault(error: unknown, device: string): Fault | null {
  if (!(error instanceof RunnerError) || error instanceof JobCancelledError) return null;
  const route = error instanceof AgentDiedError ? "agent-died" : causes[error.code];
  if (route === undefined || (error instanceof AgentError && error.code === "cancelled")) return null;
  const message = withoutPathsIn(error.message.split("\n")[0]!);
  const reason = `${message} (on ${device})`.slice(0, MAX_REASON);
  return { route, cause: error.code, reason };
}
