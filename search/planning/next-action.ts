// What to do next: new layouts and repetitions of known ones in one order, the most expected gain per minute first. Device time and training
// time are two resources; a minute of the one that more work waits for costs more. Where gains and minutes come from is others' business.

/** Time that an action holds each resource for. */
export interface Minutes {
  readonly device: number;
  readonly training: number;
}

export interface Action {
  readonly kind: "evaluate" | "remeasure" | "reseed";
  readonly id: string;
  /** In hypervolume. */
  readonly gain: number;
  readonly minutes: Minutes;
}

export interface PlanOptions {
  /** Time left to repetitions. */
  readonly allowance: Minutes;
  /** Whether devices and trainer work at the same time; false where training runs on a device that also measures. */
  readonly atOnce: boolean;
  /** A repetition that promises less is never worth its time. */
  readonly leastGain: number;
}

/**
 * The price of a minute of each resource. Where both work at once: its share of all the minutes that are asked for, so that the resource
 * which would be done first is nearly free, and the one everything waits for is dear. Where they take turns, a minute is a minute.
 */
export function pricesOf(load: Minutes, atOnce: boolean): Minutes {
  const total = load.device + load.training;
  if (!atOnce || total === 0) return { device: 1, training: 1 };
  return { device: load.device / total, training: load.training / total };
}

const costOf = ({ minutes }: Action, prices: Minutes): number =>
  minutes.device * prices.device + minutes.training * prices.training;

/** Gain per priced minute; what costs nothing and gains something goes before all that costs. */
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
 * One round, in the order in which it is to be done: every evaluation (a strategy waits for all it proposed), and those repetitions that
 * gain at least as much per minute as the evaluations do on the whole, as far as the allowance reaches. With nothing to evaluate, the best
 * repetition of either resource: after it the doubt is looked at anew.
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
