// edgefront export: one layout in a form that other programs read; with --sweep, one trial with its
// measurements.

import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { layoutId } from "../../candidates/layout.ts";
import { headSizeNote } from "../../candidates/ops/upstream/architectures.ts";
import {
  codeFormats,
  evidenceFormats,
  type LayoutFormat,
  layoutFormatNames,
  layoutFormats,
  type NamedLayout,
} from "../../reports/layout/layout-formats.ts";
import type { PythonSources } from "../../reports/layout/python-bundle.ts";
import { layoutFrom } from "../config/layouts.ts";
import { trialNamed } from "../reading/trial-named.ts";
import { moduleSources } from "../training/python-sources.ts";
import { print, printEither, quoted, readStore, say, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";
import { writeWhole } from "./output.ts";
import { outputTarget } from "./output-target.ts";

interface Args {
  layout: string;
  sweep: string | undefined;
  format: LayoutFormat;
  out: string | undefined;
  db: string;
  json: boolean;
}

type EvidenceFormat = keyof typeof evidenceFormats;
const needsSweep = (format: LayoutFormat): format is EvidenceFormat => format in evidenceFormats;
/** A format of the layout alone. */
type PlainFormat = Exclude<LayoutFormat, EvidenceFormat>;
const isCode = (format: LayoutFormat): format is keyof typeof codeFormats => format in codeFormats;

export const exportCommand: CommandModule<object, Args> = {
  command: "export <layout>",
  describe: "Write a layout as a transformers config, PyTorch module, layout JSON or model card",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("layout", {
        type: "string",
        demandOption: true,
        describe: "name, notation, layout JSON or config.json; with --sweep also F1, #12 or an id",
      })
      .option("sweep", { type: "string", requiresArg: true, describe: "sweep that the trial belongs to" })
      .option("format", {
        choices: layoutFormatNames,
        default: "config" as LayoutFormat,
        describe:
          "config: for transformers; layout: for edgefront; pytorch: a module to train, one file; card: a model card with measurements",
      })
      .option("out", { type: "string", requiresArg: true, describe: "file to write (default: stdout)" })
      .check(({ format, sweep }) => {
        if (needsSweep(format as LayoutFormat) && sweep === undefined)
          throw new InvalidInputError(
            "usage",
            `--format ${format} shows measurements of a sweep; name it with --sweep NAME`,
          );
        return true;
      })
      .example(example("$0 export lfm2-350m --format config", "Print a config.json for transformers"))
      .example(
        example(
          "$0 export lfm2-350m --format pytorch --out model.py",
          "Write a PyTorch module to train: one file that needs only torch",
        ),
      )
      .example(
        example(
          "$0 export F1 --sweep quickstart --format card --out CARD.md",
          "Write a model card of a front layout",
        ),
      )
      .example(
        example(
          "$0 export '#12' --sweep quickstart --format layout --out l12.json",
          "Write a trial, named by its number",
        ),
      ),
  handler: async ({ layout: text, sweep, format, out, db, json }) => {
    if (out !== undefined) outputTarget(out);
    const sources = isCode(format) ? await moduleSources() : new Map<string, string>();
    const made =
      sweep === undefined
        ? fromLayout(text, format as PlainFormat, sources)
        : await readStore(db, (store) => {
            const { data, trial } = trialNamed(store, store.sweeps.get(sweep), text);
            const content = needsSweep(format)
              ? evidenceFormats[format](data, trial)
              : written(trial, format, sources);
            return { id: trial.id, content, layout: trial.layout };
          });
    if (out !== undefined) await writeWhole(out, made.content);
    const note = format === "config" ? headSizeNote(made.layout) : null;
    if (note !== null) say(`note: ${note}`);
    if (json)
      printEither(true, { id: made.id, format, ...(out ? { out } : { content: made.content }) }, () => "");
    else if (out === undefined) print(made.content);
    else
      say(isCode(format) ? `wrote ${out}; try it: python3 -i ${quoted(out)}, then Model()` : `wrote ${out}`);
  },
};

/** Writes a layout without measurements. Formats that contain code are made from `sources`. */
const written = (layout: NamedLayout, format: PlainFormat, sources: PythonSources): string =>
  isCode(format) ? codeFormats[format](layout, sources) : layoutFormats[format](layout);

function fromLayout(text: string, format: PlainFormat, sources: PythonSources) {
  const layout = layoutFrom(text);
  const id = layoutId(layout);
  return { id, content: written({ id, layout }, format, sources), layout };
}
