// edgefront sweep: runs a search from its configuration to its report.
import type { CommandModule } from "yargs";
import { frontJson } from "../../reports/json.ts";
import { renderTable } from "../../reports/table.ts";
import { conclusionLines } from "../conclusion.ts";
import { readSweepConfig } from "../config.ts";
import { historyOf } from "../estimates.ts";
import { frontOf } from "../report-data.ts";
import { runSweep } from "../sweep/sweep.ts";
import { configFolder } from "../sweep/training-data.ts";
import { openView } from "../view/view.ts";
import {
  allowMixedOption,
  interruptSignal,
  printEither,
  say,
  typedCommand,
  withDatabase,
  withJson,
  withStore,
} from "./common.ts";
import { writeReport } from "./report.ts";

interface Args {
  config: string;
  db: string;
  name: string | undefined;
  resume: boolean;
  "warm-start": string | undefined;
  "allow-mixed": boolean;
  json: boolean;
  out: string;
}

export const sweepCommand: CommandModule<object, Args> = {
  command: "sweep <config>",
  describe: "Run a search: propose, measure, train, keep the Pareto front",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("config", { type: "string", demandOption: true, describe: "the sweep's YAML file" })
      .option("name", {
        type: "string",
        requiresArg: true,
        describe: "name of the sweep (default: the one in the file)",
      })
      .option("resume", { type: "boolean", default: false, describe: "continue a sweep that was stopped" })
      .option("warm-start", {
        type: "string",
        requiresArg: true,
        describe: "begin with the trials of an earlier sweep, or of a .jsonl export",
      })
      .option("allow-mixed", allowMixedOption)
      .option("out", {
        type: "string",
        default: "report.html",
        requiresArg: true,
        describe: "where its report is written",
      })
      .example("$0 sweep configs/quickstart.yaml", "a whole search on this machine, in minutes")
      .example("$0 sweep my.yaml --name try2 --db lab.db", "the same configuration under another name")
      .example("$0 sweep my.yaml --name more --warm-start my", "learn from what sweep my measured")
      .example("$0 sweep my.yaml --resume", "go on after Ctrl-C, a crash, or a device that was off"),
  handler: async ({ config: path, db, name, resume, "warm-start": warmStart, json, out, ...more }) => {
    const config = readSweepConfig(path);
    const signal = interruptSignal();
    await withStore(db, { mustExist: resume }, async (store) => {
      const view = openView();
      const options = {
        name: name ?? config.name,
        config,
        folder: configFolder(path),
        resume,
        ...(warmStart === undefined ? {} : { warmStart }),
        allowMixed: more["allow-mixed"],
        command: typedCommand(),
        signal,
        listen: view.listen,
      };
      const sweep = await runSweep(store, options).finally(() => view.close());
      const data = frontOf(store, store.sweeps.get(sweep.name));
      writeReport(store, sweep, "html", out);
      printEither(json, frontJson(data), () => renderTable(data, { width: process.stdout.columns || 100 }));
      say(`report: ${out}`);
      for (const line of conclusionLines(data, historyOf(store, sweep.id))) say(line);
    });
  },
};
