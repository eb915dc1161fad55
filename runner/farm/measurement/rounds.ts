// The runs within one window: every candidate in turn, each in a fresh process, for as many rounds as the
// rules say.
import type { Layout } from "../../../candidates/layout.ts";
import { validityFlags } from "../../../profilers/validity.ts";
import { roundOrder, type WindowRules } from "../../../profilers/window.ts";
import { JobCancelledError, RunnerError } from "../../devices/device-errors.ts";
import { type MeasureConfig, measureIn, placementFor } from "../job-requests.ts";
import type { Opened, Turn, Worker } from "../worker.ts";
import type { Measured, Round, Taken } from "./conduct.ts";

/** A candidate that waits for its windows. */
export interface Waiting {
  readonly layout: Layout;
  readonly onStart: () => void;
  readonly resolve: (measured: Measured) => void;
  readonly reject: (error: unknown) => void;
  /** Measure it in any condition of the device, and mark the result. */
  readonly asItIs: boolean;
  started: boolean;
  /** Windows so far, how many were repetitions, and the device time in all of them. */
  windows: number;
  retries: number;
  busyMs: number;
  readonly kept: Taken[];
}

/** A candidate's processes in a window, and the time they took. */
export interface OwnRounds {
  readonly rounds: readonly Round[];
  readonly busyMs: number;
}

interface Run {
  readonly worker: Worker;
  readonly opened: Opened;
  readonly turn: Turn;
  /** The configuration of each process. */
  readonly share: MeasureConfig;
  readonly rules: WindowRules;
}

/**
 * Runs every candidate once a round, in the given order. A candidate that fails by its own fault is rejected
 * and left out; the others continue. Rejects with errors that end the session or the turn.
 */
export async function runRounds(
  items: readonly Waiting[],
  order: readonly number[],
  { worker, opened, turn, share, rules }: Run,
  onRun: (item: Waiting) => void,
): Promise<ReadonlyMap<Waiting, OwnRounds>> {
  const judge = { probe: opened.probe, placement: placementFor(worker, share), emulated: worker.emulated };
  const { disturbanceLimit } = rules;
  const measured = new Map(items.map((item) => [item, { rounds: [] as Round[], busyMs: 0 }]));
  for (let round = 0; round < rules.rounds; round++) {
    for (const index of roundOrder(order, round)) {
      const item = items[index]!;
      const taken = measured.get(item);
      if (taken === undefined) continue;
      if (!item.started) item.onStart();
      item.started = true;
      onRun(item);
      try {
        const startMs = performance.now();
        const { request, result } = await measureIn(worker, opened, turn, item.layout, share);
        taken.busyMs += performance.now() - startMs;
        const cvLimit = Number.POSITIVE_INFINITY;
        const flags = validityFlags({ ...judge, result, cvLimit, disturbanceLimit });
        taken.rounds.push({ request, result, flags });
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
