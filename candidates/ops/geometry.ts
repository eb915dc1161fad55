// The geometry of attention and its notation: heads, kv heads, head dimension, QK-norm and RoPE base.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { HeaderField } from "./operator.ts";

const DEFAULT_ROPE_THETA = 1_000_000;

/** The fields of a geometry in the schema of an attention operator. */
export const geometryFields = {
  heads: z.int().min(1).max(256),
  kvHeads: z.int().min(1).max(256),
  headDim: z.int().min(8).max(512).multipleOf(2),
  qkNorm: z.boolean().default(true),
  ropeTheta: z.number().min(1).max(1e9).default(DEFAULT_ROPE_THETA),
};

/** An attention geometry: `heads` query heads share `kvHeads` kv heads of `headDim` channels. */
export interface Geometry {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** RMSNorm of each query and key head before RoPE. */
  readonly qkNorm: boolean;
  /** Base of the RoPE frequencies. */
  readonly ropeTheta: number;
}

/** RoPE base that the metadata holds for layers without RoPE. */
export const NO_ROPE_THETA = DEFAULT_ROPE_THETA;

const GEOMETRY = /^(\d+)\/(\d+)x(\d+)(n)?(?:t(\d+(?:\.\d+)?))?$/;

/** Reads `16/8x64`, with the suffixes `n` (no QK-norm) and `t10000` (RoPE base). Throws InvalidInputError (`bad-notation`). */
export function parseGeometry(text: string): Geometry {
  const match = GEOMETRY.exec(text);
  if (!match)
    throw new InvalidInputError(
      "bad-notation",
      `"${text}" is not an attention geometry; write heads/kvheads x headdim, e.g. 16/8x64`,
    );
  return {
    heads: Number(match[1]),
    kvHeads: Number(match[2]),
    headDim: Number(match[3]),
    qkNorm: match[4] === undefined,
    ropeTheta: match[5] === undefined ? DEFAULT_ROPE_THETA : Number(match[5]),
  };
}

/** Writes a geometry; `parseGeometry(formatGeometry(x))` equals x. */
export function formatGeometry(geometry: Geometry): string {
  const theta = geometry.ropeTheta === DEFAULT_ROPE_THETA ? "" : `t${geometry.ropeTheta}`;
  return `${geometry.heads}/${geometry.kvHeads}x${geometry.headDim}${geometry.qkNorm ? "" : "n"}${theta}`;
}

/** The header field `h16/8x64`: the geometry of attention tokens without their own. */
export const geometryHeader: HeaderField = { letter: "h", check: (text) => void parseGeometry(text) };

/**
 * Returns the geometry of a token, from its argument or from the header. Throws InvalidInputError
 * (`bad-notation`) if neither states one.
 */
export function geometryOfToken(argument: string | undefined, text: string): Geometry {
  if (argument !== undefined) return parseGeometry(argument);
  throw new InvalidInputError(
    "bad-notation",
    `"${text}" needs an attention geometry; add one to the header, e.g. h16/8x64, or write ${text}(16/8x64)`,
  );
}

/** Returns the largest divisor of n that is at most `limit`. */
export const largestDivisorUpTo = (n: number, limit: number): number => {
  for (let divisor = Math.min(n, limit); divisor > 1; divisor--) if (n % divisor === 0) return divisor;
  return 1;
};
