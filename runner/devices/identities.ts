// Keeps a user's paths apart from the database, which is passed around. One map has the keys of each login:
// the file that the user named, and the sources of the configuration. Another has the folder of each device's
// runtime. The maps are in the user's configuration folder, readable by the user alone.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { configPath } from "../base/paths.ts";
import type { DeviceRecord, SshDeviceRecord } from "./device-record.ts";
import { keySourcesSchema } from "./key-sources.ts";

const IDENTITIES = "identities.json";
const RUNTIMES = "runtimes.json";

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
type Identities = z.infer<typeof schema>;
const runtimeSchema = z.record(z.string(), z.string());
type Endpoint = Pick<SshDeviceRecord, "user" | "host" | "port" | "identityFile" | "keys">;
const login = ({ user, host, port }: Endpoint): string => `${user}@${host}:${port ?? 22}`;

function read<T>(name: string, form: z.ZodType<Record<string, T>>): Record<string, T> {
  try {
    return form.parse(JSON.parse(readFileSync(configPath(name), "utf8")));
  } catch {
    return {};
  }
}

function write(name: string, entries: Readonly<Record<string, unknown>>): void {
  mkdirSync(configPath(), { recursive: true, mode: 0o700 });
  const part = `${configPath(name)}.${process.pid}.part`;
  writeFileSync(part, JSON.stringify(entries, null, 2), { mode: 0o600 });
  chmodSync(part, 0o600);
  renameSync(part, configPath(name));
}

function keepKeys(device: DeviceRecord): DeviceRecord {
  if (device.transport !== "ssh") return device;
  const identities: Identities = read(IDENTITIES, schema);
  const keep = <T extends Endpoint>(endpoint: T): Omit<T, "identityFile" | "keys"> => {
    const { identityFile, keys, ...rest } = endpoint;
    if (identityFile === undefined && keys === undefined) delete identities[login(endpoint)];
    else identities[login(endpoint)] = { identityFile, keys };
    return rest;
  };
  const { jumps, ...own } = device;
  const record = { ...keep(own), ...(jumps === undefined ? {} : { jumps: jumps.map(keep) }) };
  write(IDENTITIES, identities);
  return record as DeviceRecord;
}

function withKeys(device: DeviceRecord): DeviceRecord {
  if (device.transport !== "ssh") return device;
  const identities = read(IDENTITIES, schema);
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

/** The same name may mean another machine in another database. */
const runtimeKey = (device: DeviceRecord): string =>
  `${device.transport === "ssh" ? login(device) : "local"} ${device.name}`;

/**
 * Returns the record without paths of its user: key files and the folder of its runtime, which are remembered
 * separately.
 */
export function keepIdentity(device: DeviceRecord): DeviceRecord {
  const { runtimePath, ...rest } = keepKeys(device);
  if (runtimePath !== undefined)
    write(RUNTIMES, { ...read(RUNTIMES, runtimeSchema), [runtimeKey(device)]: runtimePath });
  return rest;
}

/** Returns a stored record with the paths that this user named for it. */
export function withIdentity(device: DeviceRecord): DeviceRecord {
  const whole = withKeys(device);
  const runtimePath =
    device.runtime === undefined ? undefined : read(RUNTIMES, runtimeSchema)[runtimeKey(device)];
  return runtimePath === undefined ? whole : { ...whole, runtimePath };
}
