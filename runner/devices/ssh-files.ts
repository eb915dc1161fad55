// Files on a device over SFTP. An upload gets its name only when its bytes are complete and verified; useless
// files are removed. Everything under ~/.edgefront can be sent again. ssh-transport.ts connects.
import { createHash, randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2, { type FileEntryWithStats, type SFTPWrapper, type Stats } from "ssh2";
import { sanitise } from "../../profilers/protocol-fields.ts";
import { TransportLostError, UploadError } from "./device-errors.ts";
import { callback, type RunStep } from "./ssh-step.ts";
import type { RemoteName, UploadOptions } from "./transport.ts";

const { STATUS_CODE } = ssh2.utils.sftp;

export const FOLDER = ".edgefront";
/** Number of agent builds to keep, for other coordinators and for keys bound to one build. */
const KEPT_AGENTS = 4;
const DAY_SECONDS = 86_400;
/** A partial upload that has not grown for this long is abandoned. */
const STILL_MS = 3000;
/**
 * Largest number of names read from a folder, and of agent folders: a device must not make us read for ever.
 */
const MAX_NAMES = 1000;
const MAX_FOLDERS = 64;

interface RemoteEntry {
  readonly path: string;
  readonly isFolder: boolean;
  readonly bytes: number;
  /** In seconds, by the device's clock. */
  readonly changedAt: number;
}

const isPart = ({ path }: RemoteEntry): boolean => path.endsWith(".part");
const isAgent = ({ path }: RemoteEntry): boolean => /\/agents\/[0-9a-f]{64}\/edgefront-agent$/.test(path);
const newestFirst = (a: RemoteEntry, b: RemoteEntry): number => b.changedAt - a.changedAt;

export class SshFiles {
  constructor(
    private readonly sftp: SFTPWrapper,
    private readonly address: string,
    private readonly step: RunStep,
    /** Files that this session uploaded or found; they are in use. */
    private readonly wanted = new Set<string>(),
    /** Called with the number of requested bytes from the device. */
    private readonly received: (bytes: number) => void = () => {},
  ) {}

  /** Uploads a file. @returns the path for the agent. @throws UploadError, TransportLostError. */
  async upload(
    localPath: string,
    name: RemoteName,
    sha256: string,
    options: UploadOptions = {},
  ): Promise<string> {
    const { sftp } = this;
    const path = `${FOLDER}/${name}`;
    this.wanted.add(path);
    const { size } = await stat(localPath);
    const there = await this.stat(path);
    if (there?.size === size && (await this.hashOf(path, size)) === sha256) return path;

    const part = `${path}.${randomBytes(4).toString("hex")}.part`;
    try {
      await this.makeFolders(path);
      await this.requireRoom(name, size);
      await this.step("upload", (alive) => {
        const step = (_all: number, chunk: number) => {
          options.signal?.throwIfAborted();
          // Acknowledgements are requested data; they also make room for more.
          this.received(chunk / 64);
          alive();
        };
        return callback<void>((done) => sftp.fastPut(localPath, part, { step }, done));
      });
      const arrived = await this.hashOf(part, size);
      if (arrived !== sha256)
        throw new UploadError(
          `${name} arrived on ${this.address} with other contents`,
          "Run the command again; if it persists, check the device's disk",
        );
      const mode = options.executable ? 0o700 : 0o600;
      await this.step("chmod", () => callback<void>((done) => sftp.chmod(part, mode, done)));
      // The plain rename of SFTP 3 would refuse an existing target.
      await this.step("rename", () => callback<void>((done) => sftp.ext_openssh_rename(part, path, done)));
    } catch (cause) {
      if (cause instanceof TransportLostError) throw cause;
      void callback<void>((done) => sftp.unlink(part, done)).catch(() => {});
      if (cause instanceof UploadError) throw cause;
      options.signal?.throwIfAborted();
      const free = await this.freeBytes();
      if (free !== null && free < size) throw this.noRoom(name, size, free);
      throw new UploadError(
        `${name} could not be written on ${this.address}: ${sanitise((cause as Error).message)}`,
        "Check free space and permissions of ~/.edgefront on the device",
        { cause },
      );
    }
    if (options.executable) await this.step("clearing away", () => this.clearOld(path));
    return path;
  }

  /** Frees space if there is too little. @throws UploadError if that is not enough. */
  private async requireRoom(name: RemoteName, size: number): Promise<void> {
    let free = await this.freeBytes();
    if (free === null || free >= size) return;
    for (const useless of await this.step("making room", () => this.useless())) {
      await this.remove(useless);
      free = await this.freeBytes();
      if (free === null || free >= size) return;
    }
    throw this.noRoom(name, size, free);
  }

  private noRoom(name: RemoteName, size: number, free: number): UploadError {
    return new UploadError(
      `no space for ${name} on ${this.address}: it needs ${size} bytes, ${free} are free`,
      "Free space on the device; ~/.edgefront may be emptied at any time",
    );
  }

  /**
   * Returns the removable files in order: abandoned partial uploads, old agents, data, each the oldest first.
   */
  private async useless(): Promise<RemoteEntry[]> {
    const before = new Map((await this.all()).filter(isPart).map((part) => [part.path, part.bytes]));
    if (before.size > 0) await sleep(STILL_MS);
    const now = await this.all();
    const parts = now.filter((entry) => isPart(entry) && before.get(entry.path) === entry.bytes);
    const data = now.filter((entry) => !isPart(entry) && !isAgent(entry) && !this.wanted.has(entry.path));
    return [...parts, ...this.oldAgents(now), ...data.toSorted(newestFirst).toReversed()];
  }

  private oldAgents(all: readonly RemoteEntry[]): RemoteEntry[] {
    const others = all.filter((entry) => isAgent(entry) && !this.wanted.has(entry.path));
    return others
      .toSorted(newestFirst)
      .slice(KEPT_AGENTS - 1)
      .toReversed();
  }

  /**
   * Removes old agents and partial uploads older than a day, by the device's clock, after a new agent. Never
   * fails.
   */
  private async clearOld(agent: string): Promise<void> {
    try {
      const installed = await this.stat(agent);
      const all = await this.all();
      const stale = all.filter(
        (entry) => isPart(entry) && entry.changedAt < (installed?.mtime ?? 0) - DAY_SECONDS,
      );
      for (const entry of [...stale, ...this.oldAgents(all)]) await this.remove(entry);
    } catch (error) {
      if (error instanceof TransportLostError) throw error;
    }
  }

  /** Returns every file that edgefront has uploaded. */
  private async all(): Promise<RemoteEntry[]> {
    const [agents, models, files] = await Promise.all(
      ["agents", "models", "files"].map((folder) => this.list(`${FOLDER}/${folder}`)),
    );
    const inAgents: RemoteEntry[] = [];
    for (const folder of agents!.filter(({ isFolder }) => isFolder).slice(0, MAX_FOLDERS))
      inAgents.push(...(await this.list(folder.path)));
    return [...inAgents, ...models!, ...files!].filter(({ isFolder }) => !isFolder);
  }

  /** Returns the entries of a folder with plain names; none if it cannot be read. */
  private async list(folder: string): Promise<RemoteEntry[]> {
    const entries = await this.step("list", () => this.read(folder)).catch(orUndefined);
    return (entries ?? [])
      .filter(({ filename }) => /^[a-z0-9][a-z0-9._-]{0,200}$/.test(filename))
      .map(({ filename, attrs }) => ({
        path: `${folder}/${filename}`,
        isFolder: attrs.isDirectory(),
        bytes: attrs.size,
        changedAt: attrs.mtime,
      }));
  }

  /** Reads a folder piece by piece; ssh2's own function reads as long as the device sends names. */
  private async read(folder: string): Promise<FileEntryWithStats[]> {
    const { sftp } = this;
    const entries: FileEntryWithStats[] = [];
    const handle = await callback<Buffer>((done) => sftp.opendir(folder, done));
    try {
      while (entries.length < MAX_NAMES) {
        const more = await callback<FileEntryWithStats[]>((done) => sftp.readdir(handle, done));
        entries.push(...more);
      }
    } catch (error) {
      if ((error as { code?: unknown }).code !== STATUS_CODE.EOF) throw error;
    } finally {
      sftp.close(handle, () => {});
    }
    return entries.slice(0, MAX_NAMES);
  }

  /** Removes a file; an agent's folder too. */
  private async remove(entry: RemoteEntry): Promise<void> {
    await this.step("remove", () => callback<void>((done) => this.sftp.unlink(entry.path, done))).catch(
      orUndefined,
    );
    if (!isAgent(entry)) return;
    const folder = entry.path.slice(0, entry.path.lastIndexOf("/"));
    await this.step("remove", () => callback<void>((done) => this.sftp.rmdir(folder, done))).catch(
      orUndefined,
    );
  }

  private stat(path: string): Promise<Stats | undefined> {
    return this.step("stat", () => callback<Stats>((done) => this.sftp.stat(path, done))).catch(orUndefined);
  }

  /** Returns the free bytes; null if the server does not report them or is gone. */
  private async freeBytes(): Promise<number | null> {
    type Space = { f_bavail: number; f_frsize: number };
    return this.step("free space", () =>
      callback<Space>((done) => this.sftp.ext_openssh_statvfs(FOLDER, done as never)),
    ).then(
      ({ f_bavail, f_frsize }) => f_bavail * f_frsize,
      () => null,
    );
  }

  private async makeFolders(path: string): Promise<void> {
    const folders = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= folders.length; depth++) {
      const folder = folders.slice(0, depth).join("/");
      // Ignores an error: the folder exists, or the following write reports the problem.
      await this.step("mkdir", () =>
        callback<void>((done) => this.sftp.mkdir(folder, { mode: 0o700 }, done)),
      ).catch(orUndefined);
    }
  }

  /** Returns the digest of a file of `size` bytes. A longer file has none, and reading stops. */
  private hashOf(path: string, size: number): Promise<string | null> {
    return this.step("reading back", async (alive, onLost) => {
      const hash = createHash("sha256");
      const stream = this.sftp.createReadStream(path, { highWaterMark: 256 * 1024 });
      // The loop below throws errors; a request that fails with the transport after the loop has no other
      // listener.
      stream.on("error", () => undefined);
      // A dying transport destroys the stream, so that it is not left pending.
      const forget = onLost(() => stream.destroy(new Error("the transport died")));
      try {
        let read = 0;
        for await (const chunk of stream) {
          hash.update(chunk as Buffer);
          read += (chunk as Buffer).length;
          this.received((chunk as Buffer).length);
          if (read > size) return null;
          alive();
        }
      } finally {
        forget();
      }
      return hash.digest("hex");
    });
  }
}

function orUndefined(error: unknown): undefined {
  if (error instanceof TransportLostError) throw error;
  return undefined;
}
