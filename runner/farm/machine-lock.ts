// Lets only one edgefront process, of any user, work on this machine at a time. The lock is an abstract socket
// name: all users and caches share it, it needs no permissions, and the kernel frees it with its holder.
// Containers have separate names, so those that share a cache folder also lock a file there. The file is
// named by the boot id, so that nodes that share a home do not wait for each other.
import { createHash } from "node:crypto";
import { readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { sanitise } from "../../profilers/protocol-fields.ts";
import { withEitherSignal } from "../base/either-signal.ts";
import { cacheFolder } from "../base/paths.ts";
import { RunError } from "../base/run-errors.ts";
import { bootId } from "../store/owner.ts";

export type Release = () => void;
/** Describes the process that holds the machine, in its own words. */
export type Holder = string;

const POLL_MS = 100;
/** How long waiting processes get to take a lock that was just released. */
const YIELD_MS = 50;
const MAX_WAITING = 64;
const KEPT_DAYS = 30;

/** The name of the lock. Another name separates tests, and parts of a machine that share nothing. */
const lockName = (): string => process.env.EDGEFRONT_HOST_LOCK || "edgefront-host-lock";

/** Part of the file's name; hashed, because the lock's own name may be a path. */
function scope(): string {
  const name = process.env.EDGEFRONT_HOST_LOCK;
  return name ? `-${createHash("sha256").update(name).digest("hex").slice(0, 12)}` : "";
}

/** Holds no paths and no names, because other users of the machine read it. */
const introduction = (): Holder =>
  `process ${process.pid}: edgefront ${/^[a-z]+$/.exec(process.argv[2] ?? "")?.[0] ?? ""}`.trim();

/** Earliest time of this process's next try: waiting processes come first. */
let yieldUntil = 0;

interface Held {
  readonly server: Server;
  readonly waiting: Set<Socket>;
}

function listen(): Promise<Held | "busy" | "impossible"> {
  return new Promise((resolve) => {
    const waiting = new Set<Socket>();
    const server = createServer((socket) => {
      waiting.add(socket);
      socket.on("error", () => {}).on("close", () => waiting.delete(socket));
      socket.unref();
      // Kept open: its end tells waiting processes that the machine is free.
      socket.write(`${introduction()}\n`);
    });
    server.maxConnections = MAX_WAITING;
    server.unref();
    server.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "EADDRINUSE" ? "busy" : "impossible"),
    );
    server.listen({ path: `\0${lockName()}` }, () => resolve({ server, waiting }));
  });
}

/** Waits in line: resolves once the holder releases the lock, or some time later. Reports the holder. */
function standInLine(signal: AbortSignal, onHolder: (holder: Holder) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: `\0${lockName()}` });
    let said = "";
    const done = (): void => {
      signal.removeEventListener("abort", done);
      socket.destroy();
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    signal.addEventListener("abort", done, { once: true });
    socket.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(0, 200);
      const line = said.split("\n")[0]!;
      if (said.includes("\n")) onHolder(sanitise(line).slice(0, 100));
    });
    socket.on("error", () => {}).on("close", done);
  });
}

/** Returns null where the system has no abstract sockets, or this process may not use them. */
async function lockSocket(signal: AbortSignal, tell: (holder: Holder) => void): Promise<Release | null> {
  for (;;) {
    const held = await listen();
    if (held === "impossible") return null;
    if (held !== "busy") {
      return () => {
        if (held.waiting.size > 0) yieldUntil = performance.now() + YIELD_MS;
        held.server.close();
        for (const socket of held.waiting) socket.destroy();
      };
    }
    const since = performance.now();
    // A stopped holder does not answer.
    const silent = setTimeout(tell, 2 * POLL_MS, "a process that does not answer");
    try {
      await standInLine(signal, tell);
    } finally {
      clearTimeout(silent);
    }
    // A process that was not let into the line would retry at once.
    if (performance.now() - since < POLL_MS) await sleep(POLL_MS / 5, undefined, { signal });
  }
}

/** Deletes lock files of earlier boots and of nodes that are gone. */
function forgetOld(folder: string): void {
  const oldest = Date.now() - KEPT_DAYS * 24 * 3600 * 1000;
  for (const name of readdirSync(folder).filter((file) => /^host-lock-[\w-]+\.db$/.test(file))) {
    const path = join(folder, name);
    if (statSync(path).mtimeMs < oldest) rmSync(path, { force: true });
  }
}

/** Returns null when no lock file can be kept in the cache folder. */
function openLockFile(): Database.Database | null {
  try {
    const folder = cacheFolder();
    const path = join(folder, `host-lock-${bootId()}${scope()}.db`);
    const db = new Database(path, { timeout: 0 });
    utimesSync(path, new Date(), new Date());
    forgetOld(folder);
    return db;
  } catch {
    return null;
  }
}

async function lockFile(signal: AbortSignal, tell: (holder: Holder) => void): Promise<Release | null> {
  const db = openLockFile();
  if (db === null) return null;
  try {
    for (let tries = 0; ; tries++) {
      try {
        db.exec("BEGIN EXCLUSIVE");
        return () => db.close();
      } catch (error) {
        if (!(error as { code?: string }).code?.startsWith("SQLITE_BUSY")) {
          db.close();
          return null;
        }
        if (tries === 1) tell("another edgefront process that shares the cache folder");
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Waits for the machine. `onWait` is called once when another process holds it. Rejects when the signal
 * aborts.
 */
export async function lockMachine(signal: AbortSignal, onWait: (holder: Holder) => void): Promise<Release> {
  const others = yieldUntil - performance.now();
  if (others > 0) await sleep(others, undefined, { signal });
  let failure: unknown;
  let told = false;
  const stop = new AbortController();
  const tell = (holder: Holder): void => {
    if (told) return;
    told = true;
    try {
      onWait(holder);
    } catch (error) {
      // The caller does not want to wait.
      failure = error;
      stop.abort();
    }
  };
  const releases: Release[] = [];
  const release = (): void => {
    for (const one of releases.splice(0).reverse()) one();
  };
  try {
    await withEitherSignal([signal, stop.signal], async (either) => {
      for (const lock of process.platform === "linux" ? [lockSocket, lockFile] : [lockFile]) {
        const one = await lock(either, tell);
        if (one !== null) releases.push(one);
        either.throwIfAborted();
      }
    });
    if (releases.length > 0) return release;
    throw new RunError(
      "no-host-lock",
      "this machine cannot be locked against other edgefront processes: the cache folder cannot be written. Name another one, for example: export XDG_CACHE_HOME=/var/tmp/edgefront",
    );
  } catch (error) {
    release();
    throw failure ?? error;
  }
}
