// By which rules a device is measured: its profile's, with what the sweep's configuration changes.
import type { WindowRules } from "../../../profilers/window.ts";
import type { ProtocolConfig } from "../../config/config-protocol.ts";
import { type DeviceRecord, profileOf } from "../../devices/device-record.ts";

/** `base` with what `changes` says; zod leaves absent keys out, its types do not. */
export const changed = <T extends object>(base: T, changes: { [K in keyof T]?: T[K] | undefined }): T => ({
  ...base,
  ...(changes as Partial<T>),
});

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
