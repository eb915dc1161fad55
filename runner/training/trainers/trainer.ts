// The interface of trainers: a trainer trains one proxy at a time in each of its lanes. Each implementation
// is one file, listed in trainer-registry.ts; runner/config/config-score.ts states its options. Tasks,
// teachers and learning rates are left to runner/training/.
import type { Layout } from "../../../candidates/layout.ts";
import type { TrainResult } from "../../../profilers/protocol.ts";
import type { TrainerAbilities, TrainerConfig } from "../../config/config-score.ts";
import type { AgentBinary } from "../../devices/transport.ts";
import type { Worker } from "../../farm/worker.ts";
import type { LeaseProof } from "../../store/lease-table.ts";
import type { Asked } from "../train-request.ts";

/** A place that trains one run at a time. */
export interface Lane {
  /** Name of the device. */
  readonly device: string;
  /**
   * Makes the program that is started there. Undefined: the native agent, which may share a session with
   * measurements.
   */
  readonly program: (() => Promise<AgentBinary>) | undefined;
}

/** One run of one proxy. */
export interface TrainingRun {
  /** The opened lane. */
  readonly worker: Worker;
  readonly proxy: Layout;
  /** The request without its model; its paths are those of this machine. */
  readonly asked: Asked;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  /** Pause after this many steps; 0 trains to the end. */
  readonly pauseAt: number;
  readonly timeoutMs: number;
}

/** Reports progress. `loss`: since the last report; null before the first. */
export type OnStep = (step: number, loss: number | null) => void;

export interface TrainingEnd {
  readonly result: TrainResult;
  readonly lease: LeaseProof;
  /** Name of the checkpoint from which a paused run continues, in the cache's folder of runs. */
  readonly checkpoint: string;
}

export interface Trainer {
  readonly can: TrainerAbilities;
  /** Returns the lanes where it trains, at least one. */
  lanes(config: TrainerConfig): readonly [Lane, ...Lane[]];
  /**
   * Trains, from the run's checkpoint where there is one, and brings the data to the lane.
   * @throws AgentError and errors of the session.
   */
  train(run: TrainingRun, signal: AbortSignal, onStep: OnStep): Promise<TrainingEnd>;
}
