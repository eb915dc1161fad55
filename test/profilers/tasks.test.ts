import { describe, expect, it } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import { type Examples, encodeDataset, UNSCORED } from "../../profilers/dataset.ts";
import { proxyLayout, proxySchema } from "../../profilers/proxy.ts";
import { bytes } from "../../profilers/tasks/bytes.ts";
import { compression } from "../../profilers/tasks/compression.ts";
import { fuzzyRecall } from "../../profilers/tasks/fuzzy-recall.ts";
import { inContextRecall, noisyRecall } from "../../profilers/tasks/in-context-recall.ts";
import { longRecall } from "../../profilers/tasks/long-recall.ts";
import { memorization } from "../../profilers/tasks/memorization.ts";
import { mqar } from "../../profilers/tasks/mqar.ts";
import { selectiveCopying } from "../../profilers/tasks/selective-copying.ts";
import { type SyntheticTask, withPreset } from "../../profilers/tasks/task.ts";
import { taskNames, taskOf } from "../../profilers/tasks/task-registry.ts";
import { tokens } from "../../profilers/tasks/tokens.ts";
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

describe("text tasks", () => {
  it("score bits per byte, whatever the tokens are", () => {
    const result = { validation: { loss: Math.log(256), accuracy: 0, tokens: 1 } };
    expect(bytes.scores[0]!.from(result, 1)).toBeCloseTo(8, 12);
    expect(tokens.scores[0]!.from(result, 4)).toBeCloseTo(2, 12);
  });
});

/** Rows of inputs and targets as plain arrays. */
function rowsOf(data: Examples): { inputs: number[]; targets: number[] }[] {
  return Array.from({ length: data.inputs.length / data.length }, (_, row) => ({
    inputs: [...data.inputs.subarray(row * data.length, (row + 1) * data.length)],
    targets: [...data.targets.subarray(row * data.length, (row + 1) * data.length)],
  }));
}
const few = { examples: 60, validationExamples: 40 };

describe("MAD tasks", () => {
  it("in-context recall: every scored answer was shown before, after the same key", () => {
    const options = inContextRecall.optionsSchema.parse(few);
    const { train, validation } = inContextRecall.data(options, createRng(3));
    expect([options.vocab, options.length]).toEqual([16, 128]);
    for (const { inputs, targets } of rowsOf(validation)) {
      const value = new Map<number, number>();
      let scored = 0;
      for (let i = 0; i < 128; i += 2) {
        if (targets[i] !== UNSCORED) {
          scored++;
          expect(targets[i]).toBe(value.get(inputs[i]!));
        }
        expect(targets[i + 1]).toBe(UNSCORED);
        value.set(inputs[i]!, inputs[i + 1]!);
      }
      expect(scored).toBeGreaterThan(40); // 8 keys in 64 pairs
      expect([...value.keys()].every((key) => key < 8)).toBe(true);
      expect([...value.values()].every((v) => v >= 8 && v < 16)).toBe(true);
    }
    for (const { inputs, targets } of rowsOf(train)) expect(targets.slice(0, 127)).toEqual(inputs.slice(1));
  });

  it("noisy recall: about the asked share is noise, and none of it is asked", () => {
    const options = noisyRecall.optionsSchema.parse({ ...few, noise: 0.4 });
    const { validation } = noisyRecall.data(options, createRng(3));
    let noise = 0;
    for (const { inputs, targets } of rowsOf(validation)) {
      for (let i = 0; i < 128; i += 2) {
        if (inputs[i]! < 16) continue;
        noise++;
        expect([targets[i], targets[i + 1]]).toEqual([UNSCORED, UNSCORED]);
      }
    }
    expect(noise / (40 * 64)).toBeCloseTo(0.4, 1);
  });

  it("fuzzy recall: answers repeat the motif that followed the same key motif", () => {
    const options = fuzzyRecall.optionsSchema.parse(few);
    const { train, validation } = fuzzyRecall.data(options, createRng(3));
    for (const { inputs, targets } of rowsOf(validation)) {
      expect(targets.filter((t) => t !== UNSCORED).length).toBeGreaterThan(0);
      // Splits into motifs: three key tokens (0..6), then values (7..14) up to the next key.
      const full = [...inputs, targets[127]!];
      const value = new Map<string, string>();
      let at = full.findIndex((token) => token !== 15);
      while (at < full.length) {
        const key = full.slice(at, at + 3);
        expect(key.every((token) => token < 7)).toBe(true);
        let end = at + 3;
        while (end < full.length && full[end]! >= 7) end++;
        const asked = targets.slice(at + 2, end - 1).filter((t) => t !== UNSCORED);
        const known = value.get(key.join());
        if (known !== undefined) expect(asked.join()).toBe(known);
        else expect(asked).toEqual([]);
        value.set(key.join(), full.slice(at + 3, end).join());
        at = end;
      }
    }
    expect(rowsOf(train)[0]!.targets.filter((t) => t === 15)).toEqual([]);
  });

  it("selective copying: the answers are the tokens, without blanks, in order", () => {
    const options = selectiveCopying.optionsSchema.parse(few);
    for (const { inputs, targets } of rowsOf(selectiveCopying.data(options, createRng(3)).train)) {
      const shown = inputs.slice(0, inputs.indexOf(15)).filter((token) => token !== 14);
      expect(shown).toHaveLength(16);
      expect(inputs.indexOf(15)).toBe(256 - 17);
      expect(targets.slice(-16)).toEqual(shown);
      expect(targets.filter((t) => t !== UNSCORED)).toHaveLength(16);
    }
  });

  it("memorisation: one map, the same in training and validation", () => {
    const options = memorization.optionsSchema.parse({ validationExamples: 50 });
    const { train, validation } = memorization.data(options, createRng(3));
    const map = new Map<number, number>();
    for (const { inputs, targets } of [...rowsOf(train), ...rowsOf(validation)]) {
      for (let i = 0; i < 32; i += 2) {
        expect(inputs[i + 1]).toBe(255);
        expect(map.get(inputs[i]!) ?? targets[i + 1]).toBe(targets[i + 1]);
        map.set(inputs[i]!, targets[i + 1]!);
      }
    }
    expect(map.size).toBe(127);
    expect(new Set(map.values()).size).toBe(127);
  });

  it("compression: asks for the row itself, which ends in its token", () => {
    const options = compression.optionsSchema.parse(few);
    for (const { inputs, targets } of rowsOf(compression.data(options, createRng(3)).train)) {
      expect(targets).toEqual(inputs);
      expect(inputs.indexOf(15)).toBe(31);
    }
    expect(compression.head).toBe("pooled");
  });
});

describe("long recall", () => {
  it("asks each key exactly `distance` tokens after its pair", () => {
    const options = longRecall.optionsSchema.parse({ ...few, distance: 1024 });
    expect(options.length).toBe(1032);
    for (const { inputs, targets } of rowsOf(longRecall.data(options, createRng(3)).validation)) {
      for (let pair = 0; pair < 4; pair++) {
        expect(inputs[2 * pair + 1024]).toBe(inputs[2 * pair]);
        expect(targets[2 * pair + 1024]).toBe(inputs[2 * pair + 1]);
      }
      expect(targets.filter((t) => t !== UNSCORED)).toHaveLength(4);
      expect(inputs.slice(8, 1024).every((token) => token >= 42)).toBe(true);
    }
  });
});

describe("every task of the registry", () => {
  it.each(taskNames)("%s: its presets are options it accepts", (name) => {
    const task = taskOf(name);
    const needed: Record<string, Record<string, unknown>> = {
      bytes: { corpus: ["x"] },
      tokens: { corpus: ["x"], tokenizer: "t.json" },
      shards: { corpus: ["x"], vocab: 100 },
    };
    for (const preset of Object.keys(task.presets)) {
      const options = withPreset(task, preset, needed[name] ?? {}, name);
      expect(task.optionsSchema.safeParse(options).error, preset).toBeUndefined();
    }
    expect(() => withPreset(task, "toString", {}, name)).toThrow(/has no preset "toString"/);
  });

  it.each(taskNames.filter((name) => !("corpus" in taskOf(name))))(
    "%s: the same rows for a seed, others for another",
    (name) => {
      const task = taskOf(name) as SyntheticTask<{ length: number }>;
      const options = task.optionsSchema.parse(few);
      const bytesOf = (seed: number): Buffer => encodeDataset(task.data(options, createRng(seed)).validation);
      expect(bytesOf(1).equals(bytesOf(1))).toBe(true);
      expect(bytesOf(1).equals(bytesOf(2))).toBe(false);
      const { inputs } = task.data(options, createRng(1)).validation as Examples;
      expect(inputs.every((token) => token < task.vocab(options))).toBe(true);
    },
  );
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
