// Finds the documentation that the bundled configurations train on, wherever edgefront is installed: beside it in a clone, in the folder
// above it where it is a dependency of another project. A pattern of another kind is the user's and passes unchanged.
import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { PACKAGE_ROOT } from "../base/version.ts";

/** A dependency that is always installed: the node_modules folder that holds it holds the others too. */
const ALWAYS = "better-sqlite3";

/** The folder above `start` whose node_modules has edgefront's dependencies, as Node looks for them; null where none has. */
function modulesAbove(start: string): string | null {
  for (let folder = start; ; folder = dirname(folder)) {
    const modules = join(folder, "node_modules");
    if (existsSync(join(modules, ALWAYS))) return modules;
    if (dirname(folder) === folder) return null;
  }
}

/** Patterns with a leading `node_modules/` (or `../node_modules/`) that has no such dependencies led to the folder that has. */
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
