// Writes the differences and margins of the study.
import { type Difference, intervalOf } from "../../profilers/statistics/margin.ts";
import { formatNumber } from "../../reports/format.ts";
import { type Endpoint, marginOf } from "./decide/endpoint.ts";

const signed = (value: number): string => `${value < 0 ? "-" : "+"}${formatNumber(Math.abs(value), 2)}`;

/**
 * Returns a difference of losses with its 95% interval: a factor of steps, or points of the score (more is
 * worse).
 */
export function lossText({ kind }: Endpoint, difference: Difference | null): string {
  if (difference === null) return "too few seeds to compare";
  const { estimate } = difference;
  const { low, high } = intervalOf(difference);
  if (kind === "score") return `${signed(estimate)} [${signed(low)}, ${signed(high)}]`;
  const [times, from, to] = [estimate, low, high].map((value) => formatNumber(Math.exp(value), 3));
  return `${times}x [${from}, ${to}]`;
}

/** Returns the margin of an endpoint in words. */
export function marginText(endpoint: Endpoint): string {
  const margin = marginOf(endpoint);
  return endpoint.kind === "steps"
    ? `${formatNumber(Math.exp(margin), 3)}x the steps`
    : `${formatNumber(margin)} of the score`;
}

/** Returns the name of an endpoint in words. */
export const endpointText = ({ kind, task }: Endpoint): string =>
  kind === "steps" ? `steps to solve ${task}` : `score of ${task}`;

/** Returns a relative change as a factor with its interval, such as `1.10x [1.05, 1.15]`. */
export const timesText = ({
  change,
  low,
  high,
}: {
  readonly change: number;
  readonly low: number;
  readonly high: number;
}): string => {
  const [times, from, to] = [change, low, high].map((value) =>
    Number.isFinite(value) ? formatNumber(1 + value, 3) : "?",
  );
  return `${times}x [${from}, ${to}]`;
};
