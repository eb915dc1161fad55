// edgefront reproduce: a published experiment from nothing to a report, in one command.
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { Space } from "../../candidates/space.ts";
import { findingsText } from "../../reports/findings-text.ts";
import { countStates } from "../../reports/front.ts";
import { designs } from "../../search/designs/design-registry.ts";
import type { Designed } from "../../search/designs/minimal-hybrid.ts";
import { createRng } from "../../search/rng.ts";
import { InterruptedError } from "../base/run-errors.ts";
import { PACKAGE_ROOT } from "../base/version.ts";
import { readSweepConfig, type StudyName, type SweepConfig, studyNames } from "../config/config.ts";
import type { SweepEvent } from "../farm/events.ts";
import { reportWithFindings } from "../findings/sweep-findings.ts";
import { frontOf } from "../reading/front-data.ts";
import type { Stated } from "../reading/study-record.ts";
import { confirmStudyChoice } from "../reproduction/confirm-choice.ts";
import { stateFoundPower } from "../reproduction/found-power.ts";
import { planText } from "../reproduction/plan-text.ts";
import { assumedNoise, noiseText, powerOf } from "../reproduction/power.ts";
import { studies } from "../reproduction/studies.ts";
import { planStudy, type StudyPlan } from "../reproduction/study-plan.ts";
import { runStudyWork } from "../reproduction/work.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { runSweep } from "../sweep/run-sweep.ts";
import { configFolder } from "../training/training-data.ts";
import { openView } from "../view/open-view.ts";
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
import { writeReport } from "./report-command.ts";
import { defaultReport } from "./report-file.ts";

interface Args {
  study: StudyName;
  minutes: number | undefined;
  quick: boolean;
  full: boolean;
  seed: number | undefined;
  device: string | undefined;
  resume: boolean;
  "allow-mixed": boolean;
  "dry-run": boolean;
  wait: boolean;
  out: string | undefined;
  db: string;
  json: boolean;
}

/** Minutes of --quick. */
const QUICK_MINUTES = 20;
const LEAST_MINUTES = 3;

export const reproduceCommand: CommandModule<object, Args> = {
  command: "reproduce <study>",
  describe: "Repeat a published selection on your own devices, from measurement to report",
  builder: (yargs) =>
    withNoWait(withJson(withDatabase(yargs)))
      .positional("study", { choices: studyNames, demandOption: true, describe: "name of the experiment" })
      .option("minutes", {
        type: "number",
        requiresArg: true,
        describe: "time budget, e.g. 20, 60 or 300; it decides the number of layouts, seeds and pairs",
      })
      .option("quick", {
        type: "boolean",
        default: false,
        describe: "the same as --minutes 20 (the default)",
      })
      .option("full", {
        type: "boolean",
        default: false,
        describe: "size of the published model: takes days, without a time limit",
      })
      .option("seed", {
        type: "number",
        requiresArg: true,
        describe: "another seed, stored as another sweep",
      })
      .option("device", {
        type: "string",
        requiresArg: true,
        describe: "device that measures (default: this machine)",
      })
      .option("resume", {
        type: "boolean",
        default: false,
        describe: "continue a run that was stopped, or start it",
      })
      .option("allow-mixed", allowMixedOption)
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "print the plan and the statistical power of each question, and run nothing",
      })
      .option("out", {
        type: "string",
        defaultDescription: "report-NAME.html",
        requiresArg: true,
        describe: "file of the report",
      })
      .check(({ quick, full, minutes }) => {
        if (quick && full) throw new InvalidInputError("usage", "give --quick or --full, not both");
        if (minutes !== undefined && (quick || full))
          throw new InvalidInputError(
            "usage",
            "--minutes excludes --quick and --full: --quick is --minutes 20, --full has no time limit; give one of them",
          );
        return true;
      })
      .example(example("$0 reproduce minimal-hybrid", "Run the study on this machine in 20 minutes"))
      .example(
        example("$0 reproduce minimal-hybrid --minutes 60", "Run long enough to decide most questions"),
      )
      .example(
        example("$0 reproduce minimal-hybrid --minutes 300 --dry-run", "Print the plan and what it can show"),
      )
      .example(
        example(
          "$0 reproduce minimal-hybrid --seed 2",
          "Repeat it with other seeds, to see which verdicts are stable",
        ),
      )
      .example(example("$0 reproduce minimal-hybrid --full", "Run it at LFM2-350M's size, which takes days"))
      .epilogue(studyNames.map((name) => `${name}: ${studies[name].description}`).join("\n")),
  handler: async (args) => {
    const { seed, minutes, json, db, "dry-run": dryRun } = args;
    if (seed !== undefined && !(Number.isInteger(seed) && seed >= 0))
      throw new InvalidInputError(
        "usage",
        `--seed is ${seed}, but must be a whole number, 0 or more; try --seed 2`,
      );
    if (minutes !== undefined && !(Number.isInteger(minutes) && minutes >= LEAST_MINUTES))
      throw new InvalidInputError(
        "usage",
        `--minutes is ${minutes}, but must be a whole number, ${LEAST_MINUTES} or more; try --minutes 60`,
      );
    const prepared = prepare(args);
    const { plan } = prepared;
    if (dryRun) {
      const { power, noise } = statedBefore(prepared);
      printEither(json, { study: args.study, plan, power, noise }, () => planText(plan, power, noise));
      return;
    }
    outputTarget(args.out ?? defaultReport(prepared.name, null));
    await withStore(db, { mustExist: false }, (store) => run(store, prepared, args));
  },
};

interface Prepared {
  readonly name: string;
  readonly config: SweepConfig;
  readonly folder: string;
  readonly design: readonly Designed[];
  readonly plan: StudyPlan;
}

/** Returns the sweep's configuration for the time budget, and the plan. */
function prepare({ study, full, minutes, seed, device }: Args): Prepared {
  const path = `${PACKAGE_ROOT}/configs/${study}-${full ? "full" : "quick"}.yaml`;
  const read = readSweepConfig(path);
  const design = designs[study](new Space(read.space));
  const plan = planStudy(full ? null : (minutes ?? QUICK_MINUTES), design);
  const config: SweepConfig = {
    ...read,
    ...(seed === undefined ? {} : { seed }),
    ...(plan.designed < design.length ? { studyLayouts: plan.designed } : {}),
    search: { ...read.search, ...(full ? {} : { trials: plan.trials }) },
    measure: { ...read.measure, ...(device === undefined ? {} : { devices: [device] }) },
    // A seed also changes training: other weights, batches and data.
    ...(read.score === undefined || seed === undefined
      ? {}
      : { score: { ...read.score, seeds: read.score.seeds.map((own) => own + 1000 * seed) } }),
  };
  const name = [
    config.name,
    ...(minutes === undefined || minutes === QUICK_MINUTES ? [] : [`${minutes}min`]),
    ...(seed === undefined ? [] : [`s${seed}`]),
    ...(device === undefined ? [] : [device]),
  ].join("-");
  return { name, config, folder: configFolder(path), design, plan };
}

/** Returns the power of each question under the assumed noise. */
function statedBefore({ plan, design, config }: Prepared): Omit<Stated, "bytesPerToken"> {
  return {
    minutes: plan.minutes,
    spending: [...plan.spending],
    power: [...powerOf(plan, design, assumedNoise, createRng(config.seed))],
    noise: `assumed: ${noiseText(assumedNoise)}`,
  };
}

async function run(store: Store, prepared: Prepared, args: Args): Promise<void> {
  const { study, resume, out, json, db, minutes, full, seed, device } = args;
  const { name, config, folder, plan } = prepared;
  const signal = interruptSignal();
  const inWords = (error: unknown): never => {
    const asked = { full, minutes, seed, device, ...databaseOption(db) };
    throw inOwnWords(error, name, pasted("reproduce", [study], { ...asked, resume: true }), signal);
  };
  try {
    if (!resume) store.sweeps.requireFree(name);
  } catch (error) {
    inWords(error);
  }
  const stated = statedBefore(prepared);
  say(planText(plan, stated.power, stated.noise));
  const view = openView();
  const sweep = await runSweep(store, {
    ...{ name, config, folder, resume, signal, listen: view.listen },
    allowMixed: args["allow-mixed"],
    noWait: !args.wait,
    command: typedCommand(),
  })
    .finally(() => view.close())
    .then((done) => workAfter(store, done, prepared, stated, signal, !args.wait))
    .catch(inWords);
  const { findings = [] } = reportWithFindings(store, sweep);
  const file = out ?? defaultReport(name, sweep.createdAt);
  await writeReport(store, sweep, "html", file);
  printEither(json, { sweep: name, study, plan, power: stated.power, findings }, () =>
    findingsText(findings, terminalWidth()),
  );
  say(`report: ${file}`);
  requireResults(countStates(frontOf(store, sweep)), name, db);
}

/** Trains the seeds, times the pairs, states the power under the noise found, and confirms the choice. */
async function workAfter(
  store: Store,
  sweep: Sweep,
  { config, plan, design, folder }: Prepared,
  stated: Omit<Stated, "bytesPerToken">,
  signal: AbortSignal,
  noWait: boolean,
): Promise<Sweep> {
  const listen = (event: SweepEvent): void => {
    if (event.kind === "waiting") say(event.text);
  };
  const work = { store, sweep, config, plan, design, folder, stated, signal, noWait, listen, say };
  await runStudyWork(work);
  stateFoundPower(work);
  say("confirming the choice: measuring and training it and its runner-up with new sessions and seeds");
  const { minutes } = plan;
  const command = typedCommand();
  await confirmStudyChoice(store, sweep, design, minutes, { config, folder, command, signal, listen });
  return store.sweeps.get(sweep.name);
}

/**
 * Returns the error with this command as the next step. This command knows the seed and the device; `sweep`
 * with the bare configuration would start another sweep.
 */
function inOwnWords(error: unknown, name: string, resume: string, signal: AbortSignal): unknown {
  if (error instanceof InterruptedError || signal.aborted) return interruptedWith(resume);
  if (error instanceof InvalidInputError && error.code === "sweep-exists") {
    return new InvalidInputError(
      error.code,
      `sweep "${name}" already exists in the database. Continue it with: ${resume}. See its findings with: edgefront findings ${name}. For a new one give another --seed or --db`,
    );
  }
  return error;
}
