// Replays recorded results to another strategy, which searches among the recorded candidates at no cost.
// Variation works in the whole space, then moves to the nearest record, so that neighbours stay neighbours.
import type { Rng } from "../candidates/space.ts";
import type { Domain, Varied } from "./domain.ts";
import { hypervolume } from "./hypervolume.ts";
import { orient, ParetoArchive, type Vector } from "./pareto.ts";
import type { Objective, Outcome, Strategy } from "./strategy.ts";

/**
 * Returns the recorded candidates as a domain. Distance is between features, each scaled to its range over
 * the records.
 */
export function recordedDomain<C>(space: Domain<C>, records: readonly Outcome<C>[]): Domain<C> {
  const rows = records.map(({ layout }) => space.features(layout));
  const width = space.groups.length;
  const scale = Array.from({ length: width }, (_, k) => {
    const values = rows.map((row) => row[k]!);
    return 1 / (Math.max(...values) - Math.min(...values) || 1);
  });
  const nearest = (candidate: C, but: ReadonlySet<string>, rng: Rng): C | null => {
    const features = space.features(candidate);
    let [best, least, ties] = [-1, Number.POSITIVE_INFINITY, 0];
    for (const [index, row] of rows.entries()) {
      if (but.has(records[index]!.id)) continue;
      let distance = 0;
      for (let k = 0; k < width && distance <= least; k++)
        distance += Math.abs(row[k]! - features[k]!) * scale[k]!;
      if (distance > least) continue;
      ties = distance === least ? ties + 1 : 1;
      if (distance < least || rng.below(ties) === 0) best = index;
      least = distance;
    }
    return best < 0 ? null : records[best]!.layout;
  };
  const back = (varied: Varied<C> | null, parents: readonly C[], rng: Rng): Varied<C> | null => {
    const near = varied && nearest(varied.candidate, new Set(parents.map((parent) => space.id(parent))), rng);
    return varied === null || near === null ? null : { candidate: near, operator: varied.operator };
  };
  return {
    ...space,
    sample: (rng) => records[rng.below(records.length)]!.layout,
    mutate: (candidate, rng) => back(space.mutate(candidate, rng), [candidate], rng),
    crossover: (a, b, rng) => back(space.crossover(a, b, rng), [a, b], rng),
    size: () => records.length,
    *enumerate() {
      for (const { layout } of records) yield layout;
    },
  };
}

/**
 * Returns, after each reported outcome, the hypervolume divided by that of all records. Ends after `count`
 * outcomes, or when the strategy has no more proposals.
 */
export function replay<C>(
  strategy: Strategy<C>,
  records: readonly Outcome<C>[],
  id: (candidate: C) => string,
  objectives: readonly Objective[],
  reference: Vector,
  count = records.length,
): readonly number[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  const all = records.filter(({ state }) => state === "complete");
  const best = hypervolume(
    all.map(({ metrics }) => orient(metrics, objectives)),
    reference,
  );
  const archive = new ParetoArchive<null>();
  const curve: number[] = [];
  while (curve.length < count) {
    const asked = strategy.ask(count - curve.length);
    if (asked.length === 0) break;
    strategy.tell(
      asked.map(({ candidate }) => {
        const record = byId.get(id(candidate))!;
        const joined =
          record.state === "complete" && archive.insert(orient(record.metrics, objectives), null);
        const volume = (): number =>
          hypervolume(
            archive.entries.map(({ vector }) => vector),
            reference,
          ) / best;
        curve.push(joined ? volume() : (curve.at(-1) ?? 0));
        return record;
      }),
    );
  }
  return curve;
}
