// Resolves a name by OpenSSH itself (`ssh -G`), so that aliases, Include, Match, tokens and ProxyJump mean
// the same as to `ssh`. ssh-connect.ts connects.
import { existsSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import { sshEnvironment } from "../base/helper-environment.ts";
import { runHelper } from "../base/helper-program.ts";
import { type KeySources, usualSources } from "./key-sources.ts";
import { parseAddress } from "./ssh-address.ts";
import { type Algorithms, askedFor } from "./ssh-algorithms.ts";

/** One machine on the way, before its host key is known. */
export interface Stop {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFile?: string;
  readonly keys?: KeySources;
  readonly algorithms?: Algorithms;
}
export interface RouteOptions {
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly identityFile?: string | undefined;
  /** The profile's port, used if neither `port` nor the configuration names one other than 22. */
  readonly defaultPort?: number | undefined;
  /** `[user@]host[:port],...` as in `ssh -J`; `none` for no jump. Absent: from the configuration. */
  readonly jump?: string | undefined;
  /** File instead of ~/.ssh/config, as in `ssh -F`. */
  readonly configFile?: string | undefined;
}

const MAX_JUMPS = 8;

/**
 * Returns the machines on the way, the device last.
 * @throws InvalidInputError (`bad-host`, `bad-jump`, `proxy-command`, `no-openssh`, `bad-ssh-config`,
 * `usage`).
 */
export async function routeTo(name: string, options: RouteOptions = {}): Promise<readonly Stop[]> {
  const { identityFile, configFile } = options;
  return follow(
    name,
    {
      ...options,
      // Both paths are relative to this command's folder; the program that reads the configuration, and later
      // commands, may run in others.
      identityFile: identityFile === undefined ? undefined : resolve(tilde(identityFile)),
      configFile: configFile === undefined || configFile === "none" ? configFile : resolve(configFile),
    },
    0,
  );
}

/** `sameKey`: the device's key, for a jump without a configured key. */
type StopOptions = RouteOptions & { readonly sameKey?: string | undefined };

async function follow(name: string, options: StopOptions, depth: number): Promise<Stop[]> {
  if (depth > MAX_JUMPS)
    throw new InvalidInputError(
      "bad-jump",
      `the route has more than ${MAX_JUMPS} jumps; check ProxyJump in ~/.ssh/config for a circle, or give --jump`,
    );
  const given = parseAddress(name, depth === 0 ? "bad-host" : "bad-jump");
  if (options.port !== undefined && given.port !== undefined && options.port !== given.port)
    throw new InvalidInputError(
      "usage",
      `the address has port ${given.port}, but --port is ${options.port}; leave one of them out`,
    );
  const asked = {
    host: given.host,
    user: options.user ?? given.user,
    port: options.port ?? given.port,
    configFile: options.configFile,
  };
  const found = await askOpenSsh(asked);
  const configuredPort = found.port === 22 ? undefined : found.port;
  const port = asked.port ?? configuredPort ?? options.defaultPort ?? 22;
  const identityFile = options.identityFile ?? (found.namesKeys ? undefined : options.sameKey);
  const stop: Stop = {
    host: found.host,
    port,
    user: asked.user ?? found.user,
    ...(identityFile === undefined ? {} : { identityFile }),
    keys: await expandedKeys(found, { ...asked, port }),
    ...(found.algorithms === undefined ? {} : { algorithms: found.algorithms }),
  };
  const jump = options.jump ?? found.jump;
  if (jump === undefined || jump === "" || jump === "none") {
    if (found.proxyCommand && options.jump === undefined)
      throw new InvalidInputError(
        "proxy-command",
        `${given.host} has a ProxyCommand in the ssh configuration, which edgefront does not run; use ProxyJump, or give --jump`,
      );
    return [stop];
  }
  const before: Stop[] = [];
  for (const [i, hop] of jump.split(",").entries()) {
    const { configFile, identityFile: sameKey } = options;
    // The first jump may itself have a ProxyJump; OpenSSH takes the rest of the list unchanged.
    const onTheWay = { configFile, sameKey, ...(i === 0 ? {} : { jump: "none" }) };
    before.push(...(await follow(hop, onTheWay, depth + 1)));
  }
  return [...before, stop];
}

interface Asked {
  readonly host: string;
  readonly user: string | undefined;
  readonly port: number | undefined;
  readonly configFile: string | undefined;
}
interface Found {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Key sources in the configuration's own words, before tokens and variables are expanded. */
  readonly keys: KeySources;
  /** Whether the configuration names a key in addition to the default files. */
  readonly namesKeys: boolean;
  readonly algorithms?: Algorithms | undefined;
  readonly jump?: string | undefined;
  readonly proxyCommand: boolean;
}

/**
 * Asks `ssh -G` for the effective configuration, without connecting. Without an installed ssh, the name is
 * used unchanged.
 */
async function askOpenSsh(asked: Asked): Promise<Found> {
  const { host, configFile } = asked;
  const answer = await sshG(asked);
  if (answer === null) {
    if (configFile !== undefined || existsSync(join(homedir(), ".ssh", "config")))
      throw new InvalidInputError(
        "no-openssh",
        "reading the ssh configuration needs the ssh client; install openssh-client",
      );
    const keys = usualSources();
    return { host, port: 22, user: userName(), keys, namesKeys: false, proxyCommand: false };
  }
  const one = (key: string): string | undefined => answer.get(key)?.[0];
  const plain = await sshG({ ...asked, user: undefined, port: undefined, configFile: "none" });
  const usual = plain?.get("identityfile") ?? [];
  const identityFiles = answer.get("identityfile") ?? [];
  const agent = one("identityagent");
  return {
    host: one("hostname") ?? host,
    port: Number(one("port") ?? 22),
    user: one("user") ?? userName(),
    keys: {
      identityFiles: identityFiles.filter((file) => file.toLowerCase() !== "none"),
      certificateFiles: (answer.get("certificatefile") ?? []).filter((file) => file.toLowerCase() !== "none"),
      ...(agent === undefined || agent === "SSH_AUTH_SOCK" ? {} : { agent: tilde(agent) }),
      identitiesOnly: one("identitiesonly") === "yes",
    },
    namesKeys: identityFiles.some((file) => !usual.includes(file)),
    algorithms: askedFor(answer, plain ?? new Map()),
    jump: one("proxyjump"),
    proxyCommand: (one("proxycommand") ?? "none") !== "none",
  };
}

type Values = Map<string, string[]>;

/** Returns null if no ssh is installed. */
async function sshG(
  { host, user, port, configFile }: Asked,
  ...options: readonly string[]
): Promise<Values | null> {
  const args = [
    "-G",
    ...(configFile === undefined ? [] : ["-F", configFile]),
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...options,
  ];
  const answer = await runHelper("ssh", [...args, "--", host], { timeout: 20_000, env: sshEnvironment() });
  if (answer.missing) return null;
  if (answer.exitCode !== 0) {
    const line = answer.stderr.trim().split("\n").at(-1) ?? "";
    throw new InvalidInputError(
      "bad-ssh-config",
      `ssh cannot resolve host "${host}": ${line}; check it with: ssh -G ${host}`,
    );
  }
  const values: Values = new Map();
  for (const line of answer.stdout.split("\n")) {
    const [, key, value] = /^(\S+) (.*)$/.exec(line.trim()) ?? [];
    if (key !== undefined) values.set(key, [...(values.get(key) ?? []), value!]);
  }
  return values;
}

/** Returns absolute paths of keys, with `~`, tokens (%d, %h, %C, ...) and variables expanded by OpenSSH. */
async function expandedKeys({ keys }: Found, asked: Asked): Promise<KeySources> {
  const expand = async (written: string): Promise<string> => {
    const path = tilde(written);
    if (!/[%$]/.test(path)) return resolve(path);
    // `ssh -G` prints an IdentityFile unexpanded, but expands this option, which allows the same tokens.
    const quoted = `ControlPath="${path.replace(/["\\]/g, "\\$&")}"`;
    const value = (await sshG(asked, "-o", quoted))?.get("controlpath")?.[0];
    return resolve(value ?? path);
  };
  const all = (paths: readonly string[]): Promise<string[]> => Promise.all(paths.map(expand));
  return {
    ...keys,
    identityFiles: await all(keys.identityFiles),
    certificateFiles: await all(keys.certificateFiles),
    ...(keys.agent === undefined ? {} : { agent: socketPath(keys.agent) }),
  };
}

/** `none` and `$NAME` are not paths; `ssh -G` has expanded the rest. */
const socketPath = (agent: string): string =>
  agent === "none" || agent.startsWith("$") || isAbsolute(agent) ? agent : resolve(agent);

/** Expands `~/x` and `~me/x`; homes of other users stay unexpanded. */
function tilde(path: string): string {
  const [, user, rest] = /^~([^/]*)(\/.*)?$/.exec(path) ?? [];
  if (user === undefined || (user !== "" && user !== userName())) return path;
  return join(homedir(), rest ?? "");
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env.USER ?? "root"; // no entry for this number
  }
}
