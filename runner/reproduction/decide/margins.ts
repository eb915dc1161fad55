// Differences that matter, fixed before anything is run and the same for every seed, machine and budget. README.md says why each is what it is.

/** Relative, of a time or a size. */
export const MATTERS = 0.02;
/** Of the logarithm of the training steps to the accuracy at which a task counts as solved: a quarter more. */
export const STEPS_MARGIN = Math.log(1.25);
/** In the unit of a score: accuracy as a fraction, bits/byte. */
export const SCORE_MARGIN = 0.05;
/** Fewer seeds decide nothing: a layout that fails with one seed in three would pass too often. */
export const MIN_SEEDS = 5;
/** The published layout has 6 attention layers of 16: "a few". */
export const PUBLISHED_COUNT = 6;
/** Counts that the published claim needs to be worse, and those it needs not to be better. */
export const TOO_FEW: readonly number[] = [0, 1];
export const MORE: readonly number[] = [8, 16];
/** Below this share of right answers, or of seeds that solve it, a task was not learnt by any proxy. */
export const LEARNT = 0.5;
