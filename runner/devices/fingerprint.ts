// Host key fingerprints as OpenSSH prints them, and asking a server for its key before it is pinned.
import { createHash } from "node:crypto";
import ssh2 from "ssh2";
import { UnreachableError } from "../agent/errors.ts";

/** `SHA256:` and the unpadded base64 of the SHA-256 of the raw public key. */
export function fingerprint(rawKey: Buffer): string {
  return `SHA256:${createHash("sha256").update(rawKey).digest("base64").replace(/=+$/, "")}`;
}

/** Connects only as far as the key exchange and returns the fingerprint; for `device add` to show and pin. */
export async function readHostKey(host: string, port = 22, timeoutMs = 15_000): Promise<string> {
  const client = new ssh2.Client();
  try {
    return await new Promise<string>((resolve, reject) => {
      const fail = (cause?: Error) =>
        reject(
          new UnreachableError(
            `${host}:${port} did not show a host key${cause ? `: ${cause.message}` : ""}`,
            "Check the address, the port (Termux listens on 8022) and that sshd runs there",
            { cause },
          ),
        );
      client.on("error", fail);
      client.on("close", () => fail());
      client.connect({
        host,
        port,
        username: "edgefront",
        readyTimeout: timeoutMs,
        hostVerifier: (key: Buffer) => {
          resolve(fingerprint(key));
          return false;
        },
      });
    });
  } finally {
    client.end();
  }
}
