// The keys for a login, in order: certificates from the configuration, each IdentityFile with the certificate
// beside it, other keys of the agent. private-key.ts reads files, ssh-agent.ts asks an agent, ssh-login.ts
// offers keys to a server.
import { readFile } from "node:fs/promises";
import { IdentityFileError } from "./device-errors.ts";
import { agentSocket, type KeySources, usualSources } from "./key-sources.ts";
import { type KeyFile, readKeyFile } from "./private-key.ts";
import { AgentSilentError, agentKeys, agentSign } from "./ssh-agent.ts";
import { type PublicKey, readPublicLine } from "./ssh-wire.ts";

export interface Login {
  readonly user: string;
  /** The key that the user names for this login; it comes before those of `keys`. */
  readonly identityFile?: string | undefined;
  /** Absent: the usual files and the agent of $SSH_AUTH_SOCK. */
  readonly keys?: KeySources | undefined;
  /** For an encrypted identity file, where the caller has it already. */
  readonly passphrase?: string | undefined;
}

/** A key, or a certificate of one, and a way to sign with it. */
export interface OfferedKey {
  /** @throws IdentityFileError if the public key needs the passphrase. */
  publicKey(): Promise<PublicKey>;
  /** A signature in SSH's own form. @throws IdentityFileError, AgentSilentError. */
  sign(data: Buffer, algorithm: string): Promise<Buffer>;
  /** Whether the user named it for this login. */
  readonly named: boolean;
}
export interface Offers {
  readonly keys: readonly OfferedKey[];
  /** Reasons for missing keys, one clause each, without paths. */
  readonly notes: readonly string[];
}

type Sign = OfferedKey["sign"];
interface Held {
  readonly file: KeyFile;
  readonly path: string;
  readonly named: boolean;
}

/** Returns the keys to offer. @throws IdentityFileError if the key that the user names cannot be used. */
export async function offersOf(login: Login): Promise<Offers> {
  const sources = login.keys ?? usualSources();
  const notes: string[] = [];
  const socket = agentSocket(sources);
  const held = await agentHolds(socket, notes);
  const files = await filesOf(login, sources, notes);
  const byAgent = (key: PublicKey): Sign | undefined =>
    held.some(({ blob }) => blob.equals(key.blob))
      ? (data, algorithm) => agentSign(socket!, key, data, algorithm)
      : undefined;
  /** Returns the ways to sign with a key; ways without a question come first. */
  const signers = (key: PublicKey): Sign[] => {
    const own = files.flatMap(({ file }) =>
      file.kind === "private" && file.publicKey?.key === key.key ? [file] : [],
    );
    // An agent that holds a key but not its certificate signs for both with the key.
    const agent = byAgent(key) ?? held.filter((one) => one.key === key.key).map(byAgent)[0];
    return [
      ...own.filter(({ encrypted }) => !encrypted).map(({ sign }) => sign),
      ...(agent === undefined ? [] : [agent]),
      ...own.filter(({ encrypted }) => encrypted).map(({ sign }) => sign),
    ];
  };
  const offered = new Map<string, OfferedKey>();
  const offer = (key: PublicKey, named = false): void => {
    const ways = signers(key);
    const id = key.blob.toString("base64");
    if (ways.length > 0 && !offered.has(id))
      offered.set(id, { publicKey: async () => key, sign: inTurn(ways), named });
  };
  for (const path of sources.certificateFiles) for (const key of await certificatesAt([path])) offer(key);
  for (const { file, path, named } of files) {
    if (file.publicKey !== undefined) offer(file.publicKey, named);
    else if (file.kind === "private") offered.set(path, { ...file, publicKey: file.open, named });
    if (named && file.kind === "public" && signers(file.publicKey).length === 0)
      throw new IdentityFileError(
        "the key cannot be used: it is a public key, and no ssh-agent holds its private half",
        "Name the private key, without .pub, or hand it to the agent with ssh-add",
      );
    if (sources.certificateFiles.length === 0)
      for (const key of await certificatesAt([`${path}-cert.pub`, path.replace(/\.pub$/, "-cert.pub")]))
        offer(key, named);
  }
  if (!sources.identitiesOnly) for (const key of held) offer(key);
  return { keys: [...offered.values()], notes };
}

async function agentHolds(socket: string | null, notes: string[]): Promise<PublicKey[]> {
  if (socket === null) return [];
  try {
    const keys = await agentKeys(socket);
    if (keys.length === 0) notes.push("ssh-agent holds no keys");
    return keys;
  } catch (error) {
    if (!(error instanceof AgentSilentError)) throw error;
    notes.push(`ssh-agent ${error.message}`);
    return [];
  }
}

async function filesOf(login: Login, sources: KeySources, notes: string[]): Promise<Held[]> {
  const { identityFile: named, passphrase } = login;
  const files: Held[] = [];
  if (named !== undefined) {
    const file = await readKeyFile(named, passphrase).catch((error: unknown) => publicBeside(named, error));
    files.push({ file, path: named, named: true });
  }
  for (const path of sources.identityFiles) {
    if (path === named) continue;
    try {
      const file = await readKeyFile(path).catch((error: unknown) => publicBeside(path, error));
      files.push({ file, path, named: false });
    } catch (error) {
      if (!(error instanceof IdentityFileError)) throw error;
      // Most of the usual files do not exist.
      if (!/ENOENT/.test(error.message))
        notes.push(`a key of the configuration was skipped: ${error.message}`);
    }
  }
  return files;
}

/**
 * Returns the key of `x.pub` if `x` itself is missing, because an agent or a token may hold it. Otherwise
 * throws the error of `x`.
 */
async function publicBeside(path: string, error: unknown): Promise<KeyFile> {
  if (!(error instanceof IdentityFileError) || !/ENOENT/.test(error.message)) throw error;
  const key = readPublicLine(await readFile(`${path}.pub`, "latin1").catch(() => ""));
  if (key === null) throw error;
  return { kind: "public", publicKey: key };
}

async function certificatesAt(paths: readonly string[]): Promise<PublicKey[]> {
  const keys: PublicKey[] = [];
  for (const path of paths) {
    const key = readPublicLine(await readFile(path, "latin1").catch(() => ""));
    if (key?.isCertificate) keys.push(key);
  }
  return keys;
}

/** Tries the ways to sign in turn; throws the last error if none succeeds. */
const inTurn =
  (ways: readonly Sign[]): Sign =>
  async (data, algorithm) => {
    let last: unknown;
    for (const way of ways) {
      try {
        return await way(data, algorithm);
      } catch (error) {
        last = error;
      }
    }
    throw last;
  };

/**
 * Returns a login's public key as in a line of authorized_keys. @throws IdentityFileError if there are
 * several.
 */
export async function publicKeyLine(login: Login): Promise<string> {
  const { keys } = await offersOf(login);
  const named = keys.filter((key) => key.named);
  const publics = await Promise.all((named.length > 0 ? named : keys).map((key) => key.publicKey()));
  const [line, ...others] = new Set(publics.map(({ type, key }) => `${type} ${key}`));
  if (line === undefined || others.length > 0)
    throw new IdentityFileError(
      "the line for authorized_keys needs one key, but the login may use several or none",
      "Name the key with --identity FILE",
    );
  return line;
}
