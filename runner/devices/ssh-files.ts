// Files on a device over SFTP: put there under a name that nobody reads before the bytes are whole and verified, and cleared away when they
// are of no use any more. Everything under ~/.edgefront can be made or sent again. Connecting is ssh-transport.ts's business.
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
/** Builds of the agent that are kept: other coordinators, and keys bound to one, may use them. */
const KEPT_AGENTS = 4;
const DAY_SECONDS = 86_400;
/** A half upload that has not grown for so long is nobody's. */
const STILL_MS = 3000;
/** Names in a folder, and folders of agents, that are looked at: a device cannot make us read on for ever. */
const MAX_NAMES = 1000;
const MAX_FOLDERS = 64;

interface RemoteEntry {
  readonly path: string;
  readonly isFolder: boolean;
  readonly bytes: number;
  /** By the device's own clock, in seconds. */
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
    /** What this session has put there or found: still wanted. */
    private readonly wanted = new Set<string>(),
    /** Told of bytes that the device sent because they were asked for. */
    private readonly received: (bytes: number) => void = () => {},
  ) {}

  /** @returns the path by which the agent can open it. @throws UploadError, TransportLostError. */
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
          // Its acknowledgements, and more room for what follows.
          this.received(chunk / 64);
          alive();
        };
        return callback<void>((done) => sftp.fastPut(localPath, part, { step }, done));
      });
      const arrived = await this.hashOf(part, size);
      if (arrived !== sha256)
        throw new UploadError(
          `${name} arrived on ${this.address} changed`,
          "Try again; if it persists, check the disk there",
        );
      const mode = options.executable ? 0o700 : 0o600;
      await this.step("chmod", () => callback<void>((done) => sftp.chmod(part, mode, done)));
      // Not the plain rename of SFTP 3, which refuses an existing target.
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
        "Check free space and permissions of ~/.edgefront there",
        { cause },
      );
    }
    if (options.executable) await this.step("clearing away", () => this.clearOld(path));
    return path;
  }

  /** Makes room where there is too little. @throws UploadError where that does not do. */
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
      `no room for ${name} on ${this.address}: it takes ${size} bytes, ${free} are free`,
      "Make room there; ~/.edgefront may be emptied at any time",
    );
  }

  /** What may go, the least missed first: half uploads that stopped, agents of long ago, data, the oldest first. */
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

  /** After a new agent: those of long ago and what was left of uploads a day ago or more, by the device's own clock. Never fails. */
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

  /** Every file that edgefront has put there. */
  private async all(): Promise<RemoteEntry[]> {
    const [agents, models, files] = await Promise.all(
      ["agents", "models", "files"].map((folder) => this.list(`${FOLDER}/${folder}`)),
    );
    const inAgents: RemoteEntry[] = [];
    for (const folder of agents!.filter(({ isFolder }) => isFolder).slice(0, MAX_FOLDERS))
      inAgents.push(...(await this.list(folder.path)));
    return [...inAgents, ...models!, ...files!].filter(({ isFolder }) => !isFolder);
  }

  /** What lies in a folder under plain names; nothing where it cannot be read. */
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

  /** Piece by piece: what ssh2 makes of a path reads on as long as the device says something. */
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

  /** An agent's folder goes with it. */
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

  /** Null where the server does not tell, or is gone. */
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
      // It exists, or the write that follows tells why not.
      await this.step("mkdir", () =>
        callback<void>((done) => this.sftp.mkdir(folder, { mode: 0o700 }, done)),
      ).catch(orUndefined);
    }
  }

  /** Of a file of `size` bytes; one that goes on beyond them has none, and is not read on. */
  private hashOf(path: string, size: number): Promise<string | null> {
    return this.step("reading back", async (alive, onLost) => {
      const hash = createHash("sha256");
      const stream = this.sftp.createReadStream(path, { highWaterMark: 256 * 1024 });
      // The loop below throws what goes wrong; a request that dies with the transport after it ended reaches nobody else.
      stream.on("error", () => undefined);
      // Destroyed, not left pending, if the transport dies.
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
