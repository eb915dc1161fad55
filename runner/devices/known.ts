// Devices by name: the registered ones, and `local`, which needs no registration.

import { hostTarget } from "../agent/toolchain.ts";
import { RunError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import type { DeviceRecord } from "./device.ts";
import { withIdentity } from "./identities.ts";

export const LOCAL_DEVICE = "local";

/** This machine. Throws RunError (`unsupported-host`) where the kernels have no target for it. */
export function localDevice(): DeviceRecord {
  const target = hostTarget();
  if (target === undefined) {
    throw new RunError(
      "unsupported-host",
      `the kernels do not run on ${process.platform} ${process.arch}; measure a Linux device over SSH instead`,
    );
  }
  return { name: LOCAL_DEVICE, transport: "local", target };
}

export function deviceNames(store: Store): readonly string[] {
  return [...new Set([LOCAL_DEVICE, ...store.devices.all().map((device) => device.name)])];
}

/** Throws InvalidInputError (`unknown-device`) with the nearest name. */
export function deviceNamed(store: Store, name: string): DeviceRecord {
  const registered = store.devices.find(name);
  if (registered !== null) return withIdentity(registered);
  return name === LOCAL_DEVICE ? localDevice() : store.devices.require(name, deviceNames(store));
}
