// Model files of other programs through the real command line: files that run under any name, and the
// identification in a refusal. kernels/tests/foreign_file_test.cc tries every spelling inside a file.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { layoutId } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import { layoutFrom } from "../../runner/config/layouts.ts";
import { isGguf } from "../../runner/config/model-files.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { ggufFile, ofVersion, withKey } from "../support/gguf-file.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const NOTATION = "v64 d64 f128 h2/1x32 : c3 g";
const model = ggufFile(NOTATION);
const QUICK = ["--contexts", "16", "--tokens", "4", "--repetitions", "1", "--warmup", "0"];

function write(name: string, content: Buffer | string): string {
  const path = join(folder.path, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}
const measure = (name: string) => runCli(["measure", name, ...QUICK], folder.path);

describe("a GGUF file", () => {
  it.each(["MODEL.GGUF", "sha256:0123abcd"])(
    "is measured under the name %s",
    async (name) => {
      write(name, model);
      const { code, stdout, stderr } = await measure(name);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stdout).toContain(`${name}\n`);
    },
    180_000,
  );

  it("is measured with a tokenizer of 2 MiB in its metadata", async () => {
    write("big.gguf", withKey(model, "tokenizer.huggingface.json", "x".repeat(2 << 20)));
    expect(await measure("big.gguf")).toMatchObject({ code: 0 });
  }, 180_000);

  it.each([
    ["version 2", ofVersion(model, 2), /version 2.*llama-quantize/],
    ["a part", withKey(model, "split.count", 7), /one of 7 parts.*llama-gguf-split --merge/],
    ["scaled RoPE", withKey(model, "lfm2.rope.scaling.type", "yarn"), /rope\.scaling\.type is 'yarn'/],
  ])(
    "that is of %s is refused by the name of what it is",
    async (what, content, message) => {
      const name = `${what.replaceAll(" ", "-")}.gguf`;
      write(name, content);
      const { code, stderr } = await measure(name);
      expect(stderr).toMatch(message);
      expect(code).toBe(2);
      expect(stderr.trim().split("\n").at(-1)).toMatch(/^edgefront: (?!unexpected)/);
    },
    180_000,
  );

  it("is told from other files by its content, and from folders", () => {
    expect(isGguf(write("with.ending", model))).toBe(true);
    expect(isGguf(write("text.json", "{}"))).toBe(false);
    expect(isGguf(folder.path)).toBe(false);
    expect(isGguf("lfm2-350m")).toBe(false);
  });
});

describe("a layout", () => {
  const layout = parseNotation(NOTATION);
  const made = huggingFaceConfig(layout);
  const config = JSON.stringify(made.ok ? made.config : null);
  const id = layoutId(layout);

  it("is read from a transformers configuration, from its folder, and with a byte order mark", async () => {
    expect(layoutId(layoutFrom(write("hub/config.json", config)))).toBe(id);
    expect(layoutId(layoutFrom(join(folder.path, "hub")))).toBe(id);
    expect(layoutId(layoutFrom(write("config-bom.json", `\uFEFF${config}`)))).toBe(id);
    expect(layoutId(layoutFrom(write("layout:1", JSON.stringify(layout))))).toBe(id);
    const shown = await runCli(["show", "hub", "--json"], folder.path);
    expect(JSON.parse(shown.stdout)).toMatchObject({ id, architecture: "lfm2" });
  });

  it.each([
    [
      "weights.safetensors",
      Buffer.from('\x40\x00\x00\x00\x00\x00\x00\x00{"__metadata__"', "latin1"),
      /safetensors.*config\.json/,
    ],
    ["pytorch_model.bin", Buffer.from("PK\x03\x04....", "latin1"), /PyTorch/],
    ["blob", model, /weights of a model \(GGUF\).*edgefront measure/],
    ["broken.json", "{", /it is not JSON/],
    ["other.json", '{"a": 1}', /other\.json: not a layout/],
    ["absent.json", null, /there is no such file/],
  ])("is not read from %s, and the message says why", (name, content, message) => {
    const path = content === null ? join(folder.path, name) : write(name, content);
    expect(() => layoutFrom(path)).toThrow(message);
  });

  it("is not read from a folder without a config.json", () => {
    mkdirSync(join(folder.path, "empty"));
    expect(() => layoutFrom(join(folder.path, "empty"))).toThrow(/without a config\.json/);
  });
});

describe("compile", () => {
  const compile = async (notation: string, ...args: string[]) => {
    const run = await runCli(["compile", notation, "--out", "c.gguf", ...args], folder.path);
    return run.stdout;
  };

  it.each([
    ["v64 d64 f128 h2/1x32 : c3 g c5", /convolutions differ in their taps/],
    ["v64 d64 f128 h2/1x32 : c3 g~96", /FFN width/],
    ["v64 d64 f128 h2/1x32 : c3 s8 g", /window/],
    ["v64 d64 f128 h2/1x16 : c3 g", /span the width/],
    ["v64 d64 f128 : c3 c3", /no attention/],
    ["v64 d64 f128 h2/1x32n : c3 g", /without QK-norm/],
    ["v64 d64 f128 h2/1x32 : s8 g", /over a window/],
    ["v64 d64 f128 h2/1x32 : g g(2/2x32)", /kv heads/],
  ])("says of %s that only edgefront can run it, and why", async (notation, why) => {
    const text = await compile(notation, "--weights", "seed:1");
    expect(text).toContain("only edgefront runs this file");
    expect(text).toMatch(why);
    expect(JSON.parse(await compile(notation, "--weights", "seed:1", "--json"))).toMatchObject({
      runsOn: ["edgefront"],
      onlyEdgefrontBecause: expect.stringMatching(why),
    });
  });

  it("says nothing of the kind where llama.cpp runs it too, and that nothing runs a file without weights", async () => {
    expect(await compile(NOTATION, "--weights", "seed:1")).not.toContain("only edgefront");
    expect(JSON.parse(await compile(NOTATION, "--weights", "seed:1", "--json"))).toMatchObject({
      runsOn: ["edgefront", "llama.cpp"],
    });
    expect(await compile(NOTATION)).toMatch(/which no program runs; for weights add --weights seed:1/);
  });
});
