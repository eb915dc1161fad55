// How much a confirmation measures and trains unless told otherwise. Found by simulation: npm run bench:conclusions -- --only confirm.

/** New sessions on each device, and new seeds of each task, of each of the two stages. */
export const DEFAULT_SESSIONS = 3;
/** Of a stage: a confirmation has so many seeds to itself. */
export const MOST_SESSIONS = 50;
/** How many times a choice that does not survive is replaced. */
export const DEFAULT_REPLACEMENTS = 3;
