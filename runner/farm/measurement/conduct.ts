// How a result came about, stored with it: the rules, what every window showed of the device, and the evidence of each process. Pure: the
// windows themselves are sweep-windows.ts.
import type { MeasureResult } from "../../../profilers/protocol.ts";
import { type Flag, validityFlags } from "../../../profilers/validity.ts";
import { mergeRounds, type SentinelRun, type WindowRules } from "../../../profilers/window.ts";
import type { LeaseProof } from "../../store/lease-table.ts";
import type { Readiness } from "./sentinel.ts";

/** A process in which a candidate was measured. */
export interface Round {
  readonly request: unknown;
  readonly result: MeasureResult;
  /** What a merged result would hide: where this process ran, whether it swapped, what others took of the processor. */
  readonly flags: readonly Flag[];
}

/** One candidate's part of one window. */
export interface Taken {
  readonly rounds: readonly Round[];
  readonly flags: readonly Flag[];
  /** When the window began, on the monotonic clock; only differences mean anything. */
  readonly startMs: number;
  /** Of the window's company, and where in its drawn order this candidate stood. */
  readonly contenders: number;
  readonly place: number;
  readonly orderSeed: number;
  /** Time of its own processes, and its share of what the window took beside. */
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
  /** Windows it took in all, also those that were void. */
  readonly windows: number;
  /** Time of the device that it took, in all windows. */
  readonly busyMs: number;
  /** Of the last window: its company, and where in it this candidate stood. */
  readonly contenders: number;
  readonly place: number;
  readonly readiness: Omit<Readiness, "run"> | null;
  readonly sentinel: WindowSentinel | null;
  /** Of each window that is kept: when it began (ms after the first), who took part, the seed of the order, what it showed. */
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

/** Throws RangeError where the processes generated different tokens: then at least one of them computed something else. */
export const mergeTaken = (kept: readonly Taken[]): MeasureResult =>
  mergeRounds(kept.flatMap(({ rounds }) => rounds.map(({ result }) => result)));

/** What was wrong with the windows, and with all their samples together. */
export function flagsOf(
  kept: readonly Taken[],
  merged: Omit<Parameters<typeof validityFlags>[0], "disturbanceLimit">,
): readonly Flag[] {
  return [...new Set([...kept.flatMap(({ flags }) => flags), ...validityFlags(merged)])];
}

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
