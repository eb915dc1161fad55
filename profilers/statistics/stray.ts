// Finds stray pairs: a disturbance affected one of their two runs, but not the runs before and after.
// Examples: a governor step, another process.

/** Ratio of the standard deviation to the median absolute deviation of a normal distribution. */
export const MAD_TO_SD = 1.4826;

/** Distance from the other steps, in robust standard deviations, at which a step counts as a disturbance. */
const STEP_SDS = 2;

/** The shortest interval that holds more than half of the values. A few distant values move neither end. */
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
 * Returns the indices of stray pairs. `levels`: the mean of the logarithms of both runs, in order of time. A
 * step between two pairs shows once. A step or a burst inside a pair shows on both sides: the level changes
 * towards the pair and away from it.
 * The level does not depend on which side ran first, and a difference between the sides is in all levels. So
 * the exclusion depends on neither, and the test stays exact.
 * The differences of the pairs tell more about strays, but were rejected: with an odd number of pairs, a
 * clear difference makes all pairs of one order look stray. Centre and spread are those of the shortest half
 * (Rousseeuw and Leroy 1987, with their correction for few values).
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
