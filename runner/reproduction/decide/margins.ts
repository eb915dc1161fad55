// Margins, fixed before anything runs and equal for every seed, machine and budget. README.md has the reason
// for each.

/** Relative margin of a time or a size. */
export const MATTERS = 0.02;
/** Margin of the logarithm of the steps to solve a task: a quarter more steps. */
export const STEPS_MARGIN = Math.log(1.25);
/** Margin of a score, in its unit: accuracy as a fraction, or bits/byte. */
export const SCORE_MARGIN = 0.05;
/**
 * The fewest seeds of a comparison: with fewer, a layout that fails with one seed in three would pass too
 * often.
 */
export const MIN_SEEDS = 5;
/** The published layout has 6 attention layers of 16: "a few". */
export const PUBLISHED_COUNT = 6;
/** Numbers of attention layers that the published claim says are worse, and those it says are no better. */
export const TOO_FEW: readonly number[] = [0, 1];
export const MORE: readonly number[] = [8, 16];
/** Share of right answers, or of seeds that solve a task, from which a proxy counts as having learnt it. */
export const LEARNT = 0.5;
