// edgefront export: one layout in a form that other programs read; with --sweep, one trial with its
// measurements.

import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { layoutId } from "../../candidates/layout.ts";
import { headSizeNote } from "../../candidates/ops/upstream/architectures.ts";
import {
  evidenceFormats,
  type LayoutFormat,
  layoutFormatNames,
  layoutFormats,
} from "../../reports/layout/layout-formats.ts";
import { layoutFrom } from "../config/layouts.ts";
import { trialNamed } from "../reading/trial-named.ts";
import { print, printEither, readStore, say, withDatabase, withJson } from "./common.ts";
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

export const exportCommand: CommandModule<object, Args> = {
  command: "export <layout>",
  describe: "Write a layout as a transformers config, layout JSON or model card",
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
        describe: "config: for transformers; layout: for edgefront; card: a model card with measurements",
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
    const made =
      sweep === undefined
        ? fromLayout(text, format as keyof typeof layoutFormats)
        : await readStore(db, (store) => {
            const { data, trial } = trialNamed(store, store.sweeps.get(sweep), text);
            const content = needsSweep(format)
              ? evidenceFormats[format](data, trial)
              : layoutFormats[format](trial);
            return { id: trial.id, content, layout: trial.layout };
          });
    if (out !== undefined) await writeWhole(out, made.content);
    const note = format === "config" ? headSizeNote(made.layout) : null;
    if (note !== null) say(`note: ${note}`);
    if (json)
      printEither(true, { id: made.id, format, ...(out ? { out } : { content: made.content }) }, () => "");
    else if (out === undefined) print(made.content);
    else say(`wrote ${out}`);
  },
};

function fromLayout(text: string, format: keyof typeof layoutFormats) {
  const layout = layoutFrom(text);
  const id = layoutId(layout);
  return { id, content: layoutFormats[format]({ id, layout }), layout };
}
