// An independent reader (@huggingface/gguf) reads the plan back.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GGMLQuantizationType, gguf } from "@huggingface/gguf";
import { afterAll, describe, expect, it } from "vitest";
import { parameterCount } from "../../candidates/cost.ts";
import { architectureOf, lower } from "../../candidates/gguf/lower.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { parseNotation } from "../../candidates/notation.ts";

const folder = mkdtempSync(join(tmpdir(), "edgefront-gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function readBack(plan: Buffer) {
  const path = join(folder, "plan.gguf");
  writeFileSync(path, plan);
  return gguf(path, { allowLocalFile: true });
}

describe("architecture", () => {
  it.each([
    ["v512 d64 f128 h4/2x16 : c3 c3 g c3", "lfm2"],
    ["v512 d64 f128 h4/2x16 : c3 g(4/1x16) g c3", "lfm2"],
    ["v512 d64 f128 h4/2x16 : c3 s32 c3", "lfm2"],
    ["v512 d64 f128 h4/2x16 : c3 s32 g", "edgefront"],
    ["v512 d64 f128 h4/2x16 : c3 c4 g", "edgefront"],
    ["v512 d64 f128 h4/2x16 : c3 g~96", "edgefront"],
    ["v512 d64 f128 h4/2x32 : c3 g", "edgefront"],
    ["v512 d64 f128 h4/2x16n : c3 g", "edgefront"],
    ["v512 d64 f128 : c3 c3", "edgefront"],
    ["v512 d64 f128 h4/2x32 : g g", "qwen3"],
    ["v512 d64 f128 h4/2x16n : g g", "llama"],
    ["v512 d64 f128 h4/2x16n : 3*[g g]", "nanbeige"],
    ["v512 d64 f128 h4/2x16n : 2*g", "nanbeige"],
    ["v512 d64 f128 h4/2x16n : 2*g 2*g", "edgefront"],
    ["v512 d64 f128 h4/2x16n : A=g g A", "edgefront"],
    ["v512 d64 f128 h4/2x16n : 2*[g g<]", "edgefront"],
    ["v512 d64 f128 h4/2x16n : 2*[g s8]", "edgefront"],
    ["v512 d64 f128 h4/2x16 : 2*[g g]", "edgefront"],
    ["v512 d64 f128 h4/2x16n : 2*[c3 g]", "edgefront"],
    ["v512 d64 f128 h4/2x16n : m2 g m2", "granitehybrid"],
    ["v512 d64 f128 h4/2x16n : m2(x16n8g2k3) g(4/1x16n) m2(x16n8g2k3) g", "granitehybrid"],
    ["v512 d64 f128 h4/2x16n : g+m2(e1x16) g+m2(e1x16)", "falcon-h1"],
    ["v512 d64 f128 h4/2x16n : g+m2 g", "edgefront"],
    ["v512 d64 f128 h4/2x16n : g+m2 g+m2~96", "edgefront"],
    ["v512 d64 f128 h4/2x16n : g+m2 g+m2(n64)", "edgefront"],
    ["v512 d64 f128 h4/2x16n : g+m2 g(4/1x16n)+m2", "edgefront"],
    ["v512 d64 f128 h4/2x16n : s8+m2", "edgefront"],
    ["v512 d64 f128 h4/2x16 : g+m2", "edgefront"],
    ["v512 d64 f128 h4/2x16n : g+m2 g+c3", "edgefront"],
    ["v512 d64 f128 h4/2x16 : m2 g", "edgefront"],
    ["v512 d64 f128 h4/2x16n : m2 m2(n64) g", "edgefront"],
    ["v512 d64 f128 h4/2x16n : m2(e1) g", "edgefront"],
    ["v512 d64 f128 h4/2x16n : m2 s8", "edgefront"],
    ["v512 d64 f128 h4/2x16n : m2 g c3", "edgefront"],
    ["v512 d64 f128 : m2 m2", "edgefront"],
    ["v512 d64 f128 h4/2x16n : m2.conv g", "edgefront"],
    ["v512 d64 f128 h4/2x16 : g g(4/1x16)", "edgefront"],
    ["v512 d64 f128 h4/2x16 : s32 s32", "edgefront"],
    ["v512 d64 f128 h4/2x16or8 n2 : c7 g s32(4/2x16ot10000) c7 g(4/1x16or8)", "edgefront"],
    ["v512 d64 f128 h4/2x16or8 n2 : c7 g s32(4/2x16ot10000) c7 g", "lfm3"],
    ["v512 d64 f128 h8/2x16or0 : c3 g s32(8/2x16o)", "lfm3"],
    ["v512 d64 f128 h4/2x16o : c7 s32", "lfm3"],
    ["v512 d64 f128 h4/2x16o n2 : c7 g", "edgefront"],
    ["v512 d64 f128 h4/2x16 n2 : c7 g s32", "edgefront"],
    ["v512 d64 f128 h4/2x16or8 : c7 g(4/2x16o) s32", "edgefront"],
  ])("%s is %s", (notation, architecture) => {
    expect(architectureOf(parseNotation(notation))).toBe(architecture);
  });
});

describe("plan", () => {
  it("of lfm2-350m reads back with the published shape", async () => {
    const { plan } = lower(namedLayouts["lfm2-350m"]!, { quantization: "q4_0", seed: 7, vocabulary: true });
    const { metadata, tensorInfos } = await readBack(plan);
    expect(metadata).toMatchObject({
      version: 3,
      "general.architecture": "lfm2",
      "lfm2.block_count": 16,
      "lfm2.embedding_length": 1024,
      "lfm2.feed_forward_length": 4608,
      "lfm2.attention.head_count": 16,
      "lfm2.attention.head_count_kv": [0, 0, 8, 0, 0, 8, 0, 0, 8, 0, 8, 0, 8, 0, 8, 0],
      "lfm2.shortconv.l_cache": 3,
      "edgefront.weights.seed": 7n,
    });
    expect(metadata).toHaveProperty(["tokenizer.ggml.tokens", "length"], 65_536);
    const counted = tensorInfos.reduce((sum, t) => sum + t.shape.reduce((p, n) => p * Number(n), 1), 0);
    expect(counted).toBe(354_483_968);
    const embedding = tensorInfos.find((tensor) => tensor.name === "token_embd.weight")!;
    expect(embedding.dtype).toBe(GGMLQuantizationType.Q6_K);
    const offsets = tensorInfos.map((tensor) => Number(tensor.offset));
    expect(offsets.every((offset, i) => offset % 32 === 0 && (i === 0 || offset > offsets[i - 1]!))).toBe(
      true,
    );
  });

  it("of a mixed layout states every layer", async () => {
    const layout = parseNotation("v300 d64 f96 h4/2x16 : c2 g(2/1x32nt10000) s40~33 c8");
    const { plan, tensors } = lower(layout, { quantization: "q4_0" });
    const { metadata } = await readBack(plan);
    expect(metadata).toMatchObject({
      "general.architecture": "edgefront",
      "edgefront.layer.mixer": ["conv", "gqa", "swa", "conv"],
      "edgefront.feed_forward_length": [96, 96, 33, 96],
      "edgefront.attention.head_count": [0, 2, 4, 0],
      "edgefront.attention.sliding_window": [0, 0, 40, 0],
      "edgefront.attention.qk_norm": [false, false, true, false],
      "edgefront.rope.freq_base": [1e6, 1e4, 1e6, 1e6],
      "edgefront.shortconv.l_cache": [2, 0, 0, 8],
      "tokenizer.ggml.model": "no_vocab",
    });
    // Rows of 33 elements do not divide into blocks of 32, so that matrix stays F16 (type 1). Its neighbours
    // are Q4_0 (2).
    expect(tensors.find((t) => t.name === "blk.2.ffn_down.weight")!.type).toBe(1);
    expect(tensors.find((t) => t.name === "blk.2.ffn_up.weight")!.type).toBe(2);
  });

  it("of a stack in a loop counts the layers of one loop, as llama.cpp does", async () => {
    const layout = parseNotation("v300 d64 f96 h4/2x16n : 3*[g g]");
    const { metadata, tensorInfos } = await readBack(lower(layout, { quantization: "q8_0" }).plan);
    expect(metadata).toMatchObject({
      "nanbeige.block_count": 2,
      "nanbeige.num_loops": 3,
      "nanbeige.skip_loop_final_norm": true,
      "nanbeige.attention.head_count_kv": 2,
    });
    expect(tensorInfos.map(({ name }) => name).filter((name) => name.startsWith("blk.2"))).toEqual([]);
  });

  it("of a Mamba-2 hybrid has the names that llama.cpp reads", async () => {
    const layout = parseNotation("v300 d64 f96 h4/2x16n : m2(x16n8g2k3) g");
    const { metadata, tensorInfos } = await readBack(lower(layout, { quantization: "q8_0" }).plan);
    expect(metadata).toMatchObject({
      "general.architecture": "granitehybrid",
      "granitehybrid.attention.head_count": 4,
      "granitehybrid.attention.head_count_kv": [0, 2],
      "granitehybrid.ssm.conv_kernel": 3,
      "granitehybrid.ssm.inner_size": 128,
      "granitehybrid.ssm.state_size": 8,
      "granitehybrid.ssm.time_step_rank": 8,
      "granitehybrid.ssm.group_count": 2,
    });
    const shapes = Object.fromEntries(
      tensorInfos
        .filter(({ name }) => name.includes("ssm"))
        .map(({ name, shape }) => [name.replace("blk.0.", ""), shape.map(Number)]),
    );
    expect(shapes).toEqual({
      "ssm_in.weight": [64, 2 * 128 + 2 * 2 * 8 + 8],
      "ssm_conv1d.weight": [3, 128 + 2 * 2 * 8],
      "ssm_conv1d.bias": [128 + 2 * 2 * 8],
      "ssm_dt.bias": [8],
      ssm_a: [1, 8],
      ssm_d: [1, 8],
      "ssm_norm.weight": [64, 2],
      "ssm_out.weight": [128, 64],
    });
  });

  it("of a Falcon-H1 has the names that llama.cpp reads", async () => {
    const layout = parseNotation("v300 d64 f96 h4/2x16n : 2[g+m2(x16n8g2k3)]");
    const { metadata, tensorInfos } = await readBack(lower(layout, { quantization: "q8_0" }).plan);
    expect(metadata).toMatchObject({
      "general.architecture": "falcon-h1",
      "falcon-h1.attention.head_count": 4,
      "falcon-h1.attention.head_count_kv": 2,
      "falcon-h1.rope.freq_base": 1_000_000,
      "falcon-h1.feed_forward_length": 96,
      "falcon-h1.ssm.inner_size": 128,
      "falcon-h1.ssm.time_step_rank": 8,
    });
    const names = tensorInfos.map(({ name }) => name).filter((name) => name.startsWith("blk.1."));
    expect(names.map((name) => name.slice(6)).filter((name) => !name.endsWith(".weight"))).toEqual([
      ...["ssm_conv1d.bias", "ssm_dt.bias", "ssm_a", "ssm_d", "ffn_norm"],
    ]);
  });

  it("of an LFM3 hybrid has the names that llama.cpp reads", async () => {
    const layout = parseNotation("v300 d64 f96 h4/2x16or8 n2 : c7 g s32(4/2x16ot10000) c7");
    const { metadata, tensorInfos } = await readBack(lower(layout, { quantization: "q8_0" }).plan);
    expect(metadata).toMatchObject({
      "general.architecture": "lfm3",
      "lfm3.attention.head_count": 4,
      "lfm3.attention.head_count_kv": [0, 2, 2, 0],
      "lfm3.attention.sliding_window": 32,
      "lfm3.attention.sliding_window_pattern": [false, false, true, false],
      "lfm3.rope.freq_base": 1e6,
      "lfm3.rope.freq_base_swa": 1e4,
      "lfm3.rope.dimension_count": 16,
      "lfm3.rope.rotated_count": 8,
      "lfm3.shortconv.l_cache": 7,
    });
    const names = tensorInfos.map(({ name }) => name);
    expect(names).toContain("output_norm.weight");
    expect(names).toContain("blk.0.post_ffw_norm.weight");
    expect(tensorInfos.at(-1)).toMatchObject({ name: "rope_freqs.weight", shape: [8n] });
    const windows = parseNotation("v300 d64 f96 h4/2x16o : c7 s32");
    expect(lower(windows, { quantization: "q8_0" }).tensors.map(({ name }) => name)).not.toContain(
      "rope_freqs.weight",
    );
  });

  it("has the same bytes every time, and other bytes for another seed", () => {
    const layout = parseNotation("v512 d64 f128 h4/2x16 : c3 g");
    const bytes = (seed: number) => lower(layout, { quantization: "q8_0", seed }).plan;
    expect(bytes(1).equals(bytes(1))).toBe(true);
    expect(bytes(1).equals(bytes(2))).toBe(false);
  });

  it.each(Object.entries(namedLayouts))(
    "of %s is a few kilobytes and holds every parameter",
    (_name, layout) => {
      const { plan, tensors } = lower(layout, { quantization: "q4_0", seed: 1 });
      expect(plan.length).toBeLessThan(40_000);
      const parameters = tensors.filter(({ name }) => name !== "rope_freqs.weight");
      const counted = parameters.reduce((sum, t) => sum + t.shape.reduce((product, n) => product * n, 1), 0);
      expect(counted).toBe(parameterCount(layout));
    },
  );
});
