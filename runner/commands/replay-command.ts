// edgefront replay: runs other strategies on the recorded results of a sweep, without device time.

import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { Space } from "../../candidates/space.ts";
import { counted } from "../../candidates/words.ts";
import { layoutDomain } from "../../search/domain.ts";
import { frontReference } from "../../search/hypervolume.ts";
import { orient } from "../../search/pareto.ts";
import { recordedDomain, replay } from "../../search/replay.ts";
import {
  type StrategyEntry,
  type StrategyName,
  strategies,
  strategyNames,
} from "../../search/strategy-registry.ts";
import { resolveObjectives } from "../sweep/metric-names.ts";
import { outcomeOf } from "../sweep/outcomes.ts";
import { columns, printEither, readStore, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Args {
  sweep: string;
  strategy: StrategyName[];
  seeds: number;
  db: string;
  json: boolean;
}

/** The fewest complete trials for a replay: fewer are too few to search among. */
const FEWEST = 8;
const TARGET = 0.95;

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

export const replayCommand: CommandModule<object, Args> = {
  command: "replay <sweep>",
  describe: "Compare search strategies on a sweep's recorded results, without measuring",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .option("strategy", {
        choices: strategyNames,
        array: true,
        default: [...strategyNames],
        defaultDescription: "all",
        describe: "strategies to run",
      })
      .option("seeds", { type: "number", default: 10, requiresArg: true, describe: "runs of each strategy" })
      .example(example("$0 replay quickstart", "Show how soon each strategy would have found this front"))
      .example(
        example(
          "$0 replay quickstart --strategy model nsga2 --seeds 20 --json",
          "Compare two strategies, as JSON",
        ),
      ),
  handler: ({ sweep: name, strategy: names, seeds, db, json }) =>
    readStore(db, (store) => {
      if (!Number.isInteger(seeds) || seeds < 1 || seeds > 1000)
        throw new InvalidInputError(
          "usage",
          `--seeds is ${seeds}, but must be a whole number from 1 to 1000; try --seeds 10`,
        );
      const sweep = store.sweeps.get(name);
      const objectives = resolveObjectives(sweep.config);
      const records = store.trials
        .all(sweep.id)
        .filter(({ state }) => state !== "proposed" && state !== "lost")
        .map((trial) => outcomeOf(store, trial));
      const complete = records.filter(({ state }) => state === "complete");
      if (complete.length < FEWEST)
        throw new InvalidInputError(
          "too-few-trials",
          `sweep "${name}" has ${counted(complete.length, "complete trial")}, but a replay needs ${FEWEST}; raise search.trials in its configuration and run it under another name`,
        );
      const reference = frontReference(complete.map(({ metrics }) => orient(metrics, objectives)));
      const domain = recordedDomain(layoutDomain(new Space(sweep.config.space)), records);
      const runs = names.map((strategyName) => {
        const entry: StrategyEntry = strategies[strategyName];
        const curves = Array.from({ length: seeds }, (_, seed) => {
          const options = strategyName === "model" ? { batch: 1 } : {};
          const made = entry.create({ domain, objectives, seed: seed + 1, options, initial: [] });
          return replay(made, records, domain.id, objectives, reference);
        });
        const to = curves.map((curve) => {
          const index = curve.findIndex((share) => share >= TARGET);
          return index < 0 ? curve.length + 1 : index + 1;
        });
        const half = Math.ceil(records.length / 2);
        return {
          strategy: strategyName,
          evaluationsTo95: median(to),
          shareAtHalf: median(curves.map((curve) => curve[Math.min(half, curve.length) - 1] ?? 0)),
          curves,
        };
      });
      printEither(json, { sweep: name, records: records.length, seeds, runs }, () =>
        [
          `${records.length} recorded trials of "${name}", ${complete.length} complete; medians of ${counted(seeds, "seed")}.`,
          "",
          columns(
            [
              ["STRATEGY", "TRIALS TO 95%", "HYPERVOLUME AT HALF"],
              ...runs.map(({ strategy, evaluationsTo95, shareAtHalf }) => [
                strategy,
                String(evaluationsTo95),
                `${(100 * shareAtHalf).toFixed(1)}%`,
              ]),
            ],
            [1, 2],
          ),
          "",
          "Each strategy chose among the recorded layouts only; it might have proposed others.",
        ].join("\n"),
      );
    }),
};
