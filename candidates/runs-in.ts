// Says which engines run a layout, exactly or padded, and why others do not. The architectures are in
// ops/upstream/.
import { expressionOf, paddingOf } from "./gguf/lower.ts";
import type { Layout } from "./layout.ts";
import { formatNotation } from "./notation.ts";
import { huggingFaceConfig } from "./ops/upstream/architectures.ts";
import { filledUp } from "./ops/upstream/padding.ts";

/** Engines for which edgefront writes a model file or a configuration, its own first. */
export const engines = ["edgefront", "llama.cpp", "transformers"] as const;
/** The name of an engine. */
export type Engine = (typeof engines)[number];

/** One engine, and whether it runs a layout. */
export interface RunsIn {
  readonly runtime: Engine;
  /**
   * exact: as it is. padded: with weights added that are zero, so that it computes the same at a higher cost.
   * no: not at all.
   */
  readonly how: "exact" | "padded" | "no";
  /** The architecture or class that expresses the layout. Unless `how` is "exact": why it does not do so exactly. */
  readonly reason: string;
  /** Notation of the filled-up layout. Present where `how` is "padded" and it differs from the layout. */
  readonly as?: string;
}

function filledUpAs(layout: Layout, larger: Layout): Pick<RunsIn, "as"> {
  const [notation, as] = [formatNotation(layout), formatNotation(larger)];
  return notation === as ? {} : { as };
}

/** The answer of llama.cpp's architectures. */
function inLlamaCpp(layout: Layout): Omit<RunsIn, "runtime"> {
  const { architecture, why } = expressionOf(layout);
  if (why === null) return { how: "exact", reason: `GGUF architecture ${architecture}` };
  const padding = paddingOf(layout);
  if (padding === null) return { how: "no", reason: why };
  const reason = `GGUF architecture ${padding.architecture}; ${why}`;
  return { how: "padded", reason, ...filledUpAs(layout, padding.as) };
}

/** The answer of transformers' classes. */
function inTransformers(layout: Layout): Omit<RunsIn, "runtime"> {
  const exact = huggingFaceConfig(layout);
  if (exact.ok) return { how: "exact", reason: `model_type ${exact.config.model_type}` };
  const larger = filledUp(layout);
  const padded = huggingFaceConfig(larger);
  if (!padded.ok) return { how: "no", reason: exact.reason };
  const reason = `model_type ${padded.config.model_type}; ${exact.reason}`;
  return { how: "padded", reason, ...filledUpAs(layout, larger) };
}

const answers: Readonly<Record<Engine, (layout: Layout) => Omit<RunsIn, "runtime">>> = {
  edgefront: (layout) => ({
    how: "exact",
    reason: `GGUF architecture ${expressionOf(layout).architecture}`,
  }),
  "llama.cpp": inLlamaCpp,
  transformers: inTransformers,
};

/** Returns a row for each engine, edgefront's own first. Nothing is measured or opened. */
export const runsIn = (layout: Layout): readonly RunsIn[] =>
  engines.map((runtime) => ({ runtime, ...answers[runtime](layout) }));

/** Returns the reason why an engine does not run a layout, not even padded; null where it does. */
export function engineProblem(engine: Engine, layout: Layout): string | null {
  const { how, reason } = answers[engine](layout);
  return how === "no" ? `${engine} does not run it: ${reason}` : null;
}

/** Returns the row as text: "exactly (GGUF architecture lfm2)", "padded with zeros, as ... (...)" or "no: ...". */
export function runsInText({ how, reason, as }: RunsIn): string {
  if (how === "no") return `no: ${reason}`;
  if (how === "exact") return `exactly (${reason})`;
  return `padded with zeros${as === undefined ? "" : `, as ${as}`} (${reason})`;
}
