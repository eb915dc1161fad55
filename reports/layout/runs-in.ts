// Says which engines run a layout, and why others do not. The architectures are in candidates/ops/upstream/.
import { expressionOf } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { huggingFaceConfig } from "./huggingface.ts";

/** One engine, and whether it runs a layout: with the same function of its weights, or not at all. */
export interface RunsIn {
  readonly runtime: "edgefront" | "llama.cpp" | "transformers";
  readonly how: "exact" | "no";
  /** The architecture or class that expresses the layout, or the reason against it. */
  readonly reason: string;
}

/** Returns a row for each engine, edgefront's own first. Nothing is measured or opened. */
export function runsIn(layout: Layout): readonly RunsIn[] {
  const { architecture, why } = expressionOf(layout);
  const config = huggingFaceConfig(layout);
  return [
    { runtime: "edgefront", how: "exact", reason: `GGUF architecture ${architecture}` },
    why === null
      ? { runtime: "llama.cpp", how: "exact", reason: `GGUF architecture ${architecture}` }
      : { runtime: "llama.cpp", how: "no", reason: why },
    config.ok
      ? { runtime: "transformers", how: "exact", reason: `model_type ${config.config.model_type}` }
      : { runtime: "transformers", how: "no", reason: config.reason },
  ];
}

/** Returns the row as text: "exactly (GGUF architecture lfm2)" or "no: ...". */
export const runsInText = ({ how, reason }: RunsIn): string =>
  how === "exact" ? `exactly (${reason})` : `no: ${reason}`;
