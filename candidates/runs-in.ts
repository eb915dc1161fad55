// Says which engines run a layout, exactly or padded, and why others do not. The architectures are in
// ops/upstream/.
import { expressionOf } from "./gguf/lower.ts";
import type { Layout } from "./layout.ts";
import { formatNotation } from "./notation.ts";
import { huggingFaceConfig } from "./ops/upstream/architectures.ts";
import { filledUp } from "./ops/upstream/filled-up.ts";

/** Engines for which edgefront writes a model file or a configuration, its own first. */
export const engines = ["edgefront", "llama.cpp", "transformers"] as const;
/** The name of an engine. */
export type Engine = (typeof engines)[number];

/** One engine, and whether it runs a layout. */
export interface RunsIn {
  readonly runtime: Engine;
  /**
   * exact: as it is. padded: as a larger layout, `as`, that computes the same where the added weights are
   * zero. no: not at all.
   */
  readonly how: "exact" | "padded" | "no";
  /** The architecture or class that expresses the layout, or the reason against it. */
  readonly reason: string;
  /** Notation of the larger layout. Absent where `how` is not "padded". */
  readonly as?: string;
}

/** What one engine makes of a layout: the name under which it knows it, or the reason against it. */
type Expressed = { readonly ok: true; readonly name: string } | { readonly ok: false; readonly why: string };

const expressIn: Readonly<Record<Engine, (layout: Layout) => Expressed>> = {
  edgefront: (layout) => ({ ok: true, name: `GGUF architecture ${expressionOf(layout).architecture}` }),
  "llama.cpp": (layout) => {
    const { architecture, why } = expressionOf(layout);
    return why === null ? { ok: true, name: `GGUF architecture ${architecture}` } : { ok: false, why };
  },
  transformers: (layout) => {
    const made = huggingFaceConfig(layout);
    return made.ok
      ? { ok: true, name: `model_type ${made.config.model_type}` }
      : { ok: false, why: made.reason };
  },
};

function rowOf(runtime: Engine, layout: Layout): RunsIn {
  const exact = expressIn[runtime](layout);
  if (exact.ok) return { runtime, how: "exact", reason: exact.name };
  const larger = filledUp(layout);
  const padded = expressIn[runtime](larger);
  return padded.ok
    ? { runtime, how: "padded", reason: `${padded.name}; ${exact.why}`, as: formatNotation(larger) }
    : { runtime, how: "no", reason: exact.why };
}

/** Returns a row for each engine, edgefront's own first. Nothing is measured or opened. */
export const runsIn = (layout: Layout): readonly RunsIn[] => engines.map((engine) => rowOf(engine, layout));

/** Returns the reason why an engine does not run a layout, not even padded; null where it does. */
export function engineProblem(engine: Engine, layout: Layout): string | null {
  const { how, reason } = rowOf(engine, layout);
  return how === "no" ? `${engine} does not run it: ${reason}` : null;
}

/** Returns the row as text: "exactly (GGUF architecture lfm2)", "padded, as ... (...)" or "no: ...". */
export function runsInText({ how, reason, as }: RunsIn): string {
  if (how === "no") return `no: ${reason}`;
  return how === "exact" ? `exactly (${reason})` : `padded, as ${as} (${reason})`;
}
