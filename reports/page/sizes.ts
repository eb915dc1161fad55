// What the static page lays out and the script fills: sizes, and which figures there are.

/** Height of one line of descent in the lineage. */
export const LINEAGE_ROW = 24;
export const LINEAGE_FOOT = 42;

/** Metrics whose curve over context length is always drawn; any other is chosen from a menu. */
export const CURVES: readonly string[] = ["ttftMs", "decodeTokensPerSecond"];
