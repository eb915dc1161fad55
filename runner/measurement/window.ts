// Measures what waits for a device in windows: the device at rest, the sentinel, the candidates in turn, the sentinel again. A window
// in which the device changed is void and its candidates run again; what stays doubtful is kept with its flags. Whose fault a
// failed run is and when it is tried again is runner/sweep/'s business.
import type { Layout } from "../../candidates/layout.ts";
import type { MeasureResult, ProbeResult } from "../../profilers/protocol.ts";
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
import { InvalidMeasurementError } from "../sweep/faults.ts";
import { isaFor, type MeasureConfig, measureIn, placementFor } from "../sweep/jobs.ts";
import type { Turn, Worker } from "../sweep/worker.ts";
import { windowRules } from "./rules.ts";
import {
  awaitReadiness,
  type Readiness,
  runSentinel,
  type SentinelContext,
  verifyAgent,
} from "./sentinel.ts";

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
  /** Windows so far, those it was deferred in counted. */
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

/** The windows of one device. */
class MeasurementWindows {
  private readonly queue: Waiting[] = [];
  private readonly rules: WindowRules;
  private running = false;
  /** Whose run is under way. */
  private current: Waiting | null = null;
  /** Of the agent and session in use: verified, and the sentinel's baseline. */
  private known: { readonly session: unknown; readonly baseline: SentinelRun | null } | null = null;

  constructor(
    private readonly worker: Worker,
    private readonly config: MeasureConfig,
    private readonly context: WindowContext,
  ) {
    this.rules = windowRules(worker.device, config.protocol);
  }

  /** Measures a layout in one of the next windows. `onStart` is called when its first run begins. */
  measure(layout: Layout, onStart: () => void): Promise<Measured> {
    const measured = new Promise<Measured>((resolve, reject) => {
      this.queue.push({ layout, onStart, resolve, reject, windows: 0, started: false });
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
  private async window(
    items: readonly Waiting[],
    opened: Awaited<ReturnType<Worker["open"]>>,
    turn: Turn,
  ): Promise<void> {
    const { worker, rules, config } = this;
    const { session, probe } = opened;
    const placement = placementFor(worker, config);
    const sentinel: SentinelContext = { session, placement, isa: isaFor(probe, config), signal: turn.signal };
    if (this.known?.session !== session) {
      await verifyAgent(sentinel);
      this.known = { session, baseline: rules.guarded ? await this.baseline(sentinel) : null };
    }
    const { baseline } = this.known;
    // An emulator's times are not relied on in any case.
    const retries = worker.emulated ? 0 : rules.retries;
    for (let left = [...items]; left.length > 0; ) {
      const readiness = rules.guarded ? await this.readiness(sentinel, baseline, probe) : null;
      if (readiness?.ready === false && this.defer(left, retries, readiness.objection!)) return;
      const before = readiness === null ? null : (readiness.run ?? (await runSentinel(sentinel)));
      const measured = await this.rounds(left, opened, turn, placement);
      const after = before === null ? null : await runSentinel(sentinel);
      const drift = before === null || after === null ? 0 : driftOf(before, after);
      const voided = drift > rules.sentinel.driftTolerance;
      const ofWindow: Flag[] = [
        ...(voided ? ["throttled" as const] : []),
        ...(readiness?.ready === false ? ["not-ready" as const] : []),
      ];
      if (voided) this.logVoid(`the sentinel drifted by ${(100 * drift).toFixed(1)}%`, left.length, drift);
      const again: Waiting[] = [];
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
        const { ready, objection, looks, waitedMs } = readiness ?? {};
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
            readiness:
              readiness === null
                ? null
                : { ready: ready!, objection: objection!, looks: looks!, waitedMs: waitedMs! },
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
      left = again;
    }
  }

  private readiness(
    sentinel: SentinelContext,
    baseline: SentinelRun | null,
    probe: ProbeResult,
  ): Promise<Readiness> {
    const { store, listen } = this.context;
    const device = this.worker.device.name;
    let told = false;
    return awaitReadiness(
      sentinel,
      baseline,
      probe.allowedCpus.length,
      this.rules.readiness,
      ({ temperatureC }, objection) => {
        if (temperatureC !== null) store.health.sawTemperature(device, temperatureC);
        if (objection === null) return store.health.ready(device);
        if (!told) listen({ kind: "waiting", text: `${device} is not at rest: ${objection}` });
        told = true;
      },
    );
  }

  /**
   * Puts candidates that may still wait behind what else waits for the device. False where some have waited often enough, or no
   * waiting was asked for: they are measured as it is, and marked.
   */
  private defer(items: readonly Waiting[], retries: number, objection: string): boolean {
    const { store, sweepId } = this.context;
    if (this.rules.readiness.deadlineSeconds === 0 || items.some(({ windows }) => windows >= retries))
      return false;
    for (const item of items) item.windows++;
    store.health.cool(this.worker.device.name, objection, { sweepId });
    this.queue.push(...items);
    return true;
  }

  /** Every candidate once a round, in turn. One that fails by itself is rejected and left out; the others go on. */
  private async rounds(
    items: readonly Waiting[],
    opened: Awaited<ReturnType<Worker["open"]>>,
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

  /** What this device's sentinel takes at rest, as first seen with this agent; measured now where it was never seen. */
  private async baseline(sentinel: SentinelContext): Promise<SentinelRun> {
    const { store } = this.context;
    const { device, agentSha256 } = this.worker;
    const stored = store.devices.sentinelBaseline(device.name, agentSha256);
    // This machine's speed depends on what else runs on it today: its baseline is of this session.
    if (stored !== null && device.transport !== "local") return stored;
    const run = await runSentinel(sentinel);
    store.devices.putSentinelBaseline(device.name, agentSha256, run);
    return run;
  }

  private logVoid(reason: string, blocks: number, drift: number): void {
    const { store, sweepId, listen } = this.context;
    const device = this.worker.device.name;
    store.log("window-void", { reason, blocks, drift }, { sweepId, device, cause: "throttled" });
    listen({ kind: "waiting", text: `${device}: ${reason}; its window is void and runs again` });
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
