/**
 * Runs `work` with a signal that aborts when one of `signals` does, with the reason of the first. No listener
 * remains on the signals afterwards. `AbortSignal.any` was rejected: it leaves a weak reference on each
 * signal for good (Node 20), one for every job of a sweep.
 */
export async function withEitherSignal<T>(
  signals: readonly AbortSignal[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const either = new AbortController();
  const watches = signals.map((signal) => ({ signal, abort: () => either.abort(signal.reason) }));
  for (const { signal, abort } of watches) {
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  }
  try {
    return await work(either.signal);
  } finally {
    for (const { signal, abort } of watches) signal.removeEventListener("abort", abort);
  }
}
