// Builds the C++ tests of kernels/ and runs them, also for aarch64 under an emulator. kernels/tests/ has the
// checks.
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { buildAgent } from "../runner/agent/build.ts";
import { hostTarget, type Target } from "../runner/devices/toolchain.ts";
import { emulationProblem } from "./support/needs.ts";

/**
 * Runs the tests whose name contains one of `only` (all if empty). Returns the instruction sets that they
 * used.
 */
async function runTests(target: Target, launcher: readonly string[], only: readonly string[]) {
  const { path } = await buildAgent({ target, kind: "tests" });
  const [program, ...args] = [...launcher, path, ...only];
  const run = await execa(program!, args, { reject: false, timeout: 500_000 });
  const summary = /^(\d+) passed, (\d+) failed$/m.exec(run.stdout);
  expect(summary, run.stderr).not.toBeNull();
  expect(Number(summary![2]), run.stderr).toBe(0);
  expect(Number(summary![1])).toBeGreaterThan(10);
  expect(run.exitCode).toBe(0);
  const isas = [...run.stdout.matchAll(/^isa (\w+): (.*)$/gm)].map(([, isa, how]) => [isa!, how!] as const);
  const trainer = /^trainer in .*$/m.exec(run.stdout)?.[0] ?? "";
  console.log(`${target}: ${isas.map(([isa, how]) => `${isa} ${how}`).join("; ")}; ${trainer}`);
  return { isas: isas.filter(([, how]) => how === "tested").map(([isa]) => isa), trainer };
}

describe("kernels", () => {
  it("pass their own tests", async () => {
    expect((await runTests(hostTarget()!, [], [])).isas).toContain("scalar");
  }, 900_000);

  // The kernels on every instruction set, the golden logits, and one invariant of each kind: about a minute.
  // QEMU's default processor has all instruction sets.
  it.skipIf(emulationProblem() !== null)(
    "pass on aarch64 under QEMU: NEON, dotprod, i8mm and bf16",
    async () => {
      const kernels = ["PanelMul", "Together", "Panels", "Half", "Quantise", "Elementwise", "Conv", "Attend"];
      const recurrences = ["Ssm", "Delta", "Filter", "MambaAgrees", "MambaExtremes"];
      const engine = ["Golden", "Isas", "Window", "Batched", "InvariantQ4"];
      const training = ["Bf16Rounds", "Bf16Products", "Bf16Gemm", "Bf16Pairs", "Bf16Pooled", "Bf16Says"];
      const only = [...kernels, ...recurrences, ...engine, ...training];
      const { isas, trainer } = await runTests("aarch64-linux", ["qemu-aarch64-static"], only);
      expect(isas).toEqual(["scalar", "neon", "dotprod", "i8mm"]);
      expect(trainer).toBe("trainer in float32: neon; in bfloat16: neonbf16");
    },
    900_000,
  );
});
