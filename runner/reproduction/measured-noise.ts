// Computes the noise that a study found, between seeds and within pairs, so that its power can be stated
// again.
import type { ComparedPair } from "../../profilers/compare.ts";
import { pooledSpread } from "../../profilers/statistics/pooled.ts";
import { summarise } from "../../profilers/statistics/summary.ts";
import { TTFT } from "./decide/decide-study.ts";
import type { Endpoint } from "./decide/endpoint.ts";
import type { SupposedNoise } from "./supposed.ts";

/**
 * Returns the median of the pairs' standard deviations over comparisons, because a burst of other work
 * disturbs some of them.
 */
function pairSd(pairs: readonly (readonly ComparedPair[])[]): number | null {
  const sds = pairs.flatMap((own) => {
    const spread = pooledSpread([own.map(({ a, b }) => Math.log(b[TTFT]! / a[TTFT]!))]);
    return spread === null ? [] : [spread.sd];
  });
  return sds.length === 0 ? null : summarise(sds).median;
}

/**
 * Returns the spread between seeds of layouts that solved the task in every run; failed runs would inflate
 * it.
 */
function seedSd({ losses, worst }: Endpoint): number | null {
  const whole = [...losses.values()].filter((own) => worst === null || own.every((loss) => loss < worst));
  return pooledSpread(whole)?.sd ?? null;
}

/** Returns the noise found; parts without data keep the assumed value. */
export function measuredNoise(
  endpoints: readonly Endpoint[],
  pairs: readonly (readonly ComparedPair[])[],
  assumed: SupposedNoise,
): SupposedNoise {
  const of = (kind: Endpoint["kind"]): number | null => {
    const found = endpoints.filter((endpoint) => endpoint.kind === kind).flatMap((one) => seedSd(one) ?? []);
    return found.length === 0 ? null : Math.max(...found);
  };
  return {
    ...assumed,
    steps: of("steps") ?? assumed.steps,
    score: of("score") ?? assumed.score,
    pair: pairSd(pairs) ?? assumed.pair,
  };
}
