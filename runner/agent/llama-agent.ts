// The agent that measures llama.cpp, for one device. It opens the user's library, so it is linked
// dynamically.
import type { DeviceRecord } from "../devices/device-record.ts";
import { type BuildRequest, type BuiltBinary, buildAgent } from "./build.ts";

/** Builds the agent, or finds it in the cache. */
export const llamaAgent = (
  { target }: Pick<DeviceRecord, "target">,
  options: Pick<BuildRequest, "signal" | "onProgress"> = {},
): Promise<BuiltBinary> => buildAgent({ target, kind: "llama-agent", ...options });
