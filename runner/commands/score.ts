// edgefront score: trains a layout's proxy on the tasks of a configuration.
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { formatNotation } from "../../candidates/notation.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/registry.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { readSweepConfig } from "../config.ts";
import { suggestion } from "../config-errors.ts";
import { localDevice } from "../devices/device.ts";
import { layoutFrom } from "../layouts.ts";
import { Store } from "../store/store.ts";
import { trainOn } from "../sweep/jobs.ts";
import { withWorker } from "../sweep/solo.ts";
import { configFolder, prepareTask } from "../sweep/training-data.ts";
import { PACKAGE_ROOT } from "../version.ts";
import { columns, interruptSignal, printEither, say, withJson } from "./common.ts";

interface Args {
  layout: string;
  config: string;
  task: string[] | undefined;
  seeds: number[] | undefined;
  json: boolean;
}

export const scoreCommand: CommandModule<object, Args> = {
  command: "score <layout>",
  describe: "Train a layout's proxy and print its quality",
  builder: (yargs) =>
    withJson(yargs)
      .positional("layout", { type: "string", demandOption: true, describe: "name, notation, or JSON file" })
      .option("config", {
        type: "string",
        default: `${PACKAGE_ROOT}/configs/quickstart.yaml`,
        defaultDescription: "configs/quickstart.yaml",
        requiresArg: true,
        describe: "sweep configuration whose tasks to use",
      })
      .option("task", { type: "string", array: true, describe: "only these tasks of it" })
      .option("seeds", { type: "number", array: true, describe: "seeds, instead of its own" })
      .example("$0 score lfm2-350m", "with the quickstart's tasks")
      .example('$0 score "d512 f1024 : 8[c3]" --seeds 1 2 3', "three seeds"),
  handler: async ({ layout: text, config: path, task: only, seeds, json }) => {
    const layout = layoutFrom(text);
    const config = readSweepConfig(path);
    if (config.score === undefined)
      throw new InvalidInputError("no-score", `${path} declares no score to train`);
    const score = { ...config.score, ...(seeds === undefined ? {} : { seeds }) };
    const names = Object.keys(score.tasks);
    const unknown = only?.find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw new InvalidInputError(
        "unknown-task",
        `${path} has no task "${unknown}"${suggestion(unknown, names)}`,
      );
    }
    const chosen = Object.entries(score.tasks).filter(([name]) => only?.includes(name) ?? true);
    const signal = interruptSignal();
    const store = Store.open(":memory:");
    await withWorker(store, localDevice(), signal, async (worker) => {
      const metrics: Metric[] = [];
      const runs = [];
      for (const [name, taskConfig] of chosen) {
        const task = await prepareTask(name, taskConfig, config.seed, configFolder(path));
        const results = [];
        for (const seed of score.seeds) {
          say(`training ${name}, seed ${seed}`);
          const run = await trainOn(worker, layout, task, seed, score, () => {});
          runs.push({ task: name, ...run });
          results.push(run.result);
        }
        metrics.push(
          ...taskMetrics(name, taskOf(taskConfig.task as TaskName).scores, results, task.bytesPerToken),
        );
      }
      printEither(json, { layout: formatNotation(layout), metrics, runs }, () =>
        columns([
          ["METRIC", "MEAN", "UNIT", "BY SEED"],
          ...metrics.map(({ name, value, unit, samples }) => [
            name,
            value.toFixed(4),
            unit,
            samples.map((sample) => sample.toFixed(4)).join(" "),
          ]),
        ]),
      );
    }).finally(() => store.close());
  },
};
