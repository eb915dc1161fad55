// The geometry of attention and its notation: heads, kv heads, head dimension, QK-norm, output gate and RoPE.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import { counted } from "../words.ts";
import type { HeaderField } from "./operator.ts";

const DEFAULT_ROPE_THETA = 1_000_000;

/** The fields of a geometry in the schema of an attention operator. */
export const geometryFields = {
  heads: z.int().min(1).max(256),
  kvHeads: z.int().min(1).max(256),
  headDim: z.int().min(8).max(512).multipleOf(2),
  qkNorm: z.boolean().default(true),
  /** Absent: no gate. */
  outputGate: z.literal(true).optional(),
  /** Absent: all channels. */
  rotated: z.int().min(0).max(510).multipleOf(2).optional(),
  ropeTheta: z.number().min(1).max(1e12).default(DEFAULT_ROPE_THETA),
};

/** An attention geometry: `heads` query heads share `kvHeads` kv heads of `headDim` channels. */
export interface Geometry {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** RMSNorm of each query and key head before RoPE. */
  readonly qkNorm: boolean;
  /** A factor for the output of each head: the sigmoid of a projection of the layer's input. */
  readonly outputGate?: true | undefined;
  /**
   * Channels of a head that RoPE turns: pairs (i, i + headDim/2) with i below half of it. Frequencies are
   * those of the whole head. 0: no positions (NoPE). Absent: all.
   */
  readonly rotated?: number | undefined;
  /** Base of the RoPE frequencies. */
  readonly ropeTheta: number;
}

/** RoPE base that the metadata holds for layers without RoPE. */
export const NO_ROPE_THETA = DEFAULT_ROPE_THETA;

const GEOMETRY = /^(\d+)\/(\d+)x(\d+)(n)?(o)?(?:r(\d+))?(?:t(\d+(?:\.\d+)?))?$/;

/**
 * Reads `16/8x64`, with the suffixes `n` (no QK-norm), `o` (output gate), `r32` (channels that RoPE turns)
 * and `t10000` (RoPE base). Throws InvalidInputError (`bad-notation`).
 */
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
    ...(match[5] !== undefined && { outputGate: true }),
    ...(match[6] !== undefined && { rotated: Number(match[6]) }),
    ropeTheta: match[7] === undefined ? DEFAULT_ROPE_THETA : Number(match[7]),
  };
}

/** Writes a geometry; `parseGeometry(formatGeometry(x))` equals x. */
export function formatGeometry(geometry: Geometry): string {
  const { heads, kvHeads, headDim, qkNorm, outputGate, rotated, ropeTheta } = geometry;
  const norm = qkNorm ? "" : "n";
  const gate = outputGate ? "o" : "";
  const turned = rotated === undefined ? "" : `r${rotated}`;
  const theta = ropeTheta === DEFAULT_ROPE_THETA ? "" : `t${ropeTheta}`;
  return `${heads}/${kvHeads}x${headDim}${norm}${gate}${turned}${theta}`;
}

/** Returns a reason why no attention has this geometry, or null. One function has one spelling. */
export function geometryProblem({ heads, kvHeads, headDim, rotated, ropeTheta }: Geometry): string | null {
  if (heads % kvHeads !== 0)
    return `${counted(heads, "query head")} cannot be grouped over ${counted(kvHeads, "kv head")} (heads must be a multiple of kv heads)`;
  if (rotated !== undefined && rotated >= headDim)
    return `RoPE cannot turn ${rotated} of ${counted(headDim, "channel")} of a head; leave r${rotated} out to turn all`;
  if (rotated === 0 && ropeTheta !== DEFAULT_ROPE_THETA)
    return `without RoPE (r0) a base has no meaning; leave t${ropeTheta} out`;
  return null;
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
