// Every benchmark or check that a document or an issue names can be started and has a script.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";

const read = (name: string) => JSON.parse(readFileSync(join(PACKAGE_ROOT, name), "utf8"));
const commands: Record<string, string> = read("package.json").scripts;
const launched: Record<string, { readonly entry: string }> = read("test/support/launched-scripts.json");

it("each launched script exists", () => {
  for (const [name, { entry }] of Object.entries(launched))
    expect(existsSync(join(PACKAGE_ROOT, entry)), name).toBe(true);
});

it("`npm run bench NAME` and `npm run compare NAME` have their old names as aliases", () => {
  for (const name of Object.keys(launched).filter((each) => each.includes(" ")))
    expect(commands[name.replace(" ", ":")]).toBe(`node test/support/launch.mjs ${name}`);
});

it("each command of package.json that launches a script launches one that there is", () => {
  const names = Object.values(commands).flatMap(
    (command) => /^node test\/support\/launch\.mjs (.+)$/.exec(command)?.[1] ?? [],
  );
  expect(names.length).toBeGreaterThan(20);
  for (const name of names.filter((each) => each !== "bench" && each !== "compare"))
    expect(Object.keys(launched)).toContain(name);
});
