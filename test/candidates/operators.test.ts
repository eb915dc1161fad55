// The contract of every operator in the registry. Operators state examples of their tokens, so that this file
// names no operator.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parameterCount, parameterCounts, tensorsOf } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import { isGlobalAttention, layoutProblem } from "../../candidates/layout.ts";
import {
  formatFfn,
  formatMixer,
  formatNotation,
  parseMixer,
  parseNotation,
} from "../../candidates/notation.ts";
import type { StateElements } from "../../candidates/ops/operator.ts";
import {
  ffns,
  ffnWidthOf,
  layerKeys,
  type Mixer,
  mixers,
  operatorOf,
  partsOf,
  traitsOf,
} from "../../candidates/ops/operator-registry.ts";
import { parallelExamples } from "../../candidates/ops/parallel-mixers.ts";
import { proxyLayout } from "../../profilers/proxy.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";

const HEADS = "4/2x16";
const kvOf = (mixer: Mixer) => operatorOf(mixer).kv?.(mixer);
/** The example whose keys and values this mixer reads; none if it has its own. */
function producerOf(layer: string): string {
  const [token = ""] = layer.split("~");
  const mixer = parseMixer(token, { h: HEADS });
  if (kvOf(mixer)?.own !== false) return "";
  const produces = (example: string): boolean => {
    const kv = kvOf(parseMixer(example, { h: HEADS }));
    return kv?.own === true && kv.kind === kvOf(mixer)!.kind;
  };
  return operatorOf(partsOf(mixer)[0]!).notation.examples.find(produces)!;
}
const parse = (layers: string) => parseNotation(`v64 d32 f64 h${HEADS} : ${layers}`);
/** The layer, a producer before it if it needs one, and another layer after it. */
const layoutOf = (layer: string) => parse(`${producerOf(layer)} ${layer} c3`);
/** The layer alone, out of that layout. */
const layerOf = (layer: string) => layoutOf(layer).layers.at(-2)!;
const mixerExamples: readonly (readonly [string, readonly string[]])[] = [
  ...mixers.map(({ name, notation }) => [name, notation.examples] as const),
  ["parallel", parallelExamples],
];
const layersOf = [
  ...mixerExamples,
  ...ffns.map(({ name, notation }) => [name, notation.examples.map((text) => `c3~${text}`)] as const),
];
const total = ({ kv, recurrent }: StateElements): number => kv + recurrent;

describe.each(mixerExamples)("mixer %s", (name, examples) => {
  it.each(examples)("reads and writes %s", (example) => {
    const { mixer } = layerOf(example);
    expect(mixer.op).toBe(name);
    expect(layerOf(formatMixer(mixer)).mixer).toEqual(mixer);
    expect(parseNotation(formatNotation(layoutOf(example)))).toEqual(layoutOf(example));
    for (const part of partsOf(mixer)) {
      const { head } = operatorOf(part).notation.format(part);
      expect(mixers.filter(({ notation }) => notation.head.test(head))).toEqual([operatorOf(part)]);
    }
  });

  it.each(examples)("%s: traits agree with the state", (example) => {
    const { mixer } = layerOf(example);
    const operator = operatorOf(mixer);
    const { reach, lookup, stateful } = traitsOf(mixer);
    const ownKv = kvOf(mixer)?.own !== false;
    const ownState = ownKv || stateful;
    expect(reach).toBeGreaterThanOrEqual(1);
    const [short, long, longer] = [1, 100_000, 200_000].map((n) => operator.state(mixer, 32, n));
    expect(stateful).toBe(short!.recurrent > 0);
    if (stateful) expect(long!.recurrent).toBe(short!.recurrent);
    if (!lookup) expect(long!.kv).toBe(short!.kv);
    if (lookup) expect(longer!.kv > long!.kv).toBe(ownKv && isGlobalAttention({ mixer }));
    for (const context of [1, 100, 100_000]) {
      const { flops, reads, writes } = operator.decode(mixer, 32, context);
      expect(flops).toBeGreaterThan(0);
      expect(total(reads)).toBeGreaterThan(0);
      if (ownKv) expect(total(reads)).toBeLessThanOrEqual(total(operator.state(mixer, 32, context)));
      expect(total(writes) > 0).toBe(ownState);
    }
    expect(operator.prefillFlops(mixer, 32, 64)).toBeGreaterThan(operator.prefillFlops(mixer, 32, 32));
  });

  it.each(examples)("%s scales to a proxy of its kind", (example) => {
    const proxy = proxyLayout(
      layoutOf(example),
      { width: 16, headDim: 8, context: 1024 },
      { vocab: 64, length: 32 },
    );
    expect(layoutProblem(proxy)).toBeNull();
    expect(proxy.layers.at(-2)!.mixer.op).toBe(name);
  });

  it.each(examples)("%s has a picture that needs no colour", (example) => {
    for (const part of partsOf(layerOf(example).mixer)) {
      const { mark, height } = operatorOf(part).picture;
      const { text, title } = mark(part);
      expect(text.length).toBeGreaterThan(0);
      expect(title).toMatch(/^[a-z]/);
      expect(height).toBeLessThanOrEqual(26);
    }
  });
});

describe.each(ffns.map((operator) => [operator.name, operator] as const))("FFN %s", (name, operator) => {
  const { examples } = operator.notation;

  it.each(examples)("reads and writes %s, after a layer and in the header", (example) => {
    const layout = layoutOf(`c3~${example}`);
    const { ffn } = layout.layers[0]!;
    expect(ffn.op).toBe(name);
    expect(formatFfn(ffn)).toBe(example);
    expect(parseNotation(formatNotation(layout))).toEqual(layout);
    expect(parseNotation(`v64 d32 f${example} : c3`).layers[0]!.ffn).toEqual(ffn);
    const { head } = operator.notation.format(ffn);
    expect(ffns.filter(({ notation }) => notation.head.test(head))).toEqual([operator]);
  });

  it.each(examples)("%s: a token uses at most the stored parameters; its proxy is of its kind", (example) => {
    const layout = layoutOf(`c3~${example}`);
    const { stored, active } = parameterCounts(layout);
    expect(stored).toBe(parameterCount(layout));
    expect(active).toBeLessThanOrEqual(stored);
    expect(ffnWidthOf(layout.layers[0]!.ffn)).toBeGreaterThanOrEqual(0);
    const size = { width: 16, headDim: 8, context: 1024 };
    const proxy = proxyLayout(layout, size, { vocab: 64, length: 32 });
    expect(layoutProblem(proxy)).toBeNull();
    expect(proxy.layers[0]!.ffn.op).toBe(name);
  });
});

it("tensor names of a layout are distinct", () => {
  const pattern = layersOf.flatMap(([, layers]) => layers).join(" ");
  const names = tensorsOf(parse(pattern)).map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

it("keys of the metadata are distinct, and every operator's keys are among them", () => {
  const names = layerKeys.map(({ key }) => key.key);
  expect(new Set(names).size).toBe(names.length);
  for (const { keys } of [...mixers, ...ffns]) for (const { key } of keys) expect(names).toContain(key);
});

describe("every operator of the registry", () => {
  let session: AgentSession;
  beforeAll(async () => {
    session = await openSession(localDevice());
  });
  afterAll(() => session.close());

  it.each(layersOf)("%s is planned and verified by the kernels", async (_name, layers) => {
    for (const layer of layers) {
      const plan = lower(layoutOf(layer), { quantization: "f32", seed: 1 }).plan.toString("base64");
      const model = { plan };
      const { listing } = await session.request("explain", { model, context: 64 });
      expect(listing).toMatch(/FLOP/i);
      const tokens = Array.from({ length: 12 }, (_, i) => (i * 7) % 64);
      const { checks } = await session.request("verify", {
        model,
        tokens,
        prefill: 9,
        chunk: 4,
        logits: "none",
        checks: true,
      });
      expect(checks.length).toBeGreaterThan(0);
      expect(checks.filter(({ pass }) => !pass)).toEqual([]);
    }
  });
});
