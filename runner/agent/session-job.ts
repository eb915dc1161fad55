// One job of a session: what its answers must look like, how much of them is taken, and what its silences mean. Sending it, its time limit
// and the end of the session are session.ts's.
import { issueText } from "../../candidates/issues.ts";
import { type AgentLine, JOBS, type JobProgress, type JobType } from "../../profilers/protocol.ts";
import {
  AgentError,
  JobCancelledError,
  JobTimeoutError,
  type RunnerError,
} from "../devices/device-errors.ts";

export interface RequestOptions<T extends JobType> {
  readonly onProgress?: (progress: JobProgress<T>) => void;
  /** The agent ends the job at this age; if it does not, the session ends a little later. */
  readonly timeoutMs?: number;
  /** Cancels the job, whether it waits or runs. */
  readonly signal?: AbortSignal;
}
/** Bytes of answers one job may send in all. */
const MAX_JOB_BYTES = 256 * 1024 * 1024;
/** A job that waits for its device is given up after so many heartbeats: a week of them. */
const MAX_WAITING_BEATS = (7 * 24 * 3600) / 5;

interface JobHooks {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((progress: unknown) => void) | undefined;
  /** Begins the time limit anew. */
  readonly restartLimit: () => void;
  /** Asks the agent to cancel the job. */
  readonly cancel: () => void;
}

type JobAnswer = Extract<AgentLine, { type: "progress" | "result" | "error" }>;

export class SessionJob {
  cancelled = false;
  /** The last of what came during it and was not the agent's. */
  noise: string | undefined;
  private bytes = 0;
  private idleBeats = 0;
  private waitingBeats = 0;

  constructor(
    readonly id: string,
    private readonly type: JobType,
    private readonly hooks: JobHooks,
  ) {}

  reject(error: Error): void {
    this.hooks.reject(error);
  }

  /**
   * An agent that prints beside its answers may spoil one. The answer is missed when the agent says, twice, that it does nothing any more.
   * Returns what is wrong, if anything.
   */
  missed(doing: string | null): string | undefined {
    if (this.noise === undefined) return undefined;
    this.idleBeats = doing === null ? this.idleBeats + 1 : 0;
    return this.idleBeats >= 2 ? `not JSON: ${this.noise}` : undefined;
  }

  /**
   * The job waits for its device: the wait is no part of its time limit. `onBusy` hears of it once; what it throws cancels the job. Returns
   * the error that ends the session, if any.
   */
  waits(onBusy: () => void): RunnerError | undefined {
    if (this.cancelled) return undefined;
    this.hooks.restartLimit();
    try {
      if (this.waitingBeats++ === 0) onBusy();
      return this.waitingBeats > MAX_WAITING_BEATS
        ? new JobTimeoutError(`${this.type} waited for a week`)
        : undefined;
    } catch (error) {
      this.cancelled = true;
      this.hooks.cancel();
      this.reject(error as Error);
      return undefined;
    }
  }

  /** Takes an answer of the agent; returns what is wrong with it, if anything. */
  take(message: JobAnswer, bytes: number): string | undefined {
    this.bytes += bytes;
    if (this.bytes > MAX_JOB_BYTES) return "one job sent too much";
    if (message.type === "error") {
      const { code, message: text, signal } = message.error;
      const cancelled = this.cancelled && code === "cancelled";
      this.reject(
        cancelled ? new JobCancelledError(`${this.type} was cancelled`) : new AgentError(code, text, signal),
      );
      return undefined;
    }
    const body = message.type === "progress" ? message.progress : message.result;
    const checked = JOBS[this.type][message.type].safeParse(body);
    if (!checked.success)
      return `the ${message.type} of ${this.type} is not valid: ${issueText(checked.error)}`;
    if (message.type === "progress") this.hooks.onProgress?.(checked.data);
    else this.hooks.resolve(checked.data);
    return undefined;
  }
}
