// Judges from raw visits how well ways to measure a layout on a shared machine reproduce. Figures: the
// relative SD between repeated measurements of one layout, and Kendall's tau between the orders from two
// disjoint sets of measurements.
import { kendallTau } from "../../../profilers/statistics/kendall.ts";
import { quantile, summarise } from "../../../profilers/statistics/summary.ts";
import { createRng, type SeededRng } from "../../../search/rng.ts";
import type { Visit } from "./collect.ts";

/**
 * Composition of one measurement: number of visits, neighbours in time or far apart, and the number of
 * repetitions used from each.
 */
const SCHEMES = {
  "1 process x 3": { visits: 1, repetitions: 3, spread: false },
  "3 windows x 1, seconds apart": { visits: 3, repetitions: 1, spread: false },
  "3 windows x 1, minutes apart": { visits: 3, repetitions: 1, spread: true },
  "6 windows x 1, seconds apart": { visits: 6, repetitions: 1, spread: false },
} as const;
type Scheme = (typeof SCHEMES)[keyof typeof SCHEMES];

/** Decode times by repetition. */
type Repetitions = readonly (readonly number[])[];

const at = (values: readonly number[], q: number): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    q,
  );
const median = (values: readonly number[]): number => summarise(values).median;

/** Estimators of the time per token from the processes of one measurement. */
const ESTIMATORS: Readonly<Record<string, (processes: readonly Repetitions[]) => number>> = {
  "median over all tokens": (processes) => median(processes.flat(2)),
  "median of repetitions' medians": (processes) => median(processes.flat().map(median)),
  "p25 of repetitions' medians": (processes) => at(processes.flat().map(median), 0.25),
  "p10 of repetitions' medians": (processes) => at(processes.flat().map(median), 0.1),
  "least of repetitions' medians": (processes) => Math.min(...processes.flat().map(median)),
  "p25 over all tokens": (processes) => at(processes.flat(2), 0.25),
  "p10 over all tokens": (processes) => at(processes.flat(2), 0.1),
  "median of repetitions' p25": (processes) => median(processes.flat().map((tokens) => at(tokens, 0.25))),
  "median of repetitions' p10": (processes) => median(processes.flat().map((tokens) => at(tokens, 0.1))),
  "least token": (processes) => Math.min(...processes.flat(2)),
};

type References = (own: readonly Visit[], windows: readonly Visit[]) => readonly Repetitions[];
/**
 * References by which a measurement is divided: decode times of its own visits, or of all visits in its
 * windows.
 */
const REFERENCES: Readonly<Record<string, References>> = {
  nothing: () => [],
  "the reference beside it": (own) => own.map(({ referenceMs }) => referenceMs),
  "the sentinel beside it": (own) => own.map(({ sentinelMs }) => sentinelMs),
  "all references of its windows": (_own, windows) => windows.map(({ referenceMs }) => referenceMs),
};

const COMBINATIONS: readonly Pick<Row, "phase" | "estimator" | "dividedBy">[] = [
  ...Object.keys(ESTIMATORS).flatMap((estimator) =>
    Object.keys(REFERENCES).map((dividedBy) => ({ phase: "decode" as const, estimator, dividedBy })),
  ),
  ...["median over all tokens", "least token"].map((estimator) => ({
    phase: "prefill" as const,
    estimator,
    dividedBy: "nothing",
  })),
];

interface Row {
  /** Prefill has one time per repetition, and no time beside it as a divisor. */
  readonly phase: "decode" | "prefill";
  readonly scheme: keyof typeof SCHEMES;
  readonly estimator: string;
  readonly dividedBy: string;
  readonly context: number;
  readonly measurements: number;
  /** Relative SD between measurements of one layout; the median over the layouts. */
  readonly relativeSd: number;
  /** Tau between single measurements, with all layouts measured in the same windows. */
  readonly tau: number;
  /** The same with each layout measured at times of its own, as in different batches of a sweep. */
  readonly tauApart: number;
  /** Tau between the medians of two disjoint halves of the measurements. */
  readonly tauHalves: number;
}

/** The rounds of each measurement. */
function groups(rounds: readonly number[], { visits, spread }: Scheme): readonly (readonly number[])[] {
  const n = Math.floor(rounds.length / visits);
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: visits }, (_, j) => rounds[spread ? i + n * j : i * visits + j]!),
  );
}

const DRAWS = 200;

export function judge(visits: readonly Visit[], context: number): readonly Row[] {
  const layouts = [...new Set(visits.map(({ layout }) => layout))];
  const byRound = new Map<number, Visit[]>();
  for (const visit of visits) byRound.set(visit.round, [...(byRound.get(visit.round) ?? []), visit]);
  // The last round may be incomplete.
  const rounds = [...byRound].filter(([, all]) => all.length === layouts.length).map(([round]) => round);
  const rows: Row[] = [];
  for (const [scheme, how] of Object.entries(SCHEMES) as [keyof typeof SCHEMES, Scheme][]) {
    const measured = groups(rounds, how);
    if (measured.length < 2) continue;
    for (const { phase, estimator, dividedBy } of COMBINATIONS) {
      const [estimate, references] = [ESTIMATORS[estimator]!, REFERENCES[dividedBy]!];
      const value = (layout: string, group: readonly number[]): number => {
        const windows = group.flatMap((round) => byRound.get(round)!);
        const own = windows.filter((visit) => visit.layout === layout);
        const processes = own.map(({ contexts }) => {
          const { decodeMs, prefillMs } = contexts.find((one) => one.context === context)!;
          return (phase === "decode" ? decodeMs : prefillMs.map((ms) => [ms])).slice(0, how.repetitions);
        });
        const beside = references(own, windows);
        return estimate(processes) / (beside.length === 0 ? 1 : estimate(beside));
      };
      const values = layouts.map((layout) => measured.map((group) => value(layout, group)));
      rows.push({
        phase,
        scheme,
        estimator,
        dividedBy,
        context,
        measurements: measured.length,
        ...agreement(values),
      });
    }
  }
  return rows;
}

/** `values`: the measurements of each layout. */
function agreement(
  values: readonly (readonly number[])[],
): Pick<Row, "relativeSd" | "tau" | "tauApart" | "tauHalves"> {
  const rng = createRng(1);
  const n = values[0]!.length;
  const mean = (numbers: readonly number[]): number =>
    numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const tau = (pick: (own: readonly number[], layout: number) => readonly [number, number]): number =>
    kendallTau(values.map(pick)) ?? 0;
  const draws = <T>(draw: () => T): T[] => Array.from({ length: DRAWS }, draw);
  return {
    relativeSd: median(values.map((own) => summarise(own).cv)),
    tau: mean(
      draws(() => {
        const [a, b] = two(n, rng);
        return tau((own) => [own[a]!, own[b]!]);
      }),
    ),
    tauApart: mean(
      draws(() =>
        tau((own) => {
          const [a, b] = two(n, rng);
          return [own[a]!, own[b]!];
        }),
      ),
    ),
    tauHalves: mean(
      draws(() => {
        const order = Array.from({ length: n }, (_, i) => [rng.next(), i] as const).sort(([a], [b]) => a - b);
        const half = (own: readonly number[], from: number, to: number) =>
          median(order.slice(from, to).map(([, i]) => own[i]!));
        return tau((own) => [half(own, 0, n >> 1), half(own, n >> 1, n)]);
      }),
    ),
  };
}

/** Two different whole numbers below n. */
function two(n: number, rng: SeededRng): readonly [number, number] {
  const a = rng.below(n);
  const b = rng.below(n - 1);
  return [a, b < a ? b : b + 1];
}
