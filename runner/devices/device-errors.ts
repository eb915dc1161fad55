// Every way an agent, its build or its device can fail: classes with a stable code, the cause, and a next
// step in the message. `blame` says whether the candidate, the device or something else is at fault.
import type { AgentErrorCode } from "../../profilers/protocol.ts";

/** The party at fault: the request, the candidate under test, the device, or the machine that builds. */
export type Blame = "request" | "candidate" | "device" | "build" | "nobody";

export abstract class RunnerError extends Error {
  abstract readonly code: string;
  abstract readonly blame: Blame;
  constructor(
    message: string,
    /** The next step for the user; empty if only a retry helps. */
    readonly nextStep = "",
    options?: ErrorOptions,
  ) {
    super(nextStep ? `${message}. ${nextStep}` : message, options);
    this.name = new.target.name;
  }
}

// ---- build ---------------------------------------------------------------------------------------------------------------

export class CompilerMissingError extends RunnerError {
  readonly code = "compiler-missing";
  readonly blame = "build";
}
export class CompileError extends RunnerError {
  readonly code = "compile-failed";
  readonly blame = "build";
}

// ---- transport -----------------------------------------------------------------------------------------------------------

export class UnreachableError extends RunnerError {
  readonly code = "unreachable";
  readonly blame = "device";
}
export class AuthenticationError extends RunnerError {
  readonly code = "auth-failed";
  readonly blame = "device";
}
/** Never retried: another machine may be answering. */
export class HostKeyChangedError extends RunnerError {
  readonly code = "host-key-changed";
  readonly blame = "device";
}
export class IdentityFileError extends RunnerError {
  readonly code = "identity-file";
  readonly blame = "request";
}
export class UploadError extends RunnerError {
  readonly code = "upload-failed";
  readonly blame = "device";
}
/** The server allows no more channels on this connection. */
export class NoSessionError extends RunnerError {
  readonly code = "no-session";
  readonly blame = "device";
}
/**
 * The program could not be started on the device: noexec, wrong architecture, missing emulator, a refused
 * system call.
 */
export class AgentStartError extends RunnerError {
  readonly code = "agent-start";
  readonly blame = "device";
}
/** The connection or the serving process ended; its jobs are lost, not failed. */
export class TransportLostError extends RunnerError {
  readonly code = "transport-lost";
  readonly blame = "device";
}
/** The serving process ended while the connection was alive: it was killed, or crashed by its job. */
export class AgentDiedError extends TransportLostError {}

// ---- session -------------------------------------------------------------------------------------------------------------

/** The device broke the protocol; the session is closed and the job's results are discarded. */
export class ProtocolError extends RunnerError {
  readonly code = "protocol";
  readonly blame = "device";
}
/** The coordinator's own deadline passed before any answer. */
export class JobTimeoutError extends RunnerError {
  readonly code = "job-timeout";
  readonly blame = "nobody";
}
export class JobCancelledError extends RunnerError {
  readonly code = "job-cancelled";
  readonly blame = "nobody";
}

const BLAME: Record<AgentErrorCode, Blame> = {
  "bad-request": "request",
  "bad-model": "candidate",
  "bad-checkpoint": "device",
  unsupported: "candidate",
  unavailable: "device",
  "out-of-memory": "candidate",
  crashed: "candidate",
  timeout: "candidate",
  cancelled: "nobody",
  io: "device",
  diverged: "candidate",
  internal: "device",
};

/** A job ended with an error that the agent itself reported. */
export class AgentError extends RunnerError {
  readonly blame: Blame;
  constructor(
    readonly code: AgentErrorCode,
    message: string,
    /** Set for `crashed`, e.g. SIGSEGV. */
    readonly signal?: string,
  ) {
    super(message);
    this.blame = BLAME[code];
  }
}
