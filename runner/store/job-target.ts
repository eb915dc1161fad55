// What a job of a trial is for: a measurement on a device or a training run of a task, which one of several, up to which rung, and whether a
// confirmation asked for it. The table keeps each of these in a column; the key that makes a job unique is written from them and never read.

export type JobKind = "measure" | "train";

export interface JobTarget {
  readonly kind: JobKind;
  /** The device, or the task. */
  readonly source: string;
  /** Which measurement of the trial there, from 1, or which session of the confirmation; which seed of the task. */
  readonly nth: number;
  /** Training pauses after this percentage of its steps; null: it runs to the end. */
  readonly rungPercent: number | null;
  /** Id of the confirmation that asked for it; null: the sweep itself, or a repetition. */
  readonly confirmation: number | null;
}

/** What a job's results are kept apart by, its source and its place in the order aside. */
export type JobPart = Partial<Pick<JobTarget, "rungPercent" | "confirmation">>;

const WHOLE = { rungPercent: null, confirmation: null } as const;

/** The nth measurement of a trial on a device. */
export const measurementOn = (device: string, nth = 1, part: JobPart = {}): JobTarget => ({
  kind: "measure",
  source: device,
  nth,
  ...WHOLE,
  ...part,
});

/** The training run of a task with a seed. */
export const trainingOf = (task: string, seed: number, part: JobPart = {}): JobTarget => ({
  kind: "train",
  source: task,
  nth: seed,
  ...WHOLE,
  ...part,
});

/** A share of the training steps as it is kept; the same share gives the same number. */
export const percentOf = (share: number): number => Number((100 * share).toPrecision(12));

/** What is trained, as text: `text`, `text@25%`, `text#confirm3`. */
export function trainedTask({ source, rungPercent, confirmation }: Omit<JobTarget, "kind" | "nth">): string {
  const rung = rungPercent === null ? "" : `@${rungPercent}%`;
  return `${source}${rung}${confirmation === null ? "" : `#confirm${confirmation}`}`;
}

/** Unique among the jobs of a trial of one kind: `phone`, `phone#2`, `phone#confirm3.2`, `text:1`, `text@25%:1`. Databases before columns have it. */
export function keyOf(target: JobTarget): string {
  const { kind, source, nth, confirmation } = target;
  if (kind === "train") return `${trainedTask(target)}:${nth}`;
  if (confirmation !== null) return `${source}#confirm${confirmation}.${nth}`;
  return nth === 1 ? source : `${source}#${nth}`;
}
