// The bundled configurations find their text, however edgefront is installed.
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, expect, it } from "vitest";
import { withInstalledModules } from "../../runner/farm/installed-text.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const made = (...parts: string[]): string => {
  const path = join(folder.path, ...parts);
  mkdirSync(path, { recursive: true });
  return path;
};
const PATTERN = "../node_modules/*/README.md";

it.each([
  ["a clone", "clone", "clone/node_modules"],
  ["a dependency, hoisted", "project/node_modules/edgefront", "project/node_modules"],
  [
    "a dependency with modules of its own",
    "nested/node_modules/edgefront",
    "nested/node_modules/edgefront/node_modules",
  ],
  ["a scoped name", "scoped/node_modules/@lab/edgefront", "scoped/node_modules"],
  [
    "a pnpm store",
    "pnpm/node_modules/.pnpm/edgefront@1/node_modules/edgefront",
    "pnpm/node_modules/.pnpm/edgefront@1/node_modules",
  ],
  ["a global installation", "usr/lib/node_modules/edgefront", "usr/lib/node_modules/edgefront/node_modules"],
])("%s", (_kind, root, modules) => {
  const packageRoot = made(root);
  const base = made(root, "configs");
  made(modules, "better-sqlite3");
  for (const pattern of [PATTERN, "../node_modules/**/*.md"]) {
    const [found] = withInstalledModules([pattern], base, packageRoot);
    expect(resolve(base, found!)).toBe(join(folder.path, modules, pattern.replace("../node_modules/", "")));
  }
  // A copy of the configuration elsewhere finds the same text.
  const [copied] = withInstalledModules([PATTERN], made("elsewhere", "deep"), packageRoot);
  expect(resolve(folder.path, "elsewhere/deep", copied!)).toBe(join(folder.path, modules, "*/README.md"));
});

it("a clone's pattern and the user's own patterns pass unchanged", () => {
  const packageRoot = made("clone");
  made("clone/node_modules/better-sqlite3");
  const base = made("clone/configs");
  const own = [PATTERN, "texts/*.txt", "/data/node_modules/x.md", "my_node_modules/*.md"];
  expect(withInstalledModules(own, base, packageRoot)).toEqual(own);
});
