// Plans the next round: new layouts and repetitions of known ones in one order, by expected gain per minute.
// Device time and training time are two resources. Minutes of the resource with more queued work have a
// higher price. Callers estimate gains and minutes.

/** Minutes for which an action occupies each resource. */
export interface Minutes {
  readonly device: number;
  readonly training: number;
}

export interface Action {
  readonly kind: "evaluate" | "remeasure" | "reseed";
  readonly id: string;
  /** Expected gain, in hypervolume. */
  readonly gain: number;
  readonly minutes: Minutes;
}

export interface PlanOptions {
  /** Time that remains for repetitions. */
  readonly allowance: Minutes;
  /**
   * True if devices and trainer work at the same time; false where training runs on a device that also
   * measures.
   */
  readonly atOnce: boolean;
  /** A repetition with a smaller expected gain is never run. */
  readonly leastGain: number;
}

/**
 * Returns the price of a minute of each resource. Where both work at once, the price is the resource's share
 * of all planned minutes. The resource that finishes first is then nearly free, and the bottleneck is
 * expensive. Where they take turns, every minute costs the same.
 */
export function pricesOf(load: Minutes, atOnce: boolean): Minutes {
  const total = load.device + load.training;
  if (!atOnce || total === 0) return { device: 1, training: 1 };
  return { device: load.device / total, training: load.training / total };
}

const costOf = ({ minutes }: Action, prices: Minutes): number =>
  minutes.device * prices.device + minutes.training * prices.training;

/** Gain per priced minute. An action with a gain but no cost goes before all that cost something. */
function rateOf(action: Action, prices: Minutes): number {
  const cost = costOf(action, prices);
  return cost > 0 ? action.gain / cost : action.gain > 0 ? Number.POSITIVE_INFINITY : 0;
}

function byRate<T extends Action>(actions: readonly T[], prices: Minutes): readonly T[] {
  return actions
    .map((action, place) => ({ action, place, rate: rateOf(action, prices) }))
    .sort((a, b) =>
      a.rate === b.rate ? b.action.gain - a.action.gain || a.place - b.place : b.rate - a.rate,
    )
    .map(({ action }) => action);
}

const sum = (actions: readonly Action[], of: (action: Action) => number): number =>
  actions.reduce((total, action) => total + of(action), 0);

const loadOf = (actions: readonly Action[]): Minutes => ({
  device: sum(actions, ({ minutes }) => minutes.device),
  training: sum(actions, ({ minutes }) => minutes.training),
});

/**
 * Returns one round in the order of execution: every evaluation (a strategy waits for all its proposals), and
 * some repetitions within the allowance. A repetition must gain at least as much per minute as the
 * evaluations on average. Without evaluations, the round has only the best repetition of each kind, because
 * the doubt must then be computed again.
 */
export function planRound<T extends Action>(
  evaluations: readonly T[],
  repetitions: readonly T[],
  { allowance, atOnce, leastGain }: PlanOptions,
): readonly T[] {
  const prices = pricesOf(loadOf(evaluations.length > 0 ? evaluations : repetitions), atOnce);
  const cost = sum(evaluations, (action) => costOf(action, prices));
  const pace = cost > 0 ? sum(evaluations, ({ gain }) => gain) / cost : 0;
  const left = { ...allowance };
  const chosen: T[] = [];
  for (const action of byRate(repetitions, prices)) {
    const { kind, gain, minutes } = action;
    if (gain <= 0 || gain < leastGain || rateOf(action, prices) < pace) continue;
    if (minutes.device > left.device || minutes.training > left.training) continue;
    if (evaluations.length === 0 && chosen.some((other) => other.kind === kind)) continue;
    left.device -= minutes.device;
    left.training -= minutes.training;
    chosen.push(action);
  }
  return byRate([...evaluations, ...chosen], prices);
}
