// Corpora that a tokenizer.json encodes: the ids that reach the trainer, and refused tokenizers and texts.
import { afterAll, describe, expect, it } from "vitest";
import type { Corpus } from "../../profilers/tasks/task.ts";
import { tokens } from "../../profilers/tasks/tokens.ts";
import { encodeCorpus } from "../../runner/training/corpus.ts";
import { encoderOf } from "../../runner/training/encoders.ts";
import { corpora, filesOf, idsOf } from "../support/temporary-corpora.ts";

afterAll(() => corpora.remove());

describe("a tokenizer.json", () => {
  // Bytes in the spelling of a GPT-2 vocabulary: printable ones as themselves, the blank as Ġ, the line end
  // as Ċ.
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

  /** Single characters, for a Unigram model with or without a pre-tokenizer that marks blanks. */
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
