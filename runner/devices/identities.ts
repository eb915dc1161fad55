// Maps each login to its keys: the file that the user named, and the sources of the configuration. The map is
// in the user's configuration folder, readable by the user alone. The database, which is passed around, holds
// no paths of a user.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { configPath } from "../base/paths.ts";
import type { DeviceRecord, SshDeviceRecord } from "./device-record.ts";
import { keySourcesSchema } from "./key-sources.ts";

const remembered = z.strictObject({
  identityFile: z.string().min(1).optional(),
  keys: keySourcesSchema.optional(),
});
type Remembered = z.infer<typeof remembered>;
/** Earlier versions wrote the path of a key as plain text. */
const schema = z.record(
  z.string(),
  z.union([z.string().transform((identityFile): Remembered => ({ identityFile })), remembered]),
);
const file = (): string => configPath("identities.json");
type Endpoint = Pick<SshDeviceRecord, "user" | "host" | "port" | "identityFile" | "keys">;
const login = ({ user, host, port }: Endpoint): string => `${user}@${host}:${port ?? 22}`;

function read(): Record<string, Remembered> {
  try {
    return schema.parse(JSON.parse(readFileSync(file(), "utf8")));
  } catch {
    return {};
  }
}

function write(identities: Record<string, Remembered>): void {
  mkdirSync(configPath(), { recursive: true, mode: 0o700 });
  const part = `${file()}.${process.pid}.part`;
  writeFileSync(part, JSON.stringify(identities, null, 2), { mode: 0o600 });
  chmodSync(part, 0o600);
  renameSync(part, file());
}

/** Returns the record without its key files, which are remembered separately. */
export function keepIdentity(device: DeviceRecord): DeviceRecord {
  if (device.transport !== "ssh") return device;
  const identities = read();
  const keep = <T extends Endpoint>(endpoint: T): Omit<T, "identityFile" | "keys"> => {
    const { identityFile, keys, ...rest } = endpoint;
    if (identityFile === undefined && keys === undefined) delete identities[login(endpoint)];
    else identities[login(endpoint)] = { identityFile, keys };
    return rest;
  };
  const { jumps, ...own } = device;
  const record = { ...keep(own), ...(jumps === undefined ? {} : { jumps: jumps.map(keep) }) };
  write(identities);
  return record as DeviceRecord;
}

/** Returns a stored record with the key files that this user named for it. */
export function withIdentity(device: DeviceRecord): DeviceRecord {
  if (device.transport !== "ssh") return device;
  const identities = read();
  const restore = <T extends Endpoint>(endpoint: T): T => {
    const { identityFile, keys } = identities[login(endpoint)] ?? {};
    return {
      ...endpoint,
      ...(identityFile === undefined ? {} : { identityFile }),
      ...(keys === undefined ? {} : { keys }),
    };
  };
  return { ...restore(device), ...(device.jumps === undefined ? {} : { jumps: device.jumps.map(restore) }) };
}
