// Runs helper programs: compilers, zig, python, ssh, git. Each starts in the package's own folder with a
// clean environment, because the current folder may be anybody's: `python3 -m ziglang` would run a
// `ziglang.py` in it, and PATH=. a `zig`.
import { isAbsolute, resolve } from "node:path";
import { execa } from "execa";
import { helperEnvironment } from "./helper-environment.ts";
import { PACKAGE_ROOT } from "./version.ts";

/** Returns a program's path resolved from the current folder, because it starts in another one. */
export const fromHere = (program: string): string =>
  program.includes("/") && !isAbsolute(program) ? resolve(program) : program;

interface HelperOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly timeout?: number;
  readonly cancelSignal?: AbortSignal | undefined;
}

/**
 * Runs a helper program to its end. Never throws for its output or exit code. `env` replaces the clean
 * environment.
 */
export async function runHelper(program: string, args: readonly string[], options: HelperOptions = {}) {
  const { env = helperEnvironment(), timeout, cancelSignal } = options;
  const run = await execa(fromHere(program), args, {
    // Anyone who can write to this folder can change edgefront itself.
    cwd: PACKAGE_ROOT,
    env,
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    ...(timeout === undefined ? {} : { timeout }),
    ...(cancelSignal === undefined ? {} : { cancelSignal }),
  });
  return {
    exitCode: run.exitCode,
    stdout: run.stdout,
    stderr: run.stderr,
    /** True when a signal ended it. */
    terminated: run.isTerminated === true,
    /** True when there is no such program. */
    missing: run.exitCode === undefined && (run as { code?: string }).code === "ENOENT",
  };
}
