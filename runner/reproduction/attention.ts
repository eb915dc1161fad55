// How many attention layers, and where: the curve over counts, and the cost of early or dense placements.
import { attentionCount } from "../../candidates/space.ts";
import { formatNumber } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import { MATTERS, type Measured, type Study, TOLERANCE } from "./study.ts";

export function countsAnswer(study: Study): ReportFinding | null {
  const rows = study.measured.filter(({ group }) => group === "count");
  const at = (n: number) => rows.find(({ layout }) => attentionCount(layout) === n);
  const [none, all] = [at(0), at(study.pattern.layout.layers.length)];
  if (none === undefined || all === undefined) return null;
  const { p95, memory } = study.names;
  const slower = study.ratio(all, study.pattern, p95);
  const sentences = study.names.qualities.map((quality) => {
    const sign = quality.direction === "min" ? 1 : -1;
    const loss = (one: Measured): number => sign * study.quality(one.point, quality.name).value;
    const best = rows.reduce((a, b) => (loss(b) < loss(a) ? b : a));
    const error = (one: Measured): number => {
      const { low, high } = study.quality(one.point, quality.name);
      return (high - low) / 2;
    };
    const enough = rows
      .filter((one) => loss(one) - loss(best) <= TOLERANCE + Math.hypot(error(one), error(best)))
      .map(({ layout }) => attentionCount(layout));
    const lost = loss(none) - loss(best) > TOLERANCE + Math.hypot(error(none), error(best));
    return {
      fewest: Math.min(...enough),
      lost,
      known: Number.isFinite(error(best)),
      text:
        `${metricLabel(quality.name)} is best at ${best.label.toLowerCase()} (${study.shownQuality(best.point, quality)}); ` +
        `not worse within the error: ${enough.join(", ")}; none at all gives ${study.shownQuality(none.point, quality)}.`,
    };
  });
  const known = sentences.every((one) => one.known);
  const few = sentences.every(({ fewest }) => fewest <= study.pattern.layout.layers.length / 2);
  const needed = sentences.some(({ lost }) => lost);
  return {
    id: "counts",
    question: "What happens with 0, 1, 2, 4, 6, 8 and 16 attention layers?",
    answer: `${sentences.map(({ text }) => text).join(" ")} All attention takes ${study.times(slower)} the p95 time per token of the published pattern, and ${formatNumber(all.point.metrics[memory]! / study.pattern.point.metrics[memory]!)}x its memory.`,
    // Published: a few attention layers are needed, and enough.
    verdict: !known || study.unlearnt.length > 0 ? "open" : few && needed ? "agrees" : "contradicts",
    table: study.table([...rows, study.pattern]),
    notes: [
      ...study.unlearntNotes(),
      ...beyondReach(study),
      study.pooledNote(),
      `Scores are after this budget of steps, not at a proxy's best: layouts differ in how soon they learn.${enoughFor(study)}`,
    ],
  };
}

/** Where training ends at a share of right answers, those above it are one score. */
function enoughFor({ context }: Study): string {
  const tasks = Object.entries(context.config.score?.tasks ?? {});
  return tasks
    .flatMap(([name, { training }]) =>
      training.stop?.accuracy === undefined
        ? []
        : [
            ` Training on ${name} ends at ${training.stop.accuracy} right: above it, layouts are not told apart.`,
          ],
    )
    .join("");
}

/** Said where a task asks farther back than convolutions of 3 taps see: the fall without attention is then no finding. */
function beyondReach({ context, pattern }: Study): readonly string[] {
  const reach = 2 * pattern.layout.layers.length;
  const tasks = Object.entries(context.config.score?.tasks ?? {});
  return tasks.flatMap(([name, { task, options }]) =>
    task === "long-recall" && Number(options.distance) - 1 > reach
      ? [
          `The values of ${name} stand ${Number(options.distance) - 1} tokens before their question, and convolutions of 3 taps in all layers see ${reach} back: that none without attention recalls them is so by construction. What is found is how few attention layers are enough, and where.`,
        ]
      : [],
  );
}

export function placementAnswer(study: Study): ReportFinding | null {
  const compare = study.measured.filter(({ group }) => group === "placement");
  const spread = (n: number) =>
    study.measured.find(({ group, layout }) => group === "count" && attentionCount(layout) === n);
  const rows = compare.flatMap((one) => {
    const base = spread(attentionCount(one.layout));
    return base === undefined ? [] : [{ one, base, ttft: study.ratio(one, base, study.names.ttft) }];
  });
  if (rows.length === 0) return null;
  const spikes = rows.filter(({ ttft }) => ttft.low > 1 && ttft.value > 1 + MATTERS);
  const steady = ({ point }: Measured): boolean => point.raw[study.names.ttft]!.stable;
  const unsteady = [...new Set(rows.flatMap(({ one, base }) => [one, base]))].filter((one) => !steady(one));
  const sure = spikes.filter(({ one, base }) => steady(one) && steady(base));
  const told = (some: typeof rows): string =>
    some
      .map(({ one, base, ttft }) => `${one.label} takes ${study.times(ttft)} as long as ${base.label} spread`)
      .join("; ");
  const none = `no placement takes longer than the spread one of as many layers by more than ${100 * MATTERS}% with an interval above 1`;
  const open = sure.length === 0 && unsteady.length > 0;
  return {
    id: "placement",
    question: "Does an early or dense placement of attention spike the time to first token?",
    answer:
      sure.length > 0
        ? `Yes: ${told(sure)}.`
        : open
          ? `Not to be told: ${spikes.length === 0 ? none : told(spikes)}, but the device changed by itself while ${unsteady.length} of these layouts were measured (their times are marked unstable).`
          : `No: ${none}.`,
    ...(open ? { verdict: "open" as const } : {}),
    table: {
      head: [
        "Placement",
        "TTFT beside spread",
        ...study.names.qualities.map(({ name }) => metricLabel(name)),
        "beside spread",
      ],
      rows: rows.map(({ one, base, ttft }) => [
        one.label,
        study.times(ttft),
        ...study.names.qualities.map((quality) => study.shownQuality(one.point, quality)),
        study.names.qualities.map((quality) => study.shownQuality(base.point, quality)).join(", "),
      ]),
    },
    notes: [
      "Same operators, parameters and FLOPs in another order; what differs is the order alone. Ratios of geometric means over repetitions, 95%.",
    ],
  };
}
