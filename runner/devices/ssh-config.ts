// Where a name leads: OpenSSH itself is asked (`ssh -G`), so that aliases, Include, Match, tokens and ProxyJump mean here what they mean
// on the command line. Connecting is left to ssh-connect.ts.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { InvalidInputError } from "../../candidates/errors.ts";

/** One machine on the way, its host key not yet known. */
export interface Stop {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFile?: string;
}
export interface RouteOptions {
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly identityFile?: string | undefined;
  /** Of the profile; used where neither `port` nor the configuration names another than 22. */
  readonly defaultPort?: number | undefined;
  /** `[user@]host[:port],...` as of `ssh -J`; `none` for none. Absent: what the configuration says. */
  readonly jump?: string | undefined;
  /** Instead of ~/.ssh/config, as `ssh -F`. */
  readonly configFile?: string | undefined;
}

const HOST = /^[A-Za-z0-9_.:%][A-Za-z0-9_.:%-]{0,254}$/;
const MAX_JUMPS = 8;
const USUAL = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "id_xmss", "id_dsa"];

/** The machines to pass, the device last. Throws InvalidInputError (`bad-host`, `bad-jump`, `proxy-command`). */
export async function routeTo(name: string, options: RouteOptions = {}): Promise<readonly Stop[]> {
  return follow(name, options, 0);
}

/** `sameKey`: of the device, for a jump that the configuration names no key for. */
type StopOptions = RouteOptions & { readonly sameKey?: string | undefined };

async function follow(name: string, options: StopOptions, depth: number): Promise<Stop[]> {
  if (depth > MAX_JUMPS)
    throw new InvalidInputError("bad-jump", `more than ${MAX_JUMPS} jumps; is ProxyJump a circle?`);
  const at = name.lastIndexOf("@");
  const host = name.slice(at + 1);
  if (!HOST.test(host))
    throw new InvalidInputError("bad-host", `"${name.slice(0, 80)}" is not a host name or address`);
  const found = await askOpenSsh(host, options);
  const configuredPort = found.port === 22 ? undefined : found.port;
  const identityFile = options.identityFile ?? found.identityFile ?? options.sameKey;
  const stop: Stop = {
    host: found.host,
    port: options.port ?? configuredPort ?? options.defaultPort ?? 22,
    user: options.user ?? (at > 0 ? name.slice(0, at) : found.user),
    ...(identityFile === undefined ? {} : { identityFile }),
  };
  const jump = options.jump ?? found.jump;
  if (jump === undefined || jump === "" || jump === "none") {
    if (found.proxyCommand && options.jump === undefined)
      throw new InvalidInputError(
        "proxy-command",
        `${host} is reached by a ProxyCommand, which edgefront does not run; use ProxyJump, or give --jump`,
      );
    return [stop];
  }
  const jumps = jump.split(",").map(parseJump);
  const before: Stop[] = [];
  for (const [i, { name: hop, port }] of jumps.entries()) {
    const { configFile, identityFile: sameKey } = options;
    // The first jump may itself be behind one; for the others OpenSSH takes the list as it is.
    const onTheWay = { port, configFile, sameKey, ...(i === 0 ? {} : { jump: "none" }) };
    const stops = await follow(hop, onTheWay, depth + 1);
    before.push(...stops);
  }
  return [...before, stop];
}

function parseJump(text: string): { name: string; port?: number } {
  const match = /^(?:ssh:\/\/)?((?:[^@\s]+@)?)(\[[^\]]+\]|[^:\s]+)(?::(\d{1,5}))?$/.exec(text.trim());
  if (!match)
    throw new InvalidInputError("bad-jump", `"${text.slice(0, 80)}" is not a jump; write [user@]host[:port]`);
  const name = `${match[1]!}${match[2]!.replace(/^\[|\]$/g, "")}`;
  return match[3] ? { name, port: Number(match[3]) } : { name };
}

interface Found {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFile?: string;
  readonly jump?: string;
  readonly proxyCommand: boolean;
}

/** `ssh -G`: prints the configuration that would hold, connects to nothing. Where no ssh is installed the name is taken as it is. */
async function askOpenSsh(host: string, { configFile }: RouteOptions): Promise<Found> {
  const args = ["-G", ...(configFile === undefined ? [] : ["-F", configFile]), "--", host];
  const answer = await execa("ssh", args, { reject: false, timeout: 20_000, stdin: "ignore" });
  if (answer.exitCode === undefined && (answer as { code?: string }).code === "ENOENT") {
    if (configFile !== undefined || existsSync(join(homedir(), ".ssh", "config")))
      throw new InvalidInputError(
        "no-openssh",
        "reading the ssh configuration needs the ssh client; install openssh-client",
      );
    return { host, port: 22, user: process.env.USER ?? "root", proxyCommand: false };
  }
  if (answer.exitCode !== 0) {
    const line = answer.stderr.trim().split("\n").at(-1) ?? "";
    throw new InvalidInputError("bad-ssh-config", `ssh cannot make sense of host "${host}": ${line}`);
  }
  const values = new Map<string, string[]>();
  for (const line of answer.stdout.split("\n")) {
    const [, key, value] = /^(\S+) (.*)$/.exec(line.trim()) ?? [];
    if (key !== undefined) values.set(key, [...(values.get(key) ?? []), value!]);
  }
  const one = (key: string): string | undefined => values.get(key)?.[0];
  const identityFile = (values.get("identityfile") ?? [])
    .map((path) => path.replace(/^~(?=\/)/, homedir()))
    .find((path) => !USUAL.some((usual) => path === join(homedir(), ".ssh", usual)) && existsSync(path));
  const jump = one("proxyjump");
  return {
    host: one("hostname") ?? host,
    port: Number(one("port") ?? 22),
    user: one("user") ?? "root",
    ...(identityFile === undefined ? {} : { identityFile }),
    ...(jump === undefined ? {} : { jump }),
    proxyCommand: (one("proxycommand") ?? "none") !== "none",
  };
}
