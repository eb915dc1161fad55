// Prepares a device for timing: verifies the agent's arithmetic and gets the calibration baseline once a
// session, then waits until the device is at rest. Windows and comparisons share it, and decide about
// candidates that cannot be timed.
import type { StatusResult } from "../../../profilers/probe-result.ts";
import type { SentinelRun, WindowRules } from "../../../profilers/window.ts";
import type { Store } from "../../store/store.ts";
import type { Listener } from "../events.ts";
import { isaFor, type MeasureConfig, placementFor } from "../job-requests.ts";
import { baselineContent } from "../sweep-identity.ts";
import type { Opened, Turn, Worker } from "../worker.ts";
import { awaitReadiness, type Readiness, runSentinel, type SentinelContext } from "./sentinel.ts";

const waitText = (seconds: number): string =>
  seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;

export interface RestContext {
  readonly store: Store;
  readonly listen: Listener;
}

/** A device whose agent was verified. */
interface Checked {
  readonly sentinel: SentinelContext;
  /** Null when the rules do not guard measurements. */
  readonly baseline: SentinelRun | null;
}

export class DeviceRest {
  /** State of the current session. */
  private known: { readonly session: unknown; readonly baseline: SentinelRun | null } | null = null;

  constructor(
    private readonly worker: Worker,
    private readonly config: MeasureConfig,
    private readonly rules: WindowRules,
    private readonly context: RestContext,
  ) {}

  /**
   * Verifies the agent once a session.
   * @throws WrongOutputError when the device computes something else than its reference.
   */
  async check({ session, probe }: Opened, { signal }: Turn): Promise<Checked> {
    const { worker, config } = this;
    const placement = placementFor(worker, config);
    const { runtime } = worker;
    const sentinel: SentinelContext = { runtime, session, placement, isa: isaFor(probe, config), signal };
    if (this.known?.session !== session) {
      await runtime.verify(sentinel);
      this.known = { session, baseline: this.rules.guarded ? await this.baseline(sentinel) : null };
    }
    return { sentinel, baseline: this.known.baseline };
  }

  /**
   * Waits until the device is at rest and has `bytes` of memory plus a margin free, at most as long as the
   * rules say.
   */
  async await(
    { sentinel, baseline }: Checked,
    { probe }: Opened,
    turn: Turn,
    bytes: number,
  ): Promise<Readiness> {
    const { store, listen } = this.context;
    const { name } = this.worker.device;
    // A model that never fits into the device's memory is tried at once: running out of memory is a result.
    const needs = { cores: probe.allowedCpus.length, bytes: bytes > probe.memoryBytes ? 0 : bytes };
    const { readiness } = this.rules;
    let told = false;
    const onLook = ({ temperatureC }: StatusResult, objection: string | null): void => {
      if (temperatureC !== null) store.health.sawTemperature(name, temperatureC);
      if (objection === null) {
        store.health.ready(name);
        return;
      }
      if (!told && readiness.deadlineSeconds > 0)
        listen({
          kind: "waiting",
          text:
            `device ${name} is busy (${objection}): waiting up to ${waitText(readiness.deadlineSeconds)}. ` +
            "Change: measure.protocol.readiness, or --no-wait",
        });
      told = true;
    };
    return awaitReadiness(sentinel, baseline, needs, this.rules, onLook, (ms) => turn.pause(ms));
  }

  /**
   * The time of this device's calibration run at rest, as first seen with this content; measured now if never
   * seen.
   */
  private async baseline(sentinel: SentinelContext): Promise<SentinelRun> {
    const { store } = this.context;
    const { device } = this.worker;
    const content = baselineContent(this.worker, this.config, sentinel.isa);
    const stored = store.devices.sentinelBaseline(device.name, content);
    // The speed of this machine depends on today's other work, so its baseline is taken anew in each session.
    if (stored !== null && device.transport !== "local") return stored;
    const run = await runSentinel(sentinel);
    store.devices.putSentinelBaseline(device.name, content, run);
    return run;
  }
}
