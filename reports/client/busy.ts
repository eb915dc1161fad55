// The load of a lane of the timeline.

/** Returns the share of the time in which at least one span runs. */
export function busyShare(
  spans: readonly { readonly startMs: number; readonly endMs: number }[],
  total: number,
): number {
  let [busy, reached] = [0, Number.NEGATIVE_INFINITY];
  for (const { startMs, endMs } of [...spans].sort((a, b) => a.startMs - b.startMs)) {
    busy += Math.max(0, endMs - Math.max(startMs, reached));
    reached = Math.max(reached, endMs);
  }
  return total > 0 ? busy / total : 0;
}
