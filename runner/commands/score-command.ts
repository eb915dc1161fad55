// edgefront score: trains a layout's proxy on the tasks of a configuration, and prints its scores.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Layout } from "../../candidates/layout.ts";
import { formatNotation } from "../../candidates/notation.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { windowNotices } from "../../profilers/proxy-windows.ts";
import { PRECISIONS, type Precision } from "../../profilers/requests.ts";
import { meanInterval } from "../../profilers/statistics/student.ts";
import { compositeMetric } from "../../profilers/tasks/composite.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import { dropAtExit } from "../base/ends.ts";
import { PACKAGE_ROOT } from "../base/version.ts";
import { readSweepConfig, type SweepConfig } from "../config/config.ts";
import { suggestion } from "../config/config-errors.ts";
import { type ScoreConfig, type TaskConfig, withDistillation } from "../config/config-score.ts";
import { layoutFrom } from "../config/layouts.ts";
import { windowedTasks } from "../config/proxy-notices.ts";
import { localDevice } from "../devices/device-record.ts";
import { LOCAL_DEVICE } from "../farm/known.ts";
import type { Worker } from "../farm/worker.ts";
import { Store } from "../store/store.ts";
import { requireInUse, withWorker } from "../sweep/solo.ts";
import { type TrainProgress, trainOn } from "../training/train.ts";
import { laneDevice, laneOf } from "../training/trainers/trainer-registry.ts";
import { configFolder, prepareTask } from "../training/training-data.ts";
import {
  columns,
  interruptSignal,
  printEither,
  readStore,
  say,
  withDatabase,
  withJson,
  withNoWait,
} from "./common.ts";
import { example } from "./examples.ts";

const objectives = {
  "cross-entropy": null,
  topk: "top-k",
  "decoupled-topk": "decoupled-top-k",
} as const;

interface Args {
  layout: string;
  config: string;
  task: string[] | undefined;
  seeds: number[] | undefined;
  steps: number | undefined;
  objective: keyof typeof objectives | undefined;
  teacher: string | undefined;
  temperature: number | undefined;
  precision: Precision | undefined;
  out: string | undefined;
  db: string;
  wait: boolean;
  json: boolean;
}

/** Returns the task with the command line's options. */
function asAsked(task: TaskConfig, { steps, objective, teacher, temperature, precision }: Args): TaskConfig {
  const given = {
    ...(steps === undefined ? {} : { steps }),
    ...(precision === undefined ? {} : { precision }),
  };
  const changed = { ...task, training: { ...task.training, ...given } };
  if (objective === undefined) return changed;
  const kind = objectives[objective];
  if (kind === null) {
    const { distill: _distill, ...training } = changed.training;
    return { ...changed, training };
  }
  const more = temperature === undefined ? {} : { temperature };
  return withDistillation(changed, {
    objective: kind,
    ...more,
    ...(teacher === undefined ? {} : { teacher }),
  });
}

/** Shows progress in one line of a terminal. */
function show(name: string, seed: number, { step, steps, loss, what }: TrainProgress): void {
  if (!process.stderr.isTTY) return;
  const reached = loss === null ? "" : `, loss ${loss.toFixed(4)}`;
  process.stderr.write(
    `\r\u001b[K${name}, seed ${seed}${what === "proxy" ? "" : `, ${what}`}: step ${step} of ${steps}${reached}`,
  );
  if (step === steps) process.stderr.write("\n");
}

/** The configuration's training, with the changes of the command line. */
interface Asked {
  readonly config: SweepConfig;
  /** The folder that relative paths of the configuration start from. */
  readonly folder: string;
  readonly score: ScoreConfig;
  readonly tasks: ScoreConfig["tasks"];
}

/**
 * Returns the requested training.
 * @throws InvalidInputError when there is nothing to train, or an option is invalid.
 */
function askedOf(args: Args): Asked {
  const { config: path, task: only, seeds } = args;
  const config = readSweepConfig(path);
  if (config.score === undefined)
    throw new InvalidInputError(
      "no-score",
      `${path} has no score section, so there is nothing to train; give another file with --config`,
    );
  if (args.steps !== undefined && !(Number.isInteger(args.steps) && args.steps > 0))
    throw new InvalidInputError(
      "bad-steps",
      `--steps is ${args.steps}, but must be a whole number above 0; try --steps 600`,
    );
  const score = { ...config.score, ...(seeds === undefined ? {} : { seeds }) };
  const names = Object.keys(score.tasks);
  const unknown = only?.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new InvalidInputError(
      "unknown-task",
      `${path} has no task "${unknown}"${suggestion(unknown, names)}`,
    );
  const chosen = Object.entries(score.tasks).filter(([name]) => only?.includes(name) ?? true);
  const tasks = Object.fromEntries(chosen.map(([name, task]) => [name, asAsked(task, args)]));
  return { config, folder: configFolder(path), score, tasks };
}

/**
 * Trains a layout on every task with every seed. Returns the metrics and the results they were computed from.
 */
async function trainAll(
  worker: Worker,
  layout: Layout,
  { config, folder, score, tasks }: Asked,
  out: string | undefined,
): Promise<{ readonly metrics: readonly Metric[]; readonly runs: readonly object[] }> {
  const metrics: Metric[] = [];
  const runs: object[] = [];
  for (const [name, taskConfig] of Object.entries(tasks)) {
    const task = await prepareTask(name, taskConfig, config.seed, folder);
    const results = [];
    for (const seed of score.seeds) {
      say(`training ${name}, seed ${seed}`);
      const weights = out === undefined ? undefined : resolve(join(out, `${name}-${seed}.gguf`));
      if (weights !== undefined) dropAtExit(`${weights}.part`);
      const onProgress = (progress: TrainProgress): void => show(name, seed, progress);
      const part = weights === undefined ? {} : { out: weights };
      const { request, result } = await trainOn(worker, layout, task, seed, score, onProgress, part);
      if (result.stopped !== "steps")
        say(`${name}, seed ${seed}: training ended at step ${result.steps} (${result.stopped})`);
      runs.push({ task: name, request, result });
      results.push(result);
    }
    const { scores } = taskOf(taskConfig.task as TaskName);
    metrics.push(...taskMetrics(name, scores, results, task.bytesPerToken));
  }
  for (const [name, components] of Object.entries(score.composite ?? {})) {
    const composite = compositeMetric(name, components, metrics);
    if (composite !== null) metrics.push(composite);
  }
  return { metrics, runs };
}

export const scoreCommand: CommandModule<object, Args> = {
  command: "score <layout>",
  describe: "Train a layout's proxy and print its quality",
  builder: (yargs) =>
    withNoWait(withDatabase(withJson(yargs)))
      .positional("layout", {
        type: "string",
        demandOption: true,
        describe: "name, notation, layout JSON or config.json",
      })
      .option("config", {
        type: "string",
        default: `${PACKAGE_ROOT}/configs/quickstart.yaml`,
        defaultDescription: "configs/quickstart.yaml",
        requiresArg: true,
        describe: "sweep configuration that declares the tasks",
      })
      .option("task", { type: "string", array: true, describe: "only these tasks of the configuration" })
      .option("seeds", {
        type: "number",
        array: true,
        describe: "training seeds (default: those of the configuration)",
      })
      .option("steps", {
        type: "number",
        requiresArg: true,
        describe: "training steps (default: those of the configuration)",
      })
      .option("objective", {
        choices: Object.keys(objectives) as (keyof typeof objectives)[],
        describe: "training objective; the last two learn from a teacher",
      })
      .option("teacher", {
        type: "string",
        requiresArg: true,
        describe: "teacher: a layout to train first, a .gguf file, or an .efl file of logits",
      })
      .option("temperature", {
        type: "number",
        requiresArg: true,
        describe: "temperature of the distilling objective",
      })
      .option("precision", {
        choices: PRECISIONS,
        requiresArg: true,
        describe: "precision of linear layers' operands; compare scores of one precision only",
      })
      .option("out", {
        type: "string",
        requiresArg: true,
        describe: "folder for the trained weights, one GGUF file for each task and seed",
      })
      .example(example("$0 score lfm2-350m", "Train on the quickstart's tasks"))
      .example(example('$0 score "d512 f1024 : 8[c3]" --seeds 1 2 3', "Train with three seeds"))
      .example(example("$0 score lfm2-350m --task text --precision bfloat16", "Train with bfloat16 products"))
      .example(
        example(
          "$0 score lfm2-350m --task text --out trained",
          "Keep the weights as GGUF files for `measure`",
        ),
      )
      .example(
        example(
          '$0 score "d512 f1024 : 8[c3]" --task text --objective decoupled-topk --teacher lfm2-350m',
          "Learn from a teacher's 32 most likely tokens",
        ),
      ),
  handler: async (args) => {
    const layout = layoutFrom(args.layout);
    const asked = askedOf(args);
    const { score, tasks } = asked;
    const mixers = layout.layers.map(({ mixer }) => mixer);
    for (const text of windowNotices(mixers, layout.width, windowedTasks({ ...score, tasks })))
      say(`notice: ${text}`);
    if (args.out !== undefined) await mkdir(args.out, { recursive: true });
    const store = Store.open(":memory:");
    const lane = laneOf(score.trainer);
    const device =
      lane.device === LOCAL_DEVICE && !existsSync(args.db)
        ? localDevice()
        : await readStore(args.db, (db) => {
            requireInUse(db, lane.device);
            return laneDevice(db, lane);
          });
    const work = async (worker: Worker): Promise<void> => {
      const { metrics, runs } = await trainAll(worker, layout, asked, args.out);
      const intervals = metrics.map((metric) => ({ ...metric, interval: meanInterval(metric.samples) }));
      printEither(args.json, { layout: formatNotation(layout), metrics: intervals, runs }, () =>
        columns([
          ["METRIC", "MEAN", "UNIT", "95% INTERVAL", "BY SEED"],
          ...intervals.map(({ name, value, unit, samples, interval }) => [
            name,
            value.toFixed(4),
            unit,
            interval === null ? "one seed" : `${interval[0].toFixed(4)} .. ${interval[1].toFixed(4)}`,
            samples.map((sample) => sample.toFixed(4)).join(" "),
          ]),
        ]),
      );
    };
    const options = { program: lane.program, noWait: !args.wait };
    await withWorker(store, device, interruptSignal(), work, options).finally(() => store.close());
  },
};
