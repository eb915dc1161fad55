// The history of a sweep as its report shows it: a timeline of devices and trainers, and what each metric rests on.
import { parseMetricName } from "../reports/metrics.ts";
import type { ReportSpan } from "../reports/model.ts";
import type { JobHistory, JobSpan } from "./store/history.ts";
import type { Sweep } from "./store/sweeps.ts";
import type { TrialStanding } from "./store/trials.ts";

/** Lane of all training in a timeline; devices have their names. */
const TRAINING_LANE = "training";

const milliseconds = (time: string): number => Date.parse(time);

/** One span a job, in milliseconds since the sweep began; what still runs ends now. */
export function timelineOf(
  sweep: Sweep,
  trials: readonly Pick<TrialStanding, "id" | "number">[],
  jobs: readonly JobSpan[],
): readonly ReportSpan[] {
  const numbers = new Map(trials.map(({ id, number }) => [id, number]));
  const start = milliseconds(sweep.createdAt);
  const last = jobs.reduce(
    (latest, job) => Math.max(latest, milliseconds(job.finishedAt ?? job.startedAt)),
    start,
  );
  return jobs.flatMap((job): ReportSpan[] => {
    // A job left running by a process that is gone has no end to show.
    if (job.finishedAt === null && sweep.runningPid === null) return [];
    const endMs = (job.finishedAt === null ? last : milliseconds(job.finishedAt)) - start;
    return [
      {
        lane: job.kind === "measure" ? job.target : TRAINING_LANE,
        kind: job.kind,
        trial: numbers.get(job.trialId) ?? null,
        startMs: milliseconds(job.startedAt) - start,
        endMs,
        ok: job.state === "done" || job.state === "running",
        detail: job.error ?? (job.kind === "measure" ? job.target : job.target.replace(":", ", seed ")),
      },
    ];
  });
}

/** The same picture of fewer spans: jobs of one kind on one lane are joined where the gap between them is too short to see. */
export function merged(spans: readonly ReportSpan[], atMost: number): readonly ReportSpan[] {
  if (spans.length <= atMost) return spans;
  const end = spans.reduce((latest, { endMs }) => Math.max(latest, endMs), 0);
  const gap = (4 * end) / atMost;
  const open = new Map<string, { span: ReportSpan; jobs: number }>();
  const out: ReportSpan[] = [];
  const close = ({ span, jobs }: { span: ReportSpan; jobs: number }): void => {
    out.push(jobs === 1 ? span : { ...span, trial: null, detail: `${jobs} jobs on ${span.lane}` });
  };
  for (const span of spans) {
    const key = `${span.lane}\n${span.kind}\n${span.ok}`;
    const before = open.get(key);
    if (before !== undefined && span.startMs - before.span.endMs <= gap) {
      before.span = { ...before.span, endMs: Math.max(before.span.endMs, span.endMs) };
      before.jobs++;
      continue;
    }
    if (before !== undefined) close(before);
    open.set(key, { span, jobs: 1 });
  }
  for (const rest of open.values()) close(rest);
  return out.sort((a, b) => a.startMs - b.startMs);
}

/** By trial id, then by the metric's source (a device's name, or a task's): what its values rest on. */
export class Evidence {
  private readonly bySource = new Map<string, Readonly<Record<string, string>>>();

  constructor(jobs: readonly JobHistory[]) {
    for (const { trialId, kind, target, evidence, state } of jobs) {
      if (state !== "done") continue;
      const [source, seed] = kind === "measure" ? [target, null] : split(target);
      const key = `${trialId} ${kind} ${source}`;
      const before = this.bySource.get(key);
      const seeds = seed === null ? {} : { seeds: [before?.seeds, seed].filter(Boolean).join(", ") };
      // Several seeds share everything but the weights they end with.
      const { weights, ...shared } = evidence;
      const own = before === undefined && weights !== undefined ? { weights } : {};
      this.bySource.set(key, { ...shared, ...own, ...seeds });
    }
  }

  /** Undefined for values that were counted, not measured. */
  of(trialId: number, metric: string): Readonly<Record<string, string>> | undefined {
    const { base, device } = parseMetricName(metric);
    if (device !== null) return this.bySource.get(`${trialId} measure ${device}`);
    return this.bySource.get(`${trialId} train ${base.slice(0, base.lastIndexOf("."))}`);
  }
}

function split(target: string): readonly [string, string] {
  const at = target.lastIndexOf(":");
  return [target.slice(0, at), target.slice(at + 1)];
}
