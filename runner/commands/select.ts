// edgefront select: which layout of a sweep to ship under given budgets, which would be next, and why.

import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { formatNotation } from "../../candidates/notation.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import { formatParameters, formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportData, ReportTrial } from "../../reports/model.ts";
import { type Choice, type RuleName, ruleNames, rules } from "../../search/selection/rules.ts";
import { select } from "../../search/selection/select.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config.ts";
import { suggestion } from "../config-errors.ts";
import { reportData } from "../report-data.ts";
import { metricsOf } from "../sweep/metric-names.ts";
import { parseBudgets } from "./budget-text.ts";
import { columns, printEither, readStore, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Args {
  sweep: string;
  budget: string[] | undefined;
  rule: RuleName;
  quality: string | undefined;
  tolerance: number;
  device: string | undefined;
  db: string;
  json: boolean;
}

const valuesOf = (trial: ReportTrial): Record<string, number> =>
  Object.fromEntries(Object.entries(trial.metrics).map(([name, { value }]) => [name, value]));

/** Half-widths of 95% intervals of the mean over seeds (normal approximation), where there are several. */
function errorsOf(trial: ReportTrial, quality: string): Readonly<Record<string, number>> {
  const samples = trial.metrics[quality]?.samples ?? [];
  if (samples.length < 2) return {};
  const mean = samples.reduce((sum, x) => sum + x, 0) / samples.length;
  const variance = samples.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (samples.length - 1);
  return { [quality]: 1.96 * Math.sqrt(variance / samples.length) };
}

/** The first objective that no device measures, else the first. */
function qualityOf(data: ReportData, asked: string | undefined): Objective {
  const { objectives } = data;
  const name = asked ?? (objectives.find((o) => !o.name.includes(":")) ?? objectives[0]!).name;
  const found = objectives.find((objective) => objective.name === name);
  if (found !== undefined) return found;
  throw new InvalidInputError(
    "unknown-metric",
    `"${name}" is not an objective of this sweep${suggestion(
      name,
      objectives.map((o) => o.name),
    )}`,
  );
}

/** Counted metrics that the sweep had no use for are counted now. */
function withCounted(trial: ReportTrial, names: readonly string[], config: SweepConfig): ReportTrial {
  const counted = names.flatMap((name) =>
    name in trial.metrics ? [] : (staticMetric(name, trial.layout, config.measure.quantization) ?? []),
  );
  const metrics = Object.fromEntries(counted.map(({ name, ...metric }) => [name, metric]));
  return { ...trial, metrics: { ...trial.metrics, ...metrics } };
}

const choiceOf = (trial: ReportTrial, quality: string): Choice => ({
  id: trial.id,
  layout: trial.layout,
  metrics: valuesOf(trial),
  errors: errorsOf(trial, quality),
});

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
        default: 0.01,
        describe: "quality given up freely, in its unit",
      })
      .option("device", { type: "string", requiresArg: true, describe: "device the budgets are of" })
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
      .epilogue(ruleNames.map((name) => `${name}: ${rules[name].description}`).join("\n")),
  handler: ({ sweep: name, budget, rule, quality: asked, tolerance, device, db, json }) =>
    readStore(db, (store) => {
      const sweep = store.sweeps.get(name);
      if (device !== undefined && !sweep.config.measure.devices.includes(device))
        throw new InvalidInputError(
          "unknown-device",
          `sweep "${name}" did not measure on "${device}"${suggestion(device, sweep.config.measure.devices)}`,
        );
      if (!(tolerance >= 0)) throw new InvalidInputError("usage", "--tolerance is a number, 0 or more");
      const data = reportData(store, sweep, { jobs: false, evidence: false });
      const budgets = parseBudgets((budget ?? []).join(","), {
        known: metricsOf(sweep.config),
        objectives: data.objectives.map((objective) => objective.name),
        device,
      });
      const quality = qualityOf(data, asked);
      const budgeted = budgets.map(({ metric }) => metric);
      const complete = data.trials
        .filter((trial) => trial.state === "complete")
        .map((trial) => withCounted(trial, budgeted, sweep.config));
      const { chosen, runnerUp, reasons } = select(
        complete.map((trial) => choiceOf(trial, quality.name)),
        { rule, budgets, quality, tolerance },
      );
      const trialOf = (choice: Choice | null) => choice && complete.find((trial) => trial.id === choice.id)!;
      const [first, second] = [trialOf(chosen), trialOf(runnerUp)];
      const shown = [...new Set([...data.objectives.map((o) => o.name), ...budgeted])];
      const output = {
        sweep: name,
        rule,
        budgets,
        quality: quality.name,
        chosen: first && entry(first),
        runnerUp: second && entry(second),
        reasons,
      };
      printEither(json, output, () => describe(first, second, shown, reasons));
    }),
};

const entry = (trial: ReportTrial) => ({
  id: trial.id,
  trial: trial.number,
  notation: formatNotation(trial.layout),
  parameters: trial.parameters,
  metrics: valuesOf(trial),
});

function describe(
  chosen: ReportTrial | null,
  runnerUp: ReportTrial | null,
  shown: readonly string[],
  reasons: readonly string[],
): string {
  if (chosen === null) return ["No layout fits.", "", ...reasons].join("\n");
  const pair = runnerUp === null ? [chosen] : [chosen, runnerUp];
  const value = (trial: ReportTrial, name: string): string => {
    const metric = trial.metrics[name];
    return metric === undefined ? "-" : formatValue(metric.value, metric.unit);
  };
  return [
    chosen.notation,
    "",
    columns(
      [
        ["", "CHOICE", ...(runnerUp === null ? [] : ["RUNNER-UP"])],
        ["layout", ...pair.map((trial) => trial.id)],
        ["trial", ...pair.map((trial) => `#${trial.number}`)],
        ["parameters", ...pair.map((trial) => formatParameters(trial.parameters))],
        ...shown.map((name) => [metricLabel(name), ...pair.map((trial) => value(trial, name))]),
      ],
      [1, 2],
    ),
    "",
    ...reasons,
  ].join("\n");
}
