// What a report is made from: plain data, read from the store by runner/, rendered by the pure functions beside this file.
// It carries no keys, no host names and no file paths of a user.
import type { Layout } from "../candidates/layout.ts";
import type { Identity } from "../profilers/identity.ts";

export interface ReportObjective {
  readonly name: string;
  readonly direction: "min" | "max";
  readonly unit: string;
}

/** How well a value is known. */
export interface ReportEstimate {
  /** Ends of the 95% interval; null where the error is unknown. */
  readonly low: number | null;
  readonly high: number | null;
  /** Measurement sessions, or seeds, behind it; 0 where it is counted. */
  readonly sessions: number;
  /** `unstable`, `unknown error`, `emulated`: why it may not be relied on. */
  readonly marks: readonly string[];
}

/** One metric of one trial, with the raw samples behind it (empty where the value is static). */
export interface ReportMetric {
  readonly value: number;
  readonly unit: string;
  readonly samples: readonly number[];
  /** Samples of each measurement session, in the order of `samples`; absent: all of one session (scores: one seed each). */
  readonly sessions?: readonly number[] | undefined;
  /** False where the spread was too wide (CV above the protocol's limit): shown, marked, not to be relied on. */
  readonly stable: boolean;
  /** How well the value is known, over all layouts of the sweep; absent where nobody asked. */
  readonly estimate?: ReportEstimate | undefined;
  /** What the value rests on, as name and value: agent hash, kernel path, threads, temperature, ... Shown beside the samples. */
  readonly provenance?: Readonly<Record<string, string>> | undefined;
}

/** `screened`: not measured, predicted to be certainly over budget; `stopped`: its training was ended at a rung. */
export type TrialState =
  | "complete"
  | "infeasible"
  | "screened"
  | "stopped"
  | "failed"
  | "lost"
  | "proposed"
  | "running";

/** Budgets that a trial breaks, and whether that was found out when it was measured or trained once more. */
export interface ReportOverBudget {
  readonly violations: readonly {
    readonly metric: string;
    readonly limit: "max" | "min";
    readonly bound: number;
    readonly value: number;
  }[];
  readonly again: "measured" | "trained" | null;
}

export interface ReportTrial {
  /** Position in the sweep, from 0. */
  readonly number: number;
  /** Canonical layout id. */
  readonly id: string;
  readonly notation: string;
  readonly pattern: string;
  readonly layout: Layout;
  readonly parameters: number;
  readonly state: TrialState;
  /** Why a trial is infeasible or failed; null otherwise. */
  readonly reason: string | null;
  /** What `reason` says of budgets, as data; absent where it says nothing of them. Exports carry the sentence. */
  readonly overBudget?: ReportOverBudget | undefined;
  /** On the Pareto front of the sweep's objectives. */
  readonly onFront: boolean;
  /** Chance that it truly is, given how well the values are known; absent where it was not worked out. */
  readonly chance?: number | undefined;
  /** Name of a published layout that this is, e.g. lfm2-350m. */
  readonly published: string | null;
  /** Ids of the layouts it was varied from, and how; absent where it was drawn at random or declared. */
  readonly parents?: readonly string[] | undefined;
  readonly origin?: string | undefined;
  /** What was done to the parents, e.g. `swap`; absent where there are none. */
  readonly operator?: string | undefined;
  /** Digests of what its numbers rest on, as `corpus:text`; absent where none were kept. */
  readonly identity?: Readonly<Record<string, string>> | undefined;
  /** By metric name, e.g. `decodeTokensPerSecond@1024:phone`, `recall.accuracy`. */
  readonly metrics: Readonly<Record<string, ReportMetric>>;
}

export interface ReportDevice {
  readonly name: string;
  readonly transport: string;
  readonly arch: string;
  readonly cpu: string;
  readonly isa: string;
  readonly threads: number;
  readonly memoryBytes: number;
  /** Run under an emulator: its times say nothing about hardware. */
  readonly emulated: boolean;
  readonly agentSha256: string;
  /** Hashes of the agents that measured in this sweep, and what the sentinel, a fixed layout, took before each window; only where
   * sweeps are compared. */
  readonly conditions?:
    | { readonly agents: readonly string[]; readonly sentinelMs: readonly number[] }
    | undefined;
  /** How it is now; only on pages that follow a sweep. */
  readonly health?: ReportHealth | undefined;
}

export interface ReportHealth {
  /** ready, busy, cooling, lost, quarantined. */
  readonly state: string;
  readonly reason: string | null;
  /** Jobs that wait for it. */
  readonly queued: number;
  /** Infrastructure faults of the last 24 hours. */
  readonly recentFaults: number;
  readonly lastFault: string | null;
  readonly temperatureC: number | null;
}

/** One stretch of work on a device or a trainer, in milliseconds since the sweep began. */
export interface ReportSpan {
  /** Name of the device, or of the training slot. */
  readonly lane: string;
  /** What was done: measure, train, build, wait, ... */
  readonly kind: string;
  readonly trial: number | null;
  readonly startMs: number;
  readonly endMs: number;
  readonly ok: boolean;
  /** Task and seed, device, or what went wrong. */
  readonly detail?: string | undefined;
}

export interface ReportFrontSpan {
  readonly trial: number;
  /** Number of the trial whose end put it there: its own. */
  readonly from: number;
  /** Number of the trial that dominated it; null while it is on the front. */
  readonly until: number | null;
}

/** Something a sweep says beyond its front; figures are cells of text with their units. */
export interface ReportFinding {
  /** Stable word, e.g. `measuring`. */
  readonly id: string;
  readonly question: string;
  readonly answer: string;
  /**
   * Beside what was published, where the finding repeats a published experiment. `undecidable`: tested, and the samples show neither;
   * `counted`: follows from the layouts, so that it could not have come out otherwise; `open`: of studies before there were tests.
   */
  readonly verdict?: "agrees" | "contradicts" | "undecidable" | "counted" | "open" | undefined;
  /** Of an undecidable one: about how many more minutes decide it; absent where more of the same would not. */
  readonly moreMinutes?: number | undefined;
  readonly table?:
    | { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] }
    | undefined;
  readonly notes: readonly string[];
}

/** How far a proxy's score was found to order layouts as longer training does (edgefront audit). */
export interface ReportProxy {
  readonly metric: string;
  /** Kendall's tau and its 95% interval; null where there is no order to compare. */
  readonly tau: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly layouts: number;
  /** How many times as long the dear training was. */
  readonly longer: number;
  /** Too little agreement to lean on. */
  readonly weak: boolean;
  /** The same within the layouts that can recall and within those that cannot; absent in older audits, and where no task tells. */
  readonly strata?: readonly ReportStratum[] | undefined;
}

/** How a proxy orders layouts of one kind. */
export interface ReportStratum {
  readonly stratum: string;
  readonly layouts: number;
  readonly tau: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** One metric of a layout that was measured and trained anew: of the new samples that decided nothing. */
export interface ReportConfirmedMetric extends Omit<ReportEstimate, "sessions"> {
  readonly value: number;
  readonly unit: string;
  readonly samples: number;
  readonly sessions: number;
}

export interface ReportConfirmedLayout {
  readonly id: string;
  readonly trial: number;
  readonly notation: string;
  readonly pattern: string;
  readonly metrics: Readonly<Record<string, ReportConfirmedMetric>>;
  /** Each budget, with the chance that the true value keeps to it; null where that is unknown. */
  readonly budgets: readonly (ReportBudget & { readonly chance: number | null })[];
  /** Why there are no new values. */
  readonly fault: string | null;
}

/** A choice that was measured and trained anew (edgefront select --confirm). */
export interface ReportConfirmation {
  readonly rule: string;
  readonly quality: string;
  readonly tolerance: number;
  /** That the rule chose under. */
  readonly budgets: readonly ReportBudget[];
  /** New sessions on each device, and new seeds of each task, of each of the two stages: those that decide, and those that are reported. */
  readonly sessions: number;
  readonly seeds: { readonly check: readonly number[]; readonly report: readonly number[] };
  /** Ids of the rule's order, the first of it, when this was found: where it is another one now, this is of an earlier state of the sweep. */
  readonly order: readonly string[];
  /** Null where no choice survived. */
  readonly chosen: ReportConfirmedLayout | null;
  readonly runnerUp: ReportConfirmedLayout | null;
  /** Choices that did not survive, in the rule's order, and why. */
  readonly rejected: readonly { readonly id: string; readonly trial: number; readonly reason: string }[];
  /** Where none survived: whether the rule has more to try. */
  readonly left: boolean;
  readonly finishedAt: string;
}

export interface ReportBudget {
  readonly metric: string;
  readonly max?: number | undefined;
  readonly min?: number | undefined;
}

/** What ended without a result, by cause. */
export interface ReportReason {
  readonly state: TrialState;
  /** Of the first trial that ended so: figures in it differ from trial to trial. */
  readonly reason: string;
  readonly overBudget?: ReportOverBudget | undefined;
  readonly count: number;
}

/** The whole of a sweep, where `trials` holds a selection. */
export interface ReportTotals {
  readonly trials: number;
  readonly counts: Readonly<Record<TrialState, number>>;
  readonly reasons: readonly ReportReason[];
}

export interface ReportData {
  readonly sweep: string;
  readonly createdAt: string;
  readonly edgefrontVersion: string;
  readonly gitCommit: string | null;
  readonly objectives: readonly ReportObjective[];
  readonly budgets: readonly ReportBudget[];
  /** The front's reference point, one value an objective, and hypervolume after each finished trial. */
  readonly referencePoint: readonly number[] | null;
  readonly hypervolume: readonly { readonly trial: number; readonly value: number }[];
  /** Trials (numbers) that were ever on the front: from which trial on, and from which they were dominated. */
  readonly frontSpans?: readonly ReportFrontSpan[] | undefined;
  readonly trials: readonly ReportTrial[];
  /** What the sweep says beyond its front; absent in data older than findings. */
  readonly findings?: readonly ReportFinding[] | undefined;
  /** Found by audits of this sweep; absent where there was none. */
  readonly proxies?: readonly ReportProxy[] | undefined;
  /** Width of the proxies that scores are of; absent where nothing is trained. */
  readonly proxyWidth?: number | undefined;
  /** What to know before the values are compared; absent where there is nothing of the kind. */
  readonly notices?: readonly string[] | undefined;
  /** The latest choice that was confirmed; absent where there is none. */
  readonly confirmation?: ReportConfirmation | undefined;
  /** Absent where `trials` is all there is. */
  readonly totals?: ReportTotals | undefined;
  readonly devices: readonly ReportDevice[];
  /** What the numbers rest on by content, and what was mixed; null where the sweep is older than that. */
  readonly identity?: Identity | null | undefined;
  /** Who worked when; absent where the store did not keep it. */
  readonly timeline?: readonly ReportSpan[] | undefined;
  /** The sweep's whole configuration as run. */
  readonly configuration: unknown;
  /** Node version, operating system, CPU of the coordinator, compiler of the agents. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A sweep whose trials are read one after another: what formats that hold every trial are made from, however many there are. */
export interface ReportRows extends Omit<ReportData, "trials" | "totals"> {
  readonly trials: Iterable<ReportTrial>;
  /** Every metric that any trial has. */
  readonly metrics: readonly string[];
}

/** What the front alone is told from. */
export type FrontData = Pick<
  ReportData,
  "sweep" | "objectives" | "trials" | "totals" | "proxies" | "proxyWidth" | "notices" | "devices" | "identity"
>;
