// Every runtime by its id. A new one is one file and one line here.
import { InvalidInputError } from "../../candidates/errors.ts";
import { suggestion } from "../config/config-errors.ts";
import { type DeviceRecord, runtimeIdOf } from "../devices/device-record.ts";
import { llamaCpp } from "./llama-cpp.ts";
import { native } from "./native.ts";
import type { Runtime } from "./runtime.ts";

export const runtimes = { native, "llama.cpp": llamaCpp } as const satisfies Record<string, Runtime>;

export type RuntimeId = keyof typeof runtimes;
export const runtimeIds = Object.keys(runtimes) as readonly RuntimeId[];

/**
 * Returns the runtime of a device.
 * @throws InvalidInputError (`unknown-runtime`) when a newer version registered the device.
 */
export function runtimeOf(device: Pick<DeviceRecord, "name" | "runtime">): Runtime {
  const runtime = runtimeIdOf(device);
  if (Object.hasOwn(runtimes, runtime)) return runtimes[runtime as RuntimeId];
  const { name } = device;
  throw new InvalidInputError(
    "unknown-runtime",
    `device ${name} uses runtime "${runtime}", which this version does not have${suggestion(runtime, runtimeIds)}; register it again, after edgefront device remove ${name}`,
  );
}
