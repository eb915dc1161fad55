// Reads and writes the notation of a layout: `v65536 d1024 f4608 h16/8x64 : c3 c3 g c3 c3 g~2048
// s256(8/2x64)~moe(8/2x512)`. The header holds vocabulary v, width d, default FFN f, the number n of norms
// around mixers and FFNs (n2: before and after each; 1 is not written) and the fields that operators declare
// (h: default attention geometry). A layer is a mixer's token, or those of two parallel mixers (`g+m2`). Parentheses
// hold a mixer's argument, ~ the layer's FFN and ^ its norms (`c3^1`), where they differ from the header. repetition.ts reads groups such as `2[c3 c3 g]`. Each
// operator in ops/ reads and writes its own token.
import { InvalidInputError } from "./errors.ts";
import { type Layer, type Layout, type NormKind, normsField, normsOf, parseLayout } from "./layout.ts";
import {
  type Ffn,
  ffnOperatorOf,
  ffns,
  headerFields,
  type Mixer,
  mixerOf,
  mixers,
  operatorOf,
  partsOf,
  type SingleMixer,
} from "./ops/operator-registry.ts";
import { parallelExamples } from "./ops/parallel-mixers.ts";
import { contract, expand } from "./repetition.ts";
import { weightSources } from "./sharing.ts";

const DEFAULT_VOCAB = 65_536;

/** Text of each header field by its letter. Bare tokens take their argument from it. */
export type Defaults = Readonly<Record<string, string>>;

const NO_DEFAULTS: Defaults = {};

/** Norms around each part of a layer, by their number. */
const NORMS = { 1: "pre", 2: "sandwich" } as const satisfies Record<string, NormKind>;
type NormCount = `${keyof typeof NORMS}`;
const normCount = (layer: Layer): NormCount => (normsOf(layer) === "sandwich" ? "2" : "1");

/** Groups: mixers, FFN after ~, number of norms after ^. */
const LAYER = /^([^~^]+)(?:~([^^]+))?(?:\^([12]))?$/;
/** Groups: head, argument in parentheses. */
const OPERATOR = /^([^()]+)(?:\(([^()]*)\))?$/;

const bad = (message: string): InvalidInputError => new InvalidInputError("bad-notation", message);

const listed = (items: readonly string[]): string => `${items.slice(0, -1).join(", ")} or ${items.at(-1)}`;

const formsOf = (operators: readonly { readonly notation: { form: string }; readonly title: string }[]) =>
  operators.map(({ notation, title }) => `${notation.form} ${title}`).join(", ");

/** Tokens of every mixer, for help texts: `c<k> convolution, g attention, ...`. */
export const mixerForms: string = `${formsOf(mixers)}, or two that read the same input, attention first, e.g. ${parallelExamples[0]}`;
/** Tokens of every FFN, likewise. */
export const ffnForms: string = formsOf(ffns);

function notALayer(text: string): InvalidInputError {
  const mixer = listed(mixers.map(({ notation }) => notation.form));
  const ffn = listed(ffns.map(({ notation }) => `~${notation.form}`));
  const examples = [
    ...mixers.map(({ notation }) => notation.example),
    ...ffns.map(({ notation }) => `g~${notation.example}`),
  ];
  return bad(
    `"${text}" is not a layer; write a mixer: ${mixer}; or two parallel ones, e.g. ${parallelExamples[0]}; after it, if need be, an FFN: ${ffn}; e.g. ${examples.join(", ")}`,
  );
}

/**
 * Reads a layer's mixers from their token, e.g. `c3`, `s256`, `g(8/2x64)`, `g+m2`. `defaults` supply the argument of a
 * bare token. Throws InvalidInputError (`bad-notation`).
 */
export function parseMixer(text: string, defaults = NO_DEFAULTS): Mixer {
  const { mixer, ffn, norms } = parseLayer(text, defaults);
  if (ffn !== undefined) throw bad(`"${text}": a mixer has no FFN width`);
  if (norms !== undefined) throw bad(`"${text}": norms belong to a layer, not to its mixer`);
  return mixer;
}

/**
 * Returns the FFN that a token stands for, e.g. `2048` or `moe(8/2x256)`; null where no operator accepts it.
 * Throws InvalidInputError (`bad-notation`).
 */
export function parseFfn(text: string): Ffn | null {
  const [, token = "", argument] = OPERATOR.exec(text) ?? [];
  for (const { notation } of ffns) {
    const head = notation.head.exec(token);
    if (head) return notation.parse(head, argument, text);
  }
  return null;
}

/** Returns the mixer of a token; undefined where no operator accepts it. */
function parseSingle(text: string, defaults: Defaults): SingleMixer | undefined {
  const [, token = "", own] = OPERATOR.exec(text) ?? [];
  for (const { notation } of mixers) {
    const head = notation.head.exec(token);
    if (head) return notation.parse(head, own ?? (notation.header && defaults[notation.header.letter]), text);
  }
  return undefined;
}

function parseLayer(text: string, defaults: Defaults): { mixer: Mixer; ffn?: Ffn; norms?: NormKind } {
  const [, tokens = "", width, norms] = LAYER.exec(text) ?? [];
  const singles = tokens.split("+").map((token) => parseSingle(token, defaults));
  const mixer = singles.every((single) => single !== undefined) ? mixerOf(singles) : null;
  const ffn = width === undefined ? undefined : parseFfn(width);
  if (mixer === null || ffn === null) throw notALayer(text);
  return { mixer, ...(ffn && { ffn }), ...(norms && { norms: NORMS[norms as NormCount] }) };
}

/** Reads a notation. Throws InvalidInputError (`bad-notation`, `bad-layout`, `impossible-layout`). */
export function parseNotation(text: string): Layout {
  const [header, body, ...rest] = text.split(":");
  if (body === undefined || rest.length > 0) {
    throw bad(
      "a layout is written `v65536 d1024 f4608 h16/8x64 : c3 c3 g ...` (one colon between header and layers)",
    );
  }
  const fields = headerOf(header!);
  const width = fields.get("d");
  if (width === undefined) throw bad("the header needs the model width, e.g. d1024");
  const defaults = Object.fromEntries(fields);
  const defaultFfn = fields.has("f") ? parseFfn(fields.get("f")!)! : undefined;
  const defaultNorms = NORMS[(fields.get("n") ?? "1") as NormCount];
  const layers = expand(body).map(({ token, ...sharing }): Layer => {
    const { mixer, ffn = defaultFfn, norms = defaultNorms } = parseLayer(token, defaults);
    if (ffn === undefined) throw bad(`"${token}" has no FFN width; add one to the header, e.g. f4608`);
    return { mixer, ffn, ...normsField(norms), ...sharing };
  });
  return parseLayout({ vocab: Number(fields.get("v") ?? DEFAULT_VOCAB), width: Number(width), layers });
}

const isNumber = (text: string): boolean => /^\d+$/.test(text);

/** The fields of a header by letter, each checked. */
function headerOf(header: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const known = ["v", "d", "f", "n", ...headerFields.map(({ letter }) => letter)];
  for (const field of header.split(/\s+/).filter(Boolean)) {
    const [key, text] = [field[0]!, field.slice(1)];
    if (!known.includes(key)) throw bad(`unknown header field "${field}"; known: ${known.join(", ")}`);
    if (fields.has(key)) throw bad(`header field "${key}" is given twice`);
    const declared = headerFields.find(({ letter }) => letter === key);
    if (declared === undefined && !isNumber(text) && (key !== "f" || parseFfn(text) === null))
      throw bad(`header field "${field}" needs a whole number`);
    if (key === "n" && !(text in NORMS))
      throw bad(`header field "${field}" must be n1 (norms before each part) or n2 (before and after)`);
    fields.set(key, text);
  }
  for (const { letter, check } of headerFields) if (fields.has(letter)) check(fields.get(letter)!);
  return fields;
}

/** The most frequent value. The first seen wins a tie. */
function mode<T>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let best: T | undefined;
  for (const [value, count] of counts) if (count > (best === undefined ? 0 : counts.get(best)!)) best = value;
  return best;
}

/** Token of a mixer, and the letter of the header field that can hold its argument. */
interface Written {
  readonly head: string;
  readonly argument: string | undefined;
  readonly letter: string | undefined;
}

/** Returns the tokens of a layer's mixers. */
function written(mixer: Mixer): readonly Written[] {
  return partsOf(mixer).map((single) => {
    const { notation } = operatorOf(single);
    const { head, argument } = notation.format(single);
    return { head, argument, letter: notation.header?.letter };
  });
}

/** Text of a layer's tokens. An argument is written only where it differs from the header's. */
const tokenText = (tokens: readonly Written[], defaults: Defaults): string =>
  tokens
    .map(({ head, argument, letter }) =>
      argument === undefined || (letter !== undefined && defaults[letter] === argument)
        ? head
        : `${head}(${argument})`,
    )
    .join("+");

/** Returns one mixer's token in full, e.g. `g(16/8x64)`. */
export const formatMixer = (mixer: Mixer): string => tokenText(written(mixer), NO_DEFAULTS);

/** Returns one mixer's token without its argument, e.g. `g`, `c3`, `s256`: the name of its kind. */
export const formatKind = (mixer: Mixer): string =>
  written(mixer)
    .map(({ head }) => head)
    .join("+");

/** Returns the token of an FFN, e.g. `2048` or `moe(8/2x256)`. */
export function formatFfn(ffn: Ffn): string {
  const { head, argument } = ffnOperatorOf(ffn).notation.format(ffn);
  return argument === undefined ? head : `${head}(${argument})`;
}

/** The most frequent argument of each header field. */
function defaultsOf(tokens: readonly Written[]): Defaults {
  const defaults: Record<string, string> = {};
  for (const { letter } of headerFields) {
    const text = mode(tokens.flatMap((token) => (token.letter === letter ? (token.argument ?? []) : [])));
    if (text !== undefined) defaults[letter] = text;
  }
  return defaults;
}

/** Writes a layout. `parseNotation(formatNotation(x))` equals x. */
export function formatNotation(layout: Layout): string {
  const ffns = layout.layers.map((layer) => formatFfn(layer.ffn));
  const ffn = mode(ffns)!;
  const counts = layout.layers.map(normCount);
  const count = mode(counts)!;
  const tokens = layout.layers.map(({ mixer }) => written(mixer));
  const defaults = defaultsOf(tokens.flat());
  const fields = Object.entries(defaults).map(([letter, text]) => `${letter}${text}`);
  const header = [`v${layout.vocab}`, `d${layout.width}`, `f${ffn}`, ...fields];
  if (count !== "1") header.push(`n${count}`);
  const layers = tokens.map(
    (token, index) =>
      tokenText(token, defaults) +
      (ffns[index] === ffn ? "" : `~${ffns[index]}`) +
      (counts[index] === count ? "" : `^${counts[index]}`),
  );
  return `${header.join(" ")} : ${contract(layers, weightSources(layout.layers))}`;
}

/** Returns the layers alone, e.g. `c3 c3 g c3` or `2*[c3 g]`, as tables show them. */
export function formatPattern(layout: Layout): string {
  const tokens = layout.layers.map(({ mixer }) => written(mixer));
  const defaults = defaultsOf(tokens.flat());
  return contract(
    tokens.map((token) => tokenText(token, defaults)),
    weightSources(layout.layers),
  );
}
