// Defaults for how much a confirmation measures and trains. They were found by simulation: npm run
// bench:conclusions -- --only confirm.

/** New sessions on each device, and new seeds of each task, in each of the two stages. */
export const DEFAULT_SESSIONS = 3;
/** The most sessions of a stage: each confirmation reserves a fixed range of seeds. */
export const MOST_SESSIONS = 50;
/** How many times a choice that does not survive is replaced. */
export const DEFAULT_REPLACEMENTS = 3;
