// The environment of helper programs: compilers, zig, python, ssh, git. helper-program.ts starts them.
import { delimiter, isAbsolute } from "node:path";

/**
 * Variables that a helper program may see: its locations, user and caches. Nothing that loads code or adds
 * flags.
 */
const KEPT =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|TEMP|TMP|LANG|LC_[A-Z]+|TZ|PREFIX|LD_LIBRARY_PATH|VIRTUAL_ENV|NIX_[A-Z_0-9]+|CCACHE_[A-Z_]+|XDG_[A-Z_]+|ZIG_GLOBAL_CACHE_DIR|SDKROOT)$/;
/** Lists of folders, in which an empty or relative entry means the current folder. */
const FOLDERS = new Set(["PATH", "LD_LIBRARY_PATH"]);
/** Variables that make a program load code or settings from anywhere. */
const LOADERS =
  /^(LD_(?!LIBRARY_PATH$)|DYLD_|PYTHON|PERL|RUBY|NODE_|GIT_|GCC_|COMPILER_PATH$|BASH_ENV$|BASH_FUNC_|ENV$|IFS$|SHELLOPTS$)/;

type Environment = Readonly<Record<string, string | undefined>>;

function cleaned(from: Environment, keep: (name: string) => boolean): Record<string, string> {
  const clean: Record<string, string> = {};
  for (const [name, value] of Object.entries(from)) {
    if (value === undefined || !keep(name)) continue;
    const kept = FOLDERS.has(name) ? value.split(delimiter).filter(isAbsolute).join(delimiter) : value;
    if (kept !== "" || !FOLDERS.has(name)) clean[name] = kept;
  }
  return clean;
}

/** Returns the environment of compilers, zig, python and git. */
export const helperEnvironment = (from: Environment = process.env): Record<string, string> => ({
  ...cleaned(from, (name) => KEPT.test(name)),
  // Python 3.11 and later then never searches the current folder.
  PYTHONSAFEPATH: "1",
});

/**
 * Returns the environment of `ssh -G`. A configuration may use any variable as `${NAME}`, so only variables
 * that load code are left out.
 */
export const sshEnvironment = (from: Environment = process.env): Record<string, string> =>
  cleaned(from, (name) => !LOADERS.test(name));
