// The devices of a sweep and their state: which worker runs a job, when a failing device is tried again, when
// it is quarantined and returns, and which equal device takes its jobs meanwhile. The fate of a job is left
// to runner/sweep/trial-jobs.ts.
import { setTimeout as sleep } from "node:timers/promises";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { RunError } from "../base/run-errors.ts";
import { type DeviceRecord, runtimeIdOf } from "../devices/device-record.ts";
import { withIdentity } from "../devices/identities.ts";
import type { AgentBinary } from "../devices/transport.ts";
import type { EventIds } from "../store/health-table.ts";
import { type Fault, policies, quarantineError, routeFault } from "./faults.ts";
import { requireSentinel } from "./measurement/sentinel.ts";
import { Worker, type WorkerContext } from "./worker.ts";

export interface FleetTiming {
  /** Factor on all pauses; tests shorten them. */
  readonly pauseScale: number;
  /** How long a job waits for its device, or an equal one, before the sweep ends. */
  readonly patienceMs: number;
}

/** Pauses before a quarantined device is checked for readmission. */
const READMISSION_MS = [30_000, 60_000, 120_000, 300_000, 900_000];
/** Interval at which a device that only a person can restore is checked. */
const RESTORE_POLL_MS = 2000;

const SHOW_MS = 1000;
/** The largest number of devices whose health is reported. */
const SHOW_AT_MOST = 16;

interface Post {
  readonly worker: Worker;
  /** Consecutive failures, without a success between. */
  failures: number;
  /** When it stopped working, on the monotonic clock; null while it works. */
  downSince: number | null;
  notBefore: number;
  recovering: Promise<void> | null;
}

/** Returns a key that equal devices share. Devices of one class stand in for each other. */
export function deviceClass(device: DeviceRecord, probe: ProbeResult): string {
  const { arch, cpuModel, cores, isa, emulated } = probe;
  const profile = "profile" in device ? device.profile : null;
  return JSON.stringify([device.target, runtimeIdOf(device), profile, arch, cpuModel, cores, isa, emulated]);
}

const nth = (pauses: readonly number[], n: number): number => pauses[Math.min(n, pauses.length) - 1] ?? 0;

export class Fleet {
  private readonly posts = new Map<string, Post>();
  private readonly byWorker = new Map<Worker, Post>();
  /** Errors that were counted: one broken session fails every job that waits for it, but counts once. */
  private readonly counted = new WeakSet<object>();
  private readonly watching: NodeJS.Timeout;

  constructor(
    records: readonly DeviceRecord[],
    private readonly context: WorkerContext,
    private readonly timing: FleetTiming,
  ) {
    for (const record of records) this.enlist(record);
    this.watching = setInterval(() => this.show(), SHOW_MS).unref();
  }

  /** Reports the health of the devices to the listener. */
  private show(): void {
    const { store, listen } = this.context;
    const names = [...new Set([...this.posts.keys()].map((key) => this.deviceOf(key)))].slice(
      0,
      SHOW_AT_MOST,
    );
    listen({ kind: "devices", health: names.map((name) => store.health.deviceHealth(name)) });
  }

  private enlist(
    record: DeviceRecord,
    key: string = record.name,
    program?: () => Promise<AgentBinary>,
  ): Post {
    const worker = new Worker(record, this.context, program);
    const post: Post = { worker, failures: 0, downSince: null, notBefore: 0, recovering: null };
    this.posts.set(key, post);
    this.byWorker.set(worker, post);
    return post;
  }

  /** Adds a training lane that no device of the sweep offers. Returns the key under which it is requested. */
  enlistTrainer(record: DeviceRecord, program?: () => Promise<AgentBinary>): string {
    const key = `${record.name} (training)`;
    this.enlist(record, key, program);
    return key;
  }

  deviceOf(key: string): string {
    return this.posts.get(key)!.worker.device.name;
  }

  /** Returns the worker of a device, or of a training lane. */
  workerOf(key: string): Worker {
    return this.posts.get(key)!.worker;
  }

  /** Opens every device once. Rejects with the error of the first device that cannot be used. */
  async open(): Promise<void> {
    const admitted = [...this.posts.values()].map((post) =>
      this.admit(post).catch((error: unknown) => {
        const { name } = post.worker.device;
        const fault = routeFault(error, name);
        if (fault?.route === "host-key")
          this.context.store.health.quarantine(name, fault.reason, "restore", fault.cause);
        throw error;
      }),
    );
    await Promise.all(admitted);
  }

  async close(): Promise<void> {
    clearInterval(this.watching);
    await Promise.allSettled([...this.posts.values()].map(({ worker }) => worker.close()));
  }

  /**
   * Returns a worker for a job planned for `key`: its own, or one of the same class while that device is
   * lost.
   */
  async workerFor(key: string, ids: EventIds, movable: boolean): Promise<Worker> {
    const { signal, store } = this.context;
    const post = this.posts.get(key)!;
    const { name } = post.worker.device;
    for (;;) {
      signal.throwIfAborted();
      if (this.isUsable(post)) return post.worker;
      post.downSince ??= performance.now();
      const { state, cause, reason } = store.health.state(name);
      const quarantined = state === "quarantined";
      if (movable && (quarantined || post.failures > 1)) {
        const other = await this.substitute(post, ids);
        if (other !== null) return other;
      }
      // Another server may be answering: waiting would not help.
      if (quarantined && cause === "host-key-changed")
        throw quarantineError(name, reason, "--resume what was stopped");
      if (performance.now() - post.downSince > this.timing.patienceMs) {
        throw new RunError(
          "device-lost",
          `device ${name} is lost (${reason ?? "no reason known"}). Repair it and continue with --resume`,
        );
      }
      post.recovering ??= this.recover(post, ids).finally(() => {
        post.recovering = null;
      });
      await post.recovering;
    }
  }

  private isUsable(post: Post): boolean {
    const { worker, notBefore } = post;
    if (!worker.isOpen || performance.now() < notBefore) return false;
    return this.context.store.health.state(worker.device.name).state === "ready";
  }

  /**
   * Makes one attempt: waits until the device may be tried again, connects, and verifies it where that is
   * due.
   */
  private async recover(post: Post, ids: EventIds): Promise<void> {
    const { signal, store } = this.context;
    const { name } = post.worker.device;
    const pause = post.notBefore - performance.now();
    if (pause > 0) await sleep(pause, undefined, { signal });
    if (store.health.state(name).readmission === "restore") {
      await sleep(RESTORE_POLL_MS * this.timing.pauseScale, undefined, { signal });
      return;
    }
    try {
      await this.admit(post);
    } catch (error) {
      if (signal.aborted) throw error;
      const fault = routeFault(error, name);
      if (fault === null) throw error;
      this.failed(post.worker, error, fault, ids);
    }
  }

  /** Connects. After a quarantine or a restart the device must also pass its verification. */
  private async admit(post: Post): Promise<void> {
    const { store, listen } = this.context;
    const { worker } = post;
    const { name } = worker.device;
    const { state, readmission, reason } = store.health.state(name);
    if (readmission === "restore") throw quarantineError(name, reason, "--resume what was stopped");
    await worker.open();
    // A trainer that is not our agent cannot be verified: only its answer shows that it works.
    if (!worker.onlyTrains && (state === "quarantined" || worker.restarted)) await requireSentinel(worker);
    worker.restarted = false;
    if (state === "quarantined") store.health.restore(name, "sentinel-passed");
    else store.health.ready(name);
    if (state !== "ready") listen({ kind: "device-state", name, state: "ready", text: "is ready again" });
    if (state === "quarantined") post.failures = 0;
    post.downSince = null;
  }

  /** Returns an equal device that works, or null. It is enlisted when first needed. */
  private async substitute(lost: Post, ids: EventIds): Promise<Worker | null> {
    const { store, listen } = this.context;
    const { device } = lost.worker;
    const probe = store.devices.lastProbe(device.name);
    if (probe === null) return null;
    const wanted = deviceClass(device, probe.result);
    const known = new Map(store.devices.all().map((record) => [record.name, record]));
    for (const post of this.posts.values()) known.set(post.worker.device.name, post.worker.device);
    for (const record of known.values()) {
      if (record.name === device.name) continue;
      const other = store.devices.lastProbe(record.name);
      if (other === null || deviceClass(record, other.result) !== wanted) continue;
      if (store.health.state(record.name).state !== "ready") continue;
      const post = this.posts.get(record.name) ?? this.enlist(withIdentity(record));
      if (!this.isUsable(post)) {
        if (post.recovering !== null || post.failures > 0) continue;
        try {
          await this.admit(post);
        } catch (error) {
          if (this.context.signal.aborted) throw error;
          const fault = routeFault(error, record.name);
          if (fault !== null) this.failed(post.worker, error, fault, ids);
          continue;
        }
      }
      store.log("moved", { to: record.name }, { ...ids, device: device.name, cause: "equal-device" });
      listen({
        kind: "device-state",
        name: device.name,
        state: "lost",
        text: `its job moves to ${record.name}`,
      });
      return post.worker;
    }
    return null;
  }

  /**
   * Applies the policy of a fault to its device. Returns false when the job was only in the queue of a
   * session that broke.
   */
  failed(worker: Worker, error: unknown, fault: Fault, ids: EventIds): boolean {
    const fresh = !this.counted.has(error as object);
    this.counted.add(error as object);
    const post = this.byWorker.get(worker)!;
    const policy = policies[fault.route];
    if (policy.device === "innocent" || !fresh) return fresh;
    const { store, listen } = this.context;
    const { name } = worker.device;
    post.failures++;
    post.downSince ??= performance.now();
    let pause = nth(policy.pausesMs, post.failures);
    if (policy.device === "cool") store.health.cool(name, fault.reason, ids);
    else if (policy.device === "quarantine")
      store.health.quarantine(name, fault.reason, "restore", fault.cause, ids);
    else if (store.health.recordDeviceFault(name, fault, ids)) pause = nth(READMISSION_MS, post.failures - 2);
    post.notBefore = performance.now() + pause * this.timing.pauseScale;
    const { state, readmission } = store.health.state(name);
    const next =
      readmission === "restore"
        ? `to use it again: edgefront device restore ${name}`
        : `tried again in ${Math.round(pause / 1000)} s, for up to ${Math.round(this.timing.patienceMs / 60_000)} min (measure.patienceMinutes)`;
    listen({ kind: "device-state", name, state, text: `${state}: ${fault.reason}; ${next}` });
    return true;
  }

  /** Records that a job succeeded on the device. */
  succeeded(worker: Worker): void {
    const post = this.byWorker.get(worker)!;
    post.failures = 0;
    post.downSince = null;
  }
}
