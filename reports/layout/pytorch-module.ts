// Exports a layout as a PyTorch module: one file that needs only torch. The layout's constants are written here;
// the code is that of the PyTorch trainer (profilers/pytorch/) with the class in profilers/pytorch-module/.
import type { MetadataValue, TensorInfo } from "../../candidates/gguf/encode.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { formatFfn, formatMixer, formatNotation } from "../../candidates/notation.ts";
import { ffns, mixers, partsOf } from "../../candidates/ops/operator-registry.ts";
import { tensorTypes } from "../../candidates/quantization.ts";
import type { NamedLayout } from "./layout-formats.ts";
import { bundlePython, type PythonSources } from "./python-bundle.ts";

/** Widest line of the constants. */
const COLUMNS = 110;

type Dimensions = Readonly<Record<string, readonly number[]>>;

/** The tensors of each kind of layer, by the kind's name, and each layer's kind. */
interface Kinds {
  readonly kinds: ReadonlyMap<string, Dimensions>;
  readonly layers: readonly string[];
}

const text = (value: string): string => JSON.stringify(value);
const real = (value: number): string => (Number.isInteger(value) ? `${value}.0` : `${value}`);

/** Returns a metadata value in Python: an int for u32 and i32, a float for f32. */
function literal({ type, value }: MetadataValue): readonly string[] | string {
  const one = (item: number | boolean | string): string => {
    if (typeof item === "string") return text(item);
    if (typeof item === "boolean") return item ? "True" : "False";
    return type.startsWith("f32") ? real(item) : `${item}`;
  };
  return typeof value === "object" ? value.map(one) : one(value);
}

/** Returns a Python list that starts after `head`, on several lines if it is long. */
function list(head: string, items: readonly string[], indent: string): string {
  const line = `${indent}${head}[${items.join(", ")}]`;
  if (line.length < COLUMNS) return line;
  const lines = [""];
  for (const item of items) {
    if (`${indent}    ${lines.at(-1)}${item}, `.length > COLUMNS) lines.push("");
    lines[lines.length - 1] += `${item}, `;
  }
  return [`${indent}${head}[`, ...lines.map((part) => `${indent}    ${part.trimEnd()}`), `${indent}]`].join(
    "\n",
  );
}

/**
 * Groups layers whose tensors are alike. A kind has the name of its mixer in the notation. Layers with the weights
 * of another have no tensors.
 */
function kindsOf(layout: Layout, tensors: readonly Pick<TensorInfo, "name" | "shape">[]): Kinds {
  const ffnTokens = layout.layers.map(({ ffn }) => formatFfn(ffn));
  const several = new Set(ffnTokens).size > 1;
  const kinds = new Map<string, Dimensions>();
  const layers = layout.layers.map(({ mixer, weightsOf }, n) => {
    const prefix = `blk.${n}.`;
    const own = tensors.filter(({ name }) => name.startsWith(prefix));
    const dimensions = Object.fromEntries(own.map(({ name, shape }) => [name.slice(prefix.length), shape]));
    let kind =
      weightsOf === undefined
        ? formatMixer(mixer) + (several ? `~${ffnTokens[n]}` : "")
        : `weights of blk.${weightsOf}`;
    while (kinds.has(kind) && JSON.stringify(kinds.get(kind)) !== JSON.stringify(dimensions)) kind += "'";
    kinds.set(kind, dimensions);
    return kind;
  });
  return { kinds, layers };
}

/** Returns the names of tensors that are F16 in an F16 file, without the prefix of a layer. */
function halvesOf(layout: Layout): readonly string[] {
  const { tensors } = lower(layout, { quantization: "f16" });
  const halves = tensors.filter(({ type }) => type === tensorTypes.f16.id);
  return [...new Set(halves.map(({ name }) => name.replace(/^blk\.\d+\./, "")))];
}

const table = (dimensions: Dimensions, indent: string): string[] =>
  Object.entries(dimensions).map(([name, shape]) => `${indent}${text(name)}: [${shape.join(", ")}],`);

/** Returns the constants as a module of Python. */
function constants(layout: Layout): string {
  const { tensors, metadata } = lower(layout, { quantization: "f32" });
  const { kinds, layers } = kindsOf(layout, tensors);
  const outer = tensors.filter(({ name }) => !name.startsWith("blk."));
  return [
    '"""The layout. Dimensions of tensors are written as in a GGUF: inputs first."""',
    "",
    `WIDTH = ${layout.width}`,
    `VOCABULARY = ${layout.vocab}`,
    "# The kinds of the layers, from the first to the last.",
    list("LAYERS = ", layers.map(text), ""),
    "# The tensors of each kind of layer.",
    "KINDS = {",
    ...[...kinds].flatMap(([kind, own]) => [`    ${text(kind)}: {`, ...table(own, "        "), "    },"]),
    "}",
    "# The tensors outside the layers. The table of tokens is also the output matrix.",
    "OUTER = {",
    ...table(Object.fromEntries(outer.map(({ name, shape }) => [name, shape])), "    ").map((line) =>
      line.replace(/"token_embd.weight": .*,/, '"token_embd.weight": [WIDTH, VOCABULARY],'),
    ),
    "}",
    "# The tensors that a file with halves holds in float16. All others stay float32.",
    list("HALVES = ", halvesOf(layout).map(text), ""),
    "# The metadata of a GGUF of this layout: heads, positions and the like. A list has one value per layer.",
    "METADATA = {",
    ...[...metadata].map(([key, value]) => {
      const made = literal(value);
      return typeof made === "string"
        ? `    ${text(key)}: ${made},`
        : `${list(`${text(key)}: `, made, "    ")},`;
    }),
    "}",
    "",
  ].join("\n");
}

/**
 * Returns the sources with registries of operators (a line `"name": Class,` for each) reduced to those of the
 * layout.
 * @throws Error if a mixer is in no registry.
 */
function withOperatorsOf(layout: Layout, sources: PythonSources): Map<string, string> {
  const known = new Set([...mixers, ...ffns].map(({ name }) => name));
  const own = layout.layers.flatMap(({ mixer }) => partsOf(mixer));
  const used = new Set<string>([...own, ...layout.layers.map(({ ffn }) => ffn)].map(({ op }) => op));
  const found = new Set<string>();
  const keep = (line: string, name: string): string => {
    found.add(name);
    return known.has(name) && !used.has(name) ? "" : line;
  };
  const reduced = [...sources].map(([path, source]): [string, string] => [
    path,
    source.replace(/^ {4}"([\w.]+)": \w+,\n/gm, keep),
  ]);
  const missing = own.map(({ op }) => op).find((name) => !found.has(name));
  if (missing !== undefined)
    throw new Error(
      `profilers/pytorch has no mixer "${missing}"; add it to edgefront_trainer/mixers/__init__.py`,
    );
  return new Map(reduced);
}

/**
 * Returns the module's text. `sources` are those of profilers/pytorch and profilers/pytorch-module, by their
 * paths in these folders.
 */
export function pytorchModule({ id, layout }: NamedLayout, sources: PythonSources): string {
  const reduced = withOperatorsOf(layout, sources).set("constants.py", constants(layout));
  return `"""${formatNotation(layout)}

The layout ${id} as a PyTorch module, written by edgefront export --format pytorch. It needs only torch.

    model = Model()             # float32, with initial values from seed 1
    logits = model(tokens)      # int64 [batch, length] -> [batch, length, VOCABULARY]
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer = torch.optim.AdamW(model.parameter_groups(weight_decay=0.1), lr=1e-3)
    model.save("model.gguf")    # or .safetensors; model.load reads both

state_dict() and files have the same names of tensors, those of a GGUF: token_embd.weight, blk.0.attn_norm.weight, ...
Rates below 0 are the exception: a parameter holds ln(-rate), and a file the rate.

To read the code, begin at the end: Model, then Network, then the operators. Reading and writing files is a part of its own.
"""
${bundlePython(reduced, "model.py", "Model")}`;
}
