// Exported PyTorch modules as text: every operator is there, and nothing that the layout does not need.
// test/runner/exported-modules.test.ts runs them with torch.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { layoutId } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { ffns, mixers } from "../../candidates/ops/operator-registry.ts";
import { bundlePython } from "../../reports/layout/python-bundle.ts";
import { pytorchModule } from "../../reports/layout/pytorch-module.ts";
import { moduleSources } from "../../runner/training/python-sources.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const sources = await moduleSources();
const exported = (notation: string): string => {
  const layout = parseNotation(notation);
  return pytorchModule({ id: layoutId(layout), layout }, sources);
};
const classesOf = (text: string): string[] => [...text.matchAll(/^class (\w+)/gm)].map(([, name]) => name!);
const header = "v64 d32 f64 h4/2x16 :";

it("begins with the layout's constants", () => {
  const text = exported("v512 d64 f128 h4/2x16 : c3 c3 g");
  const docstring = text.split('"""')[1]!;
  expect(docstring).toMatch(/^v512 d64 f128 h4\/2x16 : c3 c3 g\n/);
  expect(docstring).toContain("model = Model()");
  const [, constants] = text.split(/^# -+$/m);
  expect(constants).toMatchInlineSnapshot(`
    "
    # The layout. Dimensions of tensors are written as in a GGUF: inputs first.

    WIDTH = 64
    VOCABULARY = 512
    # The kinds of the layers, from the first to the last.
    LAYERS = ["c3", "c3", "g(4/2x16)"]
    # The tensors of each kind of layer.
    KINDS = {
        "c3": {
            "attn_norm.weight": [64],
            "shortconv.in_proj.weight": [64, 192],
            "shortconv.conv.weight": [3, 64],
            "shortconv.out_proj.weight": [64, 64],
            "ffn_norm.weight": [64],
            "ffn_gate.weight": [64, 128],
            "ffn_up.weight": [64, 128],
            "ffn_down.weight": [128, 64],
        },
        "g(4/2x16)": {
            "attn_norm.weight": [64],
            "attn_q.weight": [64, 64],
            "attn_k.weight": [64, 32],
            "attn_v.weight": [64, 32],
            "attn_output.weight": [64, 64],
            "attn_q_norm.weight": [16],
            "attn_k_norm.weight": [16],
            "ffn_norm.weight": [64],
            "ffn_gate.weight": [64, 128],
            "ffn_up.weight": [64, 128],
            "ffn_down.weight": [128, 64],
        },
    }
    # The tensors outside the layers. The table of tokens is also the output matrix.
    OUTER = {
        "token_embd.weight": [WIDTH, VOCABULARY],
        "token_embd_norm.weight": [64],
    }
    # The tensors that a file with halves holds in float16. All others stay float32.
    HALVES = [
        "token_embd.weight", "shortconv.in_proj.weight", "shortconv.out_proj.weight", "ffn_gate.weight",
        "ffn_up.weight", "ffn_down.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight",
        "attn_output.weight",
    ]
    # The metadata of a GGUF of this layout: heads, positions and the like. A list has one value per layer.
    METADATA = {
        "general.architecture": "lfm2",
        "general.name": "l1-872447b8866ac1e9",
        "general.alignment": 32,
        "general.quantization_version": 2,
        "general.file_type": 0,
        "edgefront.layout": "v512 d64 f128 h4/2x16 : c3 c3 g",
        "lfm2.block_count": 3,
        "lfm2.context_length": 32768,
        "lfm2.embedding_length": 64,
        "lfm2.vocab_size": 512,
        "lfm2.attention.layer_norm_rms_epsilon": 0.00001,
        "lfm2.feed_forward_length": 128,
        "lfm2.attention.head_count": 4,
        "lfm2.attention.head_count_kv": [0, 0, 2],
        "lfm2.attention.key_length": 16,
        "lfm2.attention.value_length": 16,
        "lfm2.rope.dimension_count": 16,
        "lfm2.rope.freq_base": 1000000.0,
        "lfm2.shortconv.l_cache": 3,
        "tokenizer.ggml.model": "no_vocab",
    }


    "
  `);
});

it("holds only the code that the layout needs", () => {
  const mixersOf = (notation: string): string[] => {
    const registry = sources.get("edgefront_trainer/mixers/__init__.py")!;
    const known = new Set([...registry.matchAll(/^ {4}"[\w.]+": (\w+),$/gm)].map(([, name]) => name!));
    return classesOf(exported(notation)).filter((name) => known.has(name));
  };
  expect(mixersOf("v64 d32 f64 : c3 c4")).toEqual(["Conv"]);
  expect(mixersOf(`${header} g s8`)).toEqual(["Attention"]);
  expect(mixersOf(`${header} c3 gdn.conv(2x16) g`)).toEqual(["Attention", "Conv", "Gdn"]);
  const conv = exported("v64 d32 f64 : c3 c4");
  expect(conv).toMatch(/^class Network:$[\s\S]*^class Model\(nn\.Module\):$/m);
  expect(conv).not.toMatch(/attn_q|rope\(|class Moe|Refused|\bnp\./);
});

it("layers with different tensors are different kinds", () => {
  const [, layers] = /^LAYERS = (.*)$/m.exec(exported(`${header} c3 g c3~96 g(2/1x16) c3`))!;
  expect(layers).toBe('["c3~64", "g(4/2x16)~64", "c3~96", "g(2/1x16)~64", "c3~64"]');
});

it("layers with the weights of another have no tensors", () => {
  const text = exported(`${header} c3 2*g g<`);
  expect(/^LAYERS = (.*)$/m.exec(text)![1]).toBe('["c3", "g(4/2x16)", "weights of blk.1", "g<(4/2x16)"]');
  expect(text).toContain('"weights of blk.1": {\n    },');
});

describe.skipIf(spawnSync("python3", ["--version"]).status !== 0)("Python", () => {
  it("compiles the module of every operator, and finds each name in it defined once", () => {
    const folder = temporaryFolder();
    const patterns = [
      ...mixers.map(({ notation }) => notation.examples.join(" ")),
      ...ffns.map(({ notation }) => notation.examples.map((text) => `c3~${text}`).join(" ")),
    ];
    const files = [...patterns, patterns.join(" ")].map((pattern, n) => {
      const path = join(folder.path, `module${n}.py`);
      writeFileSync(path, exported(`${header} ${pattern}`));
      return path;
    });
    const checked = spawnSync("python3", ["test/support/undefined-names.py", ...files], { encoding: "utf8" });
    folder.remove();
    expect(checked).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });
});

describe("joined modules", () => {
  const joined = (files: Record<string, string>): string =>
    bundlePython(new Map(Object.entries(files)), "model.py", "Model");
  const model = "from .parts import made\n\n\nclass Model:\n    parts = made()\n";

  it("keep what the entry needs, with comments and decorators, and drop the rest", () => {
    const parts = [
      '"""Parts."""',
      "from math import (",
      "    pi,",
      ")",
      "import os",
      "",
      "# The size.",
      "SIZE = 3  # at most",
      "",
      "",
      "def unused():",
      "    return os",
      "",
      "",
      "@once",
      "def made():",
      "    # Both.",
      "",
      "    return pi * SIZE",
      "",
      "",
      "def once(f):",
      "    return f",
      "",
    ].join("\n");
    const text = joined({ "model.py": model, "parts.py": parts });
    expect(text).toMatch(/^from math import \(\n {4}pi,\n\)\n/);
    expect(text).toContain("# Parts.\n\n# The size.\nSIZE = 3  # at most\n\n\n@once\ndef made():");
    expect(text).not.toMatch(/import os|unused|from \.parts/);
  });

  it("make names distinct that two modules define", () => {
    const text = joined({
      "model.py": "from .parts import made\n\nSIZE = 4\n\n\nclass Model:\n    parts = made(SIZE)\n",
      "parts.py": "SIZE = 3\n\n\ndef made(n, x):\n    return n * SIZE * x.SIZE\n",
    });
    expect(text).toContain("n * PARTS_SIZE * x.SIZE");
    expect(text).toContain("made(MODEL_SIZE)");
  });

  it.each([
    [
      "import numpy as np\n\n\ndef made():\n    return np\n",
      /parts\.py has "import numpy as np"; a joined file needs only torch/,
    ],
    ["import math, os\n", /parts\.py: cannot read "import math, os"/],
    ["from .more import x\n", /imports \.more, which is not among the sources/],
    ["if True:\n    made = 1\n", /cannot read "if True:" at the top level/],
    ["other = 1\n", /parts\.py does not define made/],
  ])("are refused: %j", (parts, message) => {
    expect(() => joined({ "model.py": model, "parts.py": parts })).toThrow(message);
  });

  it("name the registry where a mixer is missing", () => {
    const layout = parseNotation(`${header} c3`);
    const registry = "edgefront_trainer/mixers/__init__.py";
    const without = new Map(sources).set(registry, sources.get(registry)!.replace('    "conv": Conv,\n', ""));
    expect(() => pytorchModule({ id: layoutId(layout), layout }, without)).toThrow(/has no mixer "conv"/);
  });
});
