// Cache files that survive a power cut: written under another name, flushed and renamed; then the folder is
// flushed too. A seal beside a file holds its digest, so that a user of the file can detect damage. The
// meaning of a file is left to its owner.
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** Returns a temporary name beside `path`. The file is written under it and then renamed. */
export const partOf = (path: string): string =>
  `${path}.${process.pid}-${randomBytes(4).toString("hex")}.part`;

/** Returns the SHA-256 in hex. */
export const sha256Of = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

/** Returns the SHA-256 of a file, which is read in pieces. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/**
 * Returns a function that reads a file's digest again only after the file was written to. Within one process,
 * equal inode, size and change time prove that it was not, because the kernel sets the change time. Nothing
 * is remembered between processes, because the clock may have been set.
 */
export function remembered(read: (path: string) => Promise<string>): (path: string) => Promise<string> {
  const seen = new Map<string, { readonly facts: string; readonly digest: string }>();
  return async (path) => {
    const { ino, size, ctimeNs } = await stat(path, { bigint: true });
    const facts = `${ino} ${size} ${ctimeNs}`;
    const before = seen.get(path);
    if (before?.facts === facts) return before.digest;
    const digest = await read(path);
    seen.set(path, { facts, digest });
    return digest;
  };
}

/** Waits until a file's bytes, or a folder's names, are on the disk. */
async function flush(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Renames a finished file from `part` to its own name. After a power cut it is whole or absent. */
export async function publish(part: string, path: string): Promise<void> {
  await flush(part);
  await rename(part, path);
  await flush(dirname(path));
}

/** Writes a file that is whole or absent after any failure. Creates its folder. */
export async function writeDurably(
  path: string,
  bytes: string | Uint8Array,
  { mode = 0o666 }: { readonly mode?: number } = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = partOf(path);
  try {
    const file = await open(part, "w", mode);
    await file.writeFile(bytes).finally(() => file.close());
    await publish(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

const sealOf = (path: string): string => `${path}.sha256`;

/**
 * Publishes a file with a seal, by which later uses detect a change.
 * @returns its digest.
 */
export async function publishSealed(part: string, path: string): Promise<string> {
  const sha256 = await sha256OfFile(part);
  await publish(part, path);
  await writeDurably(sealOf(path), sha256);
  return sha256;
}

/**
 * Returns the digest of a sealed file; null when it is missing, damaged or was never sealed, so that it has
 * to be made again.
 */
export async function unbroken(path: string): Promise<string | null> {
  try {
    const [sealed, sha256] = [await readFile(sealOf(path), "utf8"), await sha256OfFile(path)];
    return sealed === sha256 ? sha256 : null;
  } catch {
    return null;
  }
}
