// The data of a report: plain data, which runner/ reads from the store and the pure functions beside this
// file render. It contains no keys, host names or file paths of a user.
import type { Layout } from "../candidates/layout.ts";
import type { Identity } from "../profilers/identity.ts";

export interface ReportObjective {
  readonly name: string;
  readonly direction: "min" | "max";
  readonly unit: string;
}

/** The error of a value. */
export interface ReportEstimate {
  /** Lower end of the 95% interval; null where the error is unknown. */
  readonly low: number | null;
  readonly high: number | null;
  /** Number of measurement sessions, or of seeds; 0 where the value is counted. */
  readonly sessions: number;
  /** `unstable`, `unknown error`, `emulated`: reasons not to rely on the value. */
  readonly marks: readonly string[];
}

/** One metric of one trial, with its raw samples (empty where the value is static). */
export interface ReportMetric {
  readonly value: number;
  readonly unit: string;
  readonly samples: readonly number[];
  /** Number of samples of each session, in the order of `samples`; absent: one session. */
  readonly sessions?: readonly number[] | undefined;
  /** False if the repetitions vary too much (above the protocol's limit): shown, but marked. */
  readonly stable: boolean;
  /** The value's error, estimated over all layouts of the sweep; absent if not requested. */
  readonly estimate?: ReportEstimate | undefined;
  /** Provenance by name: agent hash, kernel path, threads, temperature, ... */
  readonly provenance?: Readonly<Record<string, string>> | undefined;
}

/** `screened`: predicted to be over budget, not measured; `stopped`: training ended early. */
export type TrialState =
  | "complete"
  | "infeasible"
  | "screened"
  | "stopped"
  | "failed"
  | "lost"
  | "proposed"
  | "running";

/** Budgets that a trial violates, and whether a repeated measurement or training showed this. */
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
  /** Reason why a trial is infeasible or failed; null otherwise. */
  readonly reason: string | null;
  /** The part of `reason` about budgets, as data; absent where there is none. Exports have the sentence. */
  readonly overBudget?: ReportOverBudget | undefined;
  /** True on the Pareto front of the sweep's objectives. */
  readonly onFront: boolean;
  /** Chance that it is truly on the front, given the values' errors; absent where it was not computed. */
  readonly chance?: number | undefined;
  /** Name of the published layout that this is, e.g. lfm2-350m. */
  readonly published: string | null;
  /** Ids of the layouts it was varied from; absent where it was drawn at random or declared. */
  readonly parents?: readonly string[] | undefined;
  readonly origin?: string | undefined;
  /** The change of the parents, e.g. `swap`; absent without parents. */
  readonly operator?: string | undefined;
  /** Digests of the inputs that its numbers depend on, as `corpus:text`; absent where none were stored. */
  readonly identity?: Readonly<Record<string, string>> | undefined;
  /** Metrics by name, e.g. `decodeTokensPerSecond@1024:phone`, `recall.accuracy`. */
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
  /** Run under an emulator. Its times tell nothing about hardware. */
  readonly emulated: boolean;
  readonly agentSha256: string;
  /** Agents (hashes), and the calibration run's time before each window. Only where sweeps are compared. */
  readonly conditions?:
    | { readonly agents: readonly string[]; readonly sentinelMs: readonly number[] }
    | undefined;
  /** Present state; only on live pages. */
  readonly health?: ReportHealth | undefined;
}

export interface ReportHealth {
  /** ready, busy, cooling, lost, quarantined. */
  readonly state: string;
  readonly reason: string | null;
  /** Number of jobs that wait for it. */
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
  /** Kind of work: measure, train, build, wait, ... */
  readonly kind: string;
  readonly trial: number | null;
  readonly startMs: number;
  readonly endMs: number;
  readonly ok: boolean;
  /** Task and seed, device, or the fault. */
  readonly detail?: string | undefined;
}

export interface ReportFrontSpan {
  readonly trial: number;
  /** Number of the trial that brought it onto the front: its own. */
  readonly from: number;
  /** Number of the trial that dominated it; null while it is on the front. */
  readonly until: number | null;
}

/** A statement of a sweep beyond its front. Figures are cells of text with their units. */
export interface ReportFinding {
  /** Stable word, e.g. `measuring`. */
  readonly id: string;
  readonly question: string;
  readonly answer: string;
  /**
   * Verdict against the repeated publication. `undecidable`: tested, neither is shown; `counted`: follows
   * from the layouts; `open`: from studies without tests.
   */
  readonly verdict?: "agrees" | "contradicts" | "undecidable" | "counted" | "open" | undefined;
  /** For an undecidable finding: estimated additional minutes; absent if more samples would not decide it. */
  readonly moreMinutes?: number | undefined;
  readonly table?:
    | { readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] }
    | undefined;
  readonly notes: readonly string[];
}

/** Agreement of a proxy's order with longer training (edgefront audit). */
export interface ReportProxy {
  readonly metric: string;
  /** Kendall's tau; null where there is no order to compare. `low` and `high`: its 95% interval. */
  readonly tau: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly layouts: number;
  /** Steps of the longer training, as a multiple of the sweep's. */
  readonly longer: number;
  /** True if the agreement is too weak to rely on the proxy. */
  readonly weak: boolean;
  /** Agreement within layouts that can recall and within those that cannot; absent in older audits. */
  readonly strata?: readonly ReportStratum[] | undefined;
}

/** Agreement within one kind of layouts. */
export interface ReportStratum {
  readonly stratum: string;
  readonly layouts: number;
  readonly tau: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** One metric of a layout measured and trained again, from new samples that decided nothing. */
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
  /** Each budget, with the chance that the true value keeps to it; null where the chance is unknown. */
  readonly budgets: readonly (ReportBudget & { readonly chance: number | null })[];
  /** Reason why there are no new values. */
  readonly fault: string | null;
}

/** A choice that was measured and trained again (edgefront select --confirm). */
export interface ReportConfirmation {
  readonly rule: string;
  readonly quality: string;
  readonly tolerance: number;
  /** The budgets of the choice. */
  readonly budgets: readonly ReportBudget[];
  /** New sessions of each device and new seeds of each task, for each of the two stages. */
  readonly sessions: number;
  readonly seeds: { readonly check: readonly number[]; readonly report: readonly number[] };
  /** Ids in the order of the rule at that time. A different order now means that the sweep has changed. */
  readonly order: readonly string[];
  /** Null where no choice survived. */
  readonly chosen: ReportConfirmedLayout | null;
  readonly runnerUp: ReportConfirmedLayout | null;
  /** Choices that did not survive, in the rule's order, with reasons. */
  readonly rejected: readonly { readonly id: string; readonly trial: number; readonly reason: string }[];
  /** True if no choice is confirmed and the rule has more layouts to try. */
  readonly left: boolean;
  readonly finishedAt: string;
}

export interface ReportBudget {
  readonly metric: string;
  readonly max?: number | undefined;
  readonly min?: number | undefined;
}

/** Trials without a result, by cause. */
export interface ReportReason {
  readonly state: TrialState;
  /** Reason of the first such trial; its figures differ between trials. */
  readonly reason: string;
  readonly overBudget?: ReportOverBudget | undefined;
  readonly count: number;
}

/** Totals of a whole sweep, where `trials` is a selection. */
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
  /** The front's reference point, one value per objective. `hypervolume`: after each finished trial. */
  readonly referencePoint: readonly number[] | null;
  readonly hypervolume: readonly { readonly trial: number; readonly value: number }[];
  /** Trials (numbers) that were ever on the front, each with the trial that dominated it. */
  readonly frontSpans?: readonly ReportFrontSpan[] | undefined;
  readonly trials: readonly ReportTrial[];
  /** Findings beyond the front; absent in data older than findings. */
  readonly findings?: readonly ReportFinding[] | undefined;
  /** Results of audits of this sweep; absent where there was none. */
  readonly proxies?: readonly ReportProxy[] | undefined;
  /** Width of the proxies behind the scores; absent where nothing is trained. */
  readonly proxyWidth?: number | undefined;
  /** Notices to read before comparing values; absent if there are none. */
  readonly notices?: readonly string[] | undefined;
  /** The latest confirmed choice; absent where there is none. */
  readonly confirmation?: ReportConfirmation | undefined;
  /** Absent where `trials` is the whole sweep. */
  readonly totals?: ReportTotals | undefined;
  readonly devices: readonly ReportDevice[];
  /** Digests of the numbers' inputs, and mixes of them; null for sweeps older than digests. */
  readonly identity?: Identity | null | undefined;
  /** Timeline of jobs; absent if the store did not keep it. */
  readonly timeline?: readonly ReportSpan[] | undefined;
  /** The sweep's whole configuration as run. */
  readonly configuration: unknown;
  /** Node version, operating system, CPU of the coordinator, compiler of the agents. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A sweep whose trials are read one after the other, for formats with every trial. */
export interface ReportRows extends Omit<ReportData, "trials" | "totals"> {
  readonly trials: Iterable<ReportTrial>;
  /** Every metric of any trial. */
  readonly metrics: readonly string[];
}

/** The data from which the front alone is rendered. */
export type FrontData = Pick<
  ReportData,
  "sweep" | "objectives" | "trials" | "totals" | "proxies" | "proxyWidth" | "notices" | "devices" | "identity"
>;
