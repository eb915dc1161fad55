// The endpoint of a training run: the steps to solve its task if training stops at an accuracy, else its
// score. Losses of all layouts have the same seeds in the same order, so that the common effect of a seed
// cancels in differences.
import { binomialCdf } from "../../../profilers/statistics/binomial.ts";
import { type Evidence, none } from "../../../profilers/statistics/evidence.ts";
import {
  below,
  type Difference,
  differenceOf,
  type Look,
  now,
} from "../../../profilers/statistics/margin.ts";
import { mean } from "../../../profilers/statistics/summary.ts";
import { LEARNT, MIN_SEEDS, SCORE_MARGIN, STEPS_MARGIN } from "./margins.ts";

export interface Endpoint {
  /** The task's name. */
  readonly task: string;
  /**
   * `steps`: logarithm of the steps to solve the task, or of all training steps if it was not solved.
   * `score`: as a loss, smaller is better.
   */
  readonly kind: "steps" | "score";
  /** True for tasks scored by right answers, which may need attention. */
  readonly recalls: boolean;
  /** Losses by label of the layout. */
  readonly losses: ReadonlyMap<string, readonly number[]>;
  /** The loss of a run that learns nothing, where it is known. */
  readonly worst: number | null;
}

/** Returns the margin of an endpoint, in the unit of its losses. */
export const marginOf = ({ kind }: Endpoint): number => (kind === "steps" ? STEPS_MARGIN : SCORE_MARGIN);

/** Returns whether some layout learns the task in enough of its runs; otherwise their order is luck. */
export function isLearnt({ kind, recalls, losses, worst }: Endpoint): boolean {
  if (!recalls) return true;
  return [...losses.values()].some((own) =>
    kind === "steps" ? mean(own.map((loss) => (loss < worst! ? 1 : 0))) >= LEARNT : -mean(own) >= LEARNT,
  );
}

/** Returns the difference `a - b` over the same seeds; null for too few seeds. */
export function blocked({ losses }: Endpoint, a: string, b: string): Difference | null {
  const [first, second] = [losses.get(a) ?? [], losses.get(b) ?? []];
  const seeds = Math.min(first.length, second.length);
  if (seeds < MIN_SEEDS) return null;
  return differenceOf(Array.from({ length: seeds }, (_, n) => first[n]! - second[n]!));
}

/** Returns evidence that `a` is not worse than `b` by more than the margin. */
export function notWorse(endpoint: Endpoint, a: string, b: string, look: Look = now): Evidence {
  const difference = blocked(endpoint, a, b);
  if (difference === null) return none;
  const { pTrue, pFalse } = below(difference, marginOf(endpoint), look);
  return { pTrue: Math.max(pTrue, failuresUnseen(endpoint, a, b, look)), pFalse };
}

/**
 * Returns the chance of seeing as few failures of `a` as were seen, if failures alone were worth the margin.
 * A mean with its standard error underestimates failed runs, which are few and expensive.
 */
function failuresUnseen(endpoint: Endpoint, a: string, b: string, { more }: Look): number {
  const { worst, losses } = endpoint;
  if (worst === null) return 0;
  const failuresOf = (label: string): number => losses.get(label)!.filter((loss) => loss >= worst).length;
  const own = losses.get(a)!;
  const solved = own.filter((loss) => loss < worst);
  const cost = solved.length === 0 ? 0 : worst - mean(solved);
  const margin = marginOf(endpoint);
  if (cost <= margin) return 0;
  const seeds = Math.round(more * own.length);
  return binomialCdf(Math.round(more * failuresOf(a)), seeds, margin / cost + failuresOf(b) / own.length);
}

/** Returns evidence that `a` is better than `b` by more than the margin. */
export const better = (endpoint: Endpoint, a: string, b: string, look: Look = now): Evidence =>
  below(blocked(endpoint, a, b), -marginOf(endpoint), look);
