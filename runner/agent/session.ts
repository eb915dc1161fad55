// A conversation with one agent: the greeting, one job at a time, deadlines, and the watch over its
// heartbeat. Every line is checked by the protocol's schema; a device that breaks the protocol loses its
// session. The reaction to an error is the caller's policy.
import {
  type AgentLine,
  type Hello,
  type JobResult,
  type JobType,
  MAX_REQUEST_BYTES,
  PROTOCOL_VERSION,
} from "../../profilers/protocol.ts";
import { sanitise } from "../../profilers/protocol-fields.ts";
import type { EngineFields, JobRequests } from "../../profilers/requests.ts";
import {
  AgentError,
  AgentStartError,
  JobCancelledError,
  JobTimeoutError,
  NoSessionError,
  ProtocolError,
  type RunnerError,
  TransportLostError,
} from "../devices/device-errors.ts";
import {
  type AgentBinary,
  type AgentChannel,
  type ChannelEnd,
  remoteName,
  type Transport,
  type UploadOptions,
} from "../devices/transport.ts";
import { PIECE_MS, putFile } from "./put-file.ts";
import { explainEnd } from "./session-end.ts";
import { type RequestOptions, SessionJob } from "./session-job.ts";
import { LineSorter } from "./session-lines.ts";

export interface SessionOptions {
  /** Fields of every request. */
  readonly fields?: EngineFields;
  readonly helloTimeoutMs?: number;
  /** Silence after which the agent counts as hung; it sends a heartbeat every 5 s. */
  readonly silenceMs?: number;
  /**
   * Called when a job waits because another coordinator's agent uses the device. An error that it throws
   * cancels and rejects the job.
   */
  readonly onBusy?: () => void;
}

/** Extra time after a job's own timeout in which the agent may report it. */
const GRACE_MS = 10_000;
/** Limits of jobs without a timeout: heartbeats alone must not keep a job running for ever. */
const LIMIT_MS: Partial<Record<JobType, number>> & { readonly other: number } = {
  materialize: 24 * 3_600_000,
  train: 7 * 24 * 3_600_000,
  other: 3_600_000,
};

export class AgentSession {
  readonly hello: Promise<Hello>;
  #channel: AgentChannel | undefined;
  #job: SessionJob | undefined;
  #failure: RunnerError | undefined;
  #greet!: (hello: Hello) => void;
  #refuse!: (error: Error) => void;
  #greeted = false;
  #jobs = 0;
  #tail: Promise<unknown> = Promise.resolve();
  readonly #lines: LineSorter;
  /** The last line that was not the agent's. */
  #noise: string | undefined;
  /** The server allows no second channel, so files go through the agent. */
  #oneChannel = false;
  #silentTicks = 0;
  #watch: NodeJS.Timeout | undefined;

  private constructor(
    private readonly transport: Transport,
    private readonly onBusy: () => void,
    private readonly fields: EngineFields | undefined,
  ) {
    this.#lines = new LineSorter(transport.kind === "ssh");
    this.hello = new Promise((resolve, reject) => {
      this.#greet = resolve;
      this.#refuse = reject;
    });
    this.hello.catch(() => {}); // start() reports it too
  }

  /**
   * Starts the uploaded agent and waits for its greeting.
   * @throws AgentStartError, ProtocolError, TransportLostError; the caller then closes the transport.
   */
  static async start(
    transport: Transport,
    binary: AgentBinary,
    options: SessionOptions = {},
  ): Promise<AgentSession> {
    const session = new AgentSession(transport, options.onBusy ?? (() => {}), options.fields);
    session.#channel = await transport.serve(binary, {
      onLine: (line) => session.#onLine(line),
      onEnd: (end) => session.#onEnd(end),
    });
    const timer = setTimeout(
      () =>
        session.#fail(
          new AgentStartError(
            `the agent started but ${session.#noise === undefined ? "said nothing" : `did not greet; its shell said: ${session.#noise}`}`,
            "Run it on the device to see its error: edgefront-agent serve",
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

  /** Why no more jobs are accepted; undefined while the session is usable. */
  get failure(): RunnerError | undefined {
    return this.#failure;
  }

  /**
   * Runs one job after the ones before it.
   * @throws AgentError (the job's own failure), JobCancelledError; JobTimeoutError, ProtocolError and
   * TransportLostError end the session.
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
      ...this.fields,
      ...body,
      ...(timeoutMs ? { timeoutMs } : {}),
      v: PROTOCOL_VERSION,
      id,
      type,
    });
    if (Buffer.byteLength(line) > MAX_REQUEST_BYTES)
      throw new AgentError("bad-request", "the request is longer than 64 MiB");
    const timers: NodeJS.Timeout[] = [];
    const limitMs = timeoutMs ?? LIMIT_MS[type] ?? LIMIT_MS.other;
    const onLimit = () => this.#fail(new JobTimeoutError(`${type} did not end within ${limitMs} ms`));
    const limit = setTimeout(onLimit, limitMs + GRACE_MS);
    timers.push(limit);
    const sayCancel = () => this.#channel?.send(JSON.stringify({ v: PROTOCOL_VERSION, id, type: "cancel" }));
    const cancel = () => {
      this.#job!.cancelled = true;
      sayCancel();
      timers.push(
        setTimeout(() => this.#fail(new TransportLostError("the agent did not cancel its job")), GRACE_MS),
      );
    };
    try {
      return await new Promise<JobResult<T>>((resolve, reject) => {
        this.#job = new SessionJob(id, type, {
          resolve: resolve as (result: unknown) => void,
          reject,
          onProgress: options.onProgress as ((progress: unknown) => void) | undefined,
          restartLimit: () => limit.refresh(),
          cancel: sayCancel,
        });
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
    const sorted = this.#lines.sort(line);
    if (sorted.kind === "noise") {
      // This line may have been an answer that was spoilt by other output: see SessionJob.missed.
      this.#noise = sorted.shown;
      if (this.#job) this.#job.noise = sorted.shown;
      return;
    }
    this.#silentTicks = 0;
    const wrong = sorted.kind === "broken" ? sorted.why : this.#take(sorted.message, sorted.bytes);
    if (wrong)
      this.#fail(new ProtocolError(`the agent broke the protocol: ${sanitise(wrong).slice(0, 300)}`));
  }

  /** Handles a line of the protocol. Returns the problem with it, if any. */
  #take(message: AgentLine, bytes: number): string | undefined {
    if (message.type === "hello") {
      if (this.#greeted) return "a second greeting";
      this.#greeted = true;
      this.#greet(message);
      return undefined;
    }
    if (!this.#greeted) return "it spoke before its greeting";
    const job = this.#job;
    if (message.type === "heartbeat") {
      if (job !== undefined && message.waiting === true && message.job === job.id) this.#waits(job);
      return job?.missed(message.job);
    }
    // An answer to a job that is over is late or invented. Only a refusal may come without an id.
    if (!job || (message.id !== job.id && message.id !== null))
      return this.#lines.unasked(bytes) ? undefined : "answers that nobody asked for";
    return job.take(message, bytes);
  }

  #waits(job: SessionJob): void {
    const end = job.waits(this.onBusy);
    if (end !== undefined) this.#fail(end);
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

  /**
   * Counts silent ticks instead of time: a coordinator that was stopped for an hour sees one late tick, not a
   * hung agent.
   */
  #startWatch(silenceMs: number): void {
    const ticks = 6;
    this.#watch = setInterval(() => {
      if (++this.#silentTicks > ticks)
        this.#fail(new TransportLostError(`the agent was silent for ${silenceMs} ms`));
    }, silenceMs / ticks);
    this.#watch.unref();
  }

  /**
   * Uploads a file, unless it is there already.
   * @returns the path by which jobs may name it.
   * @throws UploadError, AgentError, TransportLostError.
   */
  async upload(
    localPath: string,
    name: string,
    sha256: string,
    options: UploadOptions = {},
  ): Promise<string> {
    const remote = remoteName(name);
    if (!this.transport.confined && !this.#oneChannel) {
      try {
        return await this.transport.upload(localPath, remote, sha256, options);
      } catch (error) {
        if (!(error instanceof NoSessionError)) throw error;
        this.#oneChannel = true;
      }
    }
    return putFile(
      (piece, signal) => this.request("put", piece, { timeoutMs: PIECE_MS, ...(signal ? { signal } : {}) }),
      localPath,
      remote,
      sha256,
      options,
    );
  }

  /** Ends the agent and the transport. May be called twice. */
  async close(): Promise<void> {
    this.#failure ??= new TransportLostError("the session was closed");
    clearInterval(this.#watch);
    this.#job?.reject(this.#failure);
    await this.#channel?.close();
    await this.transport.close();
  }
}
