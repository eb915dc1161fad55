// Records how a result was measured, stored beside it: the rules, the state of the device in every window,
// and the evidence of each process. Pure functions; sweep-windows.ts runs the windows.
import type { MeasureResult } from "../../../profilers/protocol.ts";
import { type Flag, validityFlags } from "../../../profilers/validity.ts";
import { mergeRounds, type SentinelRun, type WindowRules } from "../../../profilers/window.ts";
import type { LeaseProof } from "../../store/lease-table.ts";
import type { Readiness } from "./sentinel.ts";

/** One process that measured a candidate. */
export interface Round {
  readonly request: unknown;
  readonly result: MeasureResult;
  /**
   * Flags that a merged result would hide: the process moved to other cores, swapped, or lost processor time
   * to others.
   */
  readonly flags: readonly Flag[];
}

/** One candidate's part of one window. */
export interface Taken {
  readonly rounds: readonly Round[];
  readonly flags: readonly Flag[];
  /** Start of the window on the monotonic clock; only differences have a meaning. */
  readonly startMs: number;
  /** Number of candidates in the window, and this candidate's place in its random order. */
  readonly contenders: number;
  readonly place: number;
  readonly orderSeed: number;
  /** Time of its own processes, plus its share of the window's other time. */
  readonly busyMs: number;
  readonly readiness: Readiness | null;
  readonly sentinel: WindowSentinel | null;
}

interface WindowSentinel {
  readonly baseline: SentinelRun;
  readonly before: SentinelRun;
  readonly after: SentinelRun;
  readonly drift: number;
}

export interface Conduct {
  readonly flags: readonly Flag[];
  readonly rules: WindowRules;
  /** All windows of this candidate, including discarded ones. */
  readonly windows: number;
  /** Device time over all windows. */
  readonly busyMs: number;
  /** For the last window: its number of candidates, and this candidate's place. */
  readonly contenders: number;
  readonly place: number;
  readonly readiness: Omit<Readiness, "run"> | null;
  readonly sentinel: WindowSentinel | null;
  /**
   * For each kept window: its start (ms after the first), number of candidates, order, calibration drift and
   * flags.
   */
  readonly kept: readonly {
    readonly afterMs: number;
    readonly contenders: number;
    readonly place: number;
    readonly orderSeed: number;
    readonly drift: number | null;
    readonly flags: readonly Flag[];
  }[];
  /** Evidence of each fresh process. */
  readonly rounds: readonly Pick<
    MeasureResult,
    "loadMs" | "memory" | "affinity" | "frequencyMhz" | "temperatureC" | "outputHash" | "disturbance"
  >[];
}

export interface Measured {
  readonly request: unknown;
  readonly result: MeasureResult;
  readonly lease: LeaseProof;
  readonly conduct: Conduct;
}

/**
 * Merges the results of all processes.
 * @throws RangeError when the processes generated different tokens: then at least one of them computed
 * something else.
 */
export const mergeTaken = (kept: readonly Taken[]): MeasureResult =>
  mergeRounds(kept.flatMap(({ rounds }) => rounds.map(({ result }) => result)));

/** Returns the flags of the windows, and of all their samples together. */
export function flagsOf(
  kept: readonly Taken[],
  merged: Omit<Parameters<typeof validityFlags>[0], "disturbanceLimit">,
): readonly Flag[] {
  return [...new Set([...kept.flatMap(({ flags }) => flags), ...validityFlags(merged)])];
}

/**
 * Returns the record of a measurement from its kept windows. `taken`: all windows, and the device time in ms.
 */
export function conductOf(
  kept: readonly Taken[],
  flags: readonly Flag[],
  rules: WindowRules,
  taken: { readonly windows: number; readonly busyMs: number },
): Conduct {
  const last = kept.at(-1)!;
  const { contenders, place, readiness, sentinel } = last;
  return {
    flags,
    rules,
    ...taken,
    contenders,
    place,
    readiness: readiness === null ? null : withoutRun(readiness),
    sentinel,
    kept: kept.map((one) => ({
      afterMs: Math.round(one.startMs - kept[0]!.startMs),
      contenders: one.contenders,
      place: one.place,
      orderSeed: one.orderSeed,
      drift: one.sentinel?.drift ?? null,
      flags: one.flags,
    })),
    rounds: kept.flatMap(({ rounds }) =>
      rounds.map(
        ({ result: { loadMs, memory, affinity, frequencyMhz, temperatureC, outputHash, disturbance } }) => ({
          loadMs,
          memory,
          affinity,
          frequencyMhz,
          temperatureC,
          outputHash,
          ...(disturbance && { disturbance }),
        }),
      ),
    ),
  };
}

const withoutRun = ({ run: _run, ...readiness }: Readiness): Conduct["readiness"] => readiness;
