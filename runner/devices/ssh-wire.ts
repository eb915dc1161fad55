// SSH's encoding of strings and numbers (RFC 4251), and the parsing of public keys.

/** Encodes a number as 4 bytes, big endian. */
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
/** Encodes a string: its length, then its bytes. */
export const text = (value: string | Buffer): Buffer => {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([u32(bytes.length), bytes]);
};

/** Reads SSH's encoding; throws RangeError if the data ends too early. */
export class WireReader {
  #at = 0;
  constructor(private readonly bytes: Buffer) {}
  u32(): number {
    this.#at += 4;
    return this.bytes.readUInt32BE(this.#at - 4);
  }
  string(): Buffer {
    const length = this.u32();
    if (length > this.bytes.length - this.#at) throw new RangeError("a string ends after its message");
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }
  skip(bytes: number): void {
    this.#at += bytes;
  }
}

const CERTIFICATE = "-cert-v01@openssh.com";
/** Number of strings of a public key after its type. */
const FIELDS: Readonly<Record<string, number>> = {
  "ssh-ed25519": 1,
  "ssh-rsa": 2,
  "ecdsa-sha2-nistp256": 2,
  "ecdsa-sha2-nistp384": 2,
  "ecdsa-sha2-nistp521": 2,
  "sk-ssh-ed25519@openssh.com": 2,
  "sk-ecdsa-sha2-nistp256@openssh.com": 3,
};

export interface PublicKey {
  /** Type of the key itself, even if `blob` is a certificate. */
  readonly type: string;
  readonly isCertificate: boolean;
  /** The bytes offered to a server: a key or a certificate. */
  readonly blob: Buffer;
  /** The key alone, in base64, equal for a key, its certificate and its private half. */
  readonly key: string;
}

/** Parses a public key; null for unsupported kinds (DSA is unsupported, as in OpenSSH). */
export function readPublicKey(blob: Buffer): PublicKey | null {
  try {
    const reader = new WireReader(blob);
    const name = reader.string().toString("latin1");
    const isCertificate = name.endsWith(CERTIFICATE);
    // `sk-ssh-ed25519@openssh.com` is certified as `sk-ssh-ed25519-cert-v01@openssh.com`.
    const bare = isCertificate ? name.slice(0, -CERTIFICATE.length) : name;
    const type = isCertificate && bare.startsWith("sk-") ? `${bare}@openssh.com` : bare;
    const fields = FIELDS[type];
    if (fields === undefined) return null;
    if (isCertificate) reader.string(); // its nonce
    const parts = Array.from({ length: fields }, () => text(reader.string()));
    return { type, isCertificate, blob, key: Buffer.concat([text(type), ...parts]).toString("base64") };
  } catch {
    return null;
  }
}

/** Parses a line `type base64 comment`, as in a `.pub` file or in authorized_keys. */
export function readPublicLine(line: string): PublicKey | null {
  const [, base64] = /^(?:sk-|ssh-|ecdsa-)[\w@.-]+\s+([A-Za-z0-9+/]+=*)/m.exec(line.trim()) ?? [];
  return base64 === undefined ? null : readPublicKey(Buffer.from(base64, "base64"));
}

/**
 * Returns the public key that a private key in OpenSSH's format contains unencrypted, even with a passphrase.
 */
export function publicHalf(privateKey: string): PublicKey | null {
  const [, base64] =
    /^-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(privateKey.trim()) ?? [];
  if (base64 === undefined) return null;
  const bytes = Buffer.from(base64, "base64");
  const magic = "openssh-key-v1\0";
  if (bytes.subarray(0, magic.length).toString("latin1") !== magic) return null;
  try {
    const reader = new WireReader(bytes.subarray(magic.length));
    for (let i = 0; i < 3; i++) reader.string(); // cipher, key derivation, its options
    return reader.u32() === 1 ? readPublicKey(reader.string()) : null;
  } catch {
    return null;
  }
}
