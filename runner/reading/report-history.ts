// The history of a sweep for its report: a timeline of devices and trainers, and the evidence of each metric.
import { counted } from "../../candidates/words.ts";
import { parseMetricName, taskOfScore } from "../../profilers/metrics/name.ts";
import type { ReportSpan } from "../../reports/report-model.ts";
import { trainingLane } from "../farm/events.ts";
import type { JobHistory, JobSpan } from "../store/history-table.ts";
import { trainedTask } from "../store/job-target.ts";

const milliseconds = (time: string): number => Date.parse(time);

interface Joined {
  readonly span: ReportSpan;
  readonly jobs: number;
}

/** Jobs of one kind on one lane, joined where the gap between them is too short to see. */
class JoinedSpans {
  private spans: Joined[] = [];
  private readonly newest = new Map<string, number>();
  private gapMs = 1;

  add(span: ReportSpan, jobs = 1): void {
    const key = `${span.lane}\n${span.kind}\n${span.ok}`;
    const index = this.newest.get(key);
    const before = index === undefined ? undefined : this.spans[index]!;
    if (before !== undefined && span.startMs - before.span.endMs <= this.gapMs) {
      const all = before.jobs + jobs;
      this.spans[index!] = {
        jobs: all,
        span: {
          ...before.span,
          trial: null,
          startMs: Math.min(before.span.startMs, span.startMs),
          endMs: Math.max(before.span.endMs, span.endMs),
          detail: `${counted(all, "job")} on ${span.lane}`,
        },
      };
      return;
    }
    this.newest.set(key, this.spans.push({ span, jobs }) - 1);
    if (this.spans.length > TIMELINE_SPANS) this.coarsen();
  }

  private coarsen(): void {
    const spans = this.spans;
    this.spans = [];
    this.newest.clear();
    this.gapMs *= 2;
    for (const { span, jobs } of spans) this.add(span, jobs);
  }

  get all(): readonly ReportSpan[] {
    return this.spans.map(({ span }) => span);
  }
}

/** The most jobs that are drawn one by one. Beyond it, neighbours are joined. */
const TIMELINE_SPANS = 4000;

/**
 * An updatable timeline: one span for each job, in milliseconds since the sweep began. A running job ends at
 * the latest known time.
 */
export class Timeline {
  /** Jobs by id; once spans are joined, only those that have not ended. */
  private readonly jobs = new Map<number, JobSpan>();
  private joined: JoinedSpans | null = null;
  private last: number;

  constructor(
    private readonly start: number,
    /** False keeps every job apart, however many there are. */
    private readonly joining: boolean,
    private readonly numberOf: (trialId: number) => number | null,
  ) {
    this.last = start;
  }

  put(job: JobSpan): void {
    this.last = Math.max(this.last, milliseconds(job.finishedAt ?? job.startedAt));
    if (this.joined !== null && job.finishedAt !== null) {
      this.jobs.delete(job.id);
      this.joined.add(this.toSpan(job, milliseconds(job.finishedAt)));
      return;
    }
    this.jobs.set(job.id, job);
    if (!this.joining || this.jobs.size <= TIMELINE_SPANS) return;
    this.joined = new JoinedSpans();
    for (const known of this.inOrder()) if (known.finishedAt !== null) this.put(known);
  }

  /** Returns the trials with a running job. */
  running(): ReadonlySet<number> {
    return new Set(
      [...this.jobs.values()].flatMap(({ state, trialId }) => (state === "running" ? [trialId] : [])),
    );
  }

  /**
   * Returns the spans. `alive`: a process runs the sweep. Otherwise jobs without an end are left out, because
   * their process is gone.
   */
  read(alive: boolean): readonly ReportSpan[] {
    const own = this.inOrder().flatMap((job) =>
      job.finishedAt === null && !alive
        ? []
        : [this.toSpan(job, job.finishedAt === null ? this.last : milliseconds(job.finishedAt))],
    );
    return this.joined === null ? own : [...this.joined.all, ...own];
  }

  private inOrder(): readonly JobSpan[] {
    return [...this.jobs.values()].sort(
      (a, b) => (a.startedAt < b.startedAt ? -1 : Number(a.startedAt > b.startedAt)) || a.id - b.id,
    );
  }

  private toSpan(job: JobSpan, end: number): ReportSpan {
    return {
      lane: job.kind === "measure" ? (job.device ?? job.source) : trainingLane(job.device),
      kind: job.kind,
      trial: this.numberOf(job.trialId),
      startMs: milliseconds(job.startedAt) - this.start,
      endMs: end - this.start,
      ok: job.state === "done" || job.state === "running",
      detail: job.error ?? detailOf(job),
    };
  }
}

function detailOf(job: JobSpan): string {
  const { kind, source, nth, confirmation, device } = job;
  const confirming = confirmation === null ? "" : ", to confirm";
  if (kind === "train") return `${trainedTask({ ...job, confirmation: null })}${confirming}, seed ${nth}`;
  if (confirmation !== null) return `${source}${confirming}`;
  return `${device === null || device === source ? source : `for ${source}`}${nth === 1 ? "" : `, measurement ${nth}`}`;
}

/** The evidence of values, by trial id and source (a device's or a task's name). */
export class Evidence {
  /** Digests by trial id, then by key. */
  private readonly contents = new Map<number, Readonly<Record<string, string>>>();
  private readonly bySource = new Map<string, Readonly<Record<string, string>>>();

  constructor(jobs: readonly JobHistory[]) {
    for (const { trialId, kind, source, nth, rungPercent, evidence, identity, state, counts } of jobs) {
      if (state !== "done" || !counts) continue;
      if (identity !== null)
        this.contents.set(trialId, { ...this.contents.get(trialId), ...identity.digests });
      // No value rests on a paused training: the whole run has its own result.
      if (rungPercent !== null) continue;
      const key = `${trialId} ${kind} ${source}`;
      const before = this.bySource.get(key);
      if (kind === "measure") {
        const several = before && { measurements: `${before.measurements ?? 1}, ${nth}` };
        this.bySource.set(key, { ...before, ...evidence, ...several });
        continue;
      }
      // Several seeds share everything except their final weights.
      const { weights, ...shared } = evidence;
      const own = before === undefined && weights !== undefined ? { weights } : {};
      const seeds = [...(before?.seeds === undefined ? [] : [before.seeds]), nth].join(", ");
      this.bySource.set(key, { ...shared, ...own, seeds });
    }
  }

  /** Returns the digests of a trial's results by key; undefined when none were recorded. */
  contentOf(trialId: number): Readonly<Record<string, string>> | undefined {
    return this.contents.get(trialId);
  }

  /** Returns the evidence of a metric; undefined for counted values. */
  of(trialId: number, metric: string): Readonly<Record<string, string>> | undefined {
    const { device } = parseMetricName(metric);
    if (device !== null) return this.bySource.get(`${trialId} measure ${device}`);
    const task = taskOfScore(metric);
    return task === null ? undefined : this.bySource.get(`${trialId} train ${task}`);
  }
}
