// Flags of a measurement that passed the gates: plausible numbers, taken under other conditions than
// requested. A flag never changes a number. It is stored and shown beside the number, and decides its use.
import { type ProbeResult, threadsOn } from "./probe-result.ts";
import type { MeasureResult } from "./protocol.ts";
import { summarise } from "./statistics/summary.ts";

/** Every flag, with its meaning for readers. */
export const FLAGS = {
  unstable: "the repetitions vary by more than the limit",
  "not-warm": "warm-up ended before two runs in a row agreed",
  moved: "threads did not run on their assigned cores (for other cores: edgefront device probe NAME --tune)",
  swapped: "memory was swapped out",
  throttled: "the calibration run changed during the measurement",
  disturbed: "other work took more of the processor than the limit",
  quota: "a CPU quota of the container or control group slowed the measurement down",
  "not-ready": "the device was busy or hot at the start",
  emulated: "measured under an emulator: times say nothing about hardware",
} as const satisfies Record<string, string>;
export type Flag = keyof typeof FLAGS;

/**
 * Flags under which a number does not count as a result of the candidate. It is measured again, and marked
 * unreliable if that does not help.
 */
export const VOIDING: ReadonlySet<Flag> = new Set<Flag>([
  "unstable",
  "moved",
  "swapped",
  "throttled",
  "disturbed",
  "quota",
  "not-ready",
]);

export interface ValidityInput {
  readonly result: MeasureResult;
  readonly probe: Pick<ProbeResult, "allowedCpus" | "defaultThreads">;
  /** Requested number of threads (0: the device's default), and their cores (absent: any that the device allows). */
  readonly placement: { readonly threads: number; readonly cpus?: readonly number[] };
  readonly emulated: boolean;
  /** Largest coefficient of variation of a stable result. */
  readonly cvLimit: number;
  /** Largest share of the processor that other work may take during the timing. Default: no limit. */
  readonly disturbanceLimit?: number;
}

/** A quota that takes a larger share of the time is not a chance event of the scheduler. */
const QUOTA_SHARE = 0.02;

/**
 * Returns the largest share of its possible processor time that a measurement lost: stolen by a hypervisor,
 * or spent by its ready threads waiting for others. 0 where the system reports neither. Work of others on
 * CPUs that it did not need is no disturbance.
 */
export function disturbedShare({
  disturbance,
  threads,
}: Pick<MeasureResult, "disturbance" | "threads">): number {
  if (disturbance === undefined || disturbance.wallMs === 0) return 0;
  const { wallMs, cpus, stealMs, waitedMs } = disturbance;
  return Math.max(
    (stealMs ?? 0) / (wallMs * Math.max(1, cpus)),
    (waitedMs ?? 0) / (wallMs * Math.max(1, threads)),
  );
}

const quotaShare = ({ disturbance }: Pick<MeasureResult, "disturbance">): number =>
  disturbance === undefined || disturbance.wallMs === 0
    ? 0
    : (disturbance.throttledMs ?? 0) / disturbance.wallMs;

/** True if the device did not keep the threads in place: the requested number, one per allowed core. */
function moved({ result, probe, placement }: ValidityInput): boolean {
  const cpus = placement.cpus ?? probe.allowedCpus;
  const asked = threadsOn(probe, placement.threads);
  const { affinity } = result;
  if (result.threads !== asked || affinity.length !== asked) return true;
  if (affinity.some((cpu) => !cpus.includes(cpu))) return true;
  // More threads than cores must share cores.
  return asked <= cpus.length && new Set(affinity).size !== asked;
}

/** Returns the flags of a measurement; empty for one taken under the requested conditions. */
export function validityFlags(input: ValidityInput): readonly Flag[] {
  const { result, emulated, cvLimit, disturbanceLimit = Number.POSITIVE_INFINITY } = input;
  const flags: Flag[] = [];
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const varies = (samples: readonly number[]): boolean =>
    samples.length > 0 && summarise(samples).cv > cvLimit;
  if (result.contexts.some(({ ttftMs, decodeMs }) => varies(ttftMs) || varies(decodeMs.map(sum))))
    flags.push("unstable");
  if (result.contexts.some(({ stable, warmups }) => !stable && warmups > 1)) flags.push("not-warm");
  // Under an emulator, the cores that the guest sees are made up.
  if (!emulated && moved(input)) flags.push("moved");
  if (result.memory.swapBytes > 0) flags.push("swapped");
  if (disturbedShare(result) > disturbanceLimit) flags.push("disturbed");
  if (quotaShare(result) > QUOTA_SHARE) flags.push("quota");
  if (emulated) flags.push("emulated");
  return flags;
}
