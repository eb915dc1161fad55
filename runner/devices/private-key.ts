// A private key in a file: its public key, and signatures with it. A passphrase is asked for at a terminal
// and stays in this process's memory. Messages name no path, because databases and logs keep them.
import { createPrivateKey } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import ssh2, { type ParsedKey } from "ssh2";
import { IdentityFileError } from "./device-errors.ts";
import { askSecret, canAsk } from "./prompt.ts";
import { type PublicKey, publicHalf, readPublicKey, readPublicLine, text } from "./ssh-wire.ts";

const ASK_AGENT =
  "Name an OpenSSH private key; put one with a passphrase into ssh-agent (`ssh-add`), or run this at a terminal";
/** Far longer than any key, because a configuration may name any file. */
const MAX_BYTES = 1 << 20;
/** Passphrases by path, so that a reconnecting sweep does not ask again. */
const passphrases = new Map<string, string>();
/** Serialises questions of concurrent logins. */
let asking: Promise<unknown> = Promise.resolve();

export type KeyFile =
  /** Only a public key; an agent or a token may hold the private one. */
  | { readonly kind: "public"; readonly publicKey: PublicKey }
  | {
      readonly kind: "private";
      /** Absent for an encrypted key of an old format without a `.pub` beside it. */
      readonly publicKey: PublicKey | undefined;
      readonly encrypted: boolean;
      /** Signs; asks for the passphrase if needed. @throws IdentityFileError. */
      sign(data: Buffer, algorithm: string): Promise<Buffer>;
      /** Opens the key to read its public key. @throws IdentityFileError. */
      open(): Promise<PublicKey>;
    };

/**
 * Reads a key file. @throws IdentityFileError for a file that cannot be read, is no key, or is readable by
 * others, which ssh refuses too.
 */
export async function readKeyFile(path: string, passphrase?: string): Promise<KeyFile> {
  const words = await read(path);
  const line = readPublicLine(words);
  if (line !== null) return { kind: "public", publicKey: line };
  const plain = parse(words);
  const half = publicHalf(words);
  // The file only names a key of a security token; an agent signs with it.
  if (plain instanceof Error && half?.type.startsWith("sk-")) return { kind: "public", publicKey: half };
  if (plain instanceof Error && !/encrypted|passphrase/i.test(plain.message))
    throw new IdentityFileError(`the key cannot be used: ${plain.message}`, ASK_AGENT);
  await requirePrivacy(path);
  const opened = async (): Promise<ParsedKey> => {
    if (!(plain instanceof Error)) return plain;
    const key = parse(words, passphrase ?? (await passphraseOf(path)));
    if (!(key instanceof Error)) return key;
    passphrases.delete(path);
    throw new IdentityFileError("the passphrase is wrong", ASK_AGENT);
  };
  return {
    kind: "private",
    encrypted: plain instanceof Error,
    publicKey:
      half ??
      (plain instanceof Error
        ? readPublicLine(await read(`${path}.pub`).catch(() => ""))
        : readPublicKey(plain.getPublicSSH())) ??
      undefined,
    sign: async (data, algorithm) => signatureOf(await opened(), data, algorithm),
    open: async () => {
      const key = readPublicKey((await opened()).getPublicSSH());
      if (key === null)
        throw new IdentityFileError("the key cannot be used: it is of an old kind", ASK_AGENT);
      return key;
    },
  };
}

async function read(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > MAX_BYTES) throw Object.assign(new Error("too large"), { code: "EFBIG" });
    return await readFile(path, "latin1");
  } catch (cause) {
    throw new IdentityFileError(
      `the key file cannot be read (${(cause as NodeJS.ErrnoException).code ?? "unknown error"})`,
      "Check the path given with --identity",
      { cause },
    );
  }
}

async function requirePrivacy(path: string): Promise<void> {
  const { mode, uid } = await stat(path);
  if (uid !== process.getuid?.() || (mode & 0o077) === 0) return;
  throw new IdentityFileError(
    `the key file is readable by other users (mode ${(mode & 0o777).toString(8)}), and ssh would refuse it too`,
    "Restrict it: chmod 600 FILE",
  );
}

function parse(words: string, passphrase?: string): ParsedKey | Error {
  const key = ssh2.utils.parseKey(readable(words, passphrase), passphrase);
  if (key instanceof Error) return key;
  const one = Array.isArray(key) ? key[0]! : key;
  return one.isPrivateKey() ? one : new Error("it has no private half");
}

/** Converts PKCS#8, which ssh2 cannot read, to PKCS#1 or SEC1; returns everything else unchanged. */
function readable(words: string, passphrase: string | undefined): string {
  if (!/^-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(words.trim())) return words;
  try {
    const key = createPrivateKey({ key: words, ...(passphrase === undefined ? {} : { passphrase }) });
    const type = key.asymmetricKeyType === "rsa" ? "pkcs1" : "sec1";
    return key.export({ type, format: "pem" }) as string;
  } catch {
    return words;
  }
}

/** Returns a signature in SSH's format: the algorithm's name, then the signature bytes. */
function signatureOf(key: ParsedKey, data: Buffer, algorithm: string): Buffer {
  const name = algorithm.replace("-cert-v01@openssh.com", "");
  const hash = { "rsa-sha2-256": "sha256", "rsa-sha2-512": "sha512" }[name];
  const made = key.sign(data, hash as never) as Buffer | Error;
  if (made instanceof Error)
    throw new IdentityFileError(`the key cannot be used: ${made.message}`, ASK_AGENT, { cause: made });
  return Buffer.concat([text(name), text(name.startsWith("ecdsa-") ? fromDer(made) : made)]);
}

/** r and s of a DER sequence of two integers, which SSH writes as two strings. */
function fromDer(der: Buffer): Buffer {
  let at = der[1]! & 0x80 ? 2 + (der[1]! & 0x7f) : 2;
  const integer = (): Buffer => {
    const length = der[at + 1]!;
    at += 2 + length;
    return der.subarray(at - length, at);
  };
  return Buffer.concat([text(integer()), text(integer())]);
}

async function passphraseOf(path: string): Promise<string> {
  const turn = asking.then(async () => {
    const known = passphrases.get(path);
    if (known !== undefined) return known;
    if (!canAsk())
      throw new IdentityFileError(
        "the key has a passphrase, but there is no terminal to ask for it",
        ASK_AGENT,
      );
    const passphrase = await askSecret("Passphrase of the key: ");
    passphrases.set(path, passphrase);
    return passphrase;
  });
  asking = turn.catch(() => {});
  return turn;
}
