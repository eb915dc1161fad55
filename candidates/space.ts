// The space of a sweep: a declared set of layouts (from YAML), which can be sampled, counted and enumerated.
// `realize` turns a genome into a layout of the space, or returns the reason against it.

import { InvalidInputError } from "./errors.ts";
import { type Genome, genomeSharing, pairsOf, split } from "./genome.ts";
import {
  isAttention,
  type Layout,
  layoutProblem,
  MAX_LAYERS,
  type NormKind,
  normsField,
  normsOf,
} from "./layout.ts";
import { type Defaults, ffnForms, formatFfn, formatMixer, parseFfn, parseMixer } from "./notation.ts";
import { geometryHeader } from "./ops/geometry.ts";
import { type Ffn, ffnOperatorOf, type Mixer, operatorOf } from "./ops/operator-registry.ts";
import { engineProblem } from "./runs-in.ts";
import { blocksOf, repeated, type Sharing } from "./sharing.ts";
import { solveFfnWidth } from "./solver.ts";
import { parseCount, type SpaceConfig } from "./space-schema.ts";
import { counted } from "./words.ts";

/** The random source of every draw. search/rng.ts implements it. */
export interface Rng {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform whole number in [0, n). */
  below(n: number): number;
}

export type Realized =
  | { readonly ok: true; readonly layout: Layout }
  | { readonly ok: false; readonly reason: string };

const many = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

/**
 * Geometry of bare attention tokens under one entry of `heads`. Throws InvalidInputError (`bad-notation`).
 */
function geometryDefaults(text: string): Defaults {
  geometryHeader.check(text);
  return { [geometryHeader.letter]: text };
}

/** Returns the FFN of one entry of `ffn`. Throws InvalidInputError (`bad-space`, `bad-notation`). */
function ffnIn(entry: number | string): Ffn {
  const ffn = parseFfn(String(entry));
  if (ffn === null)
    throw new InvalidInputError("bad-space", `"${entry}" is not an FFN; write one of ${ffnForms}`);
  return ffn;
}

/** A declared space. Throws InvalidInputError (`bad-space`) when its parts contradict one another. */
export class Space {
  readonly widths: readonly number[];
  readonly depths: readonly number[];
  readonly ffns: readonly Ffn[] | null;
  readonly norms: readonly NormKind[];
  readonly sharings: readonly Sharing[];
  /** The mixers that a layer may have, one list per attention geometry. */
  readonly palettes: readonly (readonly Mixer[])[];
  /** True if engines other than edgefront's own must run every layout; they want equal layers. */
  readonly restricted: boolean;
  private readonly config: SpaceConfig;
  private readonly budget: number | null;
  /** The tokens of each palette. */
  private readonly tokens: readonly ReadonlySet<string>[];

  constructor(config: SpaceConfig) {
    this.config = config;
    this.restricted = config.runsIn?.some((engine) => engine !== "edgefront") ?? false;
    this.widths = many(config.width);
    this.depths = many(config.depth);
    this.norms = many(config.norms ?? "pre");
    if ((config.parameters === undefined) === (config.ffn === undefined)) {
      throw new InvalidInputError(
        "bad-space",
        "a space needs either `parameters` (a budget, which SwiGLU widths meet) or `ffn` (FFNs), not both",
      );
    }
    this.budget = config.parameters === undefined ? null : parseCount(config.parameters);
    this.ffns = config.ffn === undefined ? null : many(config.ffn).map(ffnIn);
    this.sharings = many(config.sharing ?? "none");
    const defaults = config.heads?.map(geometryDefaults) ?? [{}];
    this.palettes = defaults.map((one) => config.mixers.map((token) => parseMixer(token, one)));
    this.tokens = this.palettes.map((palette) => new Set(palette.map(formatMixer)));
    for (const width of this.widths) {
      for (const mixer of this.palettes.flat()) {
        const problem = operatorOf(mixer).problem(mixer, width);
        if (problem !== null)
          throw new InvalidInputError("bad-space", `impossible mixer ${formatMixer(mixer)}: ${problem}`);
      }
      for (const ffn of this.ffns ?? []) {
        const problem = ffnOperatorOf(ffn).problem(ffn, width);
        if (problem !== null)
          throw new InvalidInputError("bad-space", `impossible FFN ${formatFfn(ffn)}: ${problem}`);
      }
    }
    const repeats = this.sharings.some((sharing) => sharing !== "none");
    if (repeats && 2 * Math.max(...this.depths) > MAX_LAYERS)
      throw new InvalidInputError(
        "bad-space",
        `sharing doubles the depth of ${Math.max(...this.depths)}: a layout has at most ${MAX_LAYERS} layers`,
      );
    const { min = 0, max = Number.POSITIVE_INFINITY } = config.attention ?? {};
    const { attends, others } = split(this.palettes[0]!);
    if (min > max) throw new InvalidInputError("bad-space", `attention: min ${min} is above max ${max}`);
    if (min > 0 && attends.length === 0) {
      throw new InvalidInputError(
        "bad-space",
        `attention: min ${min} cannot be met without an attention mixer`,
      );
    }
    if (min > Math.max(...this.depths) || (others.length === 0 && max < Math.min(...this.depths))) {
      throw new InvalidInputError("bad-space", "attention: no depth of the space can meet these bounds");
    }
  }

  /**
   * Checks that the space is not empty. Throws InvalidInputError (`empty-space`) with the reason against the
   * last layout tried.
   */
  requireLayouts(): void {
    let reason = "no depth meets its attention bounds";
    const { min = 0, max = Number.POSITIVE_INFINITY } = this.config.attention ?? {};
    for (const width of this.widths)
      for (const palette of this.palettes)
        for (const depth of this.depths)
          for (const { attends, other } of pairsOf(palette))
            for (let attention = min; attention <= Math.min(depth, max); attention++) {
              const mixers = Array.from({ length: depth }, (_, layer) =>
                layer < attention ? attends : other,
              );
              if (!mixers.every((mixer) => mixer !== undefined)) continue;
              const realized = this.realize({
                width,
                mixers,
                ...(this.ffns && { ffn: this.ffns[0]! }),
                ...normsField(this.norms[0]!),
                ...genomeSharing(this.sharings.includes("none") ? "none" : this.sharings[0]!),
              });
              if (realized.ok) return;
              reason = realized.reason;
            }
    throw new InvalidInputError("empty-space", `the space holds no layout: ${reason}`);
  }

  /** Returns the layout of the space that a genome stands for, or the reason against it. */
  realize(genome: Genome): Realized {
    const refuse = (reason: string): Realized => ({ ok: false, reason });
    if (!this.widths.includes(genome.width)) return refuse(`width ${genome.width} is not in the space`);
    const norms = normsOf(genome);
    if (!this.norms.includes(norms)) return refuse(`${norms} norms are not in the space`);
    const depth = genome.mixers.length;
    if (!this.depths.includes(depth)) return refuse(`depth ${depth} is not in the space`);
    const tokens = genome.mixers.map((mixer) => formatMixer(mixer));
    if (!this.tokens.some((palette) => tokens.every((token) => palette.has(token)))) {
      return refuse("its mixers are not all of one palette of the space");
    }
    const attention = split(genome.mixers).attends.length;
    const { min = 0, max = Number.POSITIVE_INFINITY } = this.config.attention ?? {};
    if (attention < min || attention > max)
      return refuse(`${counted(attention, "attention layer")}: outside the bounds`);
    const { vocab, ffnMultiple } = this.config;
    const { width, mixers, sharing = "none" } = genome;
    if (!this.sharings.includes(sharing)) return refuse(`sharing ${sharing} is not in the space`);
    let layout: Layout;
    if (this.budget !== null) {
      try {
        const target = { parameters: this.budget, multiple: ffnMultiple };
        layout = solveFfnWidth({ vocab, width, mixers, norms, sharing, ...target });
      } catch (error) {
        if (error instanceof InvalidInputError) return refuse(error.message);
        throw error;
      }
    } else {
      const ffn = this.ffns!.find((one) => genome.ffn && formatFfn(one) === formatFfn(genome.ffn));
      if (ffn === undefined)
        return refuse(
          `FFN ${genome.ffn === undefined ? "(none)" : formatFfn(genome.ffn)} is not in the space`,
        );
      const blocks = mixers.map((mixer) => ({ mixer, ffn, ...normsField(norms) }));
      layout = { vocab, width, layers: repeated(blocks, sharing) };
    }
    const problem = layoutProblem(layout) ?? this.engineProblem(layout);
    return problem === null ? { ok: true, layout } : refuse(problem);
  }

  /** The reason of the first required engine that does not run the layout, or null. */
  private engineProblem(layout: Layout): string | null {
    for (const engine of this.config.runsIn ?? []) {
      const problem = engineProblem(engine, layout);
      if (problem !== null) return problem;
    }
    return null;
  }

  /** Returns the genome of a layout: the part that strategies vary. First layers may differ in their FFN. */
  genomeOf(layout: Layout): Genome {
    const { blocks, sharing } = blocksOf(layout.layers);
    const last = blocks.at(-1)!;
    return {
      width: layout.width,
      mixers: blocks.map((layer) => layer.mixer),
      ...(this.ffns !== null && { ffn: last.ffn }),
      ...normsField(normsOf(last)),
      ...genomeSharing(sharing),
    };
  }

  /**
   * Draws a genome. Width, depth, palette, FFN, norms and sharing are uniform. Then the number of attention
   * layers is uniform within the bounds, as are their places and every mixer. Drawing each layer alone was
   * rejected: it would hardly ever try the extremes.
   */
  sampleGenome(rng: Rng): Genome {
    const pick = <T>(items: readonly T[]): T => items[rng.below(items.length)]!;
    const width = pick(this.widths);
    const { attends, others } = this.sampleMixers(pick(this.palettes), rng);
    const { min = 0, max = Number.POSITIVE_INFINITY } = this.config.attention ?? {};
    const most = (depth: number): number => (attends.length === 0 ? 0 : Math.min(depth, max));
    const least = (depth: number): number => (others.length === 0 ? depth : min);
    const depth = pick(this.depths.filter((d) => least(d) <= most(d)));
    const attention = least(depth) + rng.below(most(depth) - least(depth) + 1);
    const places = new Set<number>();
    while (places.size < attention) places.add(rng.below(depth));
    const mixers = Array.from({ length: depth }, (_, layer) =>
      pick<Mixer>(places.has(layer) ? attends : others),
    );
    // A single choice draws nothing, so that spaces without an axis give the same genomes as before it.
    const pickAny = <T>(items: readonly T[]): T => (items.length === 1 ? items[0]! : pick(items));
    return {
      width,
      mixers,
      ...(this.ffns !== null && { ffn: pick(this.ffns) }),
      ...normsField(pickAny(this.norms)),
      ...genomeSharing(pickAny(this.sharings)),
    };
  }

  /**
   * Draws the mixers that a genome may have: all of a palette, or in a restricted space one attention mixer and
   * one other mixer. Draws of each layer alone would hardly ever give equal layers.
   */
  private sampleMixers(palette: readonly Mixer[], rng: Rng): ReturnType<typeof split> {
    const { attends, others } = split(palette);
    if (!this.restricted) return { attends, others };
    const one = (mixers: readonly Mixer[]) =>
      mixers.length < 2 ? mixers : [mixers[rng.below(mixers.length)]!];
    return { attends: one(attends), others: one(others) };
  }

  /** Returns an upper bound of the number of genomes. Constraints may exclude some. */
  size(): number {
    const perPalette = this.palettes.map((palette) =>
      this.depths.reduce((sum, depth) => sum + palette.length ** depth, 0),
    );
    const others = this.widths.length * (this.ffns?.length ?? 1) * this.norms.length * this.sharings.length;
    return others * perPalette.reduce((sum, n) => sum + n, 0);
  }

  /** Returns every combination of what all layers of a layout have in common. */
  private choices(): readonly Pick<Genome, "ffn" | "norms" | "sharing">[] {
    const ffns = this.ffns?.map((ffn) => ({ ffn })) ?? [{}];
    return ffns.flatMap((ffn) =>
      this.norms.flatMap((norms) =>
        this.sharings.map((sharing) => ({ ...ffn, ...normsField(norms), ...genomeSharing(sharing) })),
      ),
    );
  }

  /**
   * Yields every layout of the space, in a fixed order. Duplicates (all-conv under two geometries) appear
   * once per palette.
   */
  *enumerate(): Generator<Layout> {
    for (const width of this.widths)
      for (const palette of this.palettes)
        for (const depth of this.depths)
          for (const rest of this.choices())
            for (let index = 0; index < palette.length ** depth; index++) {
              const mixers: Mixer[] = [];
              for (let left = index, layer = 0; layer < depth; layer++) {
                mixers.push(palette[left % palette.length]!);
                left = Math.floor(left / palette.length);
              }
              const realized = this.realize({ width, mixers, ...rest });
              if (realized.ok) yield realized.layout;
            }
  }
}

/** Returns the number of attention layers of any kind: the quantity of the minimal-hybrid question. */
export const attentionCount = (layout: Layout): number => layout.layers.filter(isAttention).length;
