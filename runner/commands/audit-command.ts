// edgefront audit: do the sweep's proxies order layouts as longer training does?

import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { MIN_AUDITED } from "../../profilers/fidelity.ts";
import type { ReportProxy } from "../../reports/model.ts";
import { readSweepConfig } from "../config/config.ts";
import { suggestion } from "../config/config-errors.ts";
import type { Worker } from "../farm/worker.ts";
import { auditedScore, auditSweep } from "../sweep/proxy-audit.ts";
import { withWorker } from "../sweep/solo.ts";
import { laneDevice, laneOf } from "../training/trainers/trainer-registry.ts";
import { configFolder } from "../training/training-data.ts";
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

interface Args {
  config: string;
  db: string;
  name: string | undefined;
  task: string[] | undefined;
  layouts: number;
  longer: number;
  wait: boolean;
  json: boolean;
}

const shown = (value: number | null): string => (value === null ? "-" : value.toFixed(2));

/** A score over all layouts, then within those that can recall and those that cannot. */
const rowsOf = ({ metric, tau, low, high, layouts, weak, strata = [] }: ReportProxy): string[][] => [
  [
    metric,
    shown(tau),
    `${shown(low)} .. ${shown(high)}`,
    `${layouts}`,
    weak ? "weak: the front may be ordered by chance here" : "",
  ],
  ...strata.map((one) => [
    `  that ${one.stratum}`,
    shown(one.tau),
    `${shown(one.low)} .. ${shown(one.high)}`,
    `${one.layouts}`,
    one.low === null ? "too few to say" : one.low > 0 ? "" : "no order within them is shown",
  ]),
];

export const auditCommand: CommandModule<object, Args> = {
  command: "audit <config>",
  describe: "Train a sample of a sweep's layouts longer: do its proxies rank them rightly?",
  builder: (yargs) =>
    withNoWait(withJson(withDatabase(yargs)))
      .positional("config", { type: "string", demandOption: true, describe: "the sweep's YAML file" })
      .option("name", { type: "string", requiresArg: true, describe: "name of the sweep, if another" })
      .option("task", { type: "string", array: true, describe: "only these tasks of it" })
      .option("layouts", {
        type: "number",
        default: 20,
        requiresArg: true,
        describe: "how many layouts, spread over their numbers of attention layers",
      })
      .option("longer", {
        type: "number",
        default: 8,
        requiresArg: true,
        describe: "times the sweep's steps",
      })
      .example(example("$0 audit configs/quickstart.yaml", "20 layouts, 8 times as long, every task"))
      .example(example("$0 audit configs/quickstart.yaml --task recall --longer 4", "one task, less dear")),
  handler: async ({ config: path, db, name, task, layouts, longer, wait, json }) => {
    const config = readSweepConfig(path);
    if (!(Number.isInteger(layouts) && layouts >= MIN_AUDITED))
      throw new InvalidInputError(
        "bad-layouts",
        `--layouts ${layouts}: name a whole number of ${MIN_AUDITED} or more; fewer say nothing of an order`,
      );
    if (!(longer > 1)) throw new InvalidInputError("bad-longer", `--longer ${longer}: name a number above 1`);
    const names = Object.keys(config.score?.tasks ?? {});
    const unknown = task?.find((one) => !names.includes(one));
    if (unknown !== undefined)
      throw new InvalidInputError(
        "unknown-task",
        `${path} has no task "${unknown}"${suggestion(unknown, names)}`,
      );
    const signal = interruptSignal();
    await readStore(db, async (store) => {
      const sweep = store.sweeps.get(name ?? config.name);
      const lane = laneOf(auditedScore(config).trainer);
      let last = 0;
      const onProgress = (text: string): void => {
        const now = performance.now();
        if (!process.stderr.isTTY || now - last < 200) return;
        last = now;
        process.stderr.write(`\r\u001b[K${text.slice(0, 110)}`);
      };
      const options = { layouts, longer, tasks: task, folder: configFolder(path), onProgress };
      const work = (worker: Worker) => auditSweep(store, sweep, config, worker, options);
      const found = await withWorker(store, laneDevice(store, lane), signal, work, {
        program: lane.program,
        noWait: !wait,
      });
      if (process.stderr.isTTY) say("");
      const { width } = config.score!.proxy;
      printEither(json, { sweep: sweep.name, proxies: found }, () =>
        [
          columns([["SCORE", "TAU", "95%", "LAYOUTS", ""], ...found.flatMap(rowsOf)]),
          "",
          `Longer training is with fresh seeds. No ladder of widths was passed: these scores rank nothing above width ${width}.`,
        ].join("\n"),
      );
    });
  },
};
