// Devices by name: the registered ones, and `local`, which needs no registration. Also tells which of them are one machine.
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { type DeviceRecord, hostOf, localDevice } from "../devices/device-record.ts";
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

/**
 * The host of a machine that is being registered; null where no registered device is the same machine. The kernel's boot id tells, in
 * containers and over other addresses too. A machine that was restarted since it was last probed is known by its server: the same
 * address, port and host key. A host key alone would not do: boards made from one image share it.
 */
export function registeredHost(
  store: Store,
  device: DeviceRecord,
  { bootId }: Pick<ProbeResult, "bootId">,
): string | null {
  const isSame = (other: DeviceRecord): boolean =>
    store.devices.lastProbe(other.name)?.result.bootId === bootId ||
    (device.transport === "ssh" &&
      other.transport === "ssh" &&
      device.host === other.host &&
      device.port === other.port &&
      device.hostKey === other.hostKey);
  const found = store.devices.all().find((other) => other.name !== device.name && isSame(other));
  return found === undefined ? null : hostOf(found);
}
