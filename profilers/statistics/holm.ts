// Several tests judged together (Holm 1979, "A simple sequentially rejective multiple test procedure").

/**
 * Returns Holm's step-down adjustment. If a test is rejected where its adjusted p is at most alpha, then at
 * most alpha of all families contain a false rejection.
 */
export function holm(pValues: readonly number[]): readonly number[] {
  const order = pValues.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p);
  const adjusted = new Array<number>(pValues.length);
  let highest = 0;
  for (const [rank, { p, index }] of order.entries()) {
    highest = Math.max(highest, Math.min(1, p * (pValues.length - rank)));
    adjusted[index] = highest;
  }
  return adjusted;
}
