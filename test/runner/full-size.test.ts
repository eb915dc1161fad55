// A published layout at its true size on this machine: the process takes the memory that the plan predicts.
import { afterAll, describe, expect, it } from "vitest";
import { runCli, temporaryFolder } from "../support/built-cli.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

describe("lfm2-350m, 354,483,968 parameters, Q4_0", { timeout: 300_000 }, () => {
  it("is measured at contexts 1024 and 4096, its peak within 10% of the prediction", async () => {
    const { stdout, stderr } = await runCli(
      [
        "measure",
        "lfm2-350m",
        "--device",
        "local",
        "--repetitions",
        "1",
        "--warmup",
        "1",
        "--tokens",
        "16",
        "--json",
      ],
      folder.path,
    );
    if (stdout === "") throw new Error(stderr);
    const { metrics, result } = JSON.parse(stdout);
    expect(result).toMatchObject({ parameters: 354_483_968, architecture: "lfm2", weightsFrom: "seed" });
    expect(result.contexts.map(({ context }: { context: number }) => context)).toEqual([1024, 4096]);
    const predicted = result.plan.predictedPeakBytes;
    const measured = result.memory.peakBytes;
    process.stderr.write(
      `peak ${measured} bytes, predicted ${predicted} (${((predicted / measured - 1) * 100).toFixed(1)}%)\n`,
    );
    expect(Math.abs(predicted / measured - 1)).toBeLessThan(0.1);
    for (const { name, value } of metrics as { name: string; value: number }[]) {
      expect({ name, finite: value > 0 && Number.isFinite(value) }).toEqual({ name, finite: true });
    }
  });
});
