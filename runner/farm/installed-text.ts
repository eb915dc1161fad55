// Finds the documentation that the bundled configurations train on, wherever edgefront is installed. In a
// clone it lies beside edgefront; for a dependency of another project, in a folder above. Other patterns are
// the user's and pass unchanged.
import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { PACKAGE_ROOT } from "../base/version.ts";

/** A dependency that is always installed: its node_modules folder also holds the others. */
const ALWAYS = "better-sqlite3";

/**
 * The first folder above `start` whose node_modules holds edgefront's dependencies, by Node's search order;
 * null when none does.
 */
function modulesAbove(start: string): string | null {
  for (let folder = start; ; folder = dirname(folder)) {
    const modules = join(folder, "node_modules");
    if (existsSync(join(modules, ALWAYS))) return modules;
    if (dirname(folder) === folder) return null;
  }
}

/**
 * Redirects patterns with a leading `node_modules/` (or `../node_modules/`) that lacks these dependencies to
 * the folder that has them.
 */
export function withInstalledModules(
  patterns: readonly string[],
  base: string,
  packageRoot = PACKAGE_ROOT,
): readonly string[] {
  return patterns.map((pattern) => {
    const [, prefix, rest] = /^((?:\.\.?\/)*node_modules)\/(.*)$/.exec(pattern) ?? [];
    if (prefix === undefined || existsSync(join(resolve(base, prefix), ALWAYS))) return pattern;
    const modules = modulesAbove(packageRoot);
    return modules === null ? pattern : `${relative(base, modules) || "."}/${rest}`;
  });
}
