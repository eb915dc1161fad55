// Builds the C++ tests of kernels/ and runs them: what they check is in kernels/tests/.
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { buildAgent } from "../runner/agent/build.ts";
import { hostTarget } from "../runner/agent/toolchain.ts";

describe("kernels", () => {
  it("pass their own tests", async () => {
    const { path } = await buildAgent({ target: hostTarget()!, kind: "tests" });
    const run = await execa(path, [], { reject: false, timeout: 500_000 });
    const summary = /^(\d+) passed, (\d+) failed$/m.exec(run.stdout);
    expect(summary, run.stderr).not.toBeNull();
    expect(Number(summary![2]), run.stderr).toBe(0);
    expect(Number(summary![1])).toBeGreaterThan(10);
    expect(run.exitCode).toBe(0);
  }, 900_000);
});
