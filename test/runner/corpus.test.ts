// The user's files as training data, tested by the files that reach the trainer: streaming, splitting,
// encoding and refusals.
import { chmodSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getuid } from "node:process";
import { afterAll, describe, expect, it } from "vitest";
import type { Corpus } from "../../profilers/tasks/task.ts";
import { encodeCorpus } from "../../runner/training/corpus.ts";
import { bytesOf, corpora, filesOf, idsOf, newFolder } from "../support/temporary-corpora.ts";

afterAll(() => corpora.remove());

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
    chmodSync(corpora.path, 0o755);
    chmodSync(`${base}/secret.txt`, 0);
    // Root can read everything, so the test switches to another user for a moment.
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
    const base = join(newFolder(), name);
    mkdirSync(join(base, "data"), { recursive: true });
    writeFileSync(join(base, "data", "a.txt"), text);
    writeFileSync(join(base, "data", "b.md"), "not this one".repeat(100));
    const wanted = [...Buffer.from(text)];
    for (const [patterns, from] of [
      [["data/*.txt"], base],
      [["./data/*.txt"], base],
      [["../data/*.txt"], join(base, "data")],
      [[`${base}/data/*.txt`], corpora.path],
      [[`${base}/data/a.txt`, "data/[a].txt"], base],
      [[`${name}/data/*.txt`], join(base, "..")],
    ] as const) {
      const { trainPath, validationPath, source } = await encodeCorpus(bytesOf([...patterns]), from, 16);
      expect([...idsOf(trainPath), ...idsOf(validationPath)], patterns.join()).toEqual(wanted);
      expect(source.files).toBe(1);
    }
  });

  it("with a backslash in its name is told from one without, in one line", async () => {
    const base = join(newFolder(), "back\\slash");
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

  it("named literally holds all its files, and a file with brackets is found by its name", async () => {
    const base = filesOf({ "notes [draft].txt": "draft ".repeat(100), "notes d.txt": "d ".repeat(100) });
    const { source } = await encodeCorpus(bytesOf(["notes [draft].txt"]), base, 16);
    expect(source).toMatchObject({ files: 1, bytes: 600 });
    expect((await encodeCorpus(bytesOf([base]), corpora.path, 16)).source).toMatchObject({ files: 2 });
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
