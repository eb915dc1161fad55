// Parts that Mamba and Mamba-2 share: the inner width, and options of the notation with one letter each.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { MixerOperator, ProxySize, Token } from "./operator.ts";

/** The schema's fields of the inner width and of the convolution. */
export const innerFields = {
  /** Channels of the mixer (the inner width) divided by the model width. */
  expand: z.number().min(0.125).max(16).default(2),
  /** Taps of the depthwise convolution, the newest token included. */
  kernel: z.int().min(2).max(8).default(4),
};

/** Returns the number of channels. */
export const innerWidth = ({ expand }: { readonly expand: number }, width: number): number =>
  Math.round(expand * width);

/** Returns a reason why the inner width is impossible, or null. */
export function innerProblem({ expand }: { readonly expand: number }, width: number): string | null {
  const inner = expand * width;
  if (Math.abs(inner - Math.round(inner)) < 1e-6) return null;
  return `an expansion of ${expand} gives ${inner} channels at width ${width}, not a whole number`;
}

/** Returns the expansion nearest to that of a spec with which the inner width is whole. */
export const wholeExpand = ({ expand }: { readonly expand: number }, width: number): number =>
  Math.max(1, Math.round(expand * width)) / width;

/** One letter of an argument and the field that it sets, in the order of writing. */
export interface Option {
  readonly letter: string;
  readonly field: string;
  /** The value of a field that is not written. A field without a default is then absent. */
  readonly default?: number;
  /** A value for messages; by default the default. */
  readonly example?: number;
}

/** Options of every mixer with an inner width. */
export const EXPAND: Option = { letter: "e", field: "expand", default: 2 };
export const KERNEL: Option = { letter: "k", field: "kernel", default: 4 };

/** Reads an argument such as `e2x64n128g1k4`. Every part is optional. Throws InvalidInputError (`bad-notation`). */
export function parseOptions(
  options: readonly Option[],
  argument: string | undefined,
  text: string,
): Record<string, number> {
  const pattern = options.map(({ letter }) => `(?:${letter}(\\d+(?:\\.\\d+)?))?`).join("");
  const match = argument === undefined ? [] : new RegExp(`^${pattern}$`).exec(argument);
  if (match === null || argument === "") {
    const example = options.map((option) => `${option.letter}${option.example ?? option.default}`).join("");
    throw new InvalidInputError(
      "bad-notation",
      `"${text}": the options in parentheses are ${options.map(({ letter, field }) => `${letter} (${field})`).join(", ")}, in this order, each optional, e.g. ${text.split("(")[0]}(${example})`,
    );
  }
  const values = options.map((option, index) => {
    const written = match[index + 1];
    return [option.field, written === undefined ? option.default : Number(written)] as const;
  });
  return Object.fromEntries(
    values.filter((entry): entry is readonly [string, number] => entry[1] !== undefined),
  );
}

/** Writes a token with the options that differ from their defaults. */
export function formatOptions(head: string, options: readonly Option[], spec: object): Token {
  const values = new Map(Object.entries(spec) as [string, number][]);
  const argument = options
    .filter((option) => values.get(option.field) !== option.default)
    .map(({ letter, field }) => `${letter}${values.get(field)}`)
    .join("");
  return argument === "" ? { head } : { head, argument };
}

/** The properties of a mixer's short-conv part. */
interface ShortConvPart<Name extends string> {
  readonly name: Name;
  /** Name of the whole mixer, as in a sentence and as a title begins with it. */
  readonly of: string;
  readonly title: string;
  /** Mark in pictures. */
  readonly text: string;
  readonly floatStages: readonly string[];
}

/**
 * Returns the short-conv part of Mamba or Mamba-2 as an operator, without keys, tensors and costs, which it shares
 * with the whole mixer.
 */
export function shortConvPart<const Name extends string>(part: ShortConvPart<Name>) {
  const { name, text } = part;
  const options = [EXPAND, KERNEL];
  const title = `${part.title}'s short convolution only`;
  const schema = z.strictObject({ op: z.literal(name), ...innerFields });
  type Spec = Readonly<z.infer<typeof schema>>;
  return {
    name,
    schema,
    title,
    notation: {
      form: name,
      example: name,
      examples: [name, `${name}(e1)`, `${name}(e1.25k8)`],
      head: new RegExp(`^${name.replace(".", "\\.")}$`),
      parse: (_head: RegExpExecArray, argument: string | undefined, token: string) =>
        ({ op: name, ...parseOptions(options, argument, token) }) as Spec,
      format: (spec: Spec) => formatOptions(name, options, spec),
    },
    problem: innerProblem,
    traits: (spec: Spec) => ({ reach: spec.kernel, lookup: false, stateful: true }),
    costKind: (spec: Spec) => `${name}${spec.kernel}`,
    scale: (spec: Spec, _from: number, to: ProxySize) => ({ ...spec, expand: wholeExpand(spec, to.width) }),
    picture: {
      tone: "conv",
      height: 16,
      legend: `${text}: ${title}`,
      mark: (spec: Spec) => ({
        text,
        title: `short convolution of ${part.of}, expansion ${spec.expand}, ${spec.kernel} taps`,
      }),
    },
    quantities: [],
    floatStages: part.floatStages,
  } as const satisfies Omit<MixerOperator<Spec>, "keys" | "tensors" | "state" | "decode" | "prefillFlops">;
}
