// The proxy's basic requirement: without attention a model cannot recall (arXiv 2312.04927), with one layer
// of attention it can. Same proxy budget, three seeds, the quickstart's own settings, through the command
// line. A model that recalls is stopped, to save time.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";

const folder = temporaryFolder();
const config = join(folder.path, "recall.yaml");
afterAll(() => folder.remove());
beforeAll(() => {
  const quickstart = readFileSync(join(PACKAGE_ROOT, "configs", "quickstart.yaml"), "utf8");
  const stopping = quickstart.replace("{ steps: 600,", "{ stop: { every: 50, accuracy: 0.9 }, steps: 600,");
  expect(stopping).not.toBe(quickstart);
  writeFileSync(config, stopping);
});

async function recall(layers: string): Promise<readonly number[]> {
  const layout = `v16384 d512 f1024 h8/2x64 : ${layers}`;
  const args = ["score", layout, "--config", config, "--task", "recall", "--seeds", "1", "2", "3", "--json"];
  const { stdout, stderr } = await runCli(args, folder.path);
  const metrics = JSON.parse(stdout || "null")?.metrics as { name: string; samples: number[] }[] | undefined;
  const accuracy = metrics?.find(({ name }) => name === "recall.accuracy")?.samples;
  if (accuracy === undefined) throw new Error(`no accuracy: ${stderr}`);
  return accuracy;
}

describe("recall over three seeds", { timeout: 400_000 }, () => {
  it("of an all-conv layout is clearly below that of one with attention", async () => {
    const without = await recall("c3 c3 c3 c3 c3 c3");
    const withAttention = await recall("c3 c3 g c3 c3 g");
    process.stderr.write(
      `recall: all-conv ${without.join(", ")}; with attention ${withAttention.join(", ")}\n`,
    );
    expect(without).toHaveLength(3);
    expect(withAttention).toHaveLength(3);
    expect(Math.max(...without)).toBeLessThan(0.3);
    expect(Math.min(...withAttention)).toBeGreaterThan(0.8);
  });
});
