// The algorithms that a connection offers: ssh2's defaults without SHA-1, and old ones only if the user's ssh
// configuration names them.
import type { ConnectConfig } from "ssh2";
import { z } from "zod";

type Offer = NonNullable<ConnectConfig["algorithms"]>;

/** Old algorithms that a device may need, by kind, with their names in OpenSSH and ssh2. */
const OLD = {
  serverHostKey: ["ssh-rsa"],
  hmac: ["hmac-sha1-etm@openssh.com", "hmac-sha1"],
  kex: ["diffie-hellman-group-exchange-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1"],
  cipher: ["aes256-cbc", "aes192-cbc", "aes128-cbc", "3des-cbc"],
} as const;
const OPTION = {
  serverHostKey: "hostkeyalgorithms",
  hmac: "macs",
  kex: "kexalgorithms",
  cipher: "ciphers",
} as const;
const kinds = ["serverHostKey", "hmac", "kex", "cipher"] as const;

export const algorithmsSchema = z.strictObject({
  serverHostKey: z.array(z.enum(OLD.serverHostKey)).optional(),
  hmac: z.array(z.enum(OLD.hmac)).optional(),
  kex: z.array(z.enum(OLD.kex)).optional(),
  cipher: z.array(z.enum(OLD.cipher)).optional(),
  /** Signatures of RSA user keys with SHA-1. */
  sha1Signatures: z.literal(true).optional(),
});
export type Algorithms = z.infer<typeof algorithmsSchema>;

/**
 * Returns the old algorithms that a configuration asks for: its lists name them and differ from the defaults.
 * Both arguments are answers of
 * `ssh -G`.
 */
export function askedFor(
  answer: ReadonlyMap<string, readonly string[]>,
  plain: ReadonlyMap<string, readonly string[]>,
): Algorithms | undefined {
  /** Returns the names of a list; if the configuration only adds to OpenSSH's list, only the additions. */
  const named = (option: string): readonly string[] => {
    const [set = "", usual = ""] = [answer.get(option)?.[0], plain.get(option)?.[0]];
    if (set === usual) return [];
    const names = set.split(",");
    return set.startsWith(`${usual},`) ? names.filter((name) => !usual.split(",").includes(name)) : names;
  };
  const asked: Record<string, unknown> = {};
  for (const kind of kinds) {
    const names = named(OPTION[kind]);
    const old = OLD[kind].filter((name) => names.includes(name));
    if (old.length > 0) asked[kind] = old;
  }
  if (["pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"].some((key) => named(key).includes("ssh-rsa")))
    asked.sha1Signatures = true;
  return Object.keys(asked).length > 0 ? algorithmsSchema.parse(asked) : undefined;
}

/** Removed from ssh2's defaults. */
const SHA1 = {
  serverHostKey: ["ssh-rsa"],
  hmac: ["hmac-sha1-etm@openssh.com", "hmac-sha1"],
  kex: [],
  cipher: [],
} as const;

/**
 * Returns the offer. It has no compression, because a hostile server's packet could expand a thousandfold.
 */
export function offer(asked: Algorithms = {}): Offer {
  const changed = kinds.map((kind) => [
    kind,
    { remove: [...SHA1[kind]], prepend: [], append: [...(asked[kind] ?? [])] },
  ]);
  return { compress: ["none"], ...Object.fromEntries(changed) } as Offer;
}

/**
 * Returns the line for ~/.ssh/config that allows an old server. `said`: ssh2's message about the failed
 * handshake.
 */
export function askForOld(said: string): string {
  const found = /host key/i.test(said)
    ? "HostKeyAlgorithms +ssh-rsa"
    : /MAC/.test(said)
      ? "MACs hmac-sha1"
      : /cipher/i.test(said)
        ? "Ciphers +aes128-cbc"
        : "KexAlgorithms +diffie-hellman-group14-sha1";
  return `Update the device's SSH server, or allow its old algorithms: add the line "${found}" for this host to ~/.ssh/config`;
}
