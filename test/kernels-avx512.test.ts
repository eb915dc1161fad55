// The AVX-512 kernels on processors without AVX-512: the tests of kernels/ under Bochs, an emulator that has
// it. Only the correctness of values is tested; times are meaningless.
import { describe, expect, it } from "vitest";
import { buildAgent } from "../runner/agent/build.ts";
import { runUnderBochs } from "./support/bochs.ts";
import { avx512Problem } from "./support/needs.ts";

// Tests that use every kernel with few instructions. The emulated processor runs about thirty million per
// second.
const INFERENCE = [
  "PanelMul",
  "Together",
  "Quantise",
  "Elementwise",
  "Conv",
  "Ssm",
  "Delta",
  "Filter",
  "Mamba",
  "Attend",
  "RateLoops",
  "Golden",
];
const TRAINER = [
  "TrainGemm",
  "TrainRms",
  "TrainSwi",
  "TrainHead",
  "TrainAttentionAgrees",
  "TrainDelta",
  "TrainCross",
  "TrainAdam",
];

describe("kernels on AVX-512", () => {
  it.skipIf(avx512Problem() !== null)(
    "pass on a processor that Bochs emulates: AVX-512 with VNNI, and AVX-VNNI's kernels in its encoding",
    async () => {
      const { path } = await buildAgent({ target: "x86_64-linux", kind: "tests" });
      const commands = [
        ["--isa", "avx512", ...INFERENCE, ...TRAINER],
        ["--isa", "avxvnni", "PanelMul", "Together"],
      ];
      const runs = await runUnderBochs(path, commands, "test/golden", 800_000);
      for (const [i, { output, status }] of runs.entries()) {
        const summary = /^(\d+) passed, (\d+) failed$/m.exec(output);
        expect(summary, output).not.toBeNull();
        expect(Number(summary![2]), output).toBe(0);
        expect(Number(summary![1]), output).toBeGreaterThanOrEqual(commands[i]!.length - 2);
        expect(status, output).toBe(0);
      }
      expect(runs[0]!.output).toMatch(/^isa avx512: tested$/m);
      expect(runs[1]!.output).toMatch(/^isa avxvnni: .*its kernels were tested in AVX-512's encoding/m);
    },
    900_000,
  );
});
