// The readable form of a layout, and back: `v65536 d1024 f4608 h16/8x64 : c3 c3 g c3 c3 g~2048 s256(8/2x64)`.
// Header: vocabulary, width, the default FFN width, the default attention geometry heads/kv x head dim
// (suffix `n`: no QK-norm, `t10000`: RoPE base). Layers: c<k> conv, g attention, s<window> sliding-window
// attention, (geometry) and ~<ffn> where a layer departs from the header, `2[c3 c3 g]` repeats.
import { InvalidInputError } from "./errors.ts";
import { type Layer, type Layout, parseLayout } from "./layout.ts";
import { DEFAULT_ROPE_THETA } from "./ops/attention.ts";
import type { Mixer } from "./ops/operator-registry.ts";

const DEFAULT_VOCAB = 65_536;
const MAX_LAYERS = 512;

/** An attention geometry, e.g. `16/8x64`, `16/8x64n`, `16/8x64t10000`. */
export interface Geometry {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly qkNorm: boolean;
  readonly ropeTheta: number;
}

const GEOMETRY = /^(\d+)\/(\d+)x(\d+)(n)?(?:t(\d+(?:\.\d+)?))?$/;
const LAYER = /^(?:c(\d+)|(g)|s(\d+))(?:\(([^()]*)\))?(?:~(\d+))?$/;

const bad = (message: string): InvalidInputError => new InvalidInputError("bad-notation", message);

export function parseGeometry(text: string): Geometry {
  const match = GEOMETRY.exec(text);
  if (!match)
    throw bad(`"${text}" is not an attention geometry; write heads/kvheads x headdim, e.g. 16/8x64`);
  return {
    heads: Number(match[1]),
    kvHeads: Number(match[2]),
    headDim: Number(match[3]),
    qkNorm: match[4] === undefined,
    ropeTheta: match[5] === undefined ? DEFAULT_ROPE_THETA : Number(match[5]),
  };
}

export function formatGeometry(geometry: Geometry): string {
  const theta = geometry.ropeTheta === DEFAULT_ROPE_THETA ? "" : `t${geometry.ropeTheta}`;
  return `${geometry.heads}/${geometry.kvHeads}x${geometry.headDim}${geometry.qkNorm ? "" : "n"}${theta}`;
}

const geometryOf = (mixer: Mixer): Geometry | null => (mixer.op === "conv" ? null : mixer);

/** One mixer from its token, e.g. `c3`, `g`, `s256`, `g(8/2x64)`; `geometry` is what a bare token means. */
export function parseMixer(text: string, geometry: Geometry | undefined): Mixer {
  const { mixer, ffnWidth } = parseLayer(text, geometry);
  if (ffnWidth !== undefined) throw bad(`"${text}": a mixer has no FFN width`);
  return mixer;
}

function parseLayer(text: string, fallback: Geometry | undefined): { mixer: Mixer; ffnWidth?: number } {
  const match = LAYER.exec(text);
  if (!match)
    throw bad(`"${text}" is not a layer; write c<k>, g or s<window>, e.g. c3, g(16/8x64), s256~2048`);
  const [, kernel, , window, own, ffn] = match;
  const ffnWidth = ffn === undefined ? {} : { ffnWidth: Number(ffn) };
  if (kernel !== undefined) {
    if (own !== undefined) throw bad(`"${text}": a convolution has no attention geometry`);
    return { mixer: { op: "conv", kernel: Number(kernel) }, ...ffnWidth };
  }
  const geometry = own === undefined ? fallback : parseGeometry(own);
  if (geometry === undefined) {
    throw bad(
      `"${text}" needs an attention geometry; add one to the header, e.g. h16/8x64, or write ${text}(16/8x64)`,
    );
  }
  const mixer: Mixer =
    window === undefined ? { op: "gqa", ...geometry } : { op: "swa", ...geometry, window: Number(window) };
  return { mixer, ...ffnWidth };
}

/** Spells out `2[c3 c3 g]` groups. Tokens are separated by white space; groups nest. */
function expandGroups(text: string): string[] {
  const tokens = text.match(/\d+\[|\]|[^\s[\]]+(?=\s|\]|$)/g) ?? [];
  if (tokens.join("") !== text.replace(/\s+/g, "")) throw bad(`"${text.trim()}" has a misplaced bracket`);
  const stack: { count: number; layers: string[] }[] = [{ count: 1, layers: [] }];
  for (const token of tokens) {
    const top = stack[stack.length - 1]!;
    if (token.endsWith("[")) {
      stack.push({ count: Number(token.slice(0, -1)), layers: [] });
    } else if (token === "]") {
      const outer = stack[stack.length - 2];
      if (outer === undefined) throw bad("a ] without its [");
      stack.pop();
      if (top.count * top.layers.length > MAX_LAYERS) throw bad(`more than ${MAX_LAYERS} layers`);
      for (let n = 0; n < top.count; n++) outer.layers.push(...top.layers);
    } else {
      top.layers.push(token);
    }
    if (stack[stack.length - 1]!.layers.length > MAX_LAYERS) throw bad(`more than ${MAX_LAYERS} layers`);
  }
  if (stack.length > 1) throw bad("a [ without its ]");
  return stack[0]!.layers;
}

/** Reads a notation. Throws InvalidInputError (`bad-notation`, `bad-layout`, `impossible-layout`). */
export function parseNotation(text: string): Layout {
  const [header, body, ...rest] = text.split(":");
  if (body === undefined || rest.length > 0) {
    throw bad(
      "a layout is written `v65536 d1024 f4608 h16/8x64 : c3 c3 g ...` (one colon between header and layers)",
    );
  }
  const fields = new Map<string, string>();
  for (const token of header!.split(/\s+/).filter(Boolean)) {
    const key = token[0]!;
    if (!"vdfh".includes(key)) throw bad(`unknown header field "${token}"; known: v, d, f, h`);
    if (fields.has(key)) throw bad(`header field "${key}" is given twice`);
    if (key !== "h" && !/^\d+$/.test(token.slice(1)))
      throw bad(`header field "${token}" needs a whole number`);
    fields.set(key, token.slice(1));
  }
  const width = fields.get("d");
  if (width === undefined) throw bad("the header needs the model width, e.g. d1024");
  const geometry = fields.has("h") ? parseGeometry(fields.get("h")!) : undefined;
  const defaultFfn = fields.get("f");
  const layers = expandGroups(body).map((token): Layer => {
    const { mixer, ffnWidth } = parseLayer(token, geometry);
    const ffn = ffnWidth ?? (defaultFfn === undefined ? undefined : Number(defaultFfn));
    if (ffn === undefined) throw bad(`"${token}" has no FFN width; add one to the header, e.g. f4608`);
    return { mixer, ffn: { op: "swiglu", width: ffn } };
  });
  return parseLayout({ vocab: Number(fields.get("v") ?? DEFAULT_VOCAB), width: Number(width), layers });
}

/** The most frequent value; the first seen wins a tie. */
function mode<T>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best: T | undefined;
  for (const [value, count] of counts) if (count > (best === undefined ? 0 : counts.get(best)!)) best = value;
  return best;
}

/** One mixer's token; the geometry is written out only where it differs from `geometry`. */
export function formatMixer(mixer: Mixer, geometry?: string): string {
  if (mixer.op === "conv") return `c${mixer.kernel}`;
  const own = formatGeometry(mixer);
  const letter = mixer.op === "gqa" ? "g" : `s${mixer.window}`;
  return own === geometry ? letter : `${letter}(${own})`;
}

/** Writes a layout; `parseNotation(formatNotation(x))` equals x. */
export function formatNotation(layout: Layout): string {
  const ffn = mode(layout.layers.map((layer) => layer.ffn.width))!;
  const geometries = layout.layers.map((layer) => geometryOf(layer.mixer)).filter((g) => g !== null);
  const geometry = mode(geometries.map(formatGeometry));
  const header = [`v${layout.vocab}`, `d${layout.width}`, `f${ffn}`, ...(geometry ? [`h${geometry}`] : [])];
  return `${header.join(" ")} : ${formatLayers(layout, ffn, geometry)}`;
}

/** The layers alone, e.g. `c3 c3 g c3`: what tables show. */
export function formatPattern(layout: Layout): string {
  const geometries = layout.layers.map((layer) => geometryOf(layer.mixer)).filter((g) => g !== null);
  return formatLayers(layout, undefined, mode(geometries.map(formatGeometry)));
}

function formatLayers(layout: Layout, ffn: number | undefined, geometry: string | undefined): string {
  return layout.layers
    .map((layer) => {
      const own = ffn === undefined || layer.ffn.width === ffn ? "" : `~${layer.ffn.width}`;
      return formatMixer(layer.mixer, geometry) + own;
    })
    .join(" ");
}
