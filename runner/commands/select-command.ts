// edgefront select: which layout of a sweep to ship under given budgets, which would be next, and why; with --confirm, whether that holds
// when both are measured and trained anew.
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { formatNotation } from "../../candidates/notation.ts";
import { choiceOf } from "../../reports/choices.ts";
import type { ReportConfirmation, ReportData, ReportTrial } from "../../reports/model.ts";
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
import {
  DEFAULT_DATABASE,
  interruptSignal,
  printEither,
  readStore,
  say,
  withDatabase,
  withJson,
  withStore,
} from "./common.ts";
import { example } from "./examples.ts";
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
  describe: "Choose a layout of a sweep under budgets, with the runner-up and why",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .option("budget", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "name=bound,...: ttft, prefill, decode, token, memory, kv, or a full metric name",
      })
      .option("rule", {
        choices: ruleNames,
        default: "minimal-hybrid" as RuleName,
        describe: "how to choose among what fits",
      })
      .option("quality", { type: "string", requiresArg: true, describe: "objective that is the quality" })
      .option("tolerance", {
        type: "number",
        default: DEFAULT_TOLERANCE,
        describe: "quality given up freely, in its unit and beyond the error",
      })
      .option("device", { type: "string", requiresArg: true, describe: "device the budgets are of" })
      .option("confirm", {
        type: "boolean",
        default: false,
        describe:
          "measure and train the choice and its runner-up anew, and replace a choice that does not hold",
      })
      .option("config", {
        type: "string",
        requiresArg: true,
        describe: "the sweep's YAML file, where --confirm trains on files",
      })
      .option("sessions", {
        type: "number",
        default: DEFAULT_SESSIONS,
        requiresArg: true,
        describe: "new sessions and seeds that decide, and as many that are reported",
      })
      .option("replacements", {
        type: "number",
        default: DEFAULT_REPLACEMENTS,
        requiresArg: true,
        describe: "how many choices may be replaced",
      })
      .example(
        example("$0 select quickstart --budget token=0.3ms,memory=30MB", "the least attention that fits"),
      )
      .example(
        example(
          '$0 select quickstart --device local --budget "ttft@1024<=800ms,recall>=0.1"',
          "on one device",
        ),
      )
      .example(example("$0 select quickstart --rule best-quality --json", "the best, as JSON"))
      .example(
        example(
          "$0 select quickstart --confirm --budget token=0.3ms",
          "whether the choice holds, measured and trained anew",
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

/** What is asked, checked against the sweep. @throws InvalidInputError */
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
  if (!(tolerance >= 0)) throw new InvalidInputError("usage", "--tolerance is a number, 0 or more");
  if (!(Number.isInteger(sessions) && sessions >= 2 && sessions <= MOST_SESSIONS))
    throw new InvalidInputError("usage", `--sessions is a whole number from 2 to ${MOST_SESSIONS}`);
  if (!(Number.isInteger(replacements) && replacements >= 0))
    throw new InvalidInputError("usage", "--replacements is a whole number, 0 or more");
  const budgets = parseBudgets((budget ?? []).join(","), {
    known: metricsOf(config),
    objectives: resolveObjectives(config).map((objective) => objective.name),
    device,
  });
  return { rule, budgets, quality, tolerance, sessions, replacements };
}

/** Trials that have ended, of how many at most; null where the sweep is finished. */
function unfinishedOf(store: Store, { id, state, config }: Sweep) {
  return state === "complete" ? null : { ended: store.trials.finished(id), trials: config.search.trials };
}

const unfinishedText = (
  { name, isRunning }: Sweep,
  { ended, trials }: { readonly ended: number; readonly trials: number },
): string =>
  `Sweep "${name}" is not finished: ${ended} of up to ${trials} trials have ended, and the choice may change. ${
    isRunning ? "It is running." : "Continue it with the command that began it and --resume."
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

/** As it may be typed again: what a shell would read is quoted. */
const typed = (args: readonly string[]): string =>
  args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`)).join(" ");

function commandOf(args: Args): string {
  const { sweep, budget = [], rule, quality, tolerance, device, config, sessions, replacements, db } = args;
  const option = (name: string, value: string | number | undefined, usual?: string | number): string[] =>
    value === undefined || value === usual ? [] : [`--${name}`, `${value}`];
  return typed([
    ...["edgefront", "select", sweep, "--confirm"],
    ...option("budget", budget.length === 0 ? undefined : budget.join(",")),
    ...option("rule", rule, "minimal-hybrid"),
    ...option("quality", quality),
    ...option("tolerance", tolerance, DEFAULT_TOLERANCE),
    ...option("device", device),
    ...option("config", config),
    ...option("sessions", sessions, DEFAULT_SESSIONS),
    ...option("replacements", replacements, DEFAULT_REPLACEMENTS),
    ...option("db", db, DEFAULT_DATABASE),
  ]);
}

/** Lines of the work on stderr; at a terminal what is done now in one line that changes. */
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
