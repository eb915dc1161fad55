// edgefront sweep: runs a search from its configuration to its report.

import type { CommandModule } from "yargs";
import { countStates } from "../../reports/front.ts";
import { frontJson } from "../../reports/json.ts";
import { renderTable } from "../../reports/table.ts";
import { InterruptedError } from "../base/run-errors.ts";
import { readSweepConfig } from "../config/config.ts";
import { conclusionLines } from "../reading/conclusion.ts";
import { frontOf } from "../reading/front-data.ts";
import { historyOf } from "../sweep/estimates.ts";
import { runSweep } from "../sweep/run-sweep.ts";
import { configFolder } from "../training/training-data.ts";
import { openView } from "../view/open-view.ts";
import {
  allowMixedOption,
  interruptSignal,
  printEither,
  say,
  typedCommand,
  withDatabase,
  withJson,
  withNoWait,
  withStore,
  withSweepFile,
} from "./common.ts";
import { example } from "./examples.ts";
import { databaseOption, interruptedWith, pasted, requireResults } from "./next-step.ts";
import { outputTarget } from "./output-target.ts";
import { writeReport } from "./report-command.ts";
import { defaultReport } from "./report-file.ts";

interface Args {
  config: string;
  db: string;
  name: string | undefined;
  resume: boolean;
  "warm-start": string | undefined;
  "allow-mixed": boolean;
  json: boolean;
  wait: boolean;
  out: string | undefined;
}

export const sweepCommand: CommandModule<object, Args> = {
  command: "sweep <config>",
  describe: "Run a search: propose, measure, train, keep the Pareto front",
  builder: (yargs) =>
    withSweepFile(withNoWait(withJson(withDatabase(yargs))))
      .option("resume", {
        type: "boolean",
        default: false,
        describe: "continue a stopped sweep, or start it if it does not exist",
      })
      .option("warm-start", {
        type: "string",
        requiresArg: true,
        describe: "reuse the results of an earlier sweep, or of a .jsonl export",
      })
      .option("allow-mixed", allowMixedOption)
      .option("out", {
        type: "string",
        defaultDescription: "report-NAME.html",
        requiresArg: true,
        describe: "file of the report",
      })
      .example(
        example(
          "$0 sweep configs/quickstart.yaml",
          "Run a complete search on this machine, about 10 minutes",
        ),
      )
      .example(
        example(
          "$0 sweep configs/quickstart.yaml --resume",
          "Continue after Ctrl-C or a crash, or start the sweep",
        ),
      )
      .example(
        example(
          "$0 sweep configs/quickstart.yaml --name again --db lab.db",
          "Run it under another name, in another database",
        ),
      )
      .example(
        example(
          "$0 sweep configs/quickstart.yaml --name more --warm-start quickstart",
          "Start with the results of an earlier sweep",
        ),
      ),
  handler: async ({ config: path, db, name, resume, "warm-start": warmStart, wait, json, out, ...more }) => {
    const config = readSweepConfig(path);
    const signal = interruptSignal();
    outputTarget(out ?? defaultReport(name ?? config.name, null));
    await withStore(db, { mustExist: false }, async (store) => {
      const view = openView();
      const options = {
        name: name ?? config.name,
        noWait: !wait,
        config,
        folder: configFolder(path),
        resume,
        ...(warmStart === undefined ? {} : { warmStart }),
        allowMixed: more["allow-mixed"],
        command: typedCommand(),
        signal,
        listen: view.listen,
      };
      const sweep = await runSweep(store, options)
        .catch((error: unknown) => {
          // The command that continues the sweep needs the configuration's path, which only this handler
          // knows.
          if (!(error instanceof InterruptedError) || store.sweeps.find(options.name) === null) throw error;
          throw interruptedWith(pasted("sweep", [path], { name, ...databaseOption(db), resume: true }));
        })
        .finally(() => view.close());
      const data = frontOf(store, store.sweeps.get(sweep.name));
      const file = out ?? defaultReport(sweep.name, sweep.createdAt);
      await writeReport(store, sweep, "html", file);
      printEither(json, frontJson(data), () => renderTable(data, { width: process.stdout.columns || 100 }));
      say(`report: ${file}`);
      for (const line of conclusionLines(data, historyOf(store, sweep.id))) say(line);
      requireResults(countStates(data), sweep.name, db);
    });
  },
};
