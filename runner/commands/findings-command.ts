// edgefront findings: the conclusions of a sweep beyond its front.

import type { CommandModule } from "yargs";
import { findingsText } from "../../reports/findings-text.ts";
import { reportWithFindings } from "../findings/sweep-findings.ts";
import { printEither, readStore, terminalWidth, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Args {
  sweep: string;
  db: string;
  json: boolean;
}

export const findingsCommand: CommandModule<object, Args> = {
  command: "findings <sweep>",
  describe: "Show a sweep's conclusions: the value of measuring, the front's certainty, predictability",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .example(example("$0 findings quickstart", "Print the findings as text"))
      .example(example("$0 findings quickstart --json", "Print every figure as JSON")),
  handler: ({ db, json, sweep: name }) =>
    readStore(db, (store) => {
      const { findings = [] } = reportWithFindings(store, store.sweeps.get(name));
      printEither(json, { sweep: name, findings }, () =>
        findings.length === 0
          ? `No findings yet: sweep "${name}" has no complete trial. Its trials: edgefront report ${name} --format md`
          : findingsText(findings, terminalWidth()),
      );
    }),
};
