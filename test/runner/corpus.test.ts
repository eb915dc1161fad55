// The user's files as training data: what is streamed, split, encoded and refused, by the files that reach the trainer.
import { chmodSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { afterAll, describe, expect, it } from "vitest";
import type { Corpus } from "../../profilers/tasks/task.ts";
import { tokens } from "../../profilers/tasks/tokens.ts";
import { encodeCorpus } from "../../runner/training/corpus.ts";
import { encoderOf } from "../../runner/training/encoders.ts";
import { temporaryFolder } from "../support/built-cli.ts";

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

describe("a folder", () => {
  const odd = [
    "runs [v2]",
    "work (1)",
    ".hidden",
    "a{b,c}",
    "!not",
    "+(more)",
    "@(one)",
    "what?",
    "st*r",
    "tab\there",
    "[x]",
    "ünï ☃",
  ];
  it.each(odd)("called %s holds a corpus as any other does", async (name) => {
    const text = `text of ${name} `.repeat(100);
    const base = join(folder.path, `${made++}`, name);
    mkdirSync(join(base, "data"), { recursive: true });
    writeFileSync(join(base, "data", "a.txt"), text);
    writeFileSync(join(base, "data", "b.md"), "not this one".repeat(100));
    const wanted = [...Buffer.from(text)];
    for (const [patterns, from] of [
      [["data/*.txt"], base],
      [["./data/*.txt"], base],
      [["../data/*.txt"], join(base, "data")],
      [[`${base}/data/*.txt`], folder.path],
      [[`${base}/data/a.txt`, "data/[a].txt"], base],
      [[`${name}/data/*.txt`], join(base, "..")],
    ] as const) {
      const { trainPath, validationPath, source } = await encodeCorpus(bytesOf([...patterns]), from, 16);
      expect([...idsOf(trainPath), ...idsOf(validationPath)], patterns.join()).toEqual(wanted);
      expect(source.files).toBe(1);
    }
  });

  it("with a backslash in its name is told from one without, in one line", async () => {
    const base = join(folder.path, `${made++}`, "back\\slash");
    mkdirSync(base, { recursive: true });
    writeFileSync(join(base, "a.txt"), "some text ".repeat(100));
    await expect(encodeCorpus(bytesOf(["*.txt"]), base, 16)).rejects.toMatchObject({
      code: "backslash-folder",
    });
    expect((await encodeCorpus(bytesOf(["a.txt"]), base, 16)).source).toMatchObject({
      files: 1,
      bytes: 1000,
    });
  });

  it("named as it is holds all its files, and a file with brackets is taken by its name", async () => {
    const base = filesOf({ "notes [draft].txt": "draft ".repeat(100), "notes d.txt": "d ".repeat(100) });
    const { source } = await encodeCorpus(bytesOf(["notes [draft].txt"]), base, 16);
    expect(source).toMatchObject({ files: 1, bytes: 600 });
    expect((await encodeCorpus(bytesOf([base]), folder.path, 16)).source).toMatchObject({ files: 2 });
    expect((await encodeCorpus(bytesOf(["notes [a-e].txt"]), base, 16)).source).toMatchObject({ bytes: 200 });
    expect((await encodeCorpus(bytesOf(["notes {d,x}.txt"]), base, 16)).source).toMatchObject({ bytes: 200 });
    expect((await encodeCorpus(bytesOf(["notes \\[draft\\].txt"]), base, 16)).source.bytes).toBe(600);
  });
});

describe("content, not names, sizes or times,", () => {
  it("says whether a corpus was encoded before", async () => {
    const base = filesOf({ "a.txt": "ab".repeat(300) });
    const first = await encodeCorpus(bytesOf(["a.txt"]), base, 16);
    const { atime, mtime } = statSync(`${base}/a.txt`);
    writeFileSync(`${base}/a.txt`, "ba".repeat(300));
    utimesSync(`${base}/a.txt`, atime, mtime);
    const second = await encodeCorpus(bytesOf(["a.txt"]), base, 16);
    expect(second.source.sha256).not.toBe(first.source.sha256);
    expect(idsOf(second.trainPath).slice(0, 2)).toEqual([98, 97]);
    const moved = filesOf({ "z.txt": "ab".repeat(300) });
    expect(await encodeCorpus(bytesOf(["z.txt"]), moved, 16)).toEqual(first);
  });

  it("tells files apart that are the same text cut elsewhere", async () => {
    const one = await encodeCorpus(bytesOf(["*"]), filesOf({ a: "a".repeat(100), b: "a".repeat(300) }), 16);
    const other = await encodeCorpus(bytesOf(["*"]), filesOf({ a: "a".repeat(300), b: "a".repeat(100) }), 16);
    expect(one.source.sha256).not.toBe(other.source.sha256);
  });

  it("does not let binary files pass because they were asked for once", async () => {
    const base = filesOf({ "a.bin": Buffer.alloc(400) });
    const binary = bytesOf(["*"], { encoding: { kind: "bytes", binary: true } });
    await encodeCorpus(binary, base, 16);
    await expect(encodeCorpus(bytesOf(["*"]), base, 16)).rejects.toMatchObject({ code: "binary-corpus" });
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

  /** Single characters, as a Unigram model with a pre-tokenizer that marks blanks, or without one. */
  const UNIGRAM = "abcdefghijklmnopqrstuvwxyz0123456789,. \u2581\n\r\u4e00\u4e8c\u{1f600}\ufeff";
  const unigram = (preTokenizer: object | null = null): string =>
    JSON.stringify({
      version: "1.0",
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: preTokenizer,
      post_processor: null,
      decoder: null,
      model: {
        type: "Unigram",
        unk_id: 0,
        vocab: [["<unk>", 0], ...[...UNIGRAM].map((c, i) => [c, -1 - i / 100])],
      },
    });
  const metaspace = { type: "Metaspace", replacement: "\u2581", prepend_scheme: "never", split: true };
  const idOf = (character: string): number => 1 + [...UNIGRAM].indexOf(character);
  const charactersOf = (ids: readonly number[]): string =>
    ids.map((id) => [...UNIGRAM][id - 1] ?? "?").join("");
  const encoded = async (text: string | Buffer, more: Record<string, string | Buffer> = {}, pre?: object) => {
    const base = filesOf({ "a.txt": text, "tokenizer.json": unigram(pre), ...more });
    const made = await encodeCorpus(corpus(["*.txt"]), base, 16);
    return { ...made, train: idsOf(made.trainPath), validation: idsOf(made.validationPath) };
  };

  it.each([
    ["a million characters without a blank", "\u4e00\u4e8c".repeat(500_000)],
    ["fifty thousand words without a line end", "some words to learn from, ".repeat(10_000)],
    ["emoji without a blank", "\u{1f600}".repeat(60_000)],
    ["one long line after short ones", `${"short line\n".repeat(100)}${"a".repeat(300_000)}`],
  ])(
    "takes %s, whole, and splits them where it was asked to",
    async (_, text) => {
      const { train, validation, bytesPerToken } = await encoded(text);
      expect(charactersOf([...train, ...validation])).toBe(text);
      const share = validation.length / (train.length + validation.length);
      expect(share).toBeGreaterThan(0.2);
      expect(share).toBeLessThan(0.3);
      expect(bytesPerToken).toBeCloseTo(Buffer.byteLength(charactersOf(validation)) / validation.length, 9);
    },
    120_000,
  );

  it("knows a long text of blanks and pieces as a Unigram model splits it", async () => {
    const text = "some words to learn from, ".repeat(4000);
    const { train, validation } = await encoded(text, {}, metaspace);
    const marked = charactersOf([...train, ...validation]);
    expect(marked).toBe(text.replaceAll(" ", "\u2581"));
  });

  it("leaves out a byte-order mark, keeps CR LF, and passes over empty files", async () => {
    const lines = Array.from({ length: 200 }, (_, i) => `line ${i} of a text.`).join("\r\n");
    const { train, validation, source } = await encoded(`\ufeff${lines}`, {
      "b.txt": "",
      "c.txt": `\ufeff${lines}`,
    });
    expect(source.files).toBe(2);
    expect(charactersOf([...train, ...validation])).toBe(lines + lines);
    expect(train).toContain(idOf("\r"));
  });

  it.each([
    ["a byte-order mark", `\ufeff${unigram()}`],
    ["none", unigram()],
  ])("is read with %s before it", async (_, json) => {
    const base = filesOf({ "a.txt": "some words ".repeat(100), "tokenizer.json": json });
    expect((await encodeCorpus(corpus(["a.txt"]), base, 16)).vocab).toBe(1 + [...UNIGRAM].length);
  });

  it("gives the same ids however a file is read", async () => {
    const base = filesOf({ "tokenizer.json": unigram() });
    const text = Buffer.from(
      `${"a line of some words\n".repeat(500)}${"\u4e00\u{1f600}".repeat(30_000)} ${"end of it ".repeat(3000)}`,
    );
    const inPieces = async (size: number): Promise<Buffer> => {
      const encoder = await encoderOf({ kind: "tokenizer", file: "tokenizer.json" }, base);
      const parts: Buffer[] = [];
      for (let at = 0; at < text.length; at += size)
        parts.push(encoder.feed(text.subarray(at, at + size), "a.txt").ids);
      return Buffer.concat([...parts, encoder.end("a.txt").ids]);
    };
    const whole = await inPieces(text.length);
    expect(whole.length).toBeGreaterThan(100_000);
    for (const size of [997, 1 << 12, 1 << 16])
      expect((await inPieces(size)).equals(whole), `${size}`).toBe(true);
  });

  it("says of UTF-16 how to convert it", async () => {
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("some text".repeat(50), "utf16le")]);
    await expect(encoded(utf16)).rejects.toThrow(/a\.txt is not text \(it is UTF-16: convert it with `iconv/);
  });
});
