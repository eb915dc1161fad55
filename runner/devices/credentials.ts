// What to log in with: the named key file, ssh-agent, or the usual files of ~/.ssh, in the order OpenSSH would. A passphrase is asked for
// at a terminal, kept in this process's memory and nowhere else. Messages name no path: they end up in databases and logs.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import ssh2, { type AnyAuthMethod, type ParsedKey } from "ssh2";
import { IdentityFileError } from "../agent/errors.ts";
import { askSecret, canAsk } from "./prompt.ts";

export interface Login {
  readonly user: string;
  /** Absent: ssh-agent and the usual files. */
  readonly identityFile?: string | undefined;
  /** For an encrypted identity file, where the caller has it already. */
  readonly passphrase?: string | undefined;
}

const USUAL = ["id_ed25519", "id_ecdsa", "id_rsa"];
const ASK_AGENT =
  "Name an OpenSSH private key; put one with a passphrase into ssh-agent (`ssh-add`), or run this at a terminal";
/** By path; a sweep that reconnects must not ask again. */
const passphrases = new Map<string, string>();
/** One question at a time, whatever runs side by side. */
let asking: Promise<unknown> = Promise.resolve();

/** Ways to log in, the best first. @throws IdentityFileError when there is none, or the named key cannot be used. */
export async function authMethods(login: Login): Promise<AnyAuthMethod[]> {
  const { user: username, identityFile } = login;
  const socket = process.env.SSH_AUTH_SOCK || undefined;
  if (identityFile !== undefined) return [await fromFile(login, identityFile, socket)];
  const methods: AnyAuthMethod[] = socket ? [{ type: "agent", username, agent: socket }] : [];
  for (const file of USUAL.map((name) => join(homedir(), ".ssh", name)).filter((path) => existsSync(path))) {
    // An encrypted key that ssh-agent may hold is no reason to ask for its passphrase.
    const method = await fromFile(login, file, socket).catch((error: unknown) => {
      if (methods.length === 0) throw error;
      return null;
    });
    if (method !== null && !(methods.length > 0 && method.type === "agent")) methods.push(method);
  }
  if (methods.length === 0)
    throw new IdentityFileError(
      "there is no key to log in with",
      "Name one with --identity, or start ssh-agent",
    );
  return methods;
}

async function fromFile(login: Login, path: string, socket: string | undefined): Promise<AnyAuthMethod> {
  const username = login.user;
  const text = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new IdentityFileError(
      `the key file cannot be read (${cause.code ?? "unknown error"})`,
      "Check the path given with --identity",
      { cause },
    );
  });
  const plain = ssh2.utils.parseKey(text);
  if (!(plain instanceof Error)) return { type: "publickey", username, key: privateOnly(plain) };
  if (!/encrypted|passphrase/i.test(plain.message))
    throw new IdentityFileError(`the key cannot be used: ${plain.message}`, ASK_AGENT);
  if (socket !== undefined && login.passphrase === undefined) {
    const held = await heldByAgent(socket, path);
    if (held !== null) return { type: "agent", username, agent: held };
  }
  const passphrase = login.passphrase ?? (await passphraseOf(path));
  const key = ssh2.utils.parseKey(text, passphrase);
  if (!(key instanceof Error)) return { type: "publickey", username, key: privateOnly(key) };
  passphrases.delete(path);
  throw new IdentityFileError("the passphrase does not open the key", ASK_AGENT);
}

function privateOnly(key: ParsedKey | ParsedKey[]): ParsedKey {
  const one = Array.isArray(key) ? key[0]! : key;
  if (one.isPrivateKey()) return one;
  throw new IdentityFileError(
    "the key cannot be used: it is a public key",
    "Name the private key, without .pub",
  );
}

/** An agent that offers only the key whose public half lies beside `path`; null where it does not hold it. */
async function heldByAgent(socket: string, path: string): Promise<ssh2.BaseAgent | null> {
  const publicKey = await readFile(`${path}.pub`).then(
    (text) => ssh2.utils.parseKey(text),
    () => null,
  );
  if (publicKey === null || publicKey instanceof Error) return null;
  const wanted = (Array.isArray(publicKey) ? publicKey[0]! : publicKey).getPublicSSH();
  const agent = ssh2.createAgent(socket);
  const held = (await identitiesOf(agent)).find((key) => key.getPublicSSH().equals(wanted));
  if (held === undefined) return null;
  const only = Object.create(agent) as ssh2.BaseAgent;
  only.getIdentities = (done) => done(undefined, [held]);
  return only;
}

function identitiesOf(agent: ssh2.BaseAgent): Promise<ParsedKey[]> {
  return new Promise((resolve) =>
    agent.getIdentities((error, keys) => resolve(error ? [] : ((keys ?? []) as ParsedKey[]))),
  );
}

async function passphraseOf(path: string): Promise<string> {
  const turn = asking.then(async () => {
    const known = passphrases.get(path);
    if (known !== undefined) return known;
    if (!canAsk())
      throw new IdentityFileError(
        "the key has a passphrase, and there is no terminal to ask for it",
        ASK_AGENT,
      );
    const passphrase = await askSecret("Passphrase of the key: ");
    passphrases.set(path, passphrase);
    return passphrase;
  });
  asking = turn.catch(() => {});
  return turn;
}

/** The public half of the key that a login uses, as a line of authorized_keys has it. @throws IdentityFileError where there are several. */
export async function publicKeyLine(login: Login): Promise<string> {
  const [method, ...others] = await authMethods(login);
  const keys =
    method?.type === "publickey"
      ? [method.key as ParsedKey]
      : method?.type === "agent"
        ? await identitiesOf(typeof method.agent === "string" ? ssh2.createAgent(method.agent) : method.agent)
        : [];
  if (keys.length !== 1 || others.length > 0)
    throw new IdentityFileError("it is not clear which key the line is for", "Name the key with --identity");
  return `${keys[0]!.type} ${keys[0]!.getPublicSSH().toString("base64")}`;
}
