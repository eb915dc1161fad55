// edgefront measure through the real command line: batches, and the profile against the device's own peaks.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

// Sizes at which every cache is a whole number of lines, so that a batch's cache is an exact multiple of one
// sequence's.
const LAYOUT = "v512 d128 f256 h4/2x32 : c3 g s64 c2";
const QUICK = ["--contexts", "48", "--tokens", "6", "--repetitions", "2", "--warmup", "1"];
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

async function measure(...args: string[]) {
  const { stdout, stderr, code } = await runCli(["measure", LAYOUT, ...QUICK, ...args], folder.path);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

describe("measure --batch", () => {
  it("times the sequences together, says so in the metrics' names, and plans their caches", async () => {
    const run = async (batch: number) =>
      JSON.parse(await measure("--batch", String(batch), "--json")) as {
        metrics: { name: string; samples: number[] }[];
        result: MeasureResult;
      };
    const [one, three, again] = [await run(1), await run(3), await run(3)];
    expect(one.result.batch).toBe(1);
    expect(three.result.batch).toBe(3);
    expect(three.result.plan.cacheBytes).toBe(3 * one.result.plan.cacheBytes);
    expect(three.result.plan.weightBytes).toBe(one.result.plan.weightBytes);
    expect(three.result.outputHash).toBe(again.result.outputHash);
    expect(three.result.outputHash).not.toBe(one.result.outputHash);
    const { decodeMs, prefillMs } = three.result.contexts[0]!;
    const samples = (name: string) => three.metrics.find((metric) => metric.name === name)!.samples;
    expect(samples("decodeTokensPerSecond@48x3:local")).toEqual(
      decodeMs.map((steps) => (3 * steps.length * 1000) / sum(steps)),
    );
    expect(samples("prefillTokensPerSecond@48x3:local")).toEqual(prefillMs.map((ms) => (3 * 48 * 1000) / ms));
    expect(await measure("--batch", "3")).toMatch(/batch 3\n.*Rates are over all 3 sequences/s);
  }, 60_000);

  it("refuses an invalid batch", async () => {
    const { stderr, code } = await runCli(["measure", LAYOUT, "--batch", "0"], folder.path);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^edgefront: .*batch/m);
  });
});

describe("measure --profile", () => {
  it("accounts for the time of each phase, against the peaks that the device's probe measured", async () => {
    const { peaks, result } = JSON.parse(await measure("--profile", "--json"));
    for (const peak of [peaks.readBandwidthGBs, peaks.int8Gops, peaks.fp32Gflops])
      expect(peak).toBeGreaterThan(0);
    const { profile, prefillMs, decodeMs } = (result as MeasureResult).contexts[0]!;
    const ops = (phase: string) => profile!.filter((op) => op.phase === phase);
    const mixers = ["conv-in", "conv", "conv-out", "qkv", "store-keys", "attend", "attn-out"];
    for (const phase of ["prefill", "decode"])
      expect(ops(phase).map(({ op }) => op)).toEqual(
        expect.arrayContaining([...mixers, "gate-up", "down", "logits"]),
      );
    const spent = (phase: string) => sum(ops(phase).map(({ ms }) => ms));
    // The remainder is the start and the end of a step's parallel region, and the choice of the token.
    expect(spent("prefill")).toBeLessThanOrEqual(sum(prefillMs));
    expect(spent("prefill")).toBeGreaterThan(0.5 * sum(prefillMs));
    expect(spent("decode")).toBeLessThanOrEqual(sum(decodeMs.flat()));
    // 4 layers; in each repetition one chunk and five steps; 2 FLOPs per weight and token.
    const [prefill, decode] = ["prefill", "decode"].map(
      (phase) => ops(phase).find(({ op }) => op === "gate-up")!,
    );
    expect([prefill!.calls, decode!.calls]).toEqual([2 * 4, 2 * 4 * 5]);
    expect(prefill!.flops).toBe(2 * 4 * 48 * (2 * 2 * 128 * 256));
    expect(decode!.flops).toBe(2 * 4 * 5 * (2 * 2 * 128 * 256));
  }, 60_000);

  it("fits a terminal of 80 columns, with the share of each peak", async () => {
    const lines = (await measure("--profile")).split("\n");
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    const header = lines.find((line) => line.startsWith("PREFILL@48"))!;
    expect(header).toMatch(/CALLS +ms +TIME +GB\/s +of peak +GOPS +of peak/);
    expect(lines.find((line) => line.startsWith("gate-up"))).toMatch(/\d%.*\d%.*\d%/);
    expect(lines.join("\n")).toMatch(/peaks measured on the device: read \d/);
  }, 60_000);
});

describe("measure --compare", () => {
  it("distinguishes two layouts, with its error rate", async () => {
    const other = "v512 d128 f1024 h4/2x32 : 6[c3 g]";
    const args = ["--compare", LAYOUT, other, ...QUICK, "--pairs", "10", "--json"];
    const { stdout, stderr, code } = await runCli(["measure", ...args], folder.path);
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("pair 10 of at most 10"),
    });
    const found = JSON.parse(stdout);
    expect(found.metrics.map(({ metric }: { metric: string }) => metric)).toEqual([
      "ttftMs@48",
      "decodeTokensPerSecond@48",
      "peakBytes",
    ]);
    for (const { verdict, p, adjustedP, interval, change } of found.metrics) {
      expect(verdict).toBe("a-better");
      expect(p).toBeLessThanOrEqual(adjustedP);
      // 10 pairs: the smallest possible p is 2 in 252.
      expect(p).toBeCloseTo(2 / 252, 10);
      expect(interval.low * interval.high).toBeGreaterThan(0);
      expect(Math.abs(change)).toBeGreaterThan(0.02);
    }
    expect(found).toMatchObject({ ended: "pairs", stages: [10] });
    expect(found.pairs).toHaveLength(10);
    expect(found.pairs.filter(({ first }: { first: string }) => first === "a")).toHaveLength(5);
    expect(Object.keys(found.pairs[0].a)).toEqual(
      found.metrics.map(({ metric }: { metric: string }) => metric),
    );
  }, 240_000);

  it("ends early once every metric is decided, and reports the spread of pairs and the pairs needed", async () => {
    const other = "v512 d128 f1024 h4/2x32 : 6[c3 g]";
    const run = ["measure", "--compare", LAYOUT, other, ...QUICK, "--pairs", "40"];
    const { stdout, code } = await runCli(run, folder.path);
    expect(code).toBe(0);
    const [, ran] =
      /^(\d+) of at most 40 pairs on local: ended early, because every metric has a verdict/m.exec(stdout)!;
    expect(Number(ran)).toBeLessThan(40);
    expect(Number(ran)).toBeGreaterThanOrEqual(12);
    expect(stdout).toMatch(/PAIR SD +PAIRS FOR 2% +PAIRS FOR 5%/);
    expect(stdout).toMatch(/^peak memory +\d+\.\d% +\d+ +\d+$/m);
    expect(stdout).toMatch(/peak memory .* A is smaller$/m);
  }, 240_000);

  it("adds pairs to an earlier comparison, and refuses any other", async () => {
    const compared = (...args: string[]) =>
      runCli(["measure", "--compare", LAYOUT, LAYOUT, ...QUICK, "--json", ...args], folder.path);
    const first = await compared("--pairs", "10");
    writeFileSync(join(folder.path, "earlier.json"), first.stdout);
    const earlier = JSON.parse(first.stdout);
    const { stdout } = await compared("--pairs", "3", "--extend", "earlier.json");
    const extended = JSON.parse(stdout);
    expect(extended.stages).toEqual([10, 3]);
    expect(extended.pairs).toHaveLength(13);
    expect(extended.pairs.slice(0, 10)).toEqual(earlier.pairs);
    expect(extended.looks.at(-1).errorRate).toBeLessThan(0.005);

    const refused = async (content: string, message: RegExp, ...args: string[]) => {
      writeFileSync(join(folder.path, "wrong.json"), content);
      const { stderr, code } = await compared("--extend", "wrong.json", "--pairs", "3", ...args);
      expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
      expect(
        stderr
          .trim()
          .split("\n")
          .filter((line) => line.startsWith("edgefront:")),
      ).toHaveLength(1);
    };
    const changed = (changes: object) => JSON.stringify({ ...earlier, ...changes });
    await refused("{", /wrong.json is not JSON; make one with/);
    await refused(changed({ pairs: earlier.pairs.slice(1) }), /lacks some of its planned pairs/);
    await refused(changed({ ended: "decided" }), /already has a verdict for every metric/);
    await refused(changed({ stages: undefined }), /is not the --json output of a comparison/);
    await refused(
      changed({ pairs: [{ ...earlier.pairs[0], b: {} }, ...earlier.pairs.slice(1)] }),
      /different metrics/,
    );
    await refused(changed({ identities: { a: LAYOUT, b: "other" } }), /compares other models/);
    await refused(changed({ agentSha256: "0" }), /another build of the agent/);
    await refused(first.stdout, /measured with other options.*leave out --extend/, "--batch", "2");
  }, 240_000);

  it.each([
    [["--compare", LAYOUT, LAYOUT, "--pairs", "4"], /--pairs is 4, but must be a whole number from 10/],
    [[LAYOUT, "--compare", LAYOUT, LAYOUT], /give one model, or two with --compare/],
    [[], /give one model, or two with --compare/],
    [
      ["--compare", LAYOUT, LAYOUT, "--pairs", "10.5"],
      /--pairs is 10.5, but must be a whole number from 10 to 1000/,
    ],
    [["--compare", LAYOUT, LAYOUT, "--extend", "missing.json"], /missing.json cannot be read; make one with/],
    [[LAYOUT, "--extend", "earlier.json"], /--extend adds pairs to a comparison/],
    [["--compare", LAYOUT, LAYOUT, "--profile"], /--profile works for one model only/],
    [["--compare", LAYOUT, "missing.gguf"], /there is no file missing.gguf/],
  ])("refuses %j", async (args, message) => {
    const { stderr, code } = await runCli(["measure", ...args], folder.path);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
