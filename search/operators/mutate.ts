// Small changes of a layout, drawn over its genome. Space.realize completes them: it solves the FFN width
// again under a parameter budget, and refuses layouts outside the space. crossover.ts combines two parents.
import { type Genome, genomeSharing } from "../../candidates/genome.ts";
import { type Layout, normsField, normsOf } from "../../candidates/layout.ts";
import { formatFfn, formatMixer } from "../../candidates/notation.ts";
import type { Ffn, Mixer } from "../../candidates/ops/operator-registry.ts";
import type { Rng, Space } from "../../candidates/space.ts";
import type { Varied } from "../domain.ts";

type Mutation = (genome: Genome, space: Space, rng: Rng) => Genome | null;

const pick = <T>(items: readonly T[], rng: Rng): T => items[rng.below(items.length)]!;

/** One of the values other than `current`; null where there is none. */
function pickOther<T>(items: readonly T[], current: T, rng: Rng): T | null {
  const others = items.filter((item) => item !== current);
  return others.length === 0 ? null : pick(others, rng);
}

/**
 * The palette that holds every mixer of the genome. For a layout from outside the space: the space's first
 * palette.
 */
function paletteOf(genome: Genome, space: Space): readonly Mixer[] {
  const tokens = genome.mixers.map((mixer) => formatMixer(mixer));
  const holds = (palette: readonly Mixer[]): boolean => {
    const known = new Set(palette.map((mixer) => formatMixer(mixer)));
    return tokens.every((token) => known.has(token));
  };
  return space.palettes.find(holds) ?? space.palettes[0]!;
}

const sameFfn = (a: Ffn | undefined, b: Ffn | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && formatFfn(a) === formatFfn(b));

const withMixers = (genome: Genome, mixers: readonly Mixer[]): Genome => ({ ...genome, mixers });

/** Puts another mixer into one layer. */
const replace: Mutation = (genome, space, rng) => {
  const layer = rng.below(genome.mixers.length);
  const old = formatMixer(genome.mixers[layer]!);
  const others = paletteOf(genome, space).filter((mixer) => formatMixer(mixer) !== old);
  return others.length === 0 ? null : withMixers(genome, genome.mixers.with(layer, pick(others, rng)));
};

/** Puts another mixer into every layer that has the same one. */
const replaceAll: Mutation = (genome, space, rng) => {
  const old = formatMixer(pick(genome.mixers, rng));
  const others = paletteOf(genome, space).filter((mixer) => formatMixer(mixer) !== old);
  if (others.length === 0) return null;
  const other = pick(others, rng);
  return withMixers(
    genome,
    genome.mixers.map((mixer) => (formatMixer(mixer) === old ? other : mixer)),
  );
};

/** Exchanges two layers with different mixers. */
const swap: Mutation = (genome, _space, rng) => {
  const { mixers } = genome;
  const a = rng.below(mixers.length);
  const different = mixers.flatMap((mixer, b) => (formatMixer(mixer) === formatMixer(mixers[a]!) ? [] : [b]));
  if (different.length === 0) return null;
  const b = pick(different, rng);
  return withMixers(genome, mixers.with(a, mixers[b]!).with(b, mixers[a]!));
};

/** Takes one layer out and inserts it elsewhere. The layers between shift by one. */
const move: Mutation = (genome, _space, rng) => {
  const from = rng.below(genome.mixers.length);
  const rest = genome.mixers.toSpliced(from, 1);
  const to = rng.below(genome.mixers.length);
  return withMixers(genome, rest.toSpliced(to, 0, genome.mixers[from]!));
};

/** Copies a run of 2 to 4 layers over another place. Repeating patterns spread this way. */
const motif: Mutation = (genome, _space, rng) => {
  const depth = genome.mixers.length;
  if (depth < 4) return null;
  const length = 2 + rng.below(Math.min(4, Math.floor(depth / 2)) - 1);
  const from = rng.below(depth - length + 1);
  const to = rng.below(depth - length + 1);
  const run = genome.mixers.slice(from, from + length);
  return withMixers(genome, genome.mixers.toSpliced(to, length, ...run));
};

const width: Mutation = (genome, space, rng) => {
  const other = pickOther(space.widths, genome.width, rng);
  return other === null ? null : { ...genome, width: other };
};

/**
 * Removes random layers, or inserts random mixers at random places, until another depth of the space is
 * reached.
 */
const depth: Mutation = (genome, space, rng) => {
  const wanted = pickOther(space.depths, genome.mixers.length, rng);
  if (wanted === null) return null;
  const palette = paletteOf(genome, space);
  let { mixers } = genome;
  while (mixers.length > wanted) mixers = mixers.toSpliced(rng.below(mixers.length), 1);
  while (mixers.length < wanted)
    mixers = mixers.toSpliced(rng.below(mixers.length + 1), 0, pick(palette, rng));
  return withMixers(genome, mixers);
};

const ffn: Mutation = (genome, space, rng) => {
  if (space.ffns === null) return null;
  const others = space.ffns.filter((one) => !sameFfn(one, genome.ffn));
  return others.length === 0 ? null : { ...genome, ffn: pick(others, rng) };
};

const norms: Mutation = ({ norms: current, ...genome }, space, rng) => {
  const other = pickOther(space.norms, normsOf({ norms: current }), rng);
  return other === null ? null : { ...genome, ...normsField(other) };
};

/**
 * Changes the attention geometry and keeps the operators: palettes list the same mixers in the same order.
 */
const geometry: Mutation = (genome, space, rng) => {
  const current = paletteOf(genome, space);
  const other = pickOther(space.palettes, current, rng);
  if (other === null) return null;
  const index = new Map(current.map((mixer, place) => [formatMixer(mixer), place]));
  const mixers = genome.mixers.map((mixer) => other[index.get(formatMixer(mixer)) ?? 0]!);
  return withMixers(genome, mixers);
};

/** Repeats the same layers in another way. */
const sharing: Mutation = (genome, space, rng) => {
  const { sharing: current = "none", ...rest } = genome;
  const other = pickOther(space.sharings, current, rng);
  return other === null ? null : { ...rest, ...genomeSharing(other) };
};

/**
 * Every mutation with its weight. Placement and kind of mixers have the largest weights, because they vary
 * most in any space.
 */
const mutations = {
  replace: { weight: 4, apply: replace },
  swap: { weight: 2, apply: swap },
  move: { weight: 2, apply: move },
  motif: { weight: 1, apply: motif },
  width: { weight: 1, apply: width },
  depth: { weight: 1, apply: depth },
  ffn: { weight: 1, apply: ffn },
  geometry: { weight: 1, apply: geometry },
  norms: { weight: 1, apply: norms },
  sharing: { weight: 1, apply: sharing },
} as const satisfies Record<string, { weight: number; apply: Mutation }>;

/** A move or a motif may reproduce the same genome. Width, FFN, geometry, norms and sharing always change. */
const sameGenome = (a: Genome, b: Genome): boolean =>
  a.width === b.width &&
  sameFfn(a.ffn, b.ffn) &&
  a.norms === b.norms &&
  a.sharing === b.sharing &&
  a.mixers.length === b.mixers.length &&
  a.mixers.every((mixer, layer) => formatMixer(mixer) === formatMixer(b.mixers[layer]!));

const wheel = Object.entries(mutations).flatMap(([name, { weight, apply }]) =>
  Array<readonly [string, Mutation]>(weight).fill([name, apply]),
);
/**
 * In a space restricted to engines, `replace` mostly gives layouts that no engine runs. Elsewhere `replace all`
 * is left out: with it, NSGA-II found its way out of an infeasible region more slowly.
 */
const restrictedWheel = [
  ...wheel,
  ...Array<readonly [string, Mutation]>(4).fill(["replace all", replaceAll]),
];
const TRIES = 16;

/** Returns a layout of the space one change away. Null when several draws gave none. */
export function mutate(space: Space, layout: Layout, rng: Rng): Varied<Layout> | null {
  const genome = space.genomeOf(layout);
  // Most spaces vary neither norms nor sharing. There, these mutations would only change the draws.
  const fixed = [space.norms.length > 1 ? "" : "norms", space.sharings.length > 1 ? "" : "sharing"];
  const draws = (space.restricted ? restrictedWheel : wheel).filter(([name]) => !fixed.includes(name));
  for (let n = 0; n < TRIES; n++) {
    const [operator, apply] = pick(draws, rng);
    const changed = apply(genome, space, rng);
    if (changed === null || sameGenome(changed, genome)) continue;
    const realized = space.realize(changed);
    if (realized.ok) return { candidate: realized.layout, operator };
  }
  return null;
}
