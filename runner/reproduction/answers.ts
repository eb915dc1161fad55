// What the minimal-hybrid study answers, from the trials of its designed layouts: figures with intervals, a verdict beside the
// published one where there is one, and what a proxy cannot show. Pure; nothing is measured here.
import { layoutId } from "../../candidates/layout.ts";
import { formatPattern } from "../../candidates/notation.ts";
import { attentionCount } from "../../candidates/space.ts";
import { formatNumber, formatValue } from "../../reports/format.ts";
import { metricLabel, parseMetricName } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import type { Budget } from "../../search/budgets.ts";
import { contributions, hypervolume, referencePoint } from "../../search/hypervolume.ts";
import { dominates, nonDominated, orient } from "../../search/pareto.ts";
import { select } from "../../search/selection/select.ts";
import {
  type Estimate,
  estimate,
  type PooledSpread,
  pooledSpread,
  ratioOf,
} from "../../search/statistics.ts";
import type { Objective } from "../../search/strategy.ts";
import { noisyPoints, probabilitiesOf } from "../findings/certainty.ts";
import type { FindingsContext, Point } from "../findings/context.ts";
import { type Designed, PUBLISHED_LABEL } from "./design.ts";

/** Room over what the published pattern was measured at: the budgets of the rule. LFM2's own were not published. */
const ROOM = 1.1;
/** Differences of a time or a size below this do not count, whatever their interval. */
const MATTERS = 0.02;
/** Quality given up freely by the rule, in the metric's own unit; on top of the seeds' error. */
const TOLERANCE = 0.01;

/** Below this share of right answers a task was not learnt by any proxy, and orders of layouts are orders of luck. */
const LEARNT = 0.5;

const layers = (count: number): string => `${count} attention layer${count === 1 ? "" : "s"}`;

interface Measured extends Designed {
  readonly point: Point;
}

/** Names of the metrics that the study speaks of, as the sweep measured them. */
interface Names {
  readonly qualities: readonly Objective[];
  readonly ttft: string;
  readonly p95: string;
  readonly memory: string;
}

export function minimalHybridAnswers(
  context: FindingsContext,
  design: readonly Designed[],
): readonly ReportFinding[] {
  const byId = new Map(context.points.map((point) => [point.id, point]));
  const measured = design.flatMap((one): Measured[] => {
    const point = byId.get(layoutId(one.layout));
    return point === undefined ? [] : [{ ...one, point }];
  });
  const names = namesOf(context);
  const published = measured.find(({ label }) => label === PUBLISHED_LABEL);
  if (names === null || published === undefined) return [];
  const study = new Study(context, measured, published, names);
  const missing = design.filter((one) => !measured.some(({ label }) => label === one.label));
  return [
    study.published(),
    ...names.qualities.map((quality) => study.rule(quality)),
    study.counts(),
    study.placement(),
    study.local(),
    study.limits(missing),
  ].filter((finding) => finding !== null);
}

/** Null where the sweep does not measure what the study asks about. */
function namesOf({ config, objectives, points }: FindingsContext): Names | null {
  const context = Math.max(...config.measure.contexts);
  const device = config.measure.devices[0]!;
  const names = {
    qualities: objectives.filter(({ name }) => parseMetricName(name).device === null && name.includes(".")),
    ttft: `ttftMs@${context}:${device}`,
    p95: `decodeP95Ms@${context}:${device}`,
    memory: `peakBytes:${device}`,
  };
  const has = (name: string): boolean => points.every(({ metrics }) => name in metrics);
  return names.qualities.length > 0 && [names.ttft, names.p95, names.memory].every(has) ? names : null;
}

class Study {
  private readonly spreads: ReadonlyMap<string, PooledSpread | null>;

  constructor(
    private readonly context: FindingsContext,
    private readonly measured: readonly Measured[],
    private readonly pattern: Measured,
    private readonly names: Names,
  ) {
    this.spreads = new Map(
      names.qualities.map(({ name }) => [
        name,
        pooledSpread(context.points.map(({ raw }) => raw[name]!.samples)),
      ]),
    );
  }

  private quality({ raw }: Point, name: string): Estimate {
    return estimate(raw[name]!.samples, this.spreads.get(name) ?? null);
  }

  private shownQuality(point: Point, { name, unit }: Objective): string {
    const { value, low, high } = this.quality(point, name);
    const half = (high - low) / 2;
    return Number.isFinite(half)
      ? `${formatValue(value, unit)} ± ${formatNumber(half, 2)}`
      : formatValue(value, unit);
  }

  private ratio(a: Measured, b: Measured, name: string): Estimate {
    return ratioOf(a.point.raw[name]!.samples, b.point.raw[name]!.samples);
  }

  private shown(name: string, { metrics, raw }: Point): string {
    return formatValue(metrics[name]!, raw[name]!.unit);
  }

  private row(one: Measured): string[] {
    const { ttft, p95, memory, qualities } = this.names;
    return [
      one.label,
      ...qualities.map((quality) => this.shownQuality(one.point, quality)),
      ...[ttft, p95, memory].map((name) => this.shown(name, one.point)),
    ];
  }

  private get head(): string[] {
    const { ttft, p95, memory, qualities } = this.names;
    return [
      "Layout",
      ...qualities.map(({ name }) => metricLabel(name)),
      ...[ttft, p95, memory].map((name) => metricLabel(name, { device: false })),
    ];
  }

  private table(rows: readonly Measured[]) {
    return { head: this.head, rows: rows.map((one) => this.row(one)) };
  }

  published(): ReportFinding {
    const { objectives, points } = this.context;
    const vectors = points.map(({ metrics }) => orient(metrics, objectives));
    const at = points.indexOf(this.pattern.point);
    const front = nonDominated(vectors);
    const reference = referencePoint(vectors);
    const whole = hypervolume(vectors, reference);
    const own = front.map((index) => vectors[index]!);
    const place = front.indexOf(at);
    const better = points.filter((_, index) => dominates(vectors[index]!, vectors[at]!));
    const chance = probabilitiesOf(noisyPoints(points, objectives))[at]!;
    const on = place >= 0;
    const share = on ? contributions(own, reference)[place]! / whole : 0;
    const counted = `It is non-dominated in ${Math.round(100 * chance)}% of draws from the samples' errors.`;
    return {
      id: "published",
      question: "Where does the published LFM2-350M layout fall relative to the front?",
      answer: on
        ? `On it: none of the other ${points.length - 1} layouts is at least as good in every objective. Without it the front would lose ${(100 * share).toFixed(1)}% of its hypervolume. ${counted}`
        : `Off it: ${better.map(({ id, layout }) => `${this.nameOf(id)} (${layers(attentionCount(layout))})`).join(", ")} ${better.length === 1 ? "is" : "are"} at least as good in every objective. ${counted}`,
      // A place that the samples' own spread puts in doubt agrees with nothing.
      verdict: chance > 0.1 && chance < 0.9 ? "open" : on ? "agrees" : "contradicts",
      table: this.table([
        this.pattern,
        ...better
          .slice(0, 5)
          .map(
            (point) =>
              this.measured.find((one) => one.point === point) ?? { ...this.pattern, label: point.id, point },
          ),
      ]),
      notes: [
        `Objectives: ${objectives.map(({ name }) => metricLabel(name)).join(", ")}. The pattern is the published order of mixers at this sweep's width and parameter count.`,
      ],
    };
  }

  private nameOf(id: string): string {
    return this.measured.find(({ point }) => point.id === id)?.label ?? id;
  }

  rule(quality: Objective): ReportFinding {
    const { ttft, p95, memory } = this.names;
    const budgets: Budget[] = [ttft, p95, memory].map((metric) => ({
      metric,
      max: ROOM * this.pattern.point.metrics[metric]!,
    }));
    const choices = this.context.points.map((point) => {
      const { low, high } = this.quality(point, quality.name);
      const half = (high - low) / 2;
      return {
        id: point.id,
        layout: point.layout,
        metrics: point.metrics,
        errors: { [quality.name]: Number.isFinite(half) ? half : 0 },
      };
    });
    const { chosen, runnerUp, reasons } = select(choices, {
      rule: "minimal-hybrid",
      budgets,
      quality,
      tolerance: TOLERANCE,
    });
    const describe = (choice: typeof chosen): string =>
      choice === null
        ? "none"
        : `${this.nameOf(choice.id)}: ${formatPattern(choice.layout)} (${layers(attentionCount(choice.layout))})`;
    const count = chosen === null ? null : attentionCount(chosen.layout);
    const depth = this.pattern.layout.layers.length;
    const onlyConv = chosen?.layout.layers.every(({ mixer }) => mixer.op !== "swa") ?? false;
    return {
      id: `rule-${quality.name}`,
      question: `What does the minimal-hybrid rule pick by ${metricLabel(quality.name).toLowerCase()}?`,
      answer:
        chosen === null
          ? `Nothing fits the budgets. ${reasons.at(-1) ?? ""}`
          : `${describe(chosen)}. Runner-up: ${describe(runnerUp)}.`,
      // Published: a minority of attention layers among convolutions.
      verdict:
        count === null || this.unlearnt.includes(quality)
          ? "open"
          : count > 0 && count < depth / 2 && onlyConv
            ? "agrees"
            : "contradicts",
      notes: [
        `Budgets are ${Math.round(100 * (ROOM - 1))}% above what the published pattern was measured at: ${budgets
          .map(
            ({ metric, max }) =>
              `${metricLabel(metric, { device: false })} ${formatValue(max!, this.pattern.point.raw[metric]!.unit)}`,
          )
          .join(", ")}. LFM2's own budgets were not published.`,
        ...reasons,
      ],
    };
  }

  counts(): ReportFinding | null {
    const rows = this.measured.filter(({ group }) => group === "count");
    const at = (n: number) => rows.find(({ layout }) => attentionCount(layout) === n);
    const [none, all] = [at(0), at(this.pattern.layout.layers.length)];
    if (none === undefined || all === undefined) return null;
    const { p95, memory } = this.names;
    const slower = this.ratio(all, this.pattern, p95);
    const sentences = this.names.qualities.map((quality) => {
      const sign = quality.direction === "min" ? 1 : -1;
      const loss = (one: Measured): number => sign * this.quality(one.point, quality.name).value;
      const best = rows.reduce((a, b) => (loss(b) < loss(a) ? b : a));
      const error = (one: Measured): number => {
        const { low, high } = this.quality(one.point, quality.name);
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
          `${metricLabel(quality.name)} is best at ${best.label.toLowerCase()} (${this.shownQuality(best.point, quality)}); ` +
          `not worse within the error: ${enough.join(", ")}; none at all gives ${this.shownQuality(none.point, quality)}.`,
      };
    });
    const known = sentences.every((one) => one.known);
    const few = sentences.every(({ fewest }) => fewest <= this.pattern.layout.layers.length / 2);
    const needed = sentences.some(({ lost }) => lost);
    return {
      id: "counts",
      question: "What happens with 0, 1, 2, 4, 6, 8 and 16 attention layers?",
      answer: `${sentences.map(({ text }) => text).join(" ")} All attention takes ${this.times(slower)} the p95 time per token of the published pattern, and ${formatNumber(all.point.metrics[memory]! / this.pattern.point.metrics[memory]!)}x its memory.`,
      // Published: a few attention layers are needed, and enough.
      verdict: !known || this.unlearnt.length > 0 ? "open" : few && needed ? "agrees" : "contradicts",
      table: this.table([...rows, this.pattern]),
      notes: [
        ...this.unlearntNotes(),
        this.pooledNote(),
        "An all-attention proxy learns recall later than a hybrid: what it scores here is after this budget of steps, not at its best.",
      ],
    };
  }

  /** Tasks scored by a share of right answers that not one proxy learnt. */
  private get unlearnt(): readonly Objective[] {
    return this.names.qualities.filter(
      ({ name, unit }) =>
        unit === "fraction" && this.context.points.every(({ metrics }) => metrics[name]! < LEARNT),
    );
  }

  private unlearntNotes(): readonly string[] {
    return this.unlearnt.map(
      ({ name }) =>
        `No proxy learnt the task of ${metricLabel(name).toLowerCase()} (none reaches ${LEARNT}): its figures tell nothing about layouts. Train longer.`,
    );
  }

  private pooledNote(): string {
    const parts = [...this.spreads].map(([name, spread]) =>
      spread === null
        ? `${metricLabel(name)}: one seed, so no interval`
        : `${metricLabel(name)}: standard deviation between seeds ${formatNumber(spread.sd)}`,
    );
    return `Intervals are 95%, from the spread between seeds pooled over all layouts (${parts.join("; ")}); times are medians of the repetitions.`;
  }

  private times({ value, low, high }: Estimate): string {
    return `${formatNumber(value)}x [${formatNumber(low)}, ${formatNumber(high)}]`;
  }

  placement(): ReportFinding | null {
    const compare = this.measured.filter(({ group }) => group === "placement");
    const spread = (n: number) =>
      this.measured.find(({ group, layout }) => group === "count" && attentionCount(layout) === n);
    const rows = compare.flatMap((one) => {
      const base = spread(attentionCount(one.layout));
      return base === undefined ? [] : [{ one, base, ttft: this.ratio(one, base, this.names.ttft) }];
    });
    if (rows.length === 0) return null;
    const spikes = rows.filter(({ ttft }) => ttft.low > 1 && ttft.value > 1 + MATTERS);
    return {
      id: "placement",
      question: "Does an early or dense placement of attention spike the time to first token?",
      answer:
        spikes.length === 0
          ? `No: no placement takes longer than the spread one of as many layers by more than ${100 * MATTERS}% with an interval above 1.`
          : `Yes: ${spikes.map(({ one, base, ttft }) => `${one.label} takes ${this.times(ttft)} as long as ${base.label} spread`).join("; ")}.`,
      table: {
        head: [
          "Placement",
          "TTFT beside spread",
          ...this.names.qualities.map(({ name }) => metricLabel(name)),
          "beside spread",
        ],
        rows: rows.map(({ one, base, ttft }) => [
          one.label,
          this.times(ttft),
          ...this.names.qualities.map((quality) => this.shownQuality(one.point, quality)),
          this.names.qualities.map((quality) => this.shownQuality(base.point, quality)).join(", "),
        ]),
      },
      notes: [
        "Same operators, parameters and FLOPs in another order; what differs is the order alone. Ratios of geometric means over repetitions, 95%.",
      ],
    };
  }

  local(): ReportFinding | null {
    const rows = this.measured.filter(({ group }) => group === "local");
    const window = rows.find(({ label }) => /^pattern with s\d+ for c3$/.test(label));
    if (window === undefined) return null;
    const { p95, ttft, memory } = this.names;
    const ratios = [ttft, p95].map((name) => ({ name, ratio: this.ratio(window, this.pattern, name) }));
    const bigger = window.point.metrics[memory]! / this.pattern.point.metrics[memory]!;
    const gains = this.names.qualities.map((quality) => {
      const sign = quality.direction === "min" ? 1 : -1;
      const [a, b] = [
        this.quality(this.pattern.point, quality.name),
        this.quality(window.point, quality.name),
      ];
      const gain = sign * (a.value - b.value);
      const error = Math.hypot((a.high - a.low) / 2, (b.high - b.low) / 2);
      return { gain, error };
    });
    const known = gains.every(({ error }) => Number.isFinite(error)) && this.unlearnt.length === 0;
    const better = gains.some(({ gain, error }) => gain > error);
    const worse = gains.some(({ gain, error }) => -gain > error);
    const dearer =
      ratios.some(({ ratio }) => ratio.low > 1 && ratio.value > 1 + MATTERS) || bigger > 1 + MATTERS;
    const cheaper = ratios.some(({ ratio }) => ratio.high < 1 && ratio.value < 1 - MATTERS);
    return {
      id: "local",
      question: "Short convolution against a sliding window, and which kernel size?",
      answer:
        `A window in place of the convolution takes ${ratios.map(({ name, ratio }) => `${this.times(ratio)} the ${parseMetricName(name).base === "ttftMs" ? "time to first token" : "p95 time per token"}`).join(", ")} and ${formatNumber(bigger)}x the memory; ` +
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
      table: this.table([this.pattern, ...rows]),
      notes: [...this.unlearntNotes(), this.pooledNote()],
    };
  }

  limits(missing: readonly Designed[]): ReportFinding {
    const { config } = this.context;
    const seeds = config.score?.seeds.length ?? 0;
    return {
      id: "limits",
      question: "What can this study not show?",
      answer:
        "Quality is of proxies trained for seconds on synthetic recall and byte-level text: it separates orders of mixers by what they can learn quickly. " +
        "It says nothing about knowledge, reasoning, long documents, or the trained quality of a model of this size; LFM2 was chosen by 50 and more private evaluations after real training.",
      notes: [
        `${seeds} training seed${seeds === 1 ? "" : "s"}; proxy width ${config.score?.proxy.width ?? "-"}. Times and memory are real, of the bundled kernels on ${config.measure.devices.join(", ")}, at ${config.measure.contexts.join(" and ")} tokens of context.`,
        "A window of w tokens shrinks with the proxy's sequence; differences between windows and full attention over thousands of tokens are not seen by the proxy.",
        ...(missing.length === 0
          ? []
          : [`Not measured, or without a result: ${missing.map(({ label }) => label).join(", ")}.`]),
      ],
    };
  }
}
