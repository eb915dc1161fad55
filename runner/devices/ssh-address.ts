// Parses the name of a machine: `host`, `user@host`, `host:port`, `[IPv6]:port`, `ssh://user@host:port`.
// ssh-config.ts resolves the name.
import { InvalidInputError } from "../../candidates/errors.ts";

export interface SshAddress {
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
}

/** Never begins with a hyphen, which would be an option of ssh. */
const HOST = /^[A-Za-z0-9_.:%][A-Za-z0-9_.:%-]{0,254}$/;
const MAX_PORT = 65_535;

/** Parses an address. @throws InvalidInputError (`code`) for an impossible name. */
export function parseAddress(text: string, code = "bad-host"): SshAddress {
  const refuse = (why: string): never => {
    throw new InvalidInputError(
      code,
      `"${text.slice(0, 80)}" is not a host name or address (${why}); write [user@]host[:port] or ssh://[user@]host[:port]`,
    );
  };
  const trimmed = text.trim();
  const isUrl = /^ssh:\/\//i.test(trimmed);
  const rest = isUrl ? trimmed.slice("ssh://".length).replace(/\/$/, "") : trimmed;
  const at = rest.lastIndexOf("@");
  const user = at > 0 ? (isUrl ? decoded(rest.slice(0, at)) : rest.slice(0, at)) : undefined;
  const { host, port } = hostAndPort(at >= 0 ? rest.slice(at + 1) : rest);
  if (!HOST.test(host)) refuse(host === "" ? "no host" : "characters that no host name has");
  // Refuses the same characters as OpenSSH, which uses the login name in Match and %r.
  if (user !== undefined && (user === "" || /[\s'"`;&<>|(){}\p{Cc}]|^-|\\$/u.test(user)))
    refuse("characters that no login name has");
  if (port !== undefined && !(port >= 1 && port <= MAX_PORT)) refuse(`a port is 1 to ${MAX_PORT}`);
  return { host, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
}

function hostAndPort(text: string): { host: string; port?: number } {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  // More than one colon without brackets is an IPv6 address.
  const [, host, port] = bracketed ?? /^([^:]*):(\d+)$/.exec(text) ?? [];
  if (host === undefined) return { host: text };
  return port === undefined ? { host } : { host, port: Number(port) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
