// The heads of mixers with a state of fixed size per head: their fields, notation and proxies.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { ProxySize } from "./operator.ts";

/** Fields of a schema: a number of heads, channels of a head, and taps of the short convolution. */
export const heads = z.int().min(1).max(256);
export const headDim = z.int().min(8).max(512);
export const kernel = z.int().min(2).max(8);

/** Taps of the short convolution, where a token states none. */
export const DEFAULT_KERNEL = 4;

/** Writes the taps of a token, if they differ from the default. */
export const kernelText = (taps: number): string => (taps === DEFAULT_KERNEL ? "" : `k${taps}`);

/** Matches the argument of a token. Throws InvalidInputError (`bad-notation`) that shows the form. */
export function matchHeads(
  pattern: RegExp,
  argument: string | undefined,
  text: string,
  form: string,
): RegExpExecArray {
  const found = argument === undefined ? null : pattern.exec(argument);
  if (found) return found;
  throw new InvalidInputError("bad-notation", `"${text}" needs heads and head sizes; write ${form}`);
}

/** Reads an optional number of a token. */
export const numberOr = (text: string | undefined, otherwise: number): number =>
  text === undefined ? otherwise : Number(text);

/** Proxy head sizes are multiples of this number, the vector width of the trainer's kernels. */
const PROXY_MULTIPLE = 8;

/** Returns a head size in a proxy: the same share of the model width, in whole vectors. */
export const scaledDim = (dim: number, from: number, to: ProxySize): number =>
  Math.max(PROXY_MULTIPLE, Math.round((dim * to.width) / from / PROXY_MULTIPLE) * PROXY_MULTIPLE);

/** Returns number and size of a proxy's heads. Their width keeps its ratio to the model width. */
export function scaledHeads(many: number, dim: number, from: number, to: ProxySize) {
  const scaled = scaledDim(dim, from, to);
  return { heads: Math.max(1, Math.round((many * dim * to.width) / from / scaled)), dim: scaled };
}
