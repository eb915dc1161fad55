// How this process ends: by signals, and when whoever reads its output goes away. Every signal that asks for an end stops the work
// in order once; a second Ctrl-C or SIGTERM ends the process at once. Files that are
// half written are removed in either case.
import { rmSync } from "node:fs";
import { basename } from "node:path";

/** SIGUSR1, SIGUSR2 and SIGXCPU are how batch systems announce the end; Node's own answer to SIGUSR1 is its debugger. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"] as const;
type Ending = (typeof SIGNALS)[number];

export const INTERRUPTED = 130;
/** One Ctrl-C may arrive twice: from the terminal, and from npx which passes it on. */
const SAME_MS = 500;

let controller: AbortController | null = null;
let firstAt: number | null = null;
const halfWritten = new Set<string>();

/** nohup ignores SIGHUP for its program, but Node undoes that at its start. Shells note which program they started in `_`. */
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

/** To be called once, first of all: from then on no signal has an end that is not defined here. */
export function defineEnds(onOutputFailed: (error: NodeJS.ErrnoException) => void): void {
  for (const signal of SIGNALS) process.on(signal, () => take(signal));
  process.on("exit", () => {
    for (const path of halfWritten) rmSync(path, { recursive: true, force: true });
  });
  // Progress that nobody reads any more (a closed terminal, a dead `tee`, a full disk) is no reason to stop measuring.
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A closed pipe (edgefront ... | head) or terminal is the reader's choice, not a failure.
    if (error.code === "EPIPE" || error.code === "EIO") process.exit();
    onOutputFailed(error);
  });
}

/** Aborts on the first signal that asks for an end. */
export function interruptSignal(): AbortSignal {
  controller ??= new AbortController();
  return controller.signal;
}

/** The process was asked to end, and is on its way. */
export const isInterrupted = (): boolean => controller?.signal.aborted ?? false;

/** `path` is removed should the process end before `keepFile(path)`. */
export function dropAtExit(path: string): void {
  halfWritten.add(path);
}
export function keepFile(path: string): void {
  halfWritten.delete(path);
}
