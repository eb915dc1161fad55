// A worker outside a sweep, for commands that run one job: same agent, same host lock, plain progress.
import { counted } from "../../candidates/words.ts";
import type { DeviceRecord } from "../devices/device-record.ts";
import type { AgentBinary } from "../devices/transport.ts";
import { DeviceLeases } from "../farm/device-lease.ts";
import type { Listener } from "../farm/events.ts";
import { quarantineError } from "../farm/faults.ts";
import { HostLock } from "../farm/host-lock.ts";
import { Worker } from "../farm/worker.ts";
import type { Store } from "../store/store.ts";
import { plainListener } from "../view/plain.ts";

/** Writes progress to stderr. On a terminal it also announces that a build began, which may take a minute. */
function progress(): Listener {
  const plain = plainListener(process.stderr);
  let told = false;
  return (event) => {
    if (event.kind === "build" && event.done < event.total && !told && process.stderr.isTTY) {
      process.stderr.write(`building the kernels for ${event.target}: ${counted(event.total, "file")}\n`);
      told = true;
    }
    plain(event);
  };
}

export interface SoloOptions {
  /** The program to run instead of the agent built for the device's target. */
  readonly program?: (() => Promise<AgentBinary>) | undefined;
  /** Fail when another process uses the device. */
  readonly noWait?: boolean;
  /** Also use a quarantined device, to see whether it was mended. */
  readonly evenQuarantined?: boolean;
}

/**
 * Checks that jobs may run on a device.
 * @throws RunError (`device-quarantined`) when the device is quarantined.
 */
export function requireInUse(store: Store, name: string): void {
  const { state, reason } = store.health.state(name);
  if (state === "quarantined") throw quarantineError(name, reason, "run this again");
}

/**
 * Opens an agent on `device`, runs `work`, and always closes the agent.
 * @throws RunError (`device-quarantined`).
 */
export async function withWorker<T>(
  store: Store,
  device: DeviceRecord,
  signal: AbortSignal,
  work: (worker: Worker) => Promise<T>,
  { program, noWait = false, evenQuarantined = false }: SoloOptions = {},
): Promise<T> {
  if (!evenQuarantined) requireInUse(store, device.name);
  const leases = new DeviceLeases(store.leases);
  const context = { noWait, lock: new HostLock(), leases, store, signal, listen: progress() };
  const worker = new Worker(device, context, program);
  try {
    await worker.open();
    return await work(worker);
  } finally {
    await worker.close();
    leases.close();
  }
}
