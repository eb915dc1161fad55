// A short run of the fuzz targets: each is built with the sanitizers and survives thousands of damaged
// inputs. `npm run fuzz` runs longer.
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../runner/base/version.ts";
import { fuzz } from "./fuzz/run.ts";
import { SEEDS } from "./fuzz/seeds.ts";
import { hostProblem } from "./support/needs.ts";

const targets = readdirSync(join(PACKAGE_ROOT, "kernels", "fuzz"))
  .filter((file) => file.endsWith(".cc") && file !== "standalone.cc")
  .map((file) => basename(file, ".cc"));

describe.skipIf(hostProblem() !== null)("damaged inputs", { timeout: 1_800_000 }, () => {
  it("have seeds for every target", () => {
    expect(Object.keys(SEEDS).toSorted()).toEqual(targets.toSorted());
  });
  it.each(targets)("%s", async (target) => {
    const result = await fuzz({ target, runs: 20_000, seconds: 30, seed: 1, compiler: "g++" });
    expect(result.finding).toBeNull();
    expect(result.executed).toBeGreaterThan(500);
  });
});
