// Lists every operator that a layer can contain. A new operator needs a file beside this one and an entry in
// one list here.
import { z } from "zod";
import { absentFfn } from "./absent-ffn.ts";
import { gqa, swa } from "./attention.ts";
import { cfc } from "./cfc.ts";
import { conv } from "./conv.ts";
import { gdn, gdnConv } from "./gdn.ts";
import { gla } from "./gla.ts";
import { kda, kdaConv } from "./kda.ts";
import { lin } from "./lin.ts";
import { ls4 } from "./ls4.ts";
import { mamba1, mamba1Conv } from "./mamba1.ts";
import { mamba2, mamba2Conv } from "./mamba2.ts";
import { moe } from "./moe.ts";
import type { FfnOperator, HeaderField, LayerKey, MixerOperator, Mixing, Traits } from "./operator.ts";
import { type Parallel, parallelMixing, parallelSchema } from "./parallel-mixers.ts";
import { rtf } from "./rtf.ts";
import { s4d } from "./s4d.ts";
import { swiglu } from "./swiglu.ts";

const mixerList = [
  conv,
  gqa,
  swa,
  mamba2,
  mamba2Conv,
  gdn,
  gdnConv,
  s4d,
  rtf,
  ls4,
  mamba1,
  mamba1Conv,
  cfc,
  lin,
  gla,
  kda,
  kdaConv,
] as const;
const ffnList = [swiglu, moe, absentFfn] as const;

/**
 * Operators whose keys are in every `edgefront` file, in this order, so that existing plans keep their bytes.
 * Keys of other operators follow, only in files that have such layers.
 */
const alwaysKeyed: readonly { readonly keys: readonly LayerKey<never>[] }[] = [swiglu, gqa, conv];

type Schemas<List> = {
  -readonly [K in keyof List]: List[K] extends { readonly schema: infer Schema } ? Schema : never;
};
const schemasOf = <const List extends readonly { readonly schema: unknown }[]>(list: List): Schemas<List> =>
  list.map(({ schema }) => schema) as unknown as Schemas<List>;

const singleSchema = z.discriminatedUnion("op", schemasOf(mixerList));
/** Checks the mixer of a layer, or its two parallel ones, by its `op`. */
export const mixerSchema = z.discriminatedUnion("op", [
  ...schemasOf(mixerList),
  parallelSchema(singleSchema),
]);
/** Checks the FFN of a layer, by its `op`. */
export const ffnSchema = z.discriminatedUnion("op", schemasOf(ffnList));

/** The spec of a mixer: `op` and its parameters. */
export type SingleMixer = Readonly<z.infer<typeof singleSchema>>;
/** The part of a layer that mixes tokens: a mixer, or two parallel ones. */
export type Mixer = SingleMixer | Parallel<SingleMixer>;
/** The spec of an FFN: `op` and its parameters. */
export type Ffn = Readonly<z.infer<typeof ffnSchema>>;

/** Every mixer, in the order in which help texts list them. */
export const mixers = mixerList as unknown as readonly MixerOperator<SingleMixer>[];
/** Every FFN. */
export const ffns = ffnList as unknown as readonly FfnOperator<Ffn>[];

const mixerByName = new Map(mixers.map((operator) => [operator.name, operator]));
const ffnByName = new Map(ffns.map((operator) => [operator.name, operator]));

/** Returns the mixers of a layer: one, or two parallel ones. */
export const partsOf = (spec: Mixer): readonly SingleMixer[] =>
  spec.op === "parallel" ? spec.mixers : [spec];

/** Returns what a layer with these mixers has: the mixer alone, or two parallel ones; null for another number. */
export function mixerOf(parts: readonly SingleMixer[]): Mixer | null {
  const [first, second, ...more] = parts;
  if (first === undefined || more.length > 0) return null;
  return second === undefined ? first : { op: "parallel", mixers: [first, second] };
}

/** Returns the operator of a mixer's spec; for parallel mixers, what they have together. */
export function operatorOf(spec: SingleMixer): MixerOperator<SingleMixer>;
export function operatorOf(spec: Mixer): Mixing<Mixer>;
export function operatorOf(spec: Mixer): Mixing<Mixer> {
  return spec.op === "parallel" ? parallel : mixerByName.get(spec.op)!;
}
const parallel = parallelMixing<SingleMixer>(operatorOf);

/** Returns the operator of an FFN spec. */
export const ffnOperatorOf = (spec: Ffn): FfnOperator<Ffn> => ffnByName.get(spec.op)!;

/** Returns the number of channels between an FFN's matrices that one token uses; 0 without an FFN. */
export const ffnWidthOf = (spec: Ffn): number => ffnOperatorOf(spec).width(spec);

/** Returns the traits of a mixer. */
export const traitsOf = (spec: Mixer): Traits => operatorOf(spec).traits(spec);

/** The header fields of the notation that mixers declare, each once. */
export const headerFields: readonly HeaderField[] = [
  ...new Set(mixers.flatMap(({ notation }) => notation.header ?? [])),
];

const keysOf = (operators: readonly { readonly keys: readonly LayerKey<never>[] }[], always: boolean) =>
  operators.flatMap(({ keys }) => keys.map((key) => ({ key, always: always && key.needed === undefined })));

/**
 * Every metadata key of the `edgefront` architecture, each once, in file order. `always`: the key is in every
 * file.
 */
export const layerKeys: readonly { readonly key: LayerKey<never>; readonly always: boolean }[] = [
  ...keysOf(alwaysKeyed, true),
  ...keysOf([...mixers, ...ffns], false),
].filter(({ key }, index, all) => all.findIndex((other) => other.key.key === key.key) === index);

/** Returns the FFN that a width alone stands for. */
export const ffnOfWidth = (width: number): Ffn => ({ op: "swiglu", width });
