// Asks ssh-agent for its keys and for signatures (draft-ietf-sshm-ssh-agent). ssh2's own client skips
// certificates and keys of security tokens, and truncates a token's signatures, so it cannot replace
// OpenSSH's.
import { connect } from "node:net";
import { type PublicKey, readPublicKey, text, u32, WireReader } from "./ssh-wire.ts";

const LIST = 11;
const KEYS = 12;
const SIGN = 13;
const SIGNED = 14;
/** A signature may wait for a touch on a token, or for a confirmation. */
const SIGN_MS = 60_000;
const LIST_MS = 5000;
/** OpenSSH has the same limit. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_KEYS = 2048;

/** Flags of an RSA signature; without a flag it would use SHA-1. */
const HASH_FLAG: Readonly<Record<string, number>> = { "rsa-sha2-256": 2, "rsa-sha2-512": 4 };

/** The message is a clause about "ssh-agent". */
export class AgentSilentError extends Error {}

/**
 * Returns an agent's keys in its order, without unknown kinds. @throws AgentSilentError if no agent answers.
 */
export async function agentKeys(socket: string): Promise<PublicKey[]> {
  const answer = await ask(socket, Buffer.of(LIST), KEYS, LIST_MS);
  try {
    const reader = new WireReader(answer);
    const keys: PublicKey[] = [];
    for (let left = Math.min(reader.u32(), MAX_KEYS); left > 0; left--) {
      const key = readPublicKey(reader.string());
      reader.string(); // skips the key's comment
      if (key !== null) keys.push(key);
    }
    return keys;
  } catch (cause) {
    throw new AgentSilentError("gave an answer that makes no sense", { cause });
  }
}

/**
 * Returns a signature in SSH's format, the algorithm's name first. @throws AgentSilentError if the agent
 * refuses or does not answer.
 */
export async function agentSign(
  socket: string,
  key: PublicKey,
  data: Buffer,
  algorithm: string,
): Promise<Buffer> {
  const flags = HASH_FLAG[algorithm.replace("-cert-v01@openssh.com", "")] ?? 0;
  const request = Buffer.concat([Buffer.of(SIGN), text(key.blob), text(data), u32(flags)]);
  const answer = await ask(socket, request, SIGNED, SIGN_MS);
  try {
    return new WireReader(answer).string();
  } catch (cause) {
    throw new AgentSilentError("gave an answer that makes no sense", { cause });
  }
}

/** Asks one question on its own connection; returns the answer without its type. */
function ask(socket: string, request: Buffer, wanted: number, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = connect(socket);
    let all = Buffer.alloc(0);
    const fail = (why: string, cause?: unknown): void => {
      stream.destroy();
      reject(new AgentSilentError(why, { cause }));
    };
    const timer = setTimeout(() => fail(`did not answer within ${timeoutMs / 1000} s`), timeoutMs);
    stream.on("close", () => {
      clearTimeout(timer);
      fail("closed the connection without an answer");
    });
    stream.on("error", (error: NodeJS.ErrnoException) =>
      fail(`cannot be reached (${error.code ?? "unknown error"})`, error),
    );
    stream.on("data", (chunk: Buffer) => {
      all = Buffer.concat([all, chunk]);
      if (all.length < 5) return;
      const size = all.readUInt32BE(0);
      if (size < 1 || size > MAX_ANSWER_BYTES) return fail("gave an answer of impossible length");
      if (all.length < 4 + size) return;
      if (all[4] !== wanted) return fail(wanted === SIGNED ? "refused to sign" : "refused to list its keys");
      resolve(all.subarray(5, 4 + size));
      stream.destroy();
    });
    stream.write(Buffer.concat([u32(request.length), request]));
  });
}
