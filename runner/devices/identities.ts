// Which key file belongs to which login. Kept in the user's configuration folder, readable by the user alone; the database,
// which is passed around, holds no paths of a user.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { configPath } from "../paths.ts";
import type { DeviceRecord, SshDeviceRecord } from "./device.ts";

const schema = z.record(z.string(), z.string());
const file = (): string => configPath("identities.json");
type Endpoint = Pick<SshDeviceRecord, "user" | "host" | "port" | "identityFile">;
const login = ({ user, host, port }: Endpoint): string => `${user}@${host}:${port ?? 22}`;

function read(): Record<string, string> {
  try {
    return schema.parse(JSON.parse(readFileSync(file(), "utf8")));
  } catch {
    return {};
  }
}

function write(identities: Record<string, string>): void {
  mkdirSync(configPath(), { recursive: true, mode: 0o700 });
  const part = `${file()}.${process.pid}.part`;
  writeFileSync(part, JSON.stringify(identities, null, 2), { mode: 0o600 });
  chmodSync(part, 0o600);
  renameSync(part, file());
}

/** The record as it may be stored, its key files remembered apart. */
export function keepIdentity(device: DeviceRecord): DeviceRecord {
  if (device.transport !== "ssh") return device;
  const identities = read();
  const keep = <T extends Endpoint>(endpoint: T): Omit<T, "identityFile"> => {
    const { identityFile, ...rest } = endpoint;
    if (identityFile === undefined) delete identities[login(endpoint)];
    else identities[login(endpoint)] = identityFile;
    return rest;
  };
  const { jumps, ...own } = device;
  const record = { ...keep(own), ...(jumps === undefined ? {} : { jumps: jumps.map(keep) }) };
  write(identities);
  return record as DeviceRecord;
}

/** A stored record with the key files that this user named for it. */
export function withIdentity(device: DeviceRecord): DeviceRecord {
  if (device.transport !== "ssh") return device;
  const identities = read();
  const restore = <T extends Endpoint>(endpoint: T): T => {
    const identityFile = identities[login(endpoint)];
    return identityFile === undefined ? endpoint : { ...endpoint, identityFile };
  };
  return { ...restore(device), ...(device.jumps === undefined ? {} : { jumps: device.jumps.map(restore) }) };
}
