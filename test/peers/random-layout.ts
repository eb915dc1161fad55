// Random small layouts of the architectures that llama.cpp and this engine both know.
import { type Architecture, architectureOf, paddingOf } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { type Ffn, type Mixer, mixerOf, type SingleMixer } from "../../candidates/ops/operator-registry.ts";
import type { SeededRng } from "../../search/rng.ts";

/** Architectures without QK-norm, and those without FFNs. */
const WITHOUT_NORM = new Set<Architecture>(["llama", "nanbeige", "granitehybrid", "nemotron_h", "falcon-h1"]);
const WITHOUT_FFN = new Set<Architecture>(["mamba", "mamba2", "nemotron_h"]);

/**
 * Returns a small layout of the wanted architecture with sizes that llama.cpp accepts: rows in blocks of 32,
 * heads that span the width (lfm2).
 */
export function randomLayout(wanted: Architecture, random: SeededRng): Layout {
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!;
  for (;;) {
    const headDim = pick([32, 64, 128]);
    const heads = pick([2, 4, 6, 8]);
    const kvHeads = pick([1, 2, 3, 4, 6, 8].filter((n) => heads % n === 0));
    const geometry = {
      heads,
      kvHeads,
      headDim,
      qkNorm: !WITHOUT_NORM.has(wanted),
      ropeTheta: pick([10_000, 1_000_000]),
      // Without RoPE, a base has no meaning, and no notation.
      ...(wanted === "nemotron_h" && { rotated: 0, ropeTheta: 1_000_000 }),
    };
    const width = heads * headDim;
    const kernel = pick([2, 3, 4, 5]);
    const window = random.below(4) === 0 ? pick([16, 64, 100]) : 0;
    const attention: SingleMixer =
      window > 0 && wanted === "lfm2" ? { op: "swa", ...geometry, window } : { op: "gqa", ...geometry };
    const recurrent = { state: pick([16, 64, 128]), groups: pick([1, 1, 2]), kernel: pick([2, 3, 4, 5]) };
    const mamba2: SingleMixer = { op: "m2", expand: 2, headDim: pick([32, 64]), ...recurrent };
    const valueHeads = pick([2, 4, 8]);
    const gdn: Mixer = {
      op: "gdn",
      keyHeads: pick([1, valueHeads]),
      valueHeads,
      keyDim: headDim,
      valueDim: headDim,
      kernel: recurrent.kernel,
    };
    const conv: Mixer = { op: "conv", kernel };
    const others: Partial<Record<Architecture, Mixer>> = {
      lfm2: conv,
      lfm2moe: conv,
      granitehybrid: mamba2,
      mamba: { op: "m1", expand: 2, state: recurrent.state / 4, kernel: recurrent.kernel },
      mamba2,
      nemotron_h: mamba2,
      qwen35: gdn,
      "falcon-h1": mixerOf([attention, mamba2])!,
    };
    const other = others[wanted] ?? null;
    const ffn: Ffn = { op: "swiglu", width: 32 * (2 + random.below(30)) };
    const dense = wanted === "lfm2moe" ? random.below(3) : Number.POSITIVE_INFINITY;
    const used = 1 + random.below(4);
    const moe: Ffn = { op: "moe", experts: used + random.below(12), used, width: 32 * (1 + random.below(8)) };
    const alone = ["mamba", "mamba2", "falcon-h1"].includes(wanted);
    const stack = Array.from({ length: 2 + random.below(7) }, (_, layer) => ({
      mixer: other !== null && (alone || random.below(3) > 0) ? other : attention,
      ffn: WITHOUT_FFN.has(wanted) ? { op: "absent" as const } : layer < dense ? ffn : moe,
    }));
    const loops = wanted === "nanbeige" ? 2 + random.below(2) : 1;
    const layers = Array.from({ length: loops }, (_, loop) =>
      stack.map((layer, index) => (loop === 0 ? layer : { ...layer, weightsOf: index })),
    ).flat();
    const layout = { vocab: 256 + 8 * random.below(200), width, layers };
    const expressed = paddingOf(layout)?.architecture ?? architectureOf(layout);
    if (width <= 768 && expressed === wanted) return layout;
  }
}
