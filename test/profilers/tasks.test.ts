import { describe, expect, it } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import { type Examples, encodeDataset, UNSCORED } from "../../profilers/dataset.ts";
import { proxyLayout, proxySchema } from "../../profilers/proxy.ts";
import { bytes } from "../../profilers/tasks/bytes.ts";
import { mqar } from "../../profilers/tasks/mqar.ts";
import { createRng } from "../../search/rng.ts";

describe("mqar", () => {
  const options = mqar.optionsSchema.parse({
    vocab: 64,
    length: 40,
    pairs: 6,
    examples: 200,
    validationExamples: 50,
  });
  const { train, validation } = mqar.data(options, createRng(5)) as { train: Examples; validation: Examples };

  it("asks every key once more, and scores exactly its value", () => {
    for (let row = 0; row < 200; row++) {
      const inputs = train.inputs.subarray(row * 40, (row + 1) * 40);
      const targets = train.targets.subarray(row * 40, (row + 1) * 40);
      const pairs = new Map(Array.from({ length: 6 }, (_, i) => [inputs[2 * i]!, inputs[2 * i + 1]!]));
      expect(pairs.size).toBe(6);
      const scored = [...targets.entries()].filter(([, target]) => target !== UNSCORED);
      expect(scored).toHaveLength(6);
      for (const [at, target] of scored) {
        expect(at).toBeGreaterThanOrEqual(12);
        expect(target).toBe(pairs.get(inputs[at]!));
        expect(inputs[at + 1]).toBe(target);
      }
      for (const [key, value] of pairs) {
        expect(key).toBeGreaterThanOrEqual(1);
        expect(key).toBeLessThan(32);
        expect(value).toBeGreaterThanOrEqual(32);
        expect(value).toBeLessThan(64);
      }
    }
  });

  it("is the same for a seed, and other rows for validation", () => {
    const again = mqar.data(options, createRng(5)).train as Examples;
    expect(Buffer.from(again.inputs.buffer).equals(Buffer.from(train.inputs.buffer))).toBe(true);
    expect(Array.from(validation.inputs.subarray(0, 40))).not.toEqual(
      Array.from(train.inputs.subarray(0, 40)),
    );
    expect(mqar.data(options, createRng(6)).train).not.toEqual(train);
  });

  it("draws near gaps more often than far ones", () => {
    const gaps = new Array<number>(14).fill(0);
    for (let row = 0; row < 200; row++)
      for (let at = 12; at < 40; at++)
        if (train.targets[row * 40 + at] !== UNSCORED) gaps[(at - 12) / 2]! += 1;
    const near = gaps.slice(0, 4).reduce((sum, n) => sum + n, 0);
    const far = gaps.slice(-4).reduce((sum, n) => sum + n, 0);
    expect(near).toBeGreaterThan(1.5 * far);
  });

  it.each([
    { vocab: 64, length: 20, pairs: 6 },
    { vocab: 8, length: 64, pairs: 6 },
  ])("refuses %j, which cannot be asked", (bad) => {
    expect(mqar.optionsSchema.safeParse(bad).success).toBe(false);
  });
});

describe("bytes", () => {
  const options = bytes.optionsSchema.parse({ corpus: ["x"], length: 16, validationFraction: 0.25 });

  it("splits the text: training from its start, validation from its end", () => {
    const { train, validation } = bytes.data(options, createRng(1), Buffer.from("abcdefghij".repeat(40)));
    expect(train).toMatchObject({ kind: "stream", vocab: 256 });
    if (train.kind !== "stream" || validation.kind !== "stream") throw new Error("not streams");
    expect([train.tokens.length, validation.tokens.length]).toEqual([300, 100]);
    expect(train.tokens[0]).toBe("a".charCodeAt(0));
    expect(validation.tokens.at(-1)).toBe("j".charCodeAt(0));
  });

  it("says when there is too little of it", () => {
    expect(() => bytes.data(options, createRng(1), Buffer.from("short"))).toThrow(/name more text files/);
  });

  it("scores bits per byte", () => {
    const score = bytes.scores[0]!;
    expect(score.from({ validation: { loss: Math.log(256), accuracy: 0, tokens: 1 } } as never)).toBeCloseTo(
      8,
      12,
    );
  });
});

describe("EFD1 files", () => {
  it("hold header, then inputs and targets row by row", () => {
    const data: Examples = {
      kind: "examples",
      vocab: 300,
      length: 2,
      inputs: Uint16Array.of(1, 2, 3, 299),
      targets: Uint16Array.of(UNSCORED, 5, 6, UNSCORED),
    };
    const file = encodeDataset(data);
    expect(file.subarray(0, 4).toString()).toBe("EFD1");
    expect([file.readUInt32LE(4), file.readUInt32LE(8), file.readUInt32LE(12)]).toEqual([0, 300, 2]);
    expect(file.readBigUInt64LE(16)).toBe(2n);
    const words = Array.from({ length: 8 }, (_, i) => file.readUInt16LE(24 + 2 * i));
    expect(words).toEqual([1, 2, UNSCORED, 5, 3, 299, 6, UNSCORED]);
  });
});

describe("proxies", () => {
  const config = proxySchema.parse({ width: 32, headDim: 16, context: 1024 });

  it("keep the pattern, kernel sizes and FFN ratio", () => {
    const layout = parseNotation("v65536 d1024 f4096 h16/8x64 : c3 g c5~2048 s256(16/4x64n)");
    const proxy = proxyLayout(layout, config, { vocab: 128, length: 256 });
    expect(proxy).toEqual(parseNotation("v128 d32 f128 h2/1x16 : c3 g c5~64 s64(2/1x16n)"));
  });

  it("never shrink a window to nothing", () => {
    const layout = parseNotation("v512 d64 f128 h4/4x16 : s4");
    const proxy = proxyLayout(layout, config, { vocab: 64, length: 8 });
    expect(proxy.layers[0]!.mixer).toMatchObject({ op: "swa", window: 2, heads: 2, kvHeads: 2 });
  });
});
