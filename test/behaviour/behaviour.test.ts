// Compares the results of commands, proposals and plans with test/golden/behaviour.json. After an intended
// change: npm run golden -- --write.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { CLI, temporaryFolder } from "../support/built-cli.ts";
import { computed } from "./computed.ts";
import { differences, GOLDEN, type Golden, goldenOf } from "./golden-file.ts";
import { observe } from "./observed.ts";

const stored = JSON.parse(readFileSync(GOLDEN, "utf8")) as Golden;
/** The stored results of the same names, so that results which are not run here do not count as missing. */
const storedOf = (now: Golden): Golden =>
  Object.fromEntries(Object.entries(stored).filter(([name]) => name in now));

it("strategies propose and layouts lower as before", () => {
  const now = goldenOf([], computed());
  expect(differences(storedOf(now), now)).toEqual([]);
});

it("read-only commands print as before on databases of every schema version", async () => {
  const folder = temporaryFolder();
  const now = goldenOf(await observe({ cli: CLI, folder: folder.path, everything: false }), {});
  folder.remove();
  expect(Object.keys(now).length).toBeGreaterThan(70);
  expect(differences(storedOf(now), now)).toEqual([]);
}, 900_000);
