// Devices by name: the registered ones, and `local`, which needs no registration.

import { type DeviceRecord, localDevice } from "../devices/device-record.ts";
import { withIdentity } from "../devices/identities.ts";
import type { Store } from "../store/store.ts";

export const LOCAL_DEVICE = "local";

export function deviceNames(store: Store): readonly string[] {
  return [...new Set([LOCAL_DEVICE, ...store.devices.all().map((device) => device.name)])];
}

/** Throws InvalidInputError (`unknown-device`) with the nearest name. */
export function deviceNamed(store: Store, name: string): DeviceRecord {
  const registered = store.devices.find(name);
  if (registered !== null) return withIdentity(registered);
  return name === LOCAL_DEVICE ? localDevice() : store.devices.require(name, deviceNames(store));
}
