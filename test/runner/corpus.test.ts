// The user's files as training data: what is streamed, split, encoded and refused, by the files that reach the trainer.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { getuid } from "node:process";
import { afterAll, describe, expect, it } from "vitest";
import type { Corpus } from "../../profilers/tasks/task.ts";
import { tokens } from "../../profilers/tasks/tokens.ts";
import { encodeCorpus } from "../../runner/sweep/corpus.ts";
import { temporaryFolder } from "../support/cli.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

let made = 0;
/** A folder of files; patterns in it are relative to it. */
function filesOf(files: Record<string, string | Buffer>): string {
  const path = `${folder.path}/${made++}`;
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(`${path}/${name}`, content);
  return path;
}
const bytesOf = (patterns: string[], more: Partial<Corpus> = {}): Corpus => ({
  patterns,
  validationFraction: 0.25,
  limitBytes: 2 ** 28,
  encoding: { kind: "bytes", binary: false },
  ...more,
});
const idsOf = (path: string): number[] => {
  const file = readFileSync(path);
  const count = Number(file.readBigUInt64LE(16));
  expect(file.length).toBe(24 + 2 * count);
  return Array.from({ length: count }, (_, i) => file.readUInt16LE(24 + 2 * i));
};

describe("bytes", () => {
  it("train from the start of the files, in the order of their names, and validate on the end", async () => {
    const base = filesOf({ "b.txt": "cd".repeat(50), "a.txt": "ab".repeat(150) });
    const encoded = await encodeCorpus(bytesOf(["*.txt"]), base, 16);
    const text = Buffer.from("ab".repeat(150) + "cd".repeat(50));
    expect(idsOf(encoded.trainPath)).toEqual([...text.subarray(0, 300)]);
    expect(idsOf(encoded.validationPath)).toEqual([...text.subarray(300)]);
    expect(encoded).toMatchObject({ vocab: 256, bytesPerToken: 1 });
    expect(await encodeCorpus(bytesOf(["*.txt"]), base, 16)).toEqual(encoded);
    writeFileSync(`${base}/a.txt`, "xy".repeat(150));
    expect((await encodeCorpus(bytesOf(["*.txt"]), base, 16)).trainPath).not.toBe(encoded.trainPath);
  });

  it("takes no more than the limit, in constant memory", async () => {
    const base = filesOf({ "big.txt": Buffer.alloc(48 * 2 ** 20, "some text\n") });
    global.gc?.();
    const before = process.memoryUsage().rss;
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss);
    }, 5);
    const encoded = await encodeCorpus(bytesOf(["big.txt"], { limitBytes: 40 * 2 ** 20 }), base, 16);
    clearInterval(watch);
    expect(readFileSync(encoded.trainPath).length).toBe(24 + 2 * 30 * 2 ** 20);
    expect(most - before).toBeLessThan(40 * 2 ** 20);
  });

  it.each<[string, Record<string, string | Buffer>, RegExp]>([
    ["no file", {}, /no file matches \*; name files that exist/],
    ["only empty files", { "a.txt": "", "b.txt": "" }, /every file of \* is empty/],
    ["too little", { "a.txt": "short" }, /the corpus has 5 tokens, too few for windows of 16 tokens/],
    [
      "binary",
      { "a.bin": Buffer.from([1, 0, 2]) },
      /a\.bin is not text \(it holds zero bytes\); leave it out/,
    ],
  ])("says one line where there is %s", async (_, files, message) => {
    await expect(encodeCorpus(bytesOf(["*"]), filesOf(files), 16)).rejects.toThrow(message);
  });

  it("names the file it may not read", async () => {
    const base = filesOf({ "secret.txt": "x".repeat(400) });
    chmodSync(folder.path, 0o755);
    chmodSync(`${base}/secret.txt`, 0);
    // Root may read everything, so it becomes somebody else for a moment.
    const root = getuid?.() === 0;
    const cache = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = `${base}/cache`;
    mkdirSync(process.env.XDG_CACHE_HOME);
    chmodSync(process.env.XDG_CACHE_HOME, 0o777);
    if (root) process.seteuid!(65_534);
    try {
      await expect(encodeCorpus(bytesOf(["*"]), base, 16)).rejects.toThrow(
        /cannot read the corpus file .*secret\.txt: not permitted/,
      );
    } finally {
      if (root) process.seteuid!(0);
      if (cache === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = cache;
    }
  });

  it("takes binary files where asked to", async () => {
    const base = filesOf({ "a.bin": Buffer.alloc(400) });
    const encoded = await encodeCorpus(
      bytesOf(["*"], { encoding: { kind: "bytes", binary: true } }),
      base,
      16,
    );
    expect(idsOf(encoded.trainPath)).toEqual(new Array(300).fill(0));
  });
});

describe("shards", () => {
  const shard = (word: "u16" | "u32", vocab: number): Partial<Corpus> => ({
    encoding: { kind: "shards", word, vocab },
  });
  it.each(["u16", "u32"] as const)("of %s ids reach the trainer as they are", async (word) => {
    const ids = Array.from({ length: 200 }, (_, i) => i * 7);
    const bytes = Buffer.from(word === "u16" ? Uint16Array.from(ids).buffer : Uint32Array.from(ids).buffer);
    const encoded = await encodeCorpus(
      bytesOf(["*.bin"], shard(word, 2000)),
      filesOf({ "0.bin": bytes }),
      16,
    );
    expect([...idsOf(encoded.trainPath), ...idsOf(encoded.validationPath)]).toEqual(ids);
    expect(idsOf(encoded.trainPath)).toHaveLength(150);
    expect(encoded.vocab).toBe(2000);
  });

  it("say which token is outside the vocabulary, and which file is cut off", async () => {
    const bad = filesOf({ "0.bin": Buffer.from(Uint16Array.of(1, 2, 77).buffer) });
    await expect(encodeCorpus(bytesOf(["*"], shard("u16", 50)), bad, 16)).rejects.toThrow(
      /0\.bin holds token 77/,
    );
    const odd = filesOf({ "0.bin": Buffer.alloc(7) });
    await expect(encodeCorpus(bytesOf(["*"], shard("u32", 50)), odd, 16)).rejects.toThrow(
      /whole number of u32/,
    );
  });
});

describe("a tokenizer.json", () => {
  // Bytes as a GPT-2 vocabulary writes them: printable ones as themselves, the blank as Ġ, the line end as Ċ.
  const words = ["Ġ", "Ċ", ..."abcdefghijklmnopqrstuvwxyz", "th", "the", "Ġthe"];
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      merges: ["t h", "th e", "Ġ the"],
    },
  };
  const corpus = (patterns: string[]): Corpus =>
    tokens.corpus(
      tokens.optionsSchema.parse({ corpus: patterns, tokenizer: "tokenizer.json", validationFraction: 0.25 }),
    );

  it("encodes text line by line, and counts the bytes of a token", async () => {
    const line = "the cat of the sea\n";
    const base = filesOf({ "a.txt": line.repeat(40), "tokenizer.json": JSON.stringify(tokenizer) });
    const encoded = await encodeCorpus(corpus(["a.txt"]), base, 16);
    const id = (word: string): number => words.indexOf(word);
    const expected = ["the", "Ġ", "c", "a", "t", "Ġ", "o", "f", "Ġthe", "Ġ", "s", "e", "a", "Ċ"].map(id);
    const all = [...idsOf(encoded.trainPath), ...idsOf(encoded.validationPath)];
    expect(all).toEqual(Array.from({ length: 40 }, () => expected).flat());
    expect(encoded.vocab).toBe(words.length);
    expect(encoded.bytesPerToken).toBeCloseTo(line.length / expected.length, 1);
  });

  it.each<[string, Record<string, string | Buffer>, RegExp]>([
    ["is missing", { "a.txt": "x" }, /cannot read the tokenizer .*tokenizer\.json/],
    [
      "is something else",
      { "a.txt": "x", "tokenizer.json": "{}" },
      /is not a tokenizer\.json that can be used/,
    ],
    [
      "meets bytes that are not text",
      { "a.txt": Buffer.from([0x61, 0xff, 0xfe, 0x62]), "tokenizer.json": JSON.stringify(tokenizer) },
      /a\.txt is not text \(it is not UTF-8\)/,
    ],
  ])("says one line where it %s", async (_, files, message) => {
    await expect(encodeCorpus(corpus(["a.txt"]), filesOf(files), 16)).rejects.toThrow(message);
  });
});
