// Sizes and figures that the static page reserves and the script fills.

/** Height of one line of descent in the lineage. */
export const LINEAGE_ROW = 24;
export const LINEAGE_FOOT = 42;

/** Metrics whose curve over context length is always drawn. A menu offers the others. */
export const CURVES: readonly string[] = ["ttftMs", "decodeTokensPerSecond"];
