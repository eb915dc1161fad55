// Files of the cache after a power cut or a failing disk: complete or absent, verified at every use,
// recreated when damaged.
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { partOf, publishSealed, unbroken, writeDurably } from "../../runner/base/durable-files.ts";
import { cachePath } from "../../runner/base/paths.ts";
import { scoreSchema } from "../../runner/config/config-score.ts";
import { requireIntact } from "../../runner/training/data-files.ts";
import { pytorchProgram } from "../../runner/training/trainers/pytorch-trainer.ts";
import { type PreparedTask, prepareTask } from "../../runner/training/training-data.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const folder = temporaryFolder();
const cache = process.env.XDG_CACHE_HOME;
beforeAll(() => {
  process.env.XDG_CACHE_HOME = join(folder.path, "cache");
  writeFileSync(join(folder.path, "corpus.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
});
afterAll(() => {
  if (cache === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = cache;
  folder.remove();
});

const task = (text: object): Promise<PreparedTask> => {
  const { tasks } = scoreSchema.parse({ proxy: { width: 16 }, tasks: { t: text } });
  return prepareTask("t", tasks.t!, 1, folder.path);
};
const text = { task: "bytes", options: { corpus: ["corpus.txt"], length: 16 } };
const recall = { task: "mqar", options: { examples: 50, validationExamples: 20 } };

const damages: readonly (readonly [string, (path: string) => void])[] = [
  ["emptied", (path) => writeFileSync(path, "")],
  ["cut short", (path) => truncateSync(path, readFileSync(path).length - 2)],
  ["cut to its header", (path) => truncateSync(path, 24)],
  [
    "changed in one bit",
    (path) => {
      const bytes = readFileSync(path);
      bytes[bytes.length - 3]! ^= 1;
      writeFileSync(path, bytes);
    },
  ],
  ["longer than it was", (path) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.alloc(2)]))],
  ["lost", (path) => rmSync(path)],
];

describe.each([
  ["a corpus", text],
  ["a task that makes its data", recall],
])("data of %s", (_, config) => {
  it.each(damages)("are made again, to the same bytes, where a file was %s", async (__, damage) => {
    const prepared = await task(config);
    for (const path of [prepared.trainPath, prepared.validationPath]) {
      const whole = readFileSync(path);
      damage(path);
      await expect(requireIntact([path])).rejects.toMatchObject({
        code: "damaged-cache",
        message: expect.stringMatching(/^the training data [0-9a-f]{32}\.efd in the cache changed/),
      });
      expect(await task(config)).toEqual(prepared);
      expect(readFileSync(path)).toEqual(whole);
      await requireIntact([path]);
    }
  });
});

it.each(damages)("a note of an encoded corpus is not believed where it was %s", async (_, damage) => {
  const prepared = await task(text);
  const notes = readdirSync(cachePath("data")).filter((name) => name.endsWith(".json"));
  expect(notes).toHaveLength(1);
  const path = cachePath("data", notes[0]!);
  const whole = readFileSync(path, "utf8");
  damage(path);
  expect(await task(text)).toEqual(prepared);
  expect(readFileSync(path, "utf8")).toBe(whole);
});

it.each(damages)("the PyTorch trainer is written again where it was %s", async (_, damage) => {
  const { path } = await pytorchProgram("python3");
  const whole = readFileSync(path);
  damage(path);
  expect((await pytorchProgram("python3")).path).toBe(path);
  expect(readFileSync(path)).toEqual(whole);
});

describe("a durable file", () => {
  /** Events that reach the disk, in order: paths that are flushed, and names that appear. */
  async function flushes(write: () => Promise<unknown>, path: string): Promise<readonly string[]> {
    const probe = await open(folder.path, "r");
    const prototype = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const said: string[] = [];
    const sync = prototype.sync;
    vi.spyOn(prototype, "sync").mockImplementation(async function (this: FileHandle) {
      const stat = await this.stat();
      said.push(`${stat.isDirectory() ? "folder" : "file"}${existsSync(path) ? ", named" : ""}`);
      return sync.call(this);
    });
    await write().finally(() => vi.restoreAllMocks());
    return said;
  }

  it("is flushed before it has its name, and its folder after", async () => {
    const path = join(folder.path, "new", "file");
    expect(await flushes(() => writeDurably(path, "text"), path)).toEqual(["file", "folder, named"]);
    expect(readFileSync(path, "utf8")).toBe("text");
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
  });

  it("is sealed after it is flushed", async () => {
    const path = join(folder.path, "sealed");
    const part = partOf(path);
    writeFileSync(part, "text");
    expect(await flushes(() => publishSealed(part, path), path)).toEqual([
      "file",
      "folder, named",
      "file, named",
      "folder, named",
    ]);
    expect(await unbroken(path)).toMatch(/^[0-9a-f]{64}$/);
  });

  it("leaves nothing where it cannot be written", async () => {
    const path = join(folder.path, "is-a-folder");
    await writeDurably(join(path, "inside"), "text");
    await expect(writeDurably(path, "text")).rejects.toThrow();
    expect(readdirSync(folder.path).filter((name) => name.includes("is-a-folder"))).toEqual(["is-a-folder"]);
  });

  it("of training data and of a corpus is flushed", async () => {
    rmSync(cachePath("data"), { recursive: true });
    const said = await flushes(() => task(text), "");
    // Two streams and the note.
    expect(said).toEqual(["file", "folder", "file", "folder", "file", "folder"]);
    expect(
      await flushes(() => task({ ...recall, options: { ...recall.options, examples: 60 } }), ""),
    ).toEqual(["file", "folder", "file", "folder"]);
  });
});
