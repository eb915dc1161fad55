// edgefront audit: do the sweep's proxies order layouts as longer training does?

import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { MIN_AUDITED } from "../../profilers/fidelity.ts";
import type { ReportProxy } from "../../reports/report-model.ts";
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
  withSweepFile,
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

/** Returns a row over all layouts, then one for the layouts that can recall and one for those that cannot. */
const rowsOf = ({ metric, tau, low, high, layouts, weak, strata = [] }: ReportProxy): string[][] => [
  [
    metric,
    shown(tau),
    `${shown(low)} .. ${shown(high)}`,
    `${layouts}`,
    weak ? "weak: this score may order the front by chance" : "",
  ],
  ...strata.map((one) => [
    `  that ${one.stratum}`,
    shown(one.tau),
    `${shown(one.low)} .. ${shown(one.high)}`,
    `${one.layouts}`,
    one.low === null ? "too few layouts" : one.low > 0 ? "" : "no order is shown within these",
  ]),
];

export const auditCommand: CommandModule<object, Args> = {
  command: "audit <config>",
  describe: "Check a sweep's proxies: train a sample of layouts longer and compare the rankings",
  builder: (yargs) =>
    withSweepFile(withNoWait(withJson(withDatabase(yargs))))
      .option("task", { type: "string", array: true, describe: "only these tasks of the sweep" })
      .option("layouts", {
        type: "number",
        default: 20,
        requiresArg: true,
        describe: "number of layouts, spread over their numbers of attention layers",
      })
      .option("longer", {
        type: "number",
        default: 8,
        requiresArg: true,
        describe: "training steps, as a multiple of the sweep's",
      })
      .example(example("$0 audit configs/quickstart.yaml", "Train 20 layouts 8 times as long, on every task"))
      .example(
        example(
          "$0 audit configs/quickstart.yaml --task recall --longer 4",
          "Check one task only, at half the cost",
        ),
      ),
  handler: async ({ config: path, db, name, task, layouts, longer, wait, json }) => {
    const config = readSweepConfig(path);
    if (!(Number.isInteger(layouts) && layouts >= MIN_AUDITED))
      throw new InvalidInputError(
        "bad-layouts",
        `--layouts is ${layouts}, but must be a whole number of at least ${MIN_AUDITED}: fewer layouts show no order; try --layouts 20`,
      );
    if (!(longer > 1))
      throw new InvalidInputError("bad-longer", `--longer is ${longer}, but must be above 1; try --longer 8`);
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
          `The longer training uses new seeds. Proxies of one width were trained: these scores rank nothing above width ${width}.`,
        ].join("\n"),
      );
    });
  },
};
