// The option --runtime ID[=PATH]: an engine, and the folder of its libraries on the device.
import { resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import { suggestion } from "../config/config-errors.ts";
import type { DeviceRecord } from "../devices/device-record.ts";
import { type RuntimeId, runtimeIds } from "./runtime-registry.ts";

export const runtimeOption = {
  type: "string",
  requiresArg: true,
  defaultDescription: "native",
} as const;

/** A runtime as the option names it. */
export type NamedRuntime = Pick<DeviceRecord, "runtimePath"> & { readonly runtime: RuntimeId };

/**
 * Reads the option. @throws InvalidInputError (`unknown-runtime`, `usage`).
 */
export function namedRuntime(text: string): NamedRuntime {
  const [id = "", ...rest] = text.split("=");
  const runtime = runtimeIds.find((known) => known === id);
  if (runtime === undefined)
    throw new InvalidInputError(
      "unknown-runtime",
      `there is no runtime "${id}"${suggestion(id, runtimeIds)}`,
    );
  if (rest.length === 0) return { runtime };
  const runtimePath = rest.join("=");
  if (runtime === "native" || runtimePath === "")
    throw new InvalidInputError(
      "usage",
      runtime === "native"
        ? "--runtime native takes no folder, because edgefront builds it"
        : `--runtime ${id}= names no folder; leave out the = to look in node_modules`,
    );
  return { runtime, runtimePath };
}

/**
 * Returns the device with the runtime that the option names. On this machine, a folder is relative to the
 * current one.
 */
export function withRuntime(device: DeviceRecord, { runtime, runtimePath }: NamedRuntime): DeviceRecord {
  if (runtimePath === undefined) return { ...device, runtime };
  return {
    ...device,
    runtime,
    runtimePath: device.transport === "local" ? resolve(runtimePath) : runtimePath,
  };
}
