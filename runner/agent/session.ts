// A conversation with one agent: the handshake, jobs one at a time, deadlines, and the watch over its heartbeat. Every line passes the
// protocol's schema; a device that breaks it loses its session. What to do about an error is the caller's policy.
import { issueText } from "../../candidates/issues.ts";
import {
  type AgentLine,
  agentLineSchema,
  type Hello,
  JOBS,
  type JobProgress,
  type JobResult,
  type JobType,
  MAX_REQUEST_BYTES,
  PROTOCOL_VERSION,
  sanitise,
} from "../../profilers/protocol.ts";
import type { JobRequests } from "../../profilers/requests.ts";
import {
  type AgentBinary,
  type AgentChannel,
  type ChannelEnd,
  remoteName,
  type Transport,
  type UploadOptions,
} from "../devices/transport.ts";
import {
  AgentDiedError,
  AgentError,
  AgentStartError,
  JobCancelledError,
  JobTimeoutError,
  ProtocolError,
  type RunnerError,
  TransportLostError,
} from "./errors.ts";
import { putFile } from "./put-file.ts";

export interface RequestOptions<T extends JobType> {
  readonly onProgress?: (progress: JobProgress<T>) => void;
  /** The agent ends the job at this age; if it does not, the session ends a little later. */
  readonly timeoutMs?: number;
  /** Cancels the job, whether it waits or runs. */
  readonly signal?: AbortSignal;
}
export interface SessionOptions {
  readonly helloTimeoutMs?: number;
  /** Silence after which the agent counts as hung; its heart beats every 5 s. */
  readonly silenceMs?: number;
}

/** Bytes of answers one job may send in all. */
const MAX_JOB_BYTES = 256 * 1024 * 1024;
/** How much longer than its own timeout the agent is given to say so. */
const GRACE_MS = 10_000;
const MAX_DEPTH = 32;

interface Job {
  readonly id: string;
  readonly type: JobType;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((progress: unknown) => void) | undefined;
  bytes: number;
  cancelled: boolean;
}

export class AgentSession {
  readonly hello: Promise<Hello>;
  #channel: AgentChannel | undefined;
  #job: Job | undefined;
  #failure: RunnerError | undefined;
  #greet!: (hello: Hello) => void;
  #refuse!: (error: Error) => void;
  #greeted = false;
  #jobs = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #silentTicks = 0;
  #watch: NodeJS.Timeout | undefined;

  private constructor(private readonly transport: Transport) {
    this.hello = new Promise((resolve, reject) => {
      this.#greet = resolve;
      this.#refuse = reject;
    });
    this.hello.catch(() => {}); // also reported by start()
  }

  /**
   * Starts the uploaded agent and waits for its greeting.
   * @throws AgentStartError, ProtocolError, TransportLostError; the transport is left to the caller then.
   */
  static async start(
    transport: Transport,
    binary: AgentBinary,
    options: SessionOptions = {},
  ): Promise<AgentSession> {
    const session = new AgentSession(transport);
    session.#channel = await transport.serve(binary, {
      onLine: (line) => session.#onLine(line),
      onEnd: (end) => session.#onEnd(end),
    });
    const timer = setTimeout(
      () =>
        session.#fail(
          new AgentStartError(
            "the agent started but said nothing",
            "Run it there by hand: edgefront-agent serve",
          ),
        ),
      options.helloTimeoutMs ?? 20_000,
    );
    try {
      await session.hello;
    } finally {
      clearTimeout(timer);
    }
    session.#startWatch(options.silenceMs ?? 30_000);
    return session;
  }

  /** Why no more jobs are taken; undefined while the session is usable. */
  get failure(): RunnerError | undefined {
    return this.#failure;
  }

  /**
   * Runs one job; waits for the ones before it.
   * @throws AgentError (the job's own failure), JobCancelledError; JobTimeoutError, ProtocolError and TransportLostError end the session.
   */
  request<T extends JobType>(
    type: T,
    body: JobRequests[T],
    options: RequestOptions<T> = {},
  ): Promise<JobResult<T>> {
    const run = () => this.#run(type, body, options);
    const result = this.#tail.then(run, run);
    this.#tail = result.catch(() => {});
    return result;
  }

  async #run<T extends JobType>(
    type: T,
    body: JobRequests[T],
    options: RequestOptions<T>,
  ): Promise<JobResult<T>> {
    if (options.signal?.aborted) throw new JobCancelledError(`${type} was cancelled before it began`);
    if (this.#failure) throw this.#failure;
    const id = `j${++this.#jobs}`;
    const { timeoutMs, signal } = options;
    const line = JSON.stringify({
      ...body,
      ...(timeoutMs ? { timeoutMs } : {}),
      v: PROTOCOL_VERSION,
      id,
      type,
    });
    if (Buffer.byteLength(line) > MAX_REQUEST_BYTES)
      throw new AgentError("bad-request", "the request is longer than 64 MiB");
    const timers: NodeJS.Timeout[] = [];
    const cancel = () => {
      this.#job!.cancelled = true;
      this.#channel?.send(JSON.stringify({ v: PROTOCOL_VERSION, id, type: "cancel" }));
      timers.push(
        setTimeout(() => this.#fail(new TransportLostError("the agent did not cancel its job")), GRACE_MS),
      );
    };
    try {
      return await new Promise<JobResult<T>>((resolve, reject) => {
        this.#job = {
          id,
          type,
          resolve: resolve as (result: unknown) => void,
          reject,
          onProgress: options.onProgress as ((progress: unknown) => void) | undefined,
          bytes: 0,
          cancelled: false,
        };
        if (timeoutMs) {
          timers.push(
            setTimeout(
              () => this.#fail(new JobTimeoutError(`${type} did not end within ${timeoutMs} ms`)),
              timeoutMs + GRACE_MS,
            ),
          );
        }
        signal?.addEventListener("abort", cancel, { once: true });
        this.#channel!.send(line);
      });
    } finally {
      this.#job = undefined;
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
    }
  }

  #onLine(line: string): void {
    if (this.#failure) return;
    this.#silentTicks = 0;
    const read = readLine(line);
    const wrong = "broken" in read ? read.broken : this.#take(read, line.length);
    if (wrong)
      this.#fail(new ProtocolError(`the agent broke the protocol: ${sanitise(wrong).slice(0, 300)}`));
  }

  /** Acts on a line of the protocol; returns what is wrong with it, if anything. */
  #take(message: AgentLine, bytes: number): string | undefined {
    if (message.type === "hello") {
      if (this.#greeted) return "a second greeting";
      this.#greeted = true;
      this.#greet(message);
      return undefined;
    }
    if (!this.#greeted) return "it spoke before its greeting";
    const job = this.#job;
    // Answers to a job that is over are late, or made up. Only a refusal may come without an id.
    if (message.type === "heartbeat" || !job || (message.id !== job.id && message.id !== null))
      return undefined;
    job.bytes += bytes;
    if (job.bytes > MAX_JOB_BYTES) return "one job sent too much";
    if (message.type === "error") {
      const { code, message: text, signal } = message.error;
      const cancelled = job.cancelled && code === "cancelled";
      job.reject(
        cancelled ? new JobCancelledError(`${job.type} was cancelled`) : new AgentError(code, text, signal),
      );
      return undefined;
    }
    const body = message.type === "progress" ? message.progress : message.result;
    const checked = JOBS[job.type][message.type].safeParse(body);
    if (!checked.success) {
      return `the ${message.type} of ${job.type} is not valid: ${issueText(checked.error)}`;
    }
    if (message.type === "progress") job.onProgress?.(checked.data);
    else job.resolve(checked.data);
    return undefined;
  }

  #onEnd(end: ChannelEnd): void {
    this.#fail(explainEnd(end, this.#greeted));
  }

  #fail(error: RunnerError): void {
    if (this.#failure) return;
    this.#failure = error;
    clearInterval(this.#watch);
    this.#refuse(error);
    this.#job?.reject(error);
    this.#channel?.kill();
  }

  /** Counts silent ticks, not time: a coordinator that was stopped for an hour has one late tick, not a hung agent. */
  #startWatch(silenceMs: number): void {
    const ticks = 6;
    this.#watch = setInterval(() => {
      if (++this.#silentTicks > ticks)
        this.#fail(new TransportLostError(`the agent was silent for ${silenceMs} ms`));
    }, silenceMs / ticks);
    this.#watch.unref();
  }

  /** Puts a file on the device, by its hash; the path by which jobs may name it. @throws UploadError, AgentError, TransportLostError. */
  upload(localPath: string, name: string, sha256: string, options: UploadOptions = {}): Promise<string> {
    const remote = remoteName(name);
    if (!this.transport.confined) return this.transport.upload(localPath, remote, sha256, options);
    return putFile(
      (piece, signal) => this.request("put", piece, signal ? { signal } : {}),
      localPath,
      remote,
      sha256,
      options,
    );
  }

  /** Ends the agent and the transport. Safe to call twice. */
  async close(): Promise<void> {
    this.#failure ??= new TransportLostError("the session was closed");
    clearInterval(this.#watch);
    this.#job?.reject(this.#failure);
    await this.#channel?.close();
    await this.transport.close();
  }
}

function readLine(line: string): AgentLine | { readonly broken: string } {
  if (depthOf(line) > MAX_DEPTH) return { broken: "nested too deeply" };
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { broken: `not JSON: ${line.slice(0, 80)}` };
  }
  const parsed = agentLineSchema.safeParse(value);
  return parsed.success ? parsed.data : { broken: issueText(parsed.error) };
}

function explainEnd(end: ChannelEnd, greeted: boolean): RunnerError {
  if (end.kind === "flooded") return new ProtocolError(`the agent broke the protocol: ${end.reason}`);
  if (end.kind === "lost") return new TransportLostError(end.reason, "", { cause: end.cause });
  if (!greeted) return explainStart(end);
  const said = end.stderr ? `: ${end.stderr}` : "";
  return new AgentDiedError(`the agent ended (${end.signal ?? `status ${end.code}`})${said}`);
}

/** An agent that ended before it greeted: the shell's and the kernel's ways of saying that it cannot run there. */
function explainStart(end: Extract<ChannelEnd, { kind: "exited" }>): AgentStartError {
  const said = end.stderr ? `: ${end.stderr}` : "";
  // sshd names only the signals of its protocol's list, on which SIGSYS is not.
  const unnamed = end.signal?.endsWith("@openssh.com") === true;
  if (end.signal === "SIGSYS" || end.code === 159 || unnamed) {
    return new AgentStartError(
      `the system there refuses a call the agent's C library makes (SIGSYS${unnamed ? ", or another signal that sshd does not name" : ""})`,
      "On Android use a musl build: install zig (`pip install ziglang`) on this machine and try again",
    );
  }
  // A shell that meets another architecture's binary tries to read it as a script.
  const misread = /syntax error/i.test(end.stderr);
  if (misread || /exec format error|cannot execute binary/i.test(end.stderr) || end.code === 126) {
    return new AgentStartError(
      `the device cannot execute the agent${misread ? "" : said}`,
      "Check the device's target architecture, and that its home is not mounted noexec",
    );
  }
  if (end.code === 127) {
    return new AgentStartError(
      `the agent or its emulator was not found there${said}`,
      "Add the device again, or install the emulator",
    );
  }
  return new AgentStartError(`the agent ended at once (${end.signal ?? `status ${end.code}`})${said}`);
}

/** Deepest nesting of a JSON text; strings are skipped. Parsing hostile depth would cost far more than this scan. */
function depthOf(line: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < line.length; i++) {
    const c = line.charCodeAt(i);
    if (c === 0x22) {
      for (i++; i < line.length && line.charCodeAt(i) !== 0x22; i++) if (line.charCodeAt(i) === 0x5c) i++;
    } else if (c === 0x5b || c === 0x7b) {
      if (++depth > deepest) deepest = depth;
      if (deepest > MAX_DEPTH) return deepest;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return deepest;
}
