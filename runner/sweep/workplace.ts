// The devices, windows, trainer and data of a sweep for work outside its loop: its trials measured and trained once more, through the same
// gates and leases, by whoever holds the sweep meanwhile.
import { setMaxListeners } from "node:events";
import type { Identity, Part } from "../../profilers/identity.ts";
import type { SweepConfig } from "../config.ts";
import { deviceNamed } from "../devices/known.ts";
import { SweepWindows } from "../measurement/window.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweeps.ts";
import { DeviceLeases } from "./device-lease.ts";
import type { EvaluateContext } from "./evaluate.ts";
import type { Listener } from "./events.ts";
import { Fleet } from "./fleet.ts";
import { HostLock } from "./host-lock.ts";
import { resolveBudgets, resolveObjectives } from "./metric-names.ts";
import { awaitIdle, keepOwning } from "./ownership.ts";
import { trainerProgram } from "./pytorch.ts";
import { RungOrder } from "./rung-order.ts";
import type { FarmOptions } from "./sweep.ts";
import { measuredWith, RunningIdentity, settleIdentity, trainedWith } from "./sweep-identity.ts";
import { prepareTask } from "./training-data.ts";

export interface WorkplaceOptions {
  /** The configuration of the sweep, with the paths that its tasks read. */
  readonly config: SweepConfig;
  /** The folder that corpus patterns are relative to. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly listen: Listener;
  readonly farm?: FarmOptions | undefined;
  /** What was typed: how to go on after a stop. */
  readonly command: string;
}

/**
 * Opens every device of a sweep, takes the sweep over, runs `work`, and leaves all of it whatever happens.
 * @throws InvalidInputError (`sweep-running`) while another process runs the sweep, (`mixed-identity`) where its corpus, agent, device or
 * another content is not what the sweep began with.
 */
export async function withWorkplace<T>(
  store: Store,
  sweep: Sweep,
  { config, folder, command, signal: outer, listen, farm = {} }: WorkplaceOptions,
  work: (context: EvaluateContext) => Promise<T>,
): Promise<T> {
  const seen = await awaitIdle(store, sweep, outer, listen, farm.leases);
  const records = config.measure.devices.map((name) => deviceNamed(store, name));
  const tasks = await Promise.all(
    Object.entries(config.score?.tasks ?? {}).map(([name, task]) =>
      prepareTask(name, task, config.seed, folder),
    ),
  );
  const settled = (parts: readonly Part[]): Identity =>
    settleIdentity({ name: sweep.name, sweep, brought: null, allowMixed: false, command: null }, parts);
  const taskParts = tasks.flatMap(({ parts }) => parts);
  // Another corpus is told before any device is asked.
  settled(taskParts);
  const abort = new AbortController();
  const signal = AbortSignal.any([outer, abort.signal]);
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
  const program = config.score && trainerProgram(config.score.trainer);
  const trains = program === undefined ? records.find(({ transport }) => transport === "local") : undefined;
  const trainer =
    trains !== undefined || tasks.length === 0
      ? (trains?.name ?? "")
      : fleet.enlistTrainer(
          deviceNamed(store, program === undefined ? "local" : config.score!.trainer.device),
          program,
        );
  try {
    await fleet.open();
    const identity = settled([
      ...taskParts,
      ...records.flatMap((record) => measuredWith(fleet.workerOf(record.name), config.measure)),
      ...(trainer === "" ? [] : trainedWith(fleet.workerOf(trainer))),
    ]);
    store.sweeps.claim(sweep, seen);
    const stopOwning = keepOwning(store, sweep, () => abort.abort(), farm.leases);
    try {
      store.sweeps.putIdentity(sweep.id, identity);
      return await work({
        store,
        sweepId: sweep.id,
        config,
        objectives: resolveObjectives(config),
        budgets: resolveBudgets(config),
        fleet,
        devices: records.map(({ name }) => name),
        windows: new SweepWindows(config.measure, { store, sweepId: sweep.id, listen }),
        trainer,
        tasks,
        identity: new RunningIdentity(store, sweep, identity, { allowMixed: false, command }),
        rungOrder: new RungOrder(),
        signal,
        listen,
      });
    } finally {
      stopOwning();
      store.sweeps.release(sweep.id);
    }
  } finally {
    abort.abort();
    await fleet.close();
    leases.close();
  }
}
