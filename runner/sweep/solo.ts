// A worker outside a sweep, for the commands that run one job: same agent, same host lock, plain progress.
import type { DeviceRecord } from "../devices/device.ts";
import type { AgentBinary } from "../devices/transport.ts";
import type { Store } from "../store/store.ts";
import { openView } from "../view/view.ts";
import { DeviceLeases } from "./device-lease.ts";
import { HostLock } from "./host-lock.ts";
import { Worker } from "./worker.ts";

/** Opens an agent on `device`, runs `work`, and closes it whatever happens. */
export async function withWorker<T>(
  store: Store,
  device: DeviceRecord,
  signal: AbortSignal,
  work: (worker: Worker) => Promise<T>,
  program?: () => Promise<AgentBinary>,
): Promise<T> {
  const view = openView();
  const leases = new DeviceLeases(store.leases);
  const context = { lock: new HostLock(), leases, store, signal, listen: view.listen };
  const worker = new Worker(device, context, program);
  try {
    await worker.open();
    return await work(worker);
  } finally {
    view.close();
    await worker.close();
    leases.close();
  }
}
