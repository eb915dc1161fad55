// The identity of a sweep's values: digests of all content they rest on, gathered from tasks and devices. It
// is compared with the content at the sweep's start and that of imported trials, and stored with the sweep
// and each result. A mix of contents is refused unless requested, and then recorded.
import { InvalidInputError } from "../../candidates/errors.ts";
import { counted } from "../../candidates/words.ts";
import {
  type Difference,
  differences,
  digestOf,
  extended,
  type Identity,
  type Part,
  partFrom,
  type ResultIdentity,
  resultIdentity,
} from "../../profilers/identity.ts";
import { type ProbeResult, threadsOn } from "../../profilers/probe-result.ts";
import { differenceText } from "../../reports/identity-text.ts";
import { RunError } from "../base/run-errors.ts";
import { profileOf } from "../devices/device-record.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { type MeasureConfig, placementFor } from "./job-requests.ts";
import type { Worker } from "./worker.ts";

/** A device as a session found it. */
type Seen = Pick<Worker, "device" | "probe" | "emulated" | "agentSha256">;
type Asked = Pick<MeasureConfig, "threads">;

/** Memory in whole GiB, rounded up: the part that a kernel reserves differs from boot to boot. */
const gibibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 30);

/**
 * The machine as its probe saw it, limited to facts that stay the same between sessions. Facts of one session
 * are left out: speeds, load, the fastest kernels, and the allowed CPUs (a part of the placement). Facts that
 * a system update changes are left out too: kernel and features.
 */
function probePart(of: string, probe: ProbeResult, emulated: boolean): Part {
  const { arch, cpuModel, cores, isas, memoryBytes, pageBytes } = probe;
  const facts = [arch, cpuModel, cores, isas.toSorted(), gibibytes(memoryBytes), pageBytes, emulated];
  const shown = `${cpuModel}, ${counted(cores, "core")}, ${gibibytes(memoryBytes)} GiB${emulated ? ", under an emulator" : ""}`;
  return partFrom("probe", of, { digest: digestOf(facts), shown, emulated });
}

const agentPart = (of: string, { agentSha256, probe }: Seen): Part =>
  partFrom("agent", of, { digest: agentSha256, shown: `compiled by ${probe.compiler}` });

/** The threads and CPUs of a measurement, as requested or as the device allows. */
function placementPart(of: string, seen: Seen, config: Asked): Part {
  const { threads, cpus } = placementFor(seen, config);
  const asked = threadsOn(seen.probe, threads);
  const where = cpus === undefined ? "" : ` on CPUs ${cpus.join(", ")}`;
  const shown = `${counted(asked, "thread")}${where}`;
  return partFrom("placement", of, { digest: digestOf([asked, cpus ?? null]), shown });
}

/** Returns the content that a device's measurements rest on. */
export function measuredWith(seen: Seen, config: Asked): readonly Part[] {
  const { device, probe, emulated } = seen;
  const { name: of } = device;
  return [
    agentPart(of, seen),
    placementPart(of, seen, config),
    partFrom("profile", of, { digest: digestOf(profileOf(device)), shown: "conditions of measuring" }),
    probePart(of, probe, emulated),
  ];
}

/**
 * Returns the digest of the content behind a calibration baseline. It includes the host key: a device
 * enrolled again under its name is timed again. A sweep tolerates a new host key, because a person confirmed
 * that the machine is otherwise the same.
 */
export function baselineContent(seen: Seen, config: Asked, isa: string): string {
  const parts = measuredWith(seen, config).filter(({ what }) => what !== "profile");
  const host = seen.device.transport === "ssh" ? seen.device.hostKey : null;
  return digestOf([parts.map(({ what, digest }) => [what, digest]), host, isa]);
}

/** Returns the content that training rests on, beside the task. */
export const trainedWith = (seen: Seen): readonly Part[] => [
  agentPart("training", seen),
  probePart("training", seen.probe, seen.emulated),
];

/** The content that imported trials rest on. */
export interface Brought {
  readonly from: string;
  readonly parts: readonly Part[];
  /** True when some of it was never recorded. */
  readonly incomplete: boolean;
}

interface Question {
  readonly name: string;
  /** The resumed sweep; null for a new one. */
  readonly sweep: Pick<Sweep, "identity" | "trials"> | null;
  readonly brought: Brought | null;
  readonly allowMixed: boolean;
  /** The typed command line; null when a mix cannot be requested. */
  readonly command: string | null;
}

/** The command line with the flags that it lacks. */
const commandWith = (command: string, ...flags: readonly string[]): string =>
  [command, ...flags.filter((flag) => !command.split(" ").includes(flag))].join(" ");

/** The most differences that a message names. */
const NAMED = 4;

function inWords(found: readonly Difference[]): string {
  const shown = found.slice(0, NAMED).map(differenceText);
  return [...shown, ...(found.length > NAMED ? [`${found.length - NAMED} more`] : [])].join("; ");
}

/**
 * Returns the identity under which the sweep continues.
 * @throws InvalidInputError (`mixed-identity`) when two contents would mix in one front without `allowMixed`.
 */
export function settleIdentity(
  { name, sweep, brought, allowMixed, command }: Question,
  parts: readonly Part[],
): Identity {
  const refuse = (found: readonly Difference[], what: string, instead: string): void => {
    if (found.length === 0 || allowMixed) return;
    const wayOut =
      command === null
        ? "Put back what changed, and run this again"
        : `Numbers of both would stand in one front: put back what changed, ${instead}, or mark the mix: ${commandWith(command, ...(sweep === null ? [] : ["--resume"]), "--allow-mixed")}`;
    throw new InvalidInputError("mixed-identity", `${what}: ${inWords(found)}. ${wayOut}`);
  };
  const fresh: Identity = { parts: [...parts], mixed: [], unknown: [] };
  if (sweep !== null) {
    const { identity } = sweep;
    if (identity === null) return { ...fresh, unknown: sweep.trials > 0 ? ["resumed"] : [] };
    refuse(
      differences(identity.parts, parts),
      `sweep "${name}" was begun with other content`,
      `start another with --name ${name}-2`,
    );
    return extended(identity, parts, "resumed");
  }
  if (brought === null) return fresh;
  const found = differences(brought.parts, parts);
  refuse(found, `the trials of ${brought.from} rest on other content`, "start without --warm-start");
  return {
    ...fresh,
    mixed: found.map((one) => ({ ...one, how: "imported" })),
    unknown: brought.incomplete ? ["imported"] : [],
  };
}

/** The identity of a running sweep: every result is compared with it before being stored. */
export class RunningIdentity {
  constructor(
    private readonly store: Store,
    private readonly sweep: Pick<Sweep, "id" | "name">,
    private identity: Identity,
    private readonly asked: { readonly allowMixed: boolean; readonly command: string },
  ) {}

  /**
   * Returns the identity of a result that rests on these parts.
   * @throws RunError (`mixed-identity`) when one of them changed since the sweep began.
   */
  admit(parts: readonly Part[]): ResultIdentity {
    const found = differences(this.identity.parts, parts);
    const { allowMixed, command } = this.asked;
    if (found.length > 0 && !allowMixed)
      throw new RunError(
        "mixed-identity",
        `sweep "${this.sweep.name}" stopped, because something changed while it ran: ${inWords(found)}. Put it back and continue with --resume, or mark the mix: ${commandWith(command, "--resume", "--allow-mixed")}`,
      );
    const next = extended(this.identity, parts, "running");
    if (found.length > 0 || next.parts.length > this.identity.parts.length)
      this.store.sweeps.putIdentity(this.sweep.id, next);
    this.identity = next;
    return resultIdentity(next, parts);
  }
}
