// What one layout can be exported as. A new form is a file beside this one and a line here.
import { InvalidInputError } from "../../candidates/errors.ts";
import type { ReportData, ReportTrial } from "../model.ts";
import { modelCard } from "./card.ts";
import { huggingFaceConfig } from "./huggingface.ts";

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

function config(_data: ReportData, trial: ReportTrial): string {
  const made = huggingFaceConfig(trial.layout);
  if (made.ok) return json(made.config);
  throw new InvalidInputError(
    "not-expressible",
    `no transformers class can express ${trial.id}: ${made.reason}; export it as layout or GGUF instead`,
  );
}

/** Each takes the sweep and one of its trials. `config` throws InvalidInputError (`not-expressible`). */
export const layoutFormats = {
  /** HuggingFace config.json. */
  config,
  /** Layout JSON, which every edgefront command takes as a layout. */
  layout: (_data, trial) => json(trial.layout),
  /** Model card, Markdown. */
  card: modelCard,
} as const satisfies Record<string, (data: ReportData, trial: ReportTrial) => string>;

export type LayoutFormat = keyof typeof layoutFormats;
export const layoutFormatNames = Object.keys(layoutFormats) as readonly LayoutFormat[];
