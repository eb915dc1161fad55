// Numbers with units for people: ms, MB, tok/s, with a sensible number of significant digits. Machine formats
// (csv, json) have plain numbers instead.
import { type Scale, unitOf } from "../profilers/metrics/units.ts";
import type { ReportMetric } from "./report-model.ts";

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** Returns three significant digits, with thousands separated and no exponent between 0.001 and 1e9. */
export function formatNumber(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "–";
  if (value < 0) return `\u2212${formatNumber(-value, digits)}`;
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e9 || magnitude < 1e-3) return value.toExponential(digits - 1).replace("e+", "e");
  if (magnitude >= 10 ** (digits - 1)) return WHOLE.format(value);
  return value.toPrecision(digits);
}

/** Returns the scale for the largest of some values, so that an axis or a range has one unit. */
export function scaleFor(values: readonly number[], unit: string): Scale {
  const { scales = [{ from: 0, divisor: 1, unit }] } = unitOf(unit);
  const largest = Math.max(0, ...values.map(Math.abs).filter(Number.isFinite));
  return scales.find((scale) => largest >= scale.from)!;
}

/** Returns the unit as written beside a number; empty where the metric's name already implies it. */
export const shownUnit = (unit: string): string => (unitOf(unit).isSilent ? "" : unit);

const withUnit = (text: string, unit: string): string => (shownUnit(unit) === "" ? text : `${text} ${unit}`);

/** Returns e.g. `812 ms`, `1.24 s`, `412 MB`, `45.1 tok/s`, `0.873`. */
export function formatValue(value: number, unit: string): string {
  if (unitOf(unit).isCount && Number.isInteger(value)) return WHOLE.format(value);
  const scale = scaleFor([value], unit);
  return withUnit(formatNumber(value / scale.divisor), scale.unit);
}

/**
 * Returns half the 95% interval, for display beside a value: ` ±8%` for a measured one, ` ±0.02` for a score,
 * ` ±?` where the error is unknown.
 */
export function formatError({ value, samples, estimate }: ReportMetric, relative: boolean): string {
  if (estimate === undefined || samples.length === 0) return "";
  const { low, high } = estimate;
  if (low === null || high === null) return " ±?";
  const half = (high - low) / 2;
  return relative ? ` ±${formatNumber((100 * half) / Math.abs(value), 1)}%` : ` ±${formatNumber(half, 2)}`;
}

/**
 * Returns the smallest and largest sample in one unit, e.g. `11.2–12.9 ms`. Four digits, so that the ends of
 * a narrow range differ.
 */
export function formatRange(low: number, high: number, unit: string): string {
  const scale = scaleFor([low, high], unit);
  const [from, to] = [low, high].map((value) => formatNumber(value / scale.divisor, 4));
  return withUnit(from === to ? from! : `${from}–${to}`, scale.unit);
}

/** Returns a parameter count in short form, e.g. `354M`. */
export const formatParameters = (count: number): string => formatValue(count, "parameters").replace(" ", "");

/** Returns a context length in its usual short form: 512, 1K, 4K, 32K. */
export const formatContext = (tokens: number): string =>
  tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}K` : String(tokens);
