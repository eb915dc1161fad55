// Reads the compared values of one run: time to first token, speed after it, and memory. The estimators
// resist disturbance by other work on the device. A report's metrics are medians of whole repetitions
// (device-metrics.ts). Where another program takes a core every few tokens, hardly any repetition is
// undisturbed, but most tokens are. Rejected, by npm run bench:compare -- --estimators 20:
// - the fastest repetition: best for short prefills, worst for long ones on a busy device, where undisturbed
// ones are luck;
// - the ratio to a reference layout timed beside each side: more spread in nearly every case, because
// disturbances are shorter than a run.
import type { ContextMetric, Direction } from "./metrics/kinds.ts";
import { kindOf, metricName } from "./metrics/name.ts";
import type { MeasureResult } from "./protocol.ts";
import { quantile } from "./statistics/summary.ts";

/** Quantile of the sorted times that represents a run. It needs only a tenth of them undisturbed. */
export const LOW_QUANTILE = 0.1;

const low = (times: readonly number[]): number =>
  quantile(
    [...times].sort((x, y) => x - y),
    LOW_QUANTILE,
  );

/**
 * Returns the compared metrics of one run, without the device's name: `ttftMs@1024`,
 * `decodeTokensPerSecond@1024`, ..., `peakBytes`.
 */
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

/**
 * Least total time of a run's repetitions, in ms. Up to this time, more repetitions cost little beside
 * starting a process.
 */
const ENOUGH_MS = 500;
const [FEWEST, MOST] = [4, 30];

/**
 * Returns the number of repetitions per run, from one pilot run of each layout. A low quantile of short
 * prefills needs many.
 */
export function repetitionsFor(pilots: readonly MeasureResult[]): number {
  const repetitionMs = ({ contexts }: MeasureResult): number =>
    contexts.reduce((sum, { ttftMs, decodeMs }) => {
      const decode = decodeMs.map((tokens) => tokens.reduce((total, ms) => total + ms, 0));
      return sum + Math.min(...ttftMs) + Math.min(...decode);
    }, 0);
  const repetitions = Math.round(ENOUGH_MS / Math.max(1, ...pilots.map(repetitionMs)));
  return Math.min(MOST, Math.max(FEWEST, repetitions));
}

/** Returns the better direction of a compared metric. */
export const directionOf = (metric: string): Direction => kindOf(metric)!.direction;
