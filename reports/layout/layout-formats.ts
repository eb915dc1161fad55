// Lists the export formats of a layout. A new format needs a file beside this one and a line here.
import { InvalidInputError } from "../../candidates/errors.ts";
import { huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import type { ReportData, ReportTrial } from "../report-model.ts";
import { modelCard } from "./card.ts";
import type { PythonSources } from "./python-bundle.ts";
import { pytorchModule } from "./pytorch-module.ts";

/** The fields of a trial that formats without evidence need. */
export type NamedLayout = Pick<ReportTrial, "id" | "layout">;

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

function config({ id, layout }: NamedLayout): string {
  const made = huggingFaceConfig(layout);
  if (made.ok) return json(made.config);
  throw new InvalidInputError(
    "not-expressible",
    `no transformers class can express ${id}: ${made.reason}; export it as layout or GGUF instead`,
  );
}

/** Formats of the layout itself. `config` throws InvalidInputError (`not-expressible`). */
export const layoutFormats = {
  /** HuggingFace config.json. */
  config,
  /** Layout JSON, which every edgefront command accepts as a layout. */
  layout: ({ layout }) => json(layout),
} as const satisfies Record<string, (trial: NamedLayout) => string>;

/** Formats that contain code, from the Python sources that edgefront is shipped with. */
export const codeFormats = {
  /** PyTorch module, one file. */
  pytorch: pytorchModule,
} as const satisfies Record<string, (trial: NamedLayout, sources: PythonSources) => string>;

/** Formats with a sweep's measurements of the layout. */
export const evidenceFormats = {
  /** Model card, Markdown. */
  card: modelCard,
} as const satisfies Record<string, (data: ReportData, trial: ReportTrial) => string>;

export type LayoutFormat =
  | keyof typeof layoutFormats
  | keyof typeof codeFormats
  | keyof typeof evidenceFormats;
export const layoutFormatNames = [
  ...Object.keys(layoutFormats),
  ...Object.keys(codeFormats),
  ...Object.keys(evidenceFormats),
] as readonly LayoutFormat[];
