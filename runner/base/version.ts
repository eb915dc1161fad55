// The running version: the package's version and, in a checkout, its commit.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { helperEnvironment } from "./helper-environment.ts";

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** The folder of package.json, kernels/ and configs/. */
export const PACKAGE_ROOT = packageRoot();

export const VERSION = (
  JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")) as { version: string }
).version;

let commit: string | null | undefined;

/**
 * Returns the commit of the checkout that this process runs from, with `-dirty` when files differ from it;
 * null outside a checkout.
 */
export function gitCommit(): string | null {
  if (commit === undefined) commit = askGit();
  return commit;
}

/**
 * Returns the software that made a measurement, stored with it: a resumed sweep may run under another version
 * than it began with.
 */
export const software = (): { readonly edgefront: string; readonly commit: string | null } => ({
  edgefront: VERSION,
  commit: gitCommit(),
});

/**
 * Asks no repository around the package, and runs no program that a repository names (`core.fsmonitor`): it
 * may be anybody's.
 */
function askGit(): string | null {
  if (!existsSync(join(PACKAGE_ROOT, ".git"))) return null;
  try {
    return execFileSync(
      "git",
      ["-c", "core.fsmonitor=false", "describe", "--always", "--dirty", "--abbrev=12"],
      {
        cwd: PACKAGE_ROOT,
        env: { ...helperEnvironment(), GIT_CEILING_DIRECTORIES: dirname(PACKAGE_ROOT) },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      },
    ).trim();
  } catch {
    return null;
  }
}
