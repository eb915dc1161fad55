// Host key fingerprints as OpenSSH prints them.
import { createHash } from "node:crypto";

/** Returns `SHA256:` and the unpadded base64 of the SHA-256 of a raw public key. */
export function fingerprint(rawKey: Buffer): string {
  return `SHA256:${createHash("sha256").update(rawKey).digest("base64").replace(/=+$/, "")}`;
}
