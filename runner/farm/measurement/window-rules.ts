// The rules for measuring a device: those of its profile, with the changes of the sweep's configuration.
import type { WindowRules } from "../../../profilers/window.ts";
import type { ProtocolConfig } from "../../config/config-protocol.ts";
import { type DeviceRecord, profileOf } from "../../devices/device-record.ts";

/** Returns `base` with the values of `changes`. zod leaves absent keys out, but its types allow undefined. */
export const changed = <T extends object>(base: T, changes: { [K in keyof T]?: T[K] | undefined }): T => ({
  ...base,
  ...(changes as Partial<T>),
});

/** Returns the rules for a device. */
export function windowRules(device: DeviceRecord, config: ProtocolConfig): WindowRules {
  const profile = profileOf(device);
  const { guarded, rounds = profile.rounds, windows = profile.windows, retries = profile.retries } = config;
  return {
    guarded,
    rounds,
    windows,
    retries,
    readiness: changed(profile.readiness, config.readiness),
    sentinel: changed(profile.sentinel, config.sentinel),
    cvLimit: config.cvLimit ?? profile.cvLimit,
    disturbanceLimit: config.disturbanceLimit ?? profile.disturbanceLimit,
  };
}
