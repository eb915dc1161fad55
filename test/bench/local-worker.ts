// Returns the agent of this machine for a bench, opened as `measure` opens it.
import { deviceNamed, LOCAL_DEVICE } from "../../runner/farm/known.ts";
import type { Worker } from "../../runner/farm/worker.ts";
import { Store } from "../../runner/store/store.ts";
import { withWorker } from "../../runner/sweep/solo.ts";

export async function withLocalWorker<T>(work: (worker: Worker, store: Store) => Promise<T>): Promise<T> {
  const store = Store.open(":memory:");
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  try {
    return await withWorker(store, deviceNamed(store, LOCAL_DEVICE), stop.signal, (worker) =>
      work(worker, store),
    );
  } finally {
    store.close();
  }
}
