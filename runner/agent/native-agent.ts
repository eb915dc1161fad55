// The agent of this package, for one device.
import type { DeviceRecord } from "../devices/device-record.ts";
import { type BuildRequest, type BuiltBinary, buildAgent } from "./build.ts";

/**
 * Builds the agent, or finds it in the cache. For another machine, the binary runs on any system of its
 * target.
 */
export const nativeAgent = (
  { target, transport }: Pick<DeviceRecord, "target" | "transport">,
  options: Pick<BuildRequest, "signal" | "onProgress"> = {},
): Promise<BuiltBinary> => buildAgent({ target, kind: "agent", portable: transport === "ssh", ...options });
