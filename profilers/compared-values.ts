// What a comparison reads from one run: time to the first token, speed after it, and memory, by estimators that other work on the
// device disturbs little. A report's metrics are medians of whole repetitions (device-metrics.ts): where something else takes a core
// every few tokens, hardly a repetition is undisturbed, but most tokens are. Rejected, by npm run bench:compare -- --estimators 20:
// - the fastest repetition: best for short prefills, worst for long ones on a busy device, where undisturbed ones are luck;
// - the ratio to a reference layout timed beside each side: more spread in nearly every case, as disturbances are shorter than a run.
import type { ContextMetric, Direction } from "./metrics/kinds.ts";
import { kindOf, metricName } from "./metrics/name.ts";
import type { MeasureResult } from "./protocol.ts";
import { quantile } from "./statistics/summary.ts";

/** Which of the sorted times stands for a run: a tenth of them undisturbed is enough. */
export const LOW_QUANTILE = 0.1;

const low = (times: readonly number[]): number =>
  quantile(
    [...times].sort((x, y) => x - y),
    LOW_QUANTILE,
  );

/** The compared metrics of one run, without the device's name: `ttftMs@1024`, `decodeTokensPerSecond@1024`, ..., `peakBytes`. */
export function comparedValues({ contexts, batch, memory }: MeasureResult): Record<string, number> {
  const perContext = contexts.flatMap(({ context, ttftMs, decodeMs }): [string, number][] => {
    const name = (base: ContextMetric): string => metricName({ base, context, batch });
    return [
      [name("ttftMs"), low(ttftMs)],
      [name("decodeTokensPerSecond"), (batch * 1000) / low(decodeMs.flat())],
    ];
  });
  return Object.fromEntries([...perContext, ["peakBytes", memory.peakBytes]]);
}

/** What the repetitions of a run take at least, in which more of them cost little beside starting a process. */
const ENOUGH_MS = 500;
const [FEWEST, MOST] = [4, 30];

/** Repetitions of each run in a comparison of layouts that were run once: a low quantile of short prefills needs many. */
export function repetitionsFor(pilots: readonly MeasureResult[]): number {
  const repetitionMs = ({ contexts }: MeasureResult): number =>
    contexts.reduce((sum, { ttftMs, decodeMs }) => {
      const decode = decodeMs.map((tokens) => tokens.reduce((total, ms) => total + ms, 0));
      return sum + Math.min(...ttftMs) + Math.min(...decode);
    }, 0);
  const repetitions = Math.round(ENOUGH_MS / Math.max(1, ...pilots.map(repetitionMs)));
  return Math.min(MOST, Math.max(FEWEST, repetitions));
}

/** Which way a compared metric is better. */
export const directionOf = (metric: string): Direction => kindOf(metric)!.direction;
