// edgefront score: training, output and refusals, through the command line, on proxies of a few steps.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { runCli } from "../support/built-cli.ts";
import { tinyScore } from "../support/tiny-score.ts";

const { folder, config, score, scored, scoreWith } = tinyScore();
afterAll(() => folder.remove());

let once: ReturnType<typeof scored> | undefined;
/** The unchanged run, trained once for all comparisons. */
const plain = () => {
  once ??= scored();
  return once;
};

describe("score", () => {
  it("gives the interval of the mean over seeds, and keeps each seed's value", async () => {
    const { metrics } = await scored("--seeds", "1", "2", "3");
    const [metric] = metrics;
    expect(metric.name).toBe("text.bitsPerByte");
    expect(metric.samples).toHaveLength(3);
    expect(metric.interval[0]).toBeLessThan(metric.value);
    expect(metric.interval[1]).toBeGreaterThan(metric.value);
  });

  it("writes the trained weights where asked, and measure takes them", async () => {
    const out = `${folder.path}/weights`;
    await scored("--out", out);
    expect(readFileSync(`${out}/text-1.gguf`).subarray(0, 4).toString()).toBe("GGUF");
    const measure = [
      "measure",
      `${out}/text-1.gguf`,
      "--contexts",
      "16",
      "--repetitions",
      "2",
      "--warmup",
      "1",
      "--json",
    ];
    const { code, stderr } = await runCli(measure, folder.path);
    expect(code, stderr).toBe(0);
  });

  it("distils from a layout it trains first, once", async () => {
    const more = ["--objective", "decoupled-topk", "--teacher", "v256 d64 f256 h4/4x16 : g g c3"];
    const { runs } = await scored(...more);
    expect(runs[0].request).toMatchObject({
      objective: { kind: "decoupled-top-k", k: 32, temperature: 2, mix: 0.5 },
      teacher: expect.stringMatching(/^[0-9a-f]{32}\.gguf$/),
    });
    const again = await scored(...more);
    expect(again.runs[0].result.weightsHash).toBe(runs[0].result.weightsHash);
    expect((await plain()).runs[0].result.weightsHash).not.toBe(runs[0].result.weightsHash);
  });

  it("tries learning rates, and says which there were and what was taken", async () => {
    const path = `${folder.path}/rates.yaml`;
    const text = readFileSync(config, "utf8").replace(
      "steps: 12,",
      "steps: 40, learningRate: [1.0e-6, 1.0e-2],",
    );
    appendFileSync(path, text);
    const { stdout, stderr } = await scoreWith(path, "--json");
    const { request } = JSON.parse(stdout || stderr).runs[0];
    expect(request.optimizer.learningRate).toBe(1e-2);
    expect(request.learningRateTries.map(([rate]: [number]) => rate)).toEqual([1e-6, 1e-2]);
    expect(request.learningRateTries[1][1]).toBeLessThan(request.learningRateTries[0][1]);
  });

  it("carries a learning rate over from another width, and not from its own", async () => {
    const trainedAt = async (baseWidth: number) => {
      const path = `${folder.path}/base-${baseWidth}.yaml`;
      writeFileSync(
        path,
        readFileSync(config, "utf8").replace("steps: 12,", `steps: 12, baseWidth: ${baseWidth},`),
      );
      const { stdout } = await scoreWith(path, "--json");
      const [{ request, result }] = JSON.parse(stdout).runs;
      expect(request.baseWidth).toBe(baseWidth);
      return result.weightsHash;
    };
    const { weightsHash } = (await plain()).runs[0].result;
    expect(await trainedAt(16)).toBe(weightsHash); // the proxy's own width
    expect(await trainedAt(8)).not.toBe(weightsHash);
  });

  it("makes composites of what it scored", async () => {
    const path = `${folder.path}/composite.yaml`;
    const composite = "composite: { quality: [{ metric: text.bitsPerByte, from: 8, to: 0 }] }";
    appendFileSync(path, readFileSync(config, "utf8").replace("score:\n", `score:\n  ${composite}\n`));
    const { stdout } = await scoreWith(path, "--json");
    const { metrics } = JSON.parse(stdout);
    expect(metrics.map(({ name }: { name: string }) => name)).toEqual([
      "text.bitsPerByte",
      "composite.quality",
    ]);
    expect(metrics[1].value).toBeCloseTo((8 - metrics[0].value) / 8, 12);
  });

  it.each<[string[], RegExp]>([
    [
      ["--objective", "topk"],
      /a distilling objective needs a teacher: name a layout or a file with --teacher/,
    ],
    [["--objective", "topk", "--teacher", "/nowhere.gguf"], /the teacher \/nowhere\.gguf does not exist/],
    [["--steps", "0"], /--steps is 0, but must be a whole number above 0/],
    [["--task", "txt"], /has no task "txt"; did you mean "text"\?/],
  ])("refuses %j in one line", async (more, message) => {
    const { stderr, code } = await score(...more);
    expect(code).toBe(2);
    const lines = stderr.trim().split("\n");
    expect(lines.at(-1)).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(existsSync(`${folder.path}/edgefront.db`)).toBe(false);
  });

  it("a trainer that is not there ends in one line with what to do", async () => {
    const path = `${folder.path}/torch.yaml`;
    const text = readFileSync(config, "utf8");
    appendFileSync(
      path,
      text.replace("score:\n", "score:\n  trainer: { backend: pytorch, python: /nowhere/python3 }\n"),
    );
    const { stderr, code } = await scoreWith(path);
    expect(code).not.toBe(0);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stderr.trim().split("\n").at(-1)).toMatch(/could not be started|ended at once|not found/);
  });
});
