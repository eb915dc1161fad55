// The resources of a sweep: devices, trainer, prepared tasks, and the signal that stops all of them. The loop
// and a confirmation share this set-up. Owning the sweep and choosing the work are left to them.
import { setMaxListeners } from "node:events";
import type { Part } from "../../profilers/identity.ts";
import type { SweepConfig } from "../config/config.ts";
import type { ScoreConfig } from "../config/config-score.ts";
import type { DeviceRecord } from "../devices/device-record.ts";
import { DeviceLeases, type LeaseTiming } from "../farm/device-lease.ts";
import type { Listener } from "../farm/events.ts";
import { Fleet, type FleetTiming } from "../farm/fleet.ts";
import { HostLock } from "../farm/host-lock.ts";
import { deviceNamed } from "../farm/known.ts";
import { measuredWith, trainedWith } from "../farm/sweep-identity.ts";
import type { WorkerContext } from "../farm/worker.ts";
import { runtimeOf } from "../runtimes/runtime-registry.ts";
import type { Store } from "../store/store.ts";
import { laneDevice, laneOf } from "../training/trainers/trainer-registry.ts";
import { type PreparedTask, prepareTask } from "../training/training-data.ts";

export interface FarmOptions extends Pick<WorkerContext, "session" | "agentFor"> {
  readonly timing?: Partial<FleetTiming>;
  readonly leases?: Partial<LeaseTiming>;
}

interface StaffOptions {
  /** The folder that corpus patterns are relative to. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly listen: Listener;
  readonly farm?: FarmOptions | undefined;
}

export class Staff {
  private constructor(
    readonly config: SweepConfig,
    readonly records: readonly DeviceRecord[],
    readonly tasks: readonly PreparedTask[],
    readonly fleet: Fleet,
    /** Name of the device that trains; empty when nothing is trained. */
    readonly trainer: string,
    readonly signal: AbortSignal,
    private readonly abort: AbortController,
    private readonly leases: DeviceLeases,
  ) {}

  /** Prepares data and looks up the devices; contacts no device before `open`. */
  static async gather(store: Store, config: SweepConfig, options: StaffOptions): Promise<Staff> {
    const { folder, listen, farm = {} } = options;
    const records = config.measure.devices.map((name) => deviceNamed(store, name));
    const tasks = await Promise.all(
      Object.entries(config.score?.tasks ?? {}).map(([name, task]) =>
        prepareTask(name, task, config.seed, folder),
      ),
    );
    const abort = new AbortController();
    const signal = AbortSignal.any([options.signal, abort.signal]);
    // Every device and every wait adds a listener to it.
    setMaxListeners(0, signal);
    const leases = new DeviceLeases(store.leases, farm.leases);
    const { session, agentFor } = farm;
    const fleet = new Fleet(
      records,
      {
        ...{ lock: new HostLock(), leases, store, signal, listen },
        ...(session === undefined ? {} : { session }),
        ...(agentFor === undefined ? {} : { agentFor }),
      },
      { pauseScale: 1, patienceMs: config.measure.patienceMinutes * 60_000, ...farm.timing },
    );
    const trainer = tasks.length === 0 ? "" : trainerOf(store, config.score!, records, fleet);
    return new Staff(config, records, tasks, fleet, trainer, signal, abort, leases);
  }

  /** The identities of the tasks' data, known before any device is contacted. */
  get taskParts(): readonly Part[] {
    return this.tasks.flatMap(({ parts }) => parts);
  }

  /** Opens every device. Returns the identities of everything that results will rest on. */
  async open(): Promise<readonly Part[]> {
    const { fleet, records, config, trainer } = this;
    await fleet.open();
    return [
      ...this.taskParts,
      ...records.flatMap((record) => measuredWith(fleet.workerOf(record.name), config.measure)),
      ...(trainer === "" ? [] : trainedWith(fleet.workerOf(trainer))),
    ];
  }

  /** Stops all running work. */
  stop(): void {
    this.abort.abort();
  }

  async close(): Promise<void> {
    await this.fleet.close();
    this.leases.close();
  }
}

/**
 * Returns the name of the training lane in the fleet. A local device that measures also trains when its
 * runtime can.
 */
function trainerOf(store: Store, score: ScoreConfig, records: readonly DeviceRecord[], fleet: Fleet): string {
  const lane = laneOf(score.trainer);
  const shares = (record: DeviceRecord): boolean =>
    lane.program === undefined && record.transport === "local" && runtimeOf(record).jobs.has("train");
  const shared = records.find(shares);
  return shared === undefined ? fleet.enlistTrainer(laneDevice(store, lane), lane.program) : shared.name;
}
