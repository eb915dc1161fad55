// Defines how this process ends: by signals, or when the reader of its output is gone. Every ending signal
// stops the work in order once; a second Ctrl-C or SIGTERM ends the process at once. Unfinished files are
// removed in either case.
import { rmSync } from "node:fs";
import { basename } from "node:path";

/**
 * Batch systems announce the end with SIGUSR1, SIGUSR2 and SIGXCPU; Node would start its debugger on SIGUSR1.
 */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"] as const;
type Ending = (typeof SIGNALS)[number];

export const INTERRUPTED = 130;
/** One Ctrl-C may arrive twice: from the terminal, and from npx, which forwards it. */
const SAME_MS = 500;

let controller: AbortController | null = null;
let firstAt: number | null = null;
const halfWritten = new Set<string>();

/**
 * nohup ignores SIGHUP for its program, but Node undoes that at its start. Shells store the started program
 * in `_`.
 */
const underNohup = (): boolean => basename(process.env._ ?? "") === "nohup";

function take(signal: Ending): void {
  if (signal === "SIGHUP" && underNohup()) return;
  const insists = signal === "SIGINT" || signal === "SIGTERM";
  if (controller === null) process.exit(INTERRUPTED);
  if (!controller.signal.aborted) {
    firstAt = performance.now();
    controller.abort();
  } else if (insists && performance.now() - firstAt! > SAME_MS) process.exit(INTERRUPTED);
}

/** Installs all signal handlers. Must be called once, before anything else. */
export function defineEnds(onOutputFailed: (error: NodeJS.ErrnoException) => void): void {
  for (const signal of SIGNALS) process.on(signal, () => take(signal));
  process.on("exit", () => {
    for (const path of halfWritten) rmSync(path, { recursive: true, force: true });
  });
  // Unreadable progress (a closed terminal, a dead `tee`, a full disk) is no reason to stop measuring.
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A closed pipe (edgefront ... | head) or terminal is the reader's choice, not a failure.
    if (error.code === "EPIPE" || error.code === "EIO") process.exit();
    onOutputFailed(error);
  });
}

/** Returns a signal that aborts on the first ending signal. */
export function interruptSignal(): AbortSignal {
  controller ??= new AbortController();
  return controller.signal;
}

/** Returns whether the process was asked to end. */
export const isInterrupted = (): boolean => controller?.signal.aborted ?? false;

/** Removes `path` if the process ends before `keepFile(path)` is called. */
export function dropAtExit(path: string): void {
  halfWritten.add(path);
}
/** Keeps a file that `dropAtExit` would remove. */
export function keepFile(path: string): void {
  halfWritten.delete(path);
}
