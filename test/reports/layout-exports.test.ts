import { expect, test } from "vitest";
import { parameterCount } from "../../candidates/cost.ts";
import { layoutId, parseLayout } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { headSizeNote, huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import { evidenceFormats, layoutFormats } from "../../reports/layout/layout-formats.ts";
import { hostileReportData, testReportData } from "../support/report-data.ts";

const data = testReportData();
const configOf = (name: string): Record<string, unknown> => {
  const made = huggingFaceConfig(namedLayouts[name]!);
  if (!made.ok) throw new Error(made.reason);
  return made.config;
};

test("published models get the values of their published configurations", () => {
  expect(configOf("lfm2-350m")).toMatchObject({
    architectures: ["Lfm2ForCausalLM"],
    hidden_size: 1024,
    intermediate_size: 4608,
    conv_L_cache: 3,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    block_auto_adjust_ff_dim: false,
    rope_theta: 1_000_000,
  });
  const types = configOf("lfm2-350m").layer_types as string[];
  expect(types.flatMap((type, layer) => (type === "full_attention" ? [layer] : []))).toEqual([
    2, 5, 8, 10, 12, 14,
  ]);
  expect(configOf("qwen3-0.6b")).toMatchObject({
    model_type: "qwen3",
    head_dim: 128,
    num_hidden_layers: 28,
    sliding_window: null,
  });
  expect(configOf("llama-3.2-1b")).toMatchObject({
    model_type: "llama",
    hidden_size: 2048,
    vocab_size: 128_256,
    rope_theta: 500_000,
  });
});

test.each([
  ["v512 d64 f128 h4/2x16 : c3 c3 c3", /no attention/],
  ["v512 d64 f128 h4/2x16 : c3 g c4", /different taps/],
  ["v512 d64 f128 h4/2x16 : c3 g~256", /FFN widths/],
  ["v512 d64 f128 h4/2x16 : c3 g g(4/4x16)", /geometries/],
  ["v512 d64 f128 h4/2x16 : c3 s64 g", /windows/],
  ["v512 d64 f128 h4/2x16n : c3 g", /QK-norm/],
  ["v512 d64 f128 h4/2x16n : s64 g", /no windows/],
])("%s is refused with the reason", (notation, reason) => {
  const made = huggingFaceConfig(parseNotation(notation));
  expect(made.ok).toBe(false);
  expect(made.ok ? "" : made.reason).toMatch(reason);
});

test("heads that do not span the width are noted: readers differ about them", () => {
  const note = (notation: string) => headSizeNote(parseNotation(notation));
  expect(note("v512 d64 f128 h4/2x32 : c3 g")).toMatch(
    /heads of 32 .*4 x 32 is not 64.*MLX, vLLM and llama\.cpp/,
  );
  expect(note("v512 d64 f128 h4/2x16 : c3 g")).toBeNull();
  expect(note("v512 d64 f128 h4/2x32 : g g")).toBeNull();
});

test("layout JSON re-enters as the same layout", () => {
  const [trial] = data.trials;
  const again = parseLayout(JSON.parse(layoutFormats.layout(trial!)));
  expect(layoutId(again)).toBe(trial!.id);
  expect(parameterCount(again)).toBe(trial!.parameters);
});

test("the model card states the evidence, its limits, and what was emulated; hostile text stays text", () => {
  const trial = data.trials.find(({ onFront }) => onFront)!;
  const card = evidenceFormats.card(data, trial);
  expect(card).toContain("not a trained model");
  expect(card).toContain(trial.notation);
  expect(card.match(/^\| .*\d samples \|/gm)).toHaveLength(
    Object.values(trial.metrics).filter((m) => m.samples.length > 0).length,
  );
  expect(card).toMatch(/- laptop: .*isa avx2, threads 4, °C \d/);
  expect(card).toMatch(/qemu-arm \(\*\*emulated\*\*/);
  const hostile = hostileReportData();
  const outside = evidenceFormats
    .card(hostile, hostile.trials[0]!)
    .replace(/^(`{3,})[a-z]+\n.*?\n\1$/gms, "");
  expect(outside).not.toMatch(/<(script|img)/);
});
