// A layout to choose from, as plain data: counts and values instead of the layout itself. The page's script
// then chooses by the same code and numbers, without the notation.
import { originOf } from "../../profilers/metrics/name.ts";
import type { Budget } from "../budgets.ts";
import { judge, type Verdict } from "../judge.ts";
import type { Objective } from "../strategy.ts";

/** A value and its uncertainty. */
export interface Known {
  readonly value: number;
  /** Lower end of the 95% interval: the value itself where it is counted, null where the error is unknown. */
  readonly low: number | null;
  readonly high: number | null;
  /** `unstable`, `unknown error`, `emulated`. */
  readonly marks: readonly string[];
}

export interface Choice {
  readonly id: string;
  /** Number of its trial. */
  readonly trial: number;
  readonly pattern: string;
  readonly parameters: number;
  readonly attentionLayers: number;
  /** Number of mixer kinds in use. Kernel sizes and windows count as kinds of their own. */
  readonly mixerKinds: number;
  /** True if it is on the front. Other layouts are never chosen. */
  readonly onFront: boolean;
  /** Chance that it is truly on the front; null where it was not computed. */
  readonly chance: number | null;
  readonly metrics: Readonly<Record<string, Known>>;
}

/** Returns the oriented value of an objective (smaller is better); infinite where it was not measured. */
export function lossOf(
  { metrics }: Choice,
  { name, direction }: Pick<Objective, "name" | "direction">,
): number {
  const known = metrics[name];
  if (known === undefined) return Number.POSITIVE_INFINITY;
  return direction === "min" ? known.value : -known.value;
}

/**
 * Returns how far `worse` may be behind `better` by chance: the arms of both 95% intervals that point at each
 * other, in quadrature. Source: Zou and Donner 2008, "Construction of confidence limits about effect
 * measures". No scale is needed, although the intervals of times are asymmetric. An unknown error has no arm:
 * such values are compared directly, and displays mark them.
 */
export function marginOf(
  better: Choice,
  worse: Choice,
  { name, direction }: Pick<Objective, "name" | "direction">,
): number {
  const [a, b] = [better.metrics[name], worse.metrics[name]];
  const up = (known: Known | undefined): number => (known?.high == null ? 0 : known.high - known.value);
  const down = (known: Known | undefined): number => (known?.low == null ? 0 : known.value - known.low);
  return direction === "min" ? Math.hypot(up(a), down(b)) : Math.hypot(down(a), up(b));
}

/** Judges whether a choice's values keep to the budgets. */
export const verdictOf = ({ metrics }: Choice, budgets: readonly Budget[]): Verdict =>
  judge(
    budgets,
    Object.fromEntries(
      budgets.flatMap(({ metric }) => {
        const known = metrics[metric];
        return known === undefined ? [] : [[metric, known.value] as const];
      }),
    ),
  );

/** Returns true if a choice keeps to all budgets. An unmeasured budget counts as broken. */
export const within = (choice: Choice, budgets: readonly Budget[]): boolean =>
  verdictOf(choice, budgets).state === "feasible";

/**
 * Returns the objective that stands for quality: the first score, else the first that no device measures,
 * else the first.
 */
export const qualityOf = <T extends Pick<Objective, "name">>(objectives: readonly T[]): T | undefined =>
  objectives.find(({ name }) => originOf(name) === "trained") ??
  objectives.find(({ name }) => originOf(name) !== "measured") ??
  objectives[0];

/** Returns a number as text for sentences, with four significant digits. */
export const round = (value: number): string => String(Number(value.toPrecision(4)));

/** Returns `0.3 [0.25, 0.36] ~`, for sentences. `~` marks a value that is not reliable. */
export function said({ value, low, high, marks }: Known): string {
  const interval = low === null || high === null || low === high ? "" : ` [${round(low)}, ${round(high)}]`;
  return `${round(value)}${interval}${marks.length > 0 ? ` ~ (${marks.join(", ")})` : ""}`;
}
