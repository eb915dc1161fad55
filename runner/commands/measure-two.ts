// edgefront measure --compare A B: decides by interleaved pairs whether two layouts or files differ on a
// device.
import { repetitionsFor } from "../../profilers/compared-values.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { software } from "../base/version.ts";
import type { SweepEvent } from "../farm/events.ts";
import type { MeasureConfig } from "../farm/job-requests.ts";
import type { Worker } from "../farm/worker.ts";
import { runtimeOf } from "../runtimes/runtime-registry.ts";
import type { Store } from "../store/store.ts";
import { withWorker } from "../sweep/solo.ts";
import { interruptSignal, printEither, say } from "./common.ts";
import { compare, compareRules } from "./measure-compare.ts";
import { readEarlier, requireSame } from "./measure-compare-earlier.ts";
import { comparisonText } from "./measure-compare-text.ts";
import { type MeasureArgs, measuredDevice } from "./measure-options.ts";
import { describeEngine, labelOf, type MeasuredModel, modelOf } from "./measured-model.ts";

/**
 * Returns the repetitions of each run, based on their duration. Also loads both models into the device's file
 * cache.
 */
async function pilot(
  models: readonly MeasuredModel[],
  worker: Worker,
  asked: MeasureConfig,
): Promise<number> {
  const results: MeasureResult[] = [];
  for (const model of models)
    results.push(await model.measure(worker, { ...asked, repetitions: 2 }, () => {}));
  return repetitionsFor(results);
}

/**
 * Compares the two models that `texts` name and prints the verdicts.
 * @throws InvalidInputError, RunError (`device-unsteady`) and the errors of the device.
 */
export async function compareTwo(
  texts: readonly string[],
  args: MeasureArgs,
  asked: MeasureConfig,
  store: Store,
): Promise<void> {
  const { device: name, json, extend } = args;
  const rules = compareRules(args.pairs, extend !== undefined);
  const earlier = extend === undefined ? undefined : readEarlier(extend);
  const [a, b] = [await modelOf(texts[0]!), await modelOf(texts[1]!)];
  const device = measuredDevice(args, store);
  for (const { runsAs } of [a, b]) runsAs(runtimeOf(device)); // refuses before any connection is made
  await withWorker(
    store,
    device,
    interruptSignal(),
    async (worker) => {
      const repetitions =
        asked.repetitions ?? earlier?.measure.repetitions ?? (await pilot([a, b], worker, asked));
      const config = { ...asked, repetitions };
      const identity = {
        identities: { a: a.identity, b: b.identity },
        device: name,
        agentSha256: worker.agentSha256,
        measure: config,
      };
      if (earlier !== undefined) requireSame(extend!, earlier, identity);
      const run = (model: MeasuredModel) => () => model.measure(worker, config, () => {});
      const listen = (event: SweepEvent): void => {
        if (event.kind === "waiting") say(event.text);
      };
      const runs = { a: run(a), b: run(b) };
      const comparison = await compare(runs, worker, config, rules, { store, listen }, { earlier });
      const names = { a: a.name, b: b.name };
      const data = {
        models: names,
        ...identity,
        runtime: describeEngine(worker),
        emulated: worker.emulated,
        software: software(),
        ...comparison,
      };
      printEither(json, data, () => comparisonText(comparison, names, labelOf(worker)));
    },
    { noWait: !args.wait },
  );
}
