// Looks up devices by name: the registered ones, and `local`, which needs no registration. Also finds out
// which of them are one machine.
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { type DeviceRecord, hostOf, localDevice } from "../devices/device-record.ts";
import { withIdentity } from "../devices/identities.ts";
import type { Store } from "../store/store.ts";

export const LOCAL_DEVICE = "local";

/** Returns the names of all devices; `local` comes first. */
export function deviceNames(store: Store): readonly string[] {
  return [...new Set([LOCAL_DEVICE, ...store.devices.all().map((device) => device.name)])];
}

/**
 * Returns a device by name.
 * @throws InvalidInputError (`unknown-device`) that suggests the nearest name.
 */
export function deviceNamed(store: Store, name: string): DeviceRecord {
  const registered = store.devices.find(name);
  if (registered !== null) return withIdentity(registered);
  return name === LOCAL_DEVICE ? localDevice() : store.devices.require(name, deviceNames(store));
}

/**
 * Returns the host of a machine that is being registered; null when no registered device is the same machine.
 * The kernel's boot id identifies it, also in containers and over other addresses. A machine that restarted
 * since its last probe is recognised by its server: the same address, port and host key. A host key alone is
 * not enough, because boards made from one image share it.
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
