// The Pareto front of a sweep over time, and the hypervolume after each trial under one reference point. That
// point is the nadir of the current front plus a tenth of its range. When it moves, the whole history is
// computed again, so volumes stay comparable. The extremes of all trials were rejected as reference: one
// disturbed measurement would then scale every volume.
import type { ReportFrontSpan } from "../../reports/report-model.ts";
import { hypervolumeImprovement, referencePoint } from "../../search/hypervolume.ts";
import { ParetoArchive, type Vector } from "../../search/pareto.ts";

interface Point {
  readonly number: number;
  readonly vector: Vector;
}

export class FrontHistory {
  private points: Point[] = [];
  private readonly numbers = new Set<number>();
  private archive = new ParetoArchive<number>();
  /** The front of all added trials, independent of the reference point. */
  private whole = new ParetoArchive<number>();
  private bounds: Vector | null = null;
  private steps: { trial: number; value: number }[] = [];
  private spanList: { trial: number; from: number; until: number | null }[] = [];
  private readonly open = new Map<number, { trial: number; from: number; until: number | null }>();
  /** Trials that finished out of order are sorted and replayed while there are at most this many. */
  private readonly orderedUpTo: number;

  constructor(orderedUpTo = Number.POSITIVE_INFINITY) {
    this.orderedUpTo = orderedUpTo;
  }

  /** Adds complete trials. A trial that was added before gets its new values. */
  add(added: readonly Point[]): void {
    if (added.length === 0) return;
    const values = new Map(added.map((point) => [point.number, point]));
    const fresh = added.filter(({ number }) => !this.numbers.has(number)).sort((a, b) => a.number - b.number);
    const again = fresh.length < values.size;
    const kept = again ? this.points.map((point) => values.get(point.number) ?? point) : this.points;
    const last = kept.at(-1)?.number ?? -1;
    const late = (fresh[0]?.number ?? last) < last && kept.length <= this.orderedUpTo;
    const replay = late || again;
    this.points = [...kept, ...fresh];
    for (const { number } of fresh) this.numbers.add(number);
    if (late) this.points.sort((a, b) => a.number - b.number);
    if (again) this.whole = new ParetoArchive();
    for (const { number, vector } of again ? this.points : fresh) this.whole.insert(vector, number);
    const reference = referencePoint(this.whole.entries.map(({ vector }) => vector));
    if (replay || reference.some((value, m) => value !== this.bounds?.[m])) {
      this.bounds = reference;
      this.archive = new ParetoArchive();
      this.steps = [];
      this.spanList = [];
      this.open.clear();
      for (const point of this.points) this.take(point, reference);
    } else for (const point of fresh) this.take(point, reference);
  }

  /** Removes a trial that is no longer complete, as if it had never been added. */
  drop(number: number): void {
    const rest = this.points.filter((point) => point.number !== number);
    if (rest.length === this.points.length) return;
    this.points = [];
    this.numbers.clear();
    this.bounds = null;
    this.archive = new ParetoArchive();
    this.whole = new ParetoArchive();
    this.steps = [];
    this.spanList = [];
    this.open.clear();
    this.add(rest);
  }

  private take({ number, vector }: Point, reference: Vector): void {
    const last = this.steps.at(-1) ?? { trial: 0, value: 0 };
    const before = this.archive.entries;
    let { value } = last;
    if (this.archive.insert(vector, number)) {
      value += hypervolumeImprovement(
        vector,
        before.map((entry) => entry.vector),
        reference,
      );
      const kept = new Set(this.archive.entries.map(({ item }) => item));
      for (const [trial, span] of this.open) {
        if (kept.has(trial)) continue;
        span.until = number;
        this.open.delete(trial);
      }
      const span = { trial: number, from: number, until: null };
      this.spanList.push(span);
      this.open.set(number, span);
    }
    this.steps.push({ trial: Math.max(last.trial, number), value });
  }

  /** Numbers of the trials on the front. */
  get front(): ReadonlySet<number> {
    return new Set(this.archive.entries.map(({ item }) => item));
  }
  /** Null while no trial is complete. Oriented: smaller is better. */
  get referencePoint(): Vector | null {
    return this.bounds;
  }
  get hypervolumes(): readonly { readonly trial: number; readonly value: number }[] {
    return this.steps;
  }
  get spans(): readonly ReportFrontSpan[] {
    return this.spanList;
  }
}
