// Measures waiting candidates in windows: device at rest, calibration run, candidates in random order, calibration run. A
// candidate takes part in as many windows as the rules of its device say, with other work in between. Its part of a window in
// which the device changed is discarded and repeated. If the device stays unstable, candidates are rejected as throttled, or
// with `asItIs` kept and flagged. Faults and later tries are left to runner/sweep/.
import { randomInt } from "node:crypto";
import type { Layout } from "../../../candidates/layout.ts";
import { type Flag, VOIDING, validityFlags } from "../../../profilers/validity.ts";
import {
  drawOrder,
  driftOf,
  mergeRounds,
  sentinelStatistic,
  shareOf,
  type WindowRules,
} from "../../../profilers/window.ts";
import { createRng } from "../../../search/rng.ts";
import { profileOf, withheldCpus } from "../../devices/device-record.ts";
import type { Store } from "../../store/store.ts";
import type { Listener } from "../events.ts";
import { InvalidMeasurementError, ThrottledError } from "../faults.ts";
import { type MeasureConfig, placementFor, predictedBytes } from "../job-requests.ts";
import type { Opened, Turn, Worker } from "../worker.ts";
import { conductOf, flagsOf, type Measured, mergeTaken, type Taken } from "./conduct.ts";
import { DeviceRest } from "./rest.ts";
import { type OwnRounds, runRounds, type Waiting } from "./rounds.ts";
import { runSentinel } from "./sentinel.ts";
import { changed, windowRules } from "./window-rules.ts";

/** Facts of a window that all its candidates share. */
type Company = Pick<Taken, "startMs" | "contenders" | "orderSeed" | "readiness" | "sentinel"> & {
  readonly flags: readonly Flag[];
  readonly overheadMs: number;
};

export interface WindowContext {
  readonly store: Store;
  readonly sweepId: number;
  readonly listen: Listener;
  /** Returns the seed of the order of candidates, once for each window. Default: random. */
  readonly orderSeed?: () => number;
}

/** The windows of one device. */
class MeasurementWindows {
  private readonly queue: Waiting[] = [];
  private readonly rules: WindowRules;
  /** The request of a process in one window: its share of the repetitions. */
  private readonly share: MeasureConfig;
  private running = false;
  /** The candidate that runs now. */
  private current: Waiting | null = null;
  private readonly rest: DeviceRest;

  constructor(
    private readonly worker: Worker,
    private readonly config: MeasureConfig,
    private readonly context: WindowContext,
  ) {
    const profile = profileOf(worker.device);
    const { repetitions = profile.repetitions } = config;
    const rules = windowRules(worker.device, config.protocol);
    // A request for few repetitions gets no more windows than repetitions.
    this.rules = { ...rules, windows: Math.min(rules.windows, repetitions) };
    const warmup = changed(profile.warmup, config.warmup ?? {});
    this.share = { ...config, ...shareOf({ repetitions, warmup }, this.rules.windows) };
    this.rest = new DeviceRest(worker, config, this.rules, context);
  }

  /**
   * Measures a layout in the next windows. Calls `onStart` when its first run begins. Rejects with
   * ThrottledError when the device stays unstable, unless `asItIs` is true.
   */
  measure(layout: Layout, onStart: () => void, asItIs = false): Promise<Measured> {
    const measured = new Promise<Measured>((resolve, reject) => {
      const fresh = { started: false, windows: 0, retries: 0, busyMs: 0, kept: [] };
      this.queue.push({ layout, onStart, resolve, reject, asItIs, ...fresh });
    });
    if (!this.running) void this.drain();
    return measured;
  }

  private async drain(): Promise<void> {
    this.running = true;
    while (this.queue.length > 0) {
      let items: Waiting[] = [];
      try {
        const opened = await this.worker.open();
        // A candidate that needs another window queues behind newer arrivals.
        const again = await this.worker.exclusively((turn) => {
          items = this.queue.splice(0, this.size);
          return this.window(items, opened, turn);
        });
        this.queue.push(...again);
      } catch (error) {
        // When the turn did not begin, all waiting candidates are rejected. The candidate that was running is
        // rejected first; candidates with a result ignore the rejection.
        const told = items.length === 0 ? this.queue.splice(0) : items;
        this.current?.reject(error);
        for (const { reject } of told) reject(error);
      }
      this.current = null;
    }
    this.running = false;
  }

  /** Candidates in a window; one when there is nothing to share between them. */
  private get size(): number {
    const { guarded, rounds, windows, sentinel } = this.rules;
    return guarded || rounds > 1 || windows > 1 ? sentinel.everyBlocks : 1;
  }

  /**
   * Runs `items` once. Each then has a result or an error, or is returned because it needs another window.
   * Rejects with errors that end the session or the turn.
   */
  private async window(items: readonly Waiting[], opened: Opened, turn: Turn): Promise<readonly Waiting[]> {
    const { rules, config } = this;
    const checked = await this.rest.check(opened, turn);
    const startMs = performance.now();
    const bytes = Math.max(...items.map(({ layout }) => predictedBytes(layout, config)));
    const readiness = rules.guarded ? await this.rest.await(checked, opened, turn, bytes) : null;
    const left = readiness?.ready === false ? this.handBack(items, readiness.objection!) : items;
    if (left.length === 0) return [];
    const before = readiness === null ? null : (readiness.run ?? (await runSentinel(checked.sentinel)));
    const orderSeed = this.context.orderSeed?.() ?? randomInt(2 ** 31);
    const order = drawOrder(left.length, createRng(orderSeed));
    const run = { worker: this.worker, opened, turn, share: this.share, rules };
    const measured = await runRounds(left, order, run, (item) => {
      this.current = item;
    });
    const after = before === null ? null : await runSentinel(checked.sentinel);
    const drift = before === null || after === null ? 0 : driftOf(before, after, sentinelStatistic(rules));
    const voided = drift > rules.sentinel.driftTolerance;
    const ownMs = [...measured.values()].reduce((sum, { busyMs }) => sum + busyMs, 0);
    const company: Company = {
      startMs,
      contenders: left.length,
      orderSeed,
      readiness,
      sentinel:
        before === null || after === null ? null : { baseline: checked.baseline!, before, after, drift },
      flags: [
        ...(voided ? ["throttled" as const] : []),
        ...(readiness?.ready === false ? ["not-ready" as const] : []),
      ],
      overheadMs: (performance.now() - startMs - ownMs) / left.length,
    };
    if (voided) this.logVoid(drift, left.length);
    const again: Waiting[] = [];
    const doubtful: Waiting[] = [];
    for (const [place, index] of order.entries()) {
      const item = left[index]!;
      const own = measured.get(item);
      if (own === undefined) continue;
      const next = this.settle(item, { ...own, place }, company, opened, turn);
      if (next === "again") again.push(item);
      if (next === "doubtful") doubtful.push(item);
    }
    this.handBack(doubtful, driftObjection(drift, this.rules.sentinel.driftTolerance));
    return again;
  }

  /** Decides what follows for a candidate after a window. */
  private settle(
    item: Waiting,
    own: OwnRounds & { readonly place: number },
    company: Company,
    { probe }: Opened,
    turn: Turn,
  ): "again" | "doubtful" | "done" {
    const { rules, worker, config } = this;
    const placement = placementFor(worker, config);
    const { emulated } = worker;
    const judge = { probe, placement, emulated };
    item.windows++;
    item.busyMs += own.busyMs + company.overheadMs;
    const { overheadMs: _overhead, ...common } = company;
    try {
      // Several windows are meant to average bursts within one window, so the variation is judged over all
      // samples together.
      const cvLimit = rules.windows > 1 ? Number.POSITIVE_INFINITY : rules.cvLimit;
      const together = validityFlags({
        ...judge,
        result: mergeRounds(own.rounds.map(({ result }) => result)),
        cvLimit,
      });
      const flags = [
        ...new Set([...own.rounds.flatMap((round) => round.flags), ...together, ...company.flags]),
      ];
      if (this.mayRetry(item) && flags.some((flag) => VOIDING.has(flag) && !this.lasts(flag, probe)))
        return this.retry(item);
      if (company.flags.includes("throttled") && this.waits && !item.asItIs) return "doubtful";
      item.kept.push({ ...common, rounds: own.rounds, place: own.place, busyMs: own.busyMs, flags });
      if (item.kept.length < rules.windows) return "again";
      const result = mergeTaken(item.kept);
      const all = flagsOf(item.kept, { ...judge, result, cvLimit: rules.cvLimit });
      // One more window adds samples. Dropping the widest samples would understate the spread.
      if (rules.windows > 1 && all.includes("unstable") && this.mayRetry(item)) return this.retry(item);
      const { windows, busyMs, kept } = item;
      const conduct = conductOf(kept, all, rules, { windows, busyMs });
      item.resolve({ request: kept[0]!.rounds[0]!.request, result, lease: turn.lease, conduct });
    } catch (error) {
      item.reject(error instanceof RangeError ? new InvalidMeasurementError(error.message) : error);
    }
    return "done";
  }

  /** Times of an emulator are never relied on, so its windows are not repeated. */
  private mayRetry({ retries }: Waiting): boolean {
    return !this.worker.emulated && retries < this.rules.retries;
  }

  private retry(item: Waiting): "again" {
    item.retries++;
    return "again";
  }

  /** Whether the flag stands for a condition that another window would not change. */
  private lasts(flag: Flag, probe: Opened["probe"]): boolean {
    const withheld = withheldCpus(placementFor(this.worker, this.config), probe).length > 0;
    return flag === "quota" || (flag === "moved" && withheld);
  }

  /**
   * Candidates on a device that is waited for are handed back when it stays unstable. On other devices they
   * are measured anyway and marked.
   */
  private get waits(): boolean {
    return this.rules.guarded && this.rules.readiness.deadlineSeconds > 0 && !this.worker.emulated;
  }

  /**
   * Rejects candidates that may wait for a calmer device, and returns the others. All get the same error
   * object, because the device had one fault.
   */
  private handBack(items: readonly Waiting[], objection: string): readonly Waiting[] {
    if (!this.waits) return items;
    const error = new ThrottledError(objection);
    for (const item of items) if (!item.asItIs) item.reject(error);
    return items.filter(({ asItIs }) => asItIs);
  }

  private logVoid(drift: number, blocks: number): void {
    const { store, sweepId, listen } = this.context;
    const device = this.worker.device.name;
    const reason = driftObjection(drift, this.rules.sentinel.driftTolerance);
    store.log("window-void", { reason, blocks, drift }, { sweepId, device, cause: "throttled" });
    const text = `device ${device}: ${reason}: these measurements are discarded and will be repeated`;
    listen({ kind: "waiting", text });
  }
}

const driftObjection = (drift: number, limit: number): string =>
  `calibration run changed by ${(100 * drift).toFixed(1)}% (limit ${Number((100 * limit).toFixed(1))}%)`;

/** The windows of every device of a sweep, including devices that stand in for another. */
export class SweepWindows {
  private readonly byWorker = new WeakMap<Worker, MeasurementWindows>();

  constructor(
    private readonly config: MeasureConfig,
    private readonly context: WindowContext,
  ) {}

  of(worker: Worker): MeasurementWindows {
    const known = this.byWorker.get(worker) ?? new MeasurementWindows(worker, this.config, this.context);
    this.byWorker.set(worker, known);
    return known;
  }
}
