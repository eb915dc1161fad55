// What stands between the attention layers: short convolution against a sliding window, and the kernel size.
import { formatNumber } from "../../reports/format.ts";
import { parseMetricName } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import { MATTERS, type Study } from "./study.ts";

export function localAnswer(study: Study): ReportFinding | null {
  const rows = study.measured.filter(({ group }) => group === "local");
  const window = rows.find(({ label }) => /^pattern with s\d+ for c3$/.test(label));
  if (window === undefined) return null;
  const { p95, ttft, memory } = study.names;
  const ratios = [ttft, p95].map((name) => ({ name, ratio: study.ratio(window, study.pattern, name) }));
  const bigger = window.point.metrics[memory]! / study.pattern.point.metrics[memory]!;
  const gains = study.names.qualities.map((quality) => {
    const sign = quality.direction === "min" ? 1 : -1;
    const [a, b] = [
      study.quality(study.pattern.point, quality.name),
      study.quality(window.point, quality.name),
    ];
    const gain = sign * (a.value - b.value);
    const error = Math.hypot((a.high - a.low) / 2, (b.high - b.low) / 2);
    return { gain, error };
  });
  const known = gains.every(({ error }) => Number.isFinite(error)) && study.unlearnt.length === 0;
  const better = gains.some(({ gain, error }) => gain > error);
  const worse = gains.some(({ gain, error }) => -gain > error);
  const dearer =
    ratios.some(({ ratio }) => ratio.low > 1 && ratio.value > 1 + MATTERS) || bigger > 1 + MATTERS;
  const cheaper = ratios.some(({ ratio }) => ratio.high < 1 && ratio.value < 1 - MATTERS);
  return {
    id: "local",
    question: "Short convolution against a sliding window, and which kernel size?",
    answer:
      `A window in place of the convolution takes ${ratios.map(({ name, ratio }) => `${study.times(ratio)} the ${parseMetricName(name).base === "ttftMs" ? "time to first token" : "p95 time per token"}`).join(", ")} and ${formatNumber(bigger)}x the memory; ` +
      `quality is ${!known ? "not told apart (one seed, or a task that no proxy learnt)" : better ? "better beyond the error in at least one task" : worse ? "worse beyond the error" : "not different beyond the error"}.`,
    // Published: other local operators did not improve quality and usually worsened device metrics.
    verdict: !known
      ? "open"
      : better && worse
        ? "open"
        : better
          ? "contradicts"
          : dearer
            ? "agrees"
            : cheaper && !worse
              ? "contradicts"
              : "open",
    table: study.table([study.pattern, ...rows]),
    notes: [...study.unlearntNotes(), study.pooledNote()],
  };
}
