// edgefront select: chooses a layout of a sweep under budgets and names the runner-up and the reasons. With
// --confirm it measures and trains both again and checks whether the choice holds.
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { formatNotation } from "../../candidates/notation.ts";
import { choiceOf } from "../../reports/choices.ts";
import type { ReportConfirmation, ReportData, ReportTrial } from "../../reports/report-model.ts";
import { type RuleName, ruleNames, rules } from "../../search/selection/rules.ts";
import { suggestion } from "../config/config-errors.ts";
import type { SweepEvent } from "../farm/events.ts";
import { PAGE_TRIALS } from "../reading/shown-trials.ts";
import { reportData } from "../reading/sweep-reader.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { type ConfirmAsked, confirm, confirmationOf } from "../sweep/choice-confirmation.ts";
import { configOf } from "../sweep/config-of-sweep.ts";
import { DEFAULT_REPLACEMENTS, DEFAULT_SESSIONS, MOST_SESSIONS } from "../sweep/confirm-defaults.ts";
import { historyOf, withEstimates } from "../sweep/estimates.ts";
import { metricsOf, resolveObjectives } from "../sweep/metric-names.ts";
import { DEFAULT_TOLERANCE, selectionOf } from "../sweep/selection.ts";
import { lineOf } from "../view/event-lines.ts";
import { parseBudgets } from "./budget-text.ts";
import { interruptSignal, printEither, readStore, say, withDatabase, withJson, withStore } from "./common.ts";
import { example } from "./examples.ts";
import { databaseOption, pasted } from "./next-step.ts";
import { selectText } from "./select-text.ts";

interface Args {
  sweep: string;
  budget: string[] | undefined;
  rule: RuleName;
  quality: string | undefined;
  tolerance: number;
  device: string | undefined;
  confirm: boolean;
  config: string | undefined;
  sessions: number;
  replacements: number;
  db: string;
  json: boolean;
}

export const selectCommand: CommandModule<object, Args> = {
  command: "select <sweep>",
  describe: "Choose a layout of a sweep under budgets, with runner-up and reasons",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .option("budget", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "name=bound,... with ttft, prefill, decode, token, memory, kv, or a full metric name",
      })
      .option("rule", {
        choices: ruleNames,
        default: "minimal-hybrid" as RuleName,
        describe: "rule that chooses among the layouts within budget (see below)",
      })
      .option("quality", { type: "string", requiresArg: true, describe: "objective that measures quality" })
      .option("tolerance", {
        type: "number",
        default: DEFAULT_TOLERANCE,
        describe: "loss of quality that is acceptable, in its unit and beyond the error",
      })
      .option("device", { type: "string", requiresArg: true, describe: "device that the budgets apply to" })
      .option("confirm", {
        type: "boolean",
        default: false,
        describe:
          "measure and train the choice and its runner-up again, and replace a choice that does not hold",
      })
      .option("config", {
        type: "string",
        requiresArg: true,
        describe: "the sweep's YAML file, needed by --confirm if the tasks read files",
      })
      .option("sessions", {
        type: "number",
        default: DEFAULT_SESSIONS,
        requiresArg: true,
        describe: "new sessions and seeds that decide; as many more are reported",
      })
      .option("replacements", {
        type: "number",
        default: DEFAULT_REPLACEMENTS,
        requiresArg: true,
        describe: "largest number of replaced choices",
      })
      .example(
        example(
          "$0 select quickstart --budget token=0.3ms,memory=30MB",
          "Choose the least attention within budget",
        ),
      )
      .example(
        example(
          '$0 select quickstart --device local --budget "ttft@1024<=800ms,recall>=0.1"',
          "Apply the budgets to one device",
        ),
      )
      .example(example("$0 select quickstart --rule best-quality --json", "Choose the best quality, as JSON"))
      .example(
        example(
          "$0 select quickstart --confirm --budget token=0.3ms",
          "Measure and train the choice again, to check that it holds",
        ),
      )
      .epilogue(ruleNames.map((name) => `${name}: ${rules[name].description}`).join("\n")),
  handler: (args) => {
    const work = async (store: Store): Promise<void> => {
      const sweep = store.sweeps.get(args.sweep);
      const asked = askedOf(sweep, args);
      const data = withEstimates(
        reportData(store, sweep, { jobs: false, evidence: false, atMost: PAGE_TRIALS }),
        historyOf(store, sweep.id),
      );
      const { options, selection, trialOf } = selectionOf(data, sweep.config, asked);
      const { chosen, runnerUp, reasons } = selection;
      const confirmed = args.confirm
        ? await confirmNow(store, sweep, asked, data, args)
        : confirmationOf(store, sweep, asked, { options, selection });
      const [first, second] = [chosen && trialOf(chosen), runnerUp && trialOf(runnerUp)];
      const budgeted = asked.budgets.map(({ metric }) => metric);
      const unfinished = unfinishedOf(store, sweep);
      const output = {
        sweep: sweep.name,
        unfinished,
        rule: asked.rule,
        budgets: asked.budgets,
        quality: options.quality.name,
        chosen: first && entry(first),
        runnerUp: second && entry(second),
        reasons,
        confirmed,
      };
      printEither(args.json, output, () =>
        selectText({
          chosen: first,
          runnerUp: second,
          shown: [...new Set([...data.objectives.map((o) => o.name), ...budgeted])],
          reasons,
          unfinished: unfinished && unfinishedText(sweep, unfinished),
          confirmed,
          objectives: data.objectives,
        }),
      );
    };
    return args.confirm ? withStore(args.db, { mustExist: true }, work) : readStore(args.db, work);
  },
};

/**
 * Returns the request, checked against the sweep.
 * @throws InvalidInputError
 */
function askedOf(
  sweep: Sweep,
  args: Args,
): ConfirmAsked & { readonly budgets: ReturnType<typeof parseBudgets> } {
  const { budget, rule, quality, tolerance, device, sessions, replacements } = args;
  const { config, name } = sweep;
  if (device !== undefined && !config.measure.devices.includes(device))
    throw new InvalidInputError(
      "unknown-device",
      `sweep "${name}" did not measure on "${device}"${suggestion(device, config.measure.devices)}`,
    );
  if (!(tolerance >= 0))
    throw new InvalidInputError(
      "usage",
      `--tolerance is ${tolerance}, but must be 0 or more; try --tolerance ${DEFAULT_TOLERANCE}`,
    );
  if (!(Number.isInteger(sessions) && sessions >= 2 && sessions <= MOST_SESSIONS))
    throw new InvalidInputError(
      "usage",
      `--sessions is ${sessions}, but must be a whole number from 2 to ${MOST_SESSIONS}; try --sessions ${DEFAULT_SESSIONS}`,
    );
  if (!(Number.isInteger(replacements) && replacements >= 0))
    throw new InvalidInputError(
      "usage",
      `--replacements is ${replacements}, but must be a whole number, 0 or more; try --replacements ${DEFAULT_REPLACEMENTS}`,
    );
  const budgets = parseBudgets((budget ?? []).join(","), {
    known: metricsOf(config),
    objectives: resolveObjectives(config).map((objective) => objective.name),
    device,
  });
  return { rule, budgets, quality, tolerance, sessions, replacements };
}

/** Returns the number of ended trials and of all trials; null for a finished sweep. */
function unfinishedOf(store: Store, { id, state, config }: Sweep) {
  return state === "complete" ? null : { ended: store.trials.finished(id), trials: config.search.trials };
}

const unfinishedText = (
  { name, isRunning }: Sweep,
  { ended, trials }: { readonly ended: number; readonly trials: number },
): string =>
  `Sweep "${name}" is not finished (${ended} of up to ${trials} trials), so the choice may change. ${
    isRunning ? "It is still running." : "Continue it with: edgefront sweep CONFIG --resume"
  }`;

const entry = (trial: ReportTrial) => {
  const { chance, attentionLayers, metrics } = choiceOf(trial);
  return {
    id: trial.id,
    trial: trial.number,
    notation: formatNotation(trial.layout),
    parameters: trial.parameters,
    attentionLayers,
    chance,
    metrics: Object.fromEntries(Object.entries(trial.metrics).map(([name, { value }]) => [name, value])),
    /** Ends of 95% intervals and marks, beside each value. */
    estimates: metrics,
  };
};

/** Returns the command that confirms the same choice, without options that have their defaults. */
function commandOf(args: Args): string {
  const { sweep, budget = [], rule, quality, tolerance, device, config, sessions, replacements, db } = args;
  const unlessUsual = <T>(value: T, usual: T): T | undefined => (value === usual ? undefined : value);
  return pasted("select", [sweep], {
    confirm: true,
    budget: budget.length === 0 ? undefined : budget.join(","),
    rule: unlessUsual(rule, "minimal-hybrid"),
    quality,
    tolerance: unlessUsual(tolerance, DEFAULT_TOLERANCE),
    device,
    config,
    sessions: unlessUsual(sessions, DEFAULT_SESSIONS),
    replacements: unlessUsual(replacements, DEFAULT_REPLACEMENTS),
    ...databaseOption(db),
  });
}

/** Prints lines about finished work on stderr; at a terminal also one changing line about current work. */
function progress(): { readonly listen: (event: SweepEvent) => void; readonly close: () => void } {
  const { stderr } = process;
  let open = false;
  const close = (): void => {
    if (open) stderr.write("\r\u001b[K");
    open = false;
  };
  return {
    close,
    listen: (event) => {
      const line = lineOf(event);
      if (line !== null) {
        close();
        say(line);
      }
      if (event.kind !== "job" || event.lane === null || !stderr.isTTY) return;
      stderr.write(
        `\r\u001b[K${`#${event.trial.number}: ${event.text}`.slice(0, (stderr.columns || 80) - 1)}`,
      );
      open = true;
    },
  };
}

async function confirmNow(
  store: Store,
  sweep: Sweep,
  asked: ConfirmAsked,
  data: ReportData,
  args: Args,
): Promise<ReportConfirmation> {
  const { config, folder } = configOf(sweep, args.config);
  const { listen, close } = progress();
  const work = { config, folder, data, command: commandOf(args), signal: interruptSignal(), listen };
  return confirm(store, sweep, asked, work).finally(close);
}
