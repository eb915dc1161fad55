// A model card for one layout of a sweep: its shape, its measurements with their devices, and the limits of
// the numbers.

import { attentionCount } from "../../candidates/space.ts";
import { counted } from "../../candidates/words.ts";
import { parseMetricName } from "../../profilers/metrics/name.ts";
import { formatRange, formatValue } from "../format.ts";
import { proposedCount } from "../front.ts";
import { emulatedDevices, isEmulated, metricLabel, sampleRange } from "../metrics.ts";
import type { ReportData, ReportDevice, ReportTrial } from "../report-model.ts";
import { markdownFence, escapeMarkdown as md } from "../text.ts";

/**
 * Returns the provenance of this layout's measurements on a device; without any, the device's description.
 */
function conditions({ metrics }: ReportTrial, { name, isa, threads, agentSha256 }: ReportDevice): string {
  const [, measured] = Object.entries(metrics).find(([key]) => parseMetricName(key).device === name) ?? [];
  const facts = measured?.provenance ?? {
    agent: agentSha256.slice(0, 12),
    isa,
    threads: String(threads),
  };
  return Object.entries(facts)
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");
}

/** Returns the model card of a trial, in Markdown. */
export function modelCard(data: ReportData, trial: ReportTrial): string {
  const emulated = emulatedDevices(data);
  const attention = attentionCount(trial.layout);
  const rows = Object.entries(trial.metrics).map(([name, metric]) => {
    const range = sampleRange(metric);
    const evidence =
      range === null
        ? "computed"
        : `${formatRange(range.low, range.high, metric.unit)}, ${range.n} ${range.n === 1 ? "sample" : "samples"}`;
    const marks = [metric.stable ? "" : "unstable", isEmulated(name, emulated) ? "emulated" : ""].filter(
      Boolean,
    );
    return `| ${md(metricLabel(name))} | ${md(formatValue(metric.value, metric.unit))} | ${md(evidence)} | ${marks.join(", ")} |`;
  });
  const measuredOn = new Set(Object.keys(trial.metrics).map((name) => parseMetricName(name).device));
  const devices = data.devices.filter((device) => measuredOn.has(device.name));
  return `${[
    `# ${md(trial.published ?? trial.id)}`,
    "",
    `A layout of ${counted(trial.layout.layers.length, "layer")} (${attention} with attention), width ${trial.layout.width}, ` +
      `${trial.parameters.toLocaleString("en-US")} parameters, found by edgefront ${md(data.edgefrontVersion)} in the sweep ` +
      `${md(data.sweep)} (trial ${trial.number} of ${proposedCount(data)}); ${trial.onFront ? "on" : "not on"} its Pareto front.`,
    "",
    "**These are the shapes of a model, not a trained model.** Speed and memory were measured with weights made from a seed; " +
      "quality scores come from short training at a smaller width with the same order of mixers.",
    "",
    markdownFence(trial.notation, "text"),
    "",
    "## Evidence",
    "",
    "| Metric | Value | Raw samples | |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
    "## Measured on",
    "",
    ...devices.map(
      (d) =>
        `- ${md(d.name)}${d.emulated ? " (**emulated**: its times say nothing about hardware)" : ""}: ${md(d.cpu)}, ${md(d.arch)}; ` +
        md(conditions(trial, d)),
    ),
    ...(devices.length === 0 ? ["- nothing: all values are computed"] : []),
    "",
    `Id ${md(trial.id)}. Sweep of ${md(data.createdAt)}${data.gitCommit === null ? "" : `, commit ${md(data.gitCommit)}`}.`,
  ].join("\n")}\n`;
}
