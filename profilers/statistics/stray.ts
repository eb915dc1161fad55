// Pairs with something in one of their two runs that the runs before and after them do not have: a governor step, another process.

/** Of a normal distribution: standard deviation over median absolute deviation. */
export const MAD_TO_SD = 1.4826;

/** Robust standard deviations off the others at which a step counts as one. */
const STEP_SDS = 2;

/** The shortest interval that holds more than half of the values: neither end is moved by a few that lie elsewhere. */
function shortestHalf(values: readonly number[]): { readonly centre: number; readonly length: number } {
  const sorted = [...values].sort((x, y) => x - y);
  const held = Math.floor(sorted.length / 2) + 1;
  let [start, length] = [0, Number.POSITIVE_INFINITY];
  for (let i = 0; i + held <= sorted.length; i++) {
    const reach = sorted[i + held - 1]! - sorted[i]!;
    if (reach < length) [start, length] = [i, reach];
  }
  return { centre: sorted[start]! + length / 2, length };
}

/**
 * Places of stray pairs. `levels`: the mean of the logarithms of both runs, in the order of time. A step between two pairs shows once, a
 * step or a burst inside a pair shows on both of its sides: the level changes to it and from it. The level is the same whichever side
 * ran first, and a difference between the sides is in all of them: what is left out depends on neither, so that the test stays exact.
 * The differences of the pairs say more about strays and were rejected for that: with an odd number of pairs, a clear difference makes
 * all pairs of one order look stray. Centre and spread are those of the shortest half (Rousseeuw and Leroy 1987, with their correction
 * for few values).
 */
export function strayPairs(levels: readonly number[]): ReadonlySet<number> {
  const steps = levels.slice(1).map((level, i) => level - levels[i]!);
  if (steps.length < 3) return new Set();
  const { centre, length } = shortestHalf(steps);
  const limit = (STEP_SDS * MAD_TO_SD * (1 + 5 / (steps.length - 1)) * length) / 2;
  if (limit === 0) return new Set();
  const isStep = (step: number | undefined): boolean => step !== undefined && Math.abs(step - centre) > limit;
  return new Set(levels.flatMap((_, i) => (isStep(steps[i - 1]) && isStep(steps[i]) ? [i] : [])));
}
