// Sends a file in pieces through the agent's own channel, for devices whose key may only run the agent. An
// interrupted transfer continues where it stopped.
import { open } from "node:fs/promises";
import type { JobResult } from "../../profilers/protocol.ts";
import type { PutRequest } from "../../profilers/requests.ts";
import { UploadError } from "../devices/device-errors.ts";
import type { RemoteName, UploadOptions } from "../devices/transport.ts";

/** Size of a piece; its base64 stays far below the longest request line. */
const PIECE_BYTES = 8 * 1024 * 1024;
const FOLDER = ".edgefront";
/** The slowest accepted rate, the same as over SFTP. */
const BYTES_PER_SECOND = 16_384;
const BASE_MS = 120_000;
/** Time limit of one piece at that rate, in milliseconds. */
export const PIECE_MS = BASE_MS + (PIECE_BYTES / BYTES_PER_SECOND) * 1000;

type Put = (piece: PutRequest, signal: AbortSignal | undefined) => Promise<JobResult<"put">>;

/**
 * Sends a file.
 * @returns the path under which the agent can open it.
 * @throws UploadError when the device stops accepting it, or is too slow.
 */
export async function putFile(
  put: Put,
  localPath: string,
  name: RemoteName,
  sha256: string,
  { signal }: UploadOptions,
): Promise<string> {
  const file = await open(localPath);
  try {
    const { size: bytes } = await file.stat();
    const send = (offset: number, data: string) => put({ name, sha256, bytes, offset, data }, signal);
    const begun = performance.now();
    const latest = BASE_MS + (bytes / BYTES_PER_SECOND) * 1000;
    let state = await send(0, "");
    // Each piece must be accepted whole, or a device could keep us sending for ever.
    for (let expected = state.bytes; !state.complete; ) {
      if (state.bytes !== expected || state.bytes >= bytes)
        throw new UploadError(
          `the device did not take ${name}`,
          "Empty ~/.edgefront on the device and run the command again",
        );
      if (performance.now() - begun > latest)
        throw new UploadError(
          `the device takes ${name} slower than ${BYTES_PER_SECOND / 1024} KiB/s`,
          "Check the connection and run the command again; the data sent so far is kept",
        );
      const before = state.bytes;
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, bytes - before));
      const { bytesRead } = await file.read(piece, 0, piece.length, before);
      if (bytesRead !== piece.length) throw new UploadError(`${name} changed while it was sent`, "Try again");
      state = await send(before, piece.toString("base64"));
      expected = before + piece.length;
    }
    return `${FOLDER}/${name}`;
  } finally {
    await file.close();
  }
}
