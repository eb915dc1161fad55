// The folders of edgefront's own files, by the XDG rules: the user's cache (builds, data sets, checkpoints)
// and configuration (identities). env-paths was rejected: it throws at import without a home folder, as in
// containers, batch jobs and systemd units.
import { accessSync, constants, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";

/**
 * Returns the user's home folder; null when HOME is not set and the password file has no entry for the user.
 */
export function homeFolder(): string | null {
  try {
    const home = homedir();
    return isAbsolute(home) ? home : null;
  } catch {
    return null;
  }
}

/** Evaluated at each call, because the environment may change. */
function base(variable: "XDG_CACHE_HOME" | "XDG_CONFIG_HOME", under: string): string {
  const given = process.env[variable];
  // The XDG specification says that relative paths are ignored.
  if (given !== undefined && isAbsolute(given)) return join(given, "edgefront");
  const home = homeFolder();
  if (home !== null) return join(home, under, "edgefront");
  throw new InvalidInputError(
    "no-home",
    `there is no home folder to keep files in: HOME and ${variable} are not set. Set one, for example: export ${variable}=/var/tmp/edgefront`,
  );
}

/**
 * Returns a path in the user's cache. Creates nothing.
 * @throws InvalidInputError (`no-home`) without a home folder.
 */
export const cachePath = (...parts: readonly string[]): string =>
  join(base("XDG_CACHE_HOME", ".cache"), ...parts);
/**
 * Returns a path in the user's configuration folder. Creates nothing.
 * @throws InvalidInputError (`no-home`) without a home folder.
 */
export const configPath = (...parts: readonly string[]): string =>
  join(base("XDG_CONFIG_HOME", ".config"), ...parts);

/**
 * Creates a folder of the cache if needed, and returns its path.
 * @throws InvalidInputError (`no-cache`) when files cannot be written there.
 */
export function cacheFolder(...parts: readonly string[]): string {
  const path = cachePath(...parts);
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK);
    return path;
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? "unwritable";
    throw new InvalidInputError(
      "no-cache",
      `the cache folder ${path} cannot be written (${why}). Name another one, for example: export XDG_CACHE_HOME=/var/tmp/edgefront`,
      { cause },
    );
  }
}
