// The problems of bench:search. ZDT and DTLZ stay continuous: strategies work on any domain, and peers get
// the same variables in [0, 1]. Layout spaces are enumerated completely, so that their best hypervolume is
// known; peers get one choice per layer.
import { staticCost } from "../../candidates/cost.ts";
import { isAttention, isGlobalAttention, type Layout } from "../../candidates/layout.ts";
import { ffnWidthOf, operatorOf, traitsOf } from "../../candidates/ops/operator-registry.ts";
import { type Rng, Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { type Domain, layoutDomain } from "../../search/domain.ts";
import { hypervolume } from "../../search/hypervolume.ts";

export type Variable = { readonly type: "float" } | { readonly type: "choice"; readonly count: number };

export interface Problem<C> {
  readonly name: string;
  readonly kind: "analytic" | "layouts";
  readonly domain: Domain<C>;
  readonly objectives: number;
  readonly reference: readonly number[];
  /** Hypervolume of the true front. */
  readonly best: number;
  /** Returns the objectives; smaller is better. */
  evaluate(candidate: C): readonly number[];
  /**
   * The same problem in the form for peers. `decode` returns null where their point is no layout of the
   * space.
   */
  readonly variables: readonly Variable[];
  decode(x: readonly number[]): C | null;
}

/**
 * Distribution index of polynomial mutation: a step of about a seventh of the range. The usual 20 (a
 * twentieth) and simulated binary crossover were rejected: they stay so near to the parents that five
 * generations do not get far. NSGA-II was then worse than Optuna's.
 */
const MUTATION_INDEX = 5;

/** Vectors in [0, 1]^n: uniform crossover, and bounded polynomial mutation (Deb 2001). */
function box(dimensions: number): Domain<readonly number[]> {
  const clamp = (value: number): number => Math.min(1, Math.max(0, value));
  const step = (value: number, rng: Rng): number => {
    const u = rng.next();
    const power = 1 / (MUTATION_INDEX + 1);
    const delta =
      u < 0.5
        ? (2 * u + (1 - 2 * u) * (1 - value) ** (MUTATION_INDEX + 1)) ** power - 1
        : 1 - (2 * (1 - u) + (2 * u - 1) * value ** (MUTATION_INDEX + 1)) ** power;
    return clamp(value + delta);
  };
  return {
    id: (x) => x.join(","),
    sample: (rng) => Array.from({ length: dimensions }, () => rng.next()),
    mutate: (x, rng) => {
      const always = rng.below(dimensions);
      const candidate = x.map((value, n) =>
        n === always || rng.next() < 1 / dimensions ? step(value, rng) : value,
      );
      return { candidate, operator: "polynomial" };
    },
    crossover: (a, b, rng) => ({
      candidate: a.map((value, n) => (rng.next() < 0.5 ? value : b[n]!)),
      operator: "uniform crossover",
    }),
    size: () => Number.POSITIVE_INFINITY,
    enumerate: () => {
      throw new Error("a continuous domain cannot be enumerated");
    },
    groups: Array.from({ length: dimensions }, (_, n) => n),
    features: (x) => x,
  };
}

function analytic(
  name: string,
  dimensions: number,
  reference: readonly number[],
  front: readonly (readonly number[])[] | number,
  evaluate: (x: readonly number[]) => readonly number[],
): Problem<readonly number[]> {
  return {
    name,
    kind: "analytic",
    domain: box(dimensions),
    objectives: reference.length,
    reference,
    best: typeof front === "number" ? front : hypervolume(front, reference),
    evaluate,
    variables: Array.from({ length: dimensions }, () => ({ type: "float" })),
    decode: (x) => x,
  };
}

const line = Array.from({ length: 2001 }, (_, n) => n / 2000);
const rest = (x: readonly number[]): number =>
  1 + (9 * x.slice(1).reduce((a, b) => a + b, 0)) / (x.length - 1);
const zdt3 = (f: number, g: number): number =>
  g * (1 - Math.sqrt(f / g) - (f / g) * Math.sin(10 * Math.PI * f));
/**
 * Sources: Zitzler, Deb, Thiele 2000; Deb, Thiele, Laumanns, Zitzler 2002. Fewer dimensions than the usual
 * 30, because budgets here are small.
 */
const analyticProblems = [
  analytic(
    "ZDT1 (10)",
    10,
    [11, 11],
    line.map((f) => [f, 1 - Math.sqrt(f)]),
    (x) => {
      const g = rest(x);
      return [x[0]!, g * (1 - Math.sqrt(x[0]! / g))];
    },
  ),
  analytic(
    "ZDT2 (10)",
    10,
    [11, 11],
    line.map((f) => [f, 1 - f * f]),
    (x) => {
      const g = rest(x);
      return [x[0]!, g * (1 - (x[0]! / g) ** 2)];
    },
  ),
  analytic(
    "ZDT3 (10)",
    10,
    [11, 11],
    line.map((f) => [f, zdt3(f, 1)]),
    (x) => [x[0]!, zdt3(x[0]!, rest(x))],
  ),
  // The front is an eighth of the unit sphere. Its volume is the reference cube minus an eighth of the ball.
  analytic("DTLZ2 (6, 3 objectives)", 6, [1.1, 1.1, 1.1], 1.1 ** 3 - Math.PI / 6, (x) => {
    const g = 1 + x.slice(2).reduce((sum, value) => sum + (value - 0.5) ** 2, 0);
    const [a, b] = [(x[0]! * Math.PI) / 2, (x[1]! * Math.PI) / 2];
    return [g * Math.cos(a) * Math.cos(b), g * Math.cos(a) * Math.sin(b), g * Math.sin(a)];
  }),
];

const CONTEXT = 4096;

/**
 * Analytic substitutes for measurements, with known shapes. Recall saturates with attention layers and
 * favours late, spread ones. Placement makes small differences. Milliseconds follow bytes and changes of
 * operator; TTFT follows FLOPs.
 */
function measurements(layout: Layout): { loss: number; decodeMs: number; bytes: number; ttftMs: number } {
  const depth = layout.layers.length;
  let [reach, local, switches, last] = [0, 0, 0, -2];
  for (const [place, layer] of layout.layers.entries()) {
    if (place > 0 && operatorOf(layout.layers[place - 1]!.mixer) !== operatorOf(layer.mixer)) switches++;
    if (!isAttention(layer)) local += Math.log2(traitsOf(layer.mixer).reach) / depth;
    if (!isAttention(layer)) continue;
    reach +=
      (isGlobalAttention(layer) ? 1 : 0.45) *
      (0.5 + place / depth) *
      Math.min(1, 0.4 + 0.3 * (place - last - 1));
    last = place;
  }
  const cost = staticCost(layout, { context: CONTEXT, quantization: "q4_0" });
  const ripple = 0.01 * Math.sin(12.9898 * reach + 4.1414 * switches + 7.7 * local);
  const loss =
    2 + Math.exp(-1.2 * reach) - 0.08 * local - 0.03 * Math.log2(ffnWidthOf(layout.layers[0]!.ffn)) + ripple;
  const decodeMs = cost.decodeBytes / 20e6 + 0.002 * switches + 0.01 * depth;
  return { loss, decodeMs, bytes: cost.residentBytes, ttftMs: cost.prefillFlops / 1e8 };
}

function layouts(
  name: string,
  config: unknown,
  values: (layout: Layout) => readonly number[],
): Problem<Layout> {
  const space = new Space(spaceSchema.parse(config));
  const table = [...space.enumerate()].map(values);
  const reference = table[0]!.map((_, m) => {
    const column = table.map((row) => row[m]!);
    const worst = Math.max(...column);
    return worst + 0.01 * (worst - Math.min(...column));
  });
  const depth = space.depths[0]!;
  const palette = space.palettes[0]!;
  const choices = [space.widths, space.ffns ?? [], ...Array.from({ length: depth }, () => palette)];
  const decoded = choices.filter((choice) => choice.length > 1);
  return {
    name: `${name} (${table.length} layouts)`,
    kind: "layouts",
    domain: layoutDomain(space),
    objectives: reference.length,
    reference,
    best: hypervolume(table, reference),
    evaluate: values,
    variables: decoded.map(({ length }) => ({ type: "choice", count: length })),
    decode: (x) => {
      const rest = [...x];
      const take = <T>(choice: readonly T[]): T | undefined =>
        choice.length > 1 ? choice[rest.shift()!] : choice[0];
      const width = take(space.widths)!;
      const ffn = space.ffns === null ? undefined : take(space.ffns)!;
      const mixers = Array.from({ length: depth }, () => take(palette)!);
      const realized = space.realize(ffn === undefined ? { width, mixers } : { width, mixers, ffn });
      return realized.ok ? realized.layout : null;
    },
  };
}

const layoutProblems = [
  layouts(
    "hybrid placement",
    { vocab: 4096, width: 256, depth: 8, mixers: ["c3", "g", "s256"], heads: ["8/4x32"], parameters: "8M" },
    (layout) => {
      const { loss, decodeMs } = measurements(layout);
      return [loss, decodeMs];
    },
  ),
  layouts(
    "widths and kernels",
    {
      vocab: 4096,
      width: [192, 256, 320],
      depth: 6,
      mixers: ["c3", "c7", "g"],
      heads: ["8/4x32"],
      ffn: [512, 768, 1024],
    },
    (layout) => {
      const { loss, bytes } = measurements(layout);
      return [loss - 0.1 * Math.log2(layout.width), bytes];
    },
  ),
  layouts(
    "quality, decode, TTFT",
    {
      vocab: 4096,
      width: [192, 256],
      depth: 6,
      mixers: ["c3", "c5", "g", "s128"],
      heads: ["8/4x32"],
      ffn: 768,
    },
    (layout) => {
      const { loss, decodeMs, ttftMs } = measurements(layout);
      return [loss - 0.1 * Math.log2(layout.width), decodeMs, ttftMs];
    },
  ),
];

// biome-ignore lint/suspicious/noExplicitAny: a list of problems with different candidates; each is used with its own domain.
export const problems: readonly Problem<any>[] = [...analyticProblems, ...layoutProblems];
