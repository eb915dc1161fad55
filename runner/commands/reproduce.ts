// edgefront reproduce: a published experiment from nothing to a report, in one command.

import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { findingsText } from "../../reports/findings.ts";
import { countStates } from "../../reports/front.ts";
import { readSweepConfig, type StudyName, studyNames } from "../config.ts";
import { InterruptedError } from "../errors.ts";
import { reportWithFindings } from "../findings/findings.ts";
import { frontOf } from "../report-data.ts";
import { studies } from "../reproduction/studies.ts";
import { runSweep } from "../sweep/sweep.ts";
import { configFolder } from "../sweep/training-data.ts";
import { PACKAGE_ROOT } from "../version.ts";
import { openView } from "../view/view.ts";
import {
  allowMixedOption,
  interruptSignal,
  printEither,
  say,
  terminalWidth,
  typedCommand,
  withDatabase,
  withJson,
  withNoWait,
  withStore,
} from "./common.ts";
import { example } from "./examples.ts";
import { databaseOption, interruptedWith, pasted, requireResults } from "./next-step.ts";
import { outputTarget } from "./output-target.ts";
import { writeReport } from "./report.ts";
import { defaultReport } from "./report-file.ts";

interface Args {
  study: StudyName;
  quick: boolean;
  full: boolean;
  seed: number | undefined;
  device: string | undefined;
  resume: boolean;
  "allow-mixed": boolean;
  wait: boolean;
  out: string | undefined;
  db: string;
  json: boolean;
}

export const reproduceCommand: CommandModule<object, Args> = {
  command: "reproduce <study>",
  describe: "Repeat a published selection on your own devices, from nothing to a report",
  builder: (yargs) =>
    withNoWait(withJson(withDatabase(yargs)))
      .positional("study", { choices: studyNames, demandOption: true, describe: "which experiment" })
      .option("quick", { type: "boolean", default: false, describe: "small models, minutes (the default)" })
      .option("full", { type: "boolean", default: false, describe: "true size of the published model, days" })
      .option("seed", { type: "number", requiresArg: true, describe: "another seed, as another sweep" })
      .option("device", { type: "string", requiresArg: true, describe: "measure there instead of here" })
      .option("resume", {
        type: "boolean",
        default: false,
        describe: "continue a run that was stopped, or start it",
      })
      .option("allow-mixed", allowMixedOption)
      .option("out", {
        type: "string",
        defaultDescription: "report-NAME.html",
        requiresArg: true,
        describe: "where its report is written",
      })
      .check(({ quick, full }) => {
        if (quick && full) throw new InvalidInputError("usage", "give --quick or --full, not both");
        return true;
      })
      .example(example("$0 reproduce minimal-hybrid", "in minutes, on this machine"))
      .example(
        example("$0 reproduce minimal-hybrid --seed 2", "again with other seeds, to see what is stable"),
      )
      .example(
        example(
          "$0 reproduce minimal-hybrid --full",
          "at LFM2-350M's size, in days; --device measures it elsewhere",
        ),
      )
      .epilogue(studyNames.map((name) => `${name}: ${studies[name].description}`).join("\n")),
  handler: async ({ study, full, seed, device, resume, "allow-mixed": allowMixed, wait, out, db, json }) => {
    if (seed !== undefined && !(Number.isInteger(seed) && seed >= 0))
      throw new InvalidInputError("usage", "--seed is a whole number, 0 or more");
    const path = `${PACKAGE_ROOT}/configs/${study}-${full ? "full" : "quick"}.yaml`;
    const read = readSweepConfig(path);
    const config = {
      ...read,
      ...(seed === undefined ? {} : { seed }),
      measure: { ...read.measure, ...(device === undefined ? {} : { devices: [device] }) },
      // A seed changes what is trained too: other weights, other batches, other data.
      ...(read.score === undefined || seed === undefined
        ? {}
        : { score: { ...read.score, seeds: read.score.seeds.map((own) => own + 1000 * seed) } }),
    };
    const name = [
      config.name,
      ...(seed === undefined ? [] : [`s${seed}`]),
      ...(device === undefined ? [] : [device]),
    ].join("-");
    const signal = interruptSignal();
    outputTarget(out ?? defaultReport(name, null));
    await withStore(db, { mustExist: false }, async (store) => {
      const view = openView();
      const sweep = await runSweep(store, {
        name,
        config,
        folder: configFolder(path),
        resume,
        allowMixed,
        command: typedCommand(),
        noWait: !wait,
        signal,
        listen: view.listen,
      })
        .catch((error: unknown) => {
          const args = { full, seed, device, ...databaseOption(db) };
          throw inOwnWords(error, name, pasted("reproduce", [study], { ...args, resume: true }));
        })
        .finally(() => view.close());
      const { findings = [] } = reportWithFindings(store, sweep);
      const file = out ?? defaultReport(name, sweep.createdAt);
      await writeReport(store, sweep, "html", file);
      printEither(json, { sweep: name, study, findings }, () => findingsText(findings, terminalWidth()));
      say(`report: ${file}`);
      requireResults(countStates(frontOf(store, sweep)), name, db);
    });
  },
};

/** The way on is this command, which knows the seed and the device; a sweep of the bare configuration is another. */
function inOwnWords(error: unknown, name: string, resume: string): unknown {
  if (error instanceof InterruptedError) return interruptedWith(resume);
  if (error instanceof InvalidInputError && error.code === "sweep-exists") {
    return new InvalidInputError(
      error.code,
      `"${name}" is in the database already; continue it with: ${resume}; see it with: edgefront findings ${name}; or give another --seed or --db`,
    );
  }
  return error;
}
