// Measures what waits for a device in windows: the device at rest, the sentinel, the candidates in turn, the sentinel again. A window
// in which the device changed is void and its candidates run again; a device that does not calm down is handed back as throttled, or
// its numbers are kept with their flags where that was asked for. Whose fault a failed run is and when it is tried again is
// runner/sweep/'s business.
import type { Layout } from "../../candidates/layout.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { type Flag, VOIDING, validityFlags } from "../../profilers/validity.ts";
import {
  driftOf,
  mergeRounds,
  roundOrder,
  type SentinelRun,
  type WindowRules,
} from "../../profilers/window.ts";
import { JobCancelledError, RunnerError } from "../agent/errors.ts";
import type { LeaseProof } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import type { Listener } from "../sweep/events.ts";
import { InvalidMeasurementError, ThrottledError } from "../sweep/faults.ts";
import { type MeasureConfig, measureIn, placementFor, predictedBytes } from "../sweep/jobs.ts";
import type { Opened, Turn, Worker } from "../sweep/worker.ts";
import { DeviceRest } from "./rest.ts";
import { windowRules } from "./rules.ts";
import { type Readiness, runSentinel } from "./sentinel.ts";

/** How a result came about; stored with it. */
export interface Conduct {
  readonly flags: readonly Flag[];
  readonly rules: WindowRules;
  /** Windows it took, the last one's company, and where in it this candidate stood. */
  readonly windows: number;
  readonly contenders: number;
  readonly place: number;
  readonly readiness: Omit<Readiness, "run"> | null;
  readonly sentinel: {
    readonly baseline: SentinelRun;
    readonly before: SentinelRun;
    readonly after: SentinelRun;
    readonly drift: number;
  } | null;
  /** Evidence of each fresh process. */
  readonly rounds: readonly Pick<
    MeasureResult,
    "loadMs" | "memory" | "affinity" | "frequencyMhz" | "temperatureC" | "outputHash"
  >[];
}

export interface Measured {
  readonly request: unknown;
  readonly result: MeasureResult;
  readonly lease: LeaseProof;
  readonly conduct: Conduct;
}

interface Waiting {
  readonly layout: Layout;
  readonly onStart: () => void;
  readonly resolve: (measured: Measured) => void;
  readonly reject: (error: unknown) => void;
  /** The device may be as it is: measured in any case, and marked. */
  readonly asItIs: boolean;
  /** Windows so far. */
  windows: number;
  started: boolean;
}

interface Round {
  readonly request: unknown;
  readonly result: MeasureResult;
  readonly flags: readonly Flag[];
}

export interface WindowContext {
  readonly store: Store;
  readonly sweepId: number;
  readonly listen: Listener;
}

const withoutRun = ({ run: _run, ...readiness }: Readiness): Conduct["readiness"] => readiness;

/** The windows of one device. */
class MeasurementWindows {
  private readonly queue: Waiting[] = [];
  private readonly rules: WindowRules;
  private running = false;
  /** Whose run is under way. */
  private current: Waiting | null = null;
  private readonly rest: DeviceRest;

  constructor(
    private readonly worker: Worker,
    private readonly config: MeasureConfig,
    private readonly context: WindowContext,
  ) {
    this.rules = windowRules(worker.device, config.protocol);
    this.rest = new DeviceRest(worker, config, this.rules, context);
  }

  /**
   * Measures a layout in one of the next windows. `onStart` is called when its first run begins. Rejects with ThrottledError where the
   * device does not calm down, unless it may be measured `asItIs`.
   */
  measure(layout: Layout, onStart: () => void, asItIs = false): Promise<Measured> {
    const measured = new Promise<Measured>((resolve, reject) => {
      this.queue.push({ layout, onStart, resolve, reject, asItIs, windows: 0, started: false });
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
        await this.worker.exclusively(async (turn) => {
          items = this.queue.splice(0, this.size);
          await this.window(items, opened, turn);
        });
      } catch (error) {
        // Nobody can be measured where the turn did not begin. Whom it happened to hears of it first; those with a result do not.
        const told = items.length === 0 ? this.queue.splice(0) : items;
        this.current?.reject(error);
        for (const { reject } of told) reject(error);
      }
      this.current = null;
    }
    this.running = false;
  }

  /** Candidates in a window: with nothing to share between them, one. */
  private get size(): number {
    return this.rules.guarded || this.rules.rounds > 1 ? this.rules.sentinel.everyBlocks : 1;
  }

  /** Runs `items` until each has a result or an error of its own. Rejects with what ends the session or the turn. */
  private async window(items: readonly Waiting[], opened: Opened, turn: Turn): Promise<void> {
    const { worker, rules, config } = this;
    const { probe } = opened;
    const placement = placementFor(worker, config);
    const checked = await this.rest.check(opened, turn);
    const { sentinel, baseline } = checked;
    // An emulator's times are not relied on in any case.
    const retries = worker.emulated ? 0 : rules.retries;
    for (let left = [...items]; left.length > 0; ) {
      const bytes = Math.max(...left.map(({ layout }) => predictedBytes(layout, config)));
      const readiness = rules.guarded ? await this.rest.await(checked, opened, bytes) : null;
      if (readiness?.ready === false) left = this.handBack(left, readiness.objection!);
      if (left.length === 0) return;
      const before = readiness === null ? null : (readiness.run ?? (await runSentinel(sentinel)));
      const measured = await this.rounds(left, opened, turn, placement);
      const after = before === null ? null : await runSentinel(sentinel);
      const drift = before === null || after === null ? 0 : driftOf(before, after);
      const voided = drift > rules.sentinel.driftTolerance;
      const ofWindow: Flag[] = [
        ...(voided ? ["throttled" as const] : []),
        ...(readiness?.ready === false ? ["not-ready" as const] : []),
      ];
      const objection = `the sentinel drifted by ${(100 * drift).toFixed(1)}%`;
      if (voided) this.logVoid(objection, left.length, drift);
      const again: Waiting[] = [];
      const doubtful: Waiting[] = [];
      for (const [place, item] of left.entries()) {
        const rounds = measured.get(item);
        if (rounds === undefined) continue;
        item.windows++;
        let result: MeasureResult;
        try {
          result = mergeRounds(rounds.map((round) => round.result));
        } catch (error) {
          item.reject(new InvalidMeasurementError((error as Error).message));
          continue;
        }
        const { emulated } = worker;
        const own = validityFlags({ result, probe, placement, emulated, cvLimit: rules.cvLimit });
        const flags = [...new Set([...rounds.flatMap((round) => round.flags), ...own, ...ofWindow])];
        if (item.windows <= retries && flags.some((flag) => VOIDING.has(flag))) {
          again.push(item);
          continue;
        }
        if (voided && this.waits && !item.asItIs) {
          doubtful.push(item);
          continue;
        }
        item.resolve({
          request: rounds[0]!.request,
          result,
          lease: turn.lease,
          conduct: {
            flags,
            rules,
            windows: item.windows,
            contenders: left.length,
            place,
            readiness: readiness === null ? null : withoutRun(readiness),
            sentinel:
              before === null || after === null ? null : { baseline: baseline!, before, after, drift },
            rounds: rounds.map(
              ({ result: { loadMs, memory, affinity, frequencyMhz, temperatureC, outputHash } }) => ({
                loadMs,
                memory,
                affinity,
                frequencyMhz,
                temperatureC,
                outputHash,
              }),
            ),
          },
        });
      }
      this.handBack(doubtful, objection);
      left = again;
    }
  }

  /** Devices that are waited for are handed back when they do not calm down; others are measured as they are, and marked. */
  private get waits(): boolean {
    return this.rules.guarded && this.rules.readiness.deadlineSeconds > 0 && !this.worker.emulated;
  }

  /** Rejects those who may wait for a calmer device; returns the others. One error for all: the device had one fault. */
  private handBack(items: readonly Waiting[], objection: string): Waiting[] {
    if (!this.waits) return [...items];
    const error = new ThrottledError(objection);
    for (const item of items) if (!item.asItIs) item.reject(error);
    return items.filter(({ asItIs }) => asItIs);
  }

  /** Every candidate once a round, in turn. One that fails by itself is rejected and left out; the others go on. */
  private async rounds(
    items: readonly Waiting[],
    opened: Opened,
    turn: Turn,
    placement: ReturnType<typeof placementFor>,
  ): Promise<ReadonlyMap<Waiting, Round[]>> {
    const { worker, rules, config } = this;
    const measured = new Map<Waiting, Round[]>(items.map((item) => [item, []]));
    for (let round = 0; round < rules.rounds; round++) {
      for (const index of roundOrder(items.length, round)) {
        const item = items[index]!;
        const taken = measured.get(item);
        if (taken === undefined) continue;
        if (!item.started) item.onStart();
        item.started = true;
        this.current = item;
        try {
          const { request, result } = await measureIn(worker, opened, turn, item.layout, config);
          const { emulated } = worker;
          const { probe } = opened;
          // Only what a merged result would hide: where this process ran, and whether it swapped.
          const flags = validityFlags({
            result,
            probe,
            placement,
            emulated,
            cvLimit: Number.POSITIVE_INFINITY,
          });
          taken.push({ request, result, flags });
        } catch (error) {
          const own = error instanceof RunnerError && error.blame === "candidate";
          if (!own || error instanceof JobCancelledError || opened.session.failure !== undefined) throw error;
          measured.delete(item);
          item.reject(error);
        }
      }
    }
    return measured;
  }

  private logVoid(reason: string, blocks: number, drift: number): void {
    const { store, sweepId, listen } = this.context;
    const device = this.worker.device.name;
    store.log("window-void", { reason, blocks, drift }, { sweepId, device, cause: "throttled" });
    listen({ kind: "waiting", text: `${device}: ${reason}; its window is void` });
  }
}

/** The windows of every device of a sweep, also of those that stand in for another. */
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
