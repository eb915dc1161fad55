// The target of a trial's job: a measurement on a device or a training run of a task, its number, its rung,
// and its confirmation if any. Each is a column of the table. The key that makes a job unique is made from
// them and never parsed.

export type JobKind = "measure" | "train";

export interface JobTarget {
  readonly kind: JobKind;
  /** The device, or the task. */
  readonly source: string;
  /**
   * For a measurement, its number on the device from 1, or the session of the confirmation. For training, the
   * seed.
   */
  readonly nth: number;
  /** Training pauses after this percentage of its steps; null: it runs to the end. */
  readonly rungPercent: number | null;
  /** Id of the confirmation that requested the job; null for the sweep itself or a repetition. */
  readonly confirmation: number | null;
}

/** The fields that keep a job's results apart from others of the same source and number. */
export type JobPart = Partial<Pick<JobTarget, "rungPercent" | "confirmation">>;

const WHOLE = { rungPercent: null, confirmation: null } as const;

/** Returns the target of the nth measurement of a trial on a device. */
export const measurementOn = (device: string, nth = 1, part: JobPart = {}): JobTarget => ({
  kind: "measure",
  source: device,
  nth,
  ...WHOLE,
  ...part,
});

/** Returns the target of a training run of a task with a seed. */
export const trainingOf = (task: string, seed: number, part: JobPart = {}): JobTarget => ({
  kind: "train",
  source: task,
  nth: seed,
  ...WHOLE,
  ...part,
});

/** Returns a share of the training steps as stored percentage; equal shares give equal numbers. */
export const percentOf = (share: number): number => Number((100 * share).toPrecision(12));

/** Returns the trained task as text: `text`, `text@25%`, `text#confirm3`. */
export function trainedTask({ source, rungPercent, confirmation }: Omit<JobTarget, "kind" | "nth">): string {
  const rung = rungPercent === null ? "" : `@${rungPercent}%`;
  return `${source}${rung}${confirmation === null ? "" : `#confirm${confirmation}`}`;
}

/**
 * Returns a key that is unique among a trial's jobs of one kind: `phone`, `phone#2`, `phone#confirm3.2`,
 * `text:1`, `text@25%:1`. Databases from before the columns hold the same keys.
 */
export function keyOf(target: JobTarget): string {
  const { kind, source, nth, confirmation } = target;
  if (kind === "train") return `${trainedTask(target)}:${nth}`;
  if (confirmation !== null) return `${source}#confirm${confirmation}.${nth}`;
  return nth === 1 ? source : `${source}#${nth}`;
}
