// An agent on one device that runs one job at a time. The session is opened when first needed, and again
// after a loss. All work on a device takes turns on the device's host, which other records may share.

import { readFileSync } from "node:fs";
import { counted } from "../../candidates/words.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import type { BuildProgress } from "../agent/build.ts";
import { openSession } from "../agent/open-session.ts";
import type { AgentSession, SessionOptions } from "../agent/session.ts";
import { withEitherSignal } from "../base/either-signal.ts";
import { RunError } from "../base/run-errors.ts";
import { type DeviceRecord, hostOf, placementOf, withheldCpus } from "../devices/device-record.ts";
import type { AgentBinary } from "../devices/transport.ts";
import type { Engine, Runtime } from "../runtimes/runtime.ts";
import { runtimeOf } from "../runtimes/runtime-registry.ts";
import type { LeaseProof } from "../store/lease-table.ts";
import type { Store } from "../store/store.ts";
import type { DeviceLeases, Hold } from "./device-lease.ts";
import type { Listener } from "./events.ts";
import { type HostLock, SAY_EVERY_MS } from "./host-lock.ts";

export interface WorkerContext {
  /** True: fail instead of waiting when another process uses the device. Absent where that is no choice. */
  readonly noWait?: boolean;
  readonly lock: HostLock;
  readonly leases: DeviceLeases;
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly listen: Listener;
  readonly session?: SessionOptions;
  /** Replaces the runtime's own agent. */
  readonly agentFor?: (device: DeviceRecord) => Promise<AgentBinary>;
}

/** The use of the device and its host by one job. */
export interface Turn {
  /** The proof that its result needs to be stored; it changes after a pause. */
  readonly lease: LeaseProof;
  /** Aborts when the sweep stops, or when the device was granted to another coordinator. */
  readonly signal: AbortSignal;
  /** Lets other processes use the device for this long, then waits for it again. */
  pause(ms: number): Promise<void>;
}

export interface Opened {
  readonly session: AgentSession;
  readonly probe: ProbeResult;
  /** Null for a trainer. */
  readonly engine: Engine | null;
  /** SHA-256 of everything that computes there; results rest on it. See Runtime.engine. */
  readonly agentSha256: string;
  /** SHA-256 of the program that was started. */
  readonly programSha256: string;
}

function localBootId(): string | null {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return null;
  }
}

export class Worker {
  private opening: Promise<Opened> | null = null;
  private opened: Opened | null = null;
  /** The newest session, also after it broke, because its results may still be written. */
  private last: Opened | null = null;
  private storedProbe: number | null = null;
  private busyToldAt = Number.NEGATIVE_INFINITY;
  /** Broken sessions that are still closing. */
  private readonly leaving = new Set<Promise<void>>();
  /** True when the device restarted since it was last seen, until it is verified. */
  restarted = false;
  readonly runtime: Runtime;

  constructor(
    readonly device: DeviceRecord,
    private readonly context: WorkerContext,
    /** A program to run instead of the runtime's agent. It speaks the same protocol. */
    private readonly program?: () => Promise<AgentBinary>,
  ) {
    this.runtime = runtimeOf(device);
  }

  /**
   * True when it runs another program than its runtime's agent: a trainer, which measures and verifies
   * nothing.
   */
  get onlyTrains(): boolean {
    return this.program !== undefined;
  }
  get isOpen(): boolean {
    return this.opened !== null && this.opened.session.failure === undefined;
  }
  get signal(): AbortSignal {
    return this.context.signal;
  }
  /** Engine of the newest session, which is no trainer's. */
  get engine(): Engine {
    return this.last!.engine!;
  }
  get agentSha256(): string {
    return this.last!.agentSha256;
  }
  /** Probe of the newest session. */
  get probe(): ProbeResult {
    return this.last!.probe;
  }
  /** Id of this session's stored probe, which is written when first used. */
  get probeId(): number {
    const { probe, agentSha256 } = this.last!;
    this.storedProbe ??= this.context.store.devices.putProbe(this.device.name, agentSha256, probe);
    return this.storedProbe;
  }
  /**
   * The highest read bandwidth that any probe found there with this agent, including this session's probe.
   */
  get readBandwidthGBs(): number {
    const { probe, agentSha256 } = this.last!;
    const stored = this.context.store.devices.bestReadBandwidth(this.device.name, agentSha256);
    return Math.max(probe.readBandwidthGBs, stored ?? 0);
  }

  /** Probes the device again within a turn, and stores the result beside its other probes. */
  async probeAgain({ session, agentSha256 }: Opened, { signal }: Turn): Promise<ProbeResult> {
    const probe = await session.request("probe", {}, { signal });
    this.context.store.devices.putProbe(this.device.name, agentSha256, probe);
    return probe;
  }

  /** True when an emulator runs the agent: its times say nothing about hardware. */
  get emulated(): boolean {
    return this.device.emulator !== undefined || this.last!.probe.emulated;
  }

  /**
   * The key under which work in this process takes turns. This machine is one host, however it is reached.
   */
  private get turnstile(): string {
    const here = this.device.transport === "local" || this.last?.probe.bootId === localBootId();
    return here ? "local" : hostOf(this.device);
  }

  /** The device in words, with its host when it shares one. */
  private get shownDevice(): string {
    const { name } = this.device;
    const host = hostOf(this.device);
    return host === name ? `device ${name}` : `device ${name} (on the host of ${host})`;
  }

  /**
   * Returns the open session. Builds and uploads the agent where needed, and probes the device once a
   * session.
   */
  async open(): Promise<Opened> {
    if (this.opened?.session.failure) {
      // The connection may outlive its agent, so it is closed.
      const leaving = this.opened.session.close().catch(() => {});
      this.leaving.add(leaving);
      void leaving.then(() => this.leaving.delete(leaving));
      this.opened = this.opening = null;
    }
    this.opening ??= this.connect().catch((error: unknown) => {
      this.opening = null;
      throw error;
    });
    return this.opening;
  }

  private async binary(): Promise<AgentBinary> {
    const { agentFor, lock, signal, listen } = this.context;
    const { target } = this.device;
    if (this.program === undefined && agentFor !== undefined) return agentFor(this.device);
    const use = await lock.acquire("local", signal, (holder) => this.wait("this machine", holder));
    const onProgress = ({ done, total }: BuildProgress) => listen({ kind: "build", target, done, total });
    const made = this.program?.() ?? this.runtime.agent(this.device, { signal, onProgress });
    return made.finally(() => use.release());
  }

  /**
   * Reports that a job waits for another process; throws RunError (`device-busy`) when waiting is not
   * allowed.
   */
  private wait(what: string, holder: string): void {
    const { noWait, listen } = this.context;
    if (noWait === true)
      throw new RunError(
        "device-busy",
        `${what} is in use by another edgefront process (${holder}); run this again without --no-wait to wait for it, or stop that process`,
      );
    listen({
      kind: "waiting",
      text:
        `${what} is in use by another edgefront process (${holder}): waiting until its present job ends, at most that job's time limit ` +
        `(an hour unless configured). Change: stop that process${noWait === undefined ? "" : ", or --no-wait"}`,
    });
  }

  /** Reports that another coordinator's agent holds the device, at most once in a while. */
  private deviceBusy(): void {
    const now = performance.now();
    if (now - this.busyToldAt < SAY_EVERY_MS) return;
    this.wait(this.shownDevice, "a job of another coordinator runs there");
    this.busyToldAt = now;
  }

  private async connect(): Promise<Opened> {
    const { signal, listen, store } = this.context;
    const { name } = this.device;
    const binary = await this.binary();
    const options = {
      ...this.context.session,
      ...(this.onlyTrains ? {} : this.runtime.sessionOptions?.(this.device)),
      binary,
      signal,
      onBusy: () => this.deviceBusy(),
    };
    const session = await this.exclusively(() => openSession(this.device, options));
    const probe = await this.exclusively(() => session.request("probe", {}, { signal }));
    const programSha256 = binary.sha256;
    const engine = this.onlyTrains
      ? null
      : this.runtime.engine({ hello: await session.hello, probe, programSha256 });
    const agentSha256 = engine?.sha256 ?? programSha256;
    this.opened = this.last = { session, probe, engine, agentSha256, programSha256 };
    this.storedProbe = null;
    // A trainer's answers must not overwrite those of the agent on the same device.
    if (!this.onlyTrains) {
      this.restarted = store.health.sawBoot(name, probe.bootId);
      if (probe.temperatureC !== null) store.health.sawTemperature(name, probe.temperatureC);
    }
    const rate = this.onlyTrains ? "trains" : `${probe.readBandwidthGBs.toFixed(1)} GB/s`;
    const { runtime } = this.device;
    const named =
      runtime === undefined || engine === null ? "" : `${runtime} ${engine.version} (${engine.backend}), `;
    const text = `${named}${probe.cpuModel}, ${counted(probe.allowedCpus.length, "core")}, ${probe.isa}, ${rate}`;
    listen({ kind: "device", name, text, emulated: this.emulated });
    const withheld = withheldCpus(placementOf(this.device), probe);
    if (withheld.length > 0)
      listen({
        kind: "waiting",
        text:
          `device ${name}: the system withholds CPU ${withheld.join(", ")} of its placement; measurements use other CPUs and are marked moved. ` +
          `To find the fastest available ones: edgefront device probe ${name} --tune`,
      });
    return this.opened;
  }

  /**
   * Runs `work` while nothing else runs on the device's host and no other coordinator may use it.
   * @throws LeaseLostError when the host was granted to another coordinator meanwhile, whatever the result of
   * `work`.
   */
  async exclusively<T>(work: (turn: Turn) => Promise<T>): Promise<T> {
    const { lock, leases, signal } = this.context;
    const host = hostOf(this.device);
    const use = await lock.acquire(this.turnstile, signal, (holder) => this.wait("this machine", holder));
    try {
      const grant = (): Promise<Hold> =>
        leases.hold(host, signal, () => this.wait(this.shownDevice, "of the same database"));
      let hold = await grant();
      const lost = new AbortController();
      const onLost = (): void => lost.abort(hold.lost.reason);
      const watch = (): void => hold.lost.addEventListener("abort", onLost, { once: true });
      const leave = (): void => {
        hold.lost.removeEventListener("abort", onLost);
        hold.release();
      };
      watch();
      try {
        return await withEitherSignal([signal, lost.signal], (either) =>
          work({
            get lease() {
              return hold.proof;
            },
            signal: either,
            async pause(ms) {
              leave();
              await use.pause(ms);
              hold = await grant();
              watch();
            },
          }),
        );
      } finally {
        leave();
        if (!signal.aborted) hold.lost.throwIfAborted();
      }
    } finally {
      use.release();
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.opened?.session.close(), ...this.leaving]);
    this.opened = this.opening = null;
  }
}
