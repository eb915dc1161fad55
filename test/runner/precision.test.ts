// Training in bfloat16, from configuration and command line to the stored score; and float32 is unchanged
// from before this choice. kernels/tests/train_bf16_test.cc tests the arithmetic.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { trainResultSchema } from "../../profilers/protocol.ts";
import { scoreSchema } from "../../runner/config/config-score.ts";
import { runCli } from "../support/built-cli.ts";
import { torchProblem, torchPython } from "../support/needs.ts";
import { tinyScore } from "../support/tiny-score.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const { folder, config, score, scoredWith } = tinyScore();
afterAll(() => folder.remove());

const scored = async (precision: string, path = config) => {
  const { metrics, runs } = await scoredWith(path, "--precision", precision);
  return { value: metrics[0].value, ...runs[0] };
};

describe("precision", { timeout: 120_000 }, () => {
  it("is no part of a configuration, a request or a result from before there was one", () => {
    const { tasks } = scoreSchema.parse({ proxy: { width: 16 }, tasks: { text: { task: "bytes" } } });
    expect(tasks.text!.training).not.toHaveProperty("precision");
    expect(() =>
      scoreSchema.parse({
        proxy: { width: 16 },
        tasks: { text: { task: "bytes", training: { precision: "auto" } } },
      }),
    ).toThrow(/precision|float32/);
    const old = { steps: 1, trainLoss: [], validation: { loss: 1, accuracy: 0, tokens: 1 } };
    const rest = {
      tokensPerSecond: 1,
      seconds: 1,
      parameters: 1,
      isa: "avx2",
      threads: 1,
      weightsHash: "00",
    };
    expect(trainResultSchema.parse({ ...old, ...rest }).precision).toBe("float32");
  });

  it("bfloat16 gives another score, near that of float32, and is stored with it", async () => {
    const exact = await scored("float32");
    const rounded = await scored("bfloat16");
    expect(exact.request).not.toHaveProperty("precision");
    expect(exact.result.precision).toBe("float32");
    expect(rounded.request.precision).toBe("bfloat16");
    expect(rounded.result.precision).toBe("bfloat16");
    expect(rounded.result.isa).not.toBe("");
    expect(rounded.result.weightsHash).not.toBe(exact.result.weightsHash);
    expect(Math.abs(rounded.value - exact.value)).toBeLessThan(0.05);
    expect((await scored("bfloat16")).result.weightsHash).toBe(rounded.result.weightsHash);
  });

  it("is asked for in a sweep's configuration, and kept in its database", async () => {
    const path = writeTinySweep(folder.path, { name: "rounded", trials: 2 });
    writeFileSync(path, readFileSync(path, "utf8").replace("steps: 4,", "steps: 4, precision: bfloat16,"));
    const { code, stderr } = await runCli(["sweep", path, "--db", "rounded.db"], folder.path);
    expect(code, stderr).toBe(0);
    const db = new Database(join(folder.path, "rounded.db"), { readonly: true });
    const kept = db
      .prepare("SELECT request ->> '$.precision' AS asked, result ->> '$.precision' AS done FROM scores")
      .all();
    db.close();
    expect(kept).toEqual(Array(2).fill({ asked: "bfloat16", done: "bfloat16" }));
  });

  it("is refused where it is neither, with the choices", async () => {
    const { code, stderr } = await score("--precision", "float16");
    expect(code).toBe(2);
    expect(stderr).toMatch(/float32.*bfloat16/);
  });

  it.skipIf(torchProblem() !== null)("means the same to PyTorch", async () => {
    const native = await scored("bfloat16");
    const path = join(folder.path, "torch.yaml");
    const trainer = `score:\n  trainer: { backend: pytorch, python: ${torchPython} }\n`;
    writeFileSync(path, readFileSync(config, "utf8").replace("score:\n", trainer));
    const theirs = await scored("bfloat16", path);
    expect(theirs.result).toMatchObject({
      precision: "bfloat16",
      isa: expect.stringMatching(/^torch-/),
    });
    expect(Math.abs(theirs.value - native.value)).toBeLessThan(2e-3);
  });
});
