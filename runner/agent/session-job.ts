// One job of a session: checks its answers, limits their size, and interprets silence. Sending the job, its
// time limit and the end of the session are left to session.ts.
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
  /** The agent ends the job after this time. If it does not, the session ends a little later. */
  readonly timeoutMs?: number;
  /** Cancels the job, waiting or running. */
  readonly signal?: AbortSignal;
}
/** The most bytes of answers that one job may send. */
const MAX_JOB_BYTES = 256 * 1024 * 1024;
/** The most heartbeats while a job waits for its device: a week of them. */
const MAX_WAITING_BEATS = (7 * 24 * 3600) / 5;

interface JobHooks {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((progress: unknown) => void) | undefined;
  /** Restarts the time limit. */
  readonly restartLimit: () => void;
  /** Asks the agent to cancel the job. */
  readonly cancel: () => void;
}

type JobAnswer = Extract<AgentLine, { type: "progress" | "result" | "error" }>;

export class SessionJob {
  cancelled = false;
  /** The last line during the job that was not the agent's. */
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
   * Detects a lost answer: text printed beside an answer may have spoilt it. The answer counts as lost when
   * the agent reports twice that it is idle. Returns the problem, if any.
   */
  missed(doing: string | null): string | undefined {
    if (this.noise === undefined) return undefined;
    this.idleBeats = doing === null ? this.idleBeats + 1 : 0;
    return this.idleBeats >= 2 ? `not JSON: ${this.noise}` : undefined;
  }

  /**
   * Handles a job that waits for its device; the time limit excludes the wait. `onBusy` is called once, and
   * an error that it throws cancels the job. Returns the error that ends the session, if any.
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

  /** Takes an answer of the agent. Returns the problem with it, if any. */
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
