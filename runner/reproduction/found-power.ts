// States the power of a finished study again, with the noise, seeds and pairs that it had, and stores it with
// the sweep.
import { layoutId } from "../../candidates/layout.ts";
import { createRng } from "../../search/rng.ts";
import { STUDY_POWER, type StatedPower, studyRecordOf } from "../reading/study-record.ts";
import { resolveObjectives } from "../sweep/metric-names.ts";
import { endpointsOf } from "./endpoints.ts";
import { measuredNoise } from "./measured-noise.ts";
import { assumedNoise, noiseText, powerOf } from "./power.ts";
import { qualitiesOf } from "./study.ts";
import type { StudyWork } from "./work.ts";

const least = (counts: readonly number[]): number => (counts.length === 0 ? 0 : Math.min(...counts));

/** Computes the power, stores it as an event, and returns it. */
export function stateFoundPower({ store, sweep, plan, design }: StudyWork): StatedPower {
  const record = studyRecordOf(store, sweep);
  const numbers = new Map(store.trials.all(sweep.id).map(({ candidateId, number }) => [candidateId, number]));
  const trained = design.flatMap(({ label, layout }) => {
    const number = numbers.get(layoutId(layout));
    return number === undefined ? [] : [{ label, number }];
  });
  const qualities = qualitiesOf(resolveObjectives(sweep.config));
  const endpoints = endpointsOf(trained, qualities, sweep.config, record);
  const pairs = [...record.pairs.values()];
  const noise = measuredNoise(endpoints, pairs, assumedNoise);
  const had = {
    ...plan,
    seeds: least(endpoints.flatMap(({ losses }) => [...losses.values()].map((own) => own.length))),
    pairs: pairs.length < plan.comparisons.length ? 0 : least(pairs.map((own) => own.length)),
  };
  const power = powerOf(had, design, noise, createRng(sweep.config.seed));
  const said: StatedPower = { power: [...power], noise: noiseText(noise) };
  store.log(STUDY_POWER, said, { sweepId: sweep.id });
  return said;
}
