// File names: a name in an import or a stack trace is enough to find the file.
import { execFileSync } from "node:child_process";
import { basename } from "node:path";
import { expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";

it("no two TypeScript files of the program have the same name", () => {
  const options = { cwd: PACKAGE_ROOT, encoding: "utf8" } as const;
  const names = execFileSync("git", ["ls-files", "*.ts", ":!test"], options)
    .trim()
    .split("\n")
    .map((path) => basename(path));
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});
