// A comparison of sweeps in words: sentences shared by the command and the page, and the command's plain
// text.
import { counted } from "../candidates/words.ts";
import type { DeviceChange, MetricShift, SweepDiff } from "./diff.ts";
import { formatValue } from "./format.ts";
import { metricLabel } from "./metrics.ts";
import { plain } from "./text.ts";

/** Returns `+3.1%`; an end of an interval may be "open". */
export function formatChange(change: number | null): string {
  if (change === null) return "new";
  if (!Number.isFinite(change)) return change > 0 ? "open" : "-100%";
  return `${change > 0 ? "+" : ""}${(change * 100).toFixed(1)}%`;
}

/** Returns an interval of relative change as text. */
export const intervalText = ({ low, high }: MetricShift["interval"]): string =>
  Number.isFinite(high) ? `${formatChange(low)} to ${formatChange(high)}` : "too few layouts for an interval";

const percent = (share: number): string => `${Number((share * 100).toPrecision(2))}%`;

/** Returns the meaning of "beyond noise", with its error rate. */
export function rulesText({ effect, errorRate, minLayouts }: SweepDiff["rules"]): string {
  return `Each layout is compared with itself. A metric shifted if the sign test over its layouts, adjusted for all metrics (Holm), rejects at ${percent(errorRate)} and the median change is at least ${percent(effect)}. Two sweeps without any change show such a shift at most ${percent(errorRate)} of the time, if the device is unchanged. A layout changed individually if it differs from that shift by ${percent(effect)} and by 5 robust standard deviations, and the 95% intervals (BCa) of both medians do not overlap. With fewer than ${counted(minLayouts, "layout")} only the intervals decide, and they do not include the noise between runs.`;
}

/** Returns a sentence about the changes of a device. */
export function deviceText({ name, rebuilt, sentinel }: DeviceChange): string {
  const parts = [
    rebuilt ? "another build of the agent" : "the same agent",
    sentinel === null
      ? "no calibration run in both sweeps"
      : `its calibration run changed by ${formatChange(sentinel)}`,
  ];
  return `${name}: ${parts.join(", ")}`;
}

/** Returns a summary of the compared metrics. */
export function metricsText(diff: SweepDiff): string {
  const { shared, sharedInAll, compared, unstable, changes } = diff;
  if (sharedInAll === 0) return "No layout is complete in both sweeps, so no metric can be compared.";
  const unjudged =
    unstable === 0
      ? ""
      : ` ${unstable} of them ${unstable === 1 ? "is" : "are"} unstable in one of the sweeps and not judged.`;
  return (
    `${counted(sharedInAll, "layout")} complete in both${shared < sharedInAll ? `, ${shared} of them compared, evenly spread` : ""}; ${counted(compared, "value")} compared.${unjudged} ` +
    `${movedText(diff)} Changed individually: ${counted(changes.length, "value")}.`
  );
}

/** Returns how many metrics shifted. Too few layouts mean "unknown", which is not the same as none. */
function movedText({ shifts, neededLayouts }: SweepDiff): string {
  const tested = shifts.filter((shift) => shift.tested);
  const moved = tested.filter(({ beyondNoise }) => beyondNoise).length;
  const [few, most] = [shifts.length - tested.length, Math.max(0, ...shifts.map(({ layouts }) => layouts))];
  const needed = `at least ${counted(neededLayouts, "layout")} stable in both sweeps are needed`;
  if (shifts.length === 0) return `Too few layouts to test: none is stable in both sweeps (${needed}).`;
  if (tested.length === 0)
    return `Too few layouts to test whether a metric shifted beyond noise: ${most} (${needed}).`;
  return (
    `Shifted beyond noise over all layouts: ${moved} of ${counted(tested.length, "measured metric")}` +
    (few === 0 ? "." : `; ${few} more have too few layouts to test (${needed}).`)
  );
}

/** Renders a comparison as text, with at most `limit` changes of single layouts. */
export function renderDiff(diff: SweepDiff, limit = 40): string {
  const out = [`${plain(diff.before)} -> ${plain(diff.after)}`, ""];
  out.push(diff.configuration.length === 0 ? "Configuration: no difference." : "Configuration:");
  for (const { path, before, after } of diff.configuration)
    out.push(`  ${plain(path)}: ${plain(before ?? "absent")} -> ${plain(after ?? "absent")}`);
  if (diff.devices.length > 0)
    out.push("", "Devices:", ...diff.devices.map((device) => `  ${plain(deviceText(device))}`));
  const { joined, left, kept } = diff.front;
  out.push("", `Front: ${kept.length} kept, ${joined.length} joined, ${left.length} left.`);
  for (const { id, why } of joined) out.push(`  + ${plain(id)}  ${plain(why)}`);
  for (const { id, why } of left) out.push(`  - ${plain(id)}  ${plain(why)}`);
  out.push("", `Metrics: ${metricsText(diff)}`);
  for (const { metric, change, interval, layouts } of diff.shifts.filter(({ beyondNoise }) => beyondNoise))
    out.push(
      `  ${plain(metricLabel(metric))}: ${formatChange(change)} (95% ${intervalText(interval)}) over ${counted(layouts, "layout")}`,
    );
  if (diff.changes.length > 0) out.push("", "Changed individually:");
  for (const { id, metric, before, after, unit, change } of diff.changes.slice(0, limit))
    out.push(
      `  ${plain(id)} ${plain(metricLabel(metric))}: ${formatValue(before, unit)} -> ${formatValue(after, unit)} (${formatChange(change)})`,
    );
  if (diff.changes.length > limit) out.push(`  and ${diff.changes.length - limit} more (--json lists all)`);
  if (diff.shared > 0) out.push("", rulesText(diff.rules));
  return `${out.join("\n")}\n`;
}
