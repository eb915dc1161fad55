// What a trainer is: it trains one proxy at a time in each of its lanes. One file each implements it, listed in trainer-registry.ts; what a
// configuration may ask of it stands in runner/config/config-score.ts. Tasks, teachers and learning rates are runner/training/'s business.
import type { Layout } from "../../../candidates/layout.ts";
import type { TrainResult } from "../../../profilers/protocol.ts";
import type { TrainerAbilities, TrainerConfig } from "../../config/config-score.ts";
import type { AgentBinary } from "../../devices/transport.ts";
import type { Worker } from "../../farm/worker.ts";
import type { LeaseProof } from "../../store/lease-table.ts";
import type { Asked } from "../train-request.ts";

/** A place that trains one run at a time. */
export interface Lane {
  /** The device, by name. */
  readonly device: string;
  /** Makes the program that is started there; undefined: the native agent, which may share a session with measurements. */
  readonly program: (() => Promise<AgentBinary>) | undefined;
}

/** One run of one proxy. */
export interface TrainingRun {
  /** The lane, opened. */
  readonly worker: Worker;
  readonly proxy: Layout;
  /** The request but for its model; paths in it are of this machine. */
  readonly asked: Asked;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  /** Pause after so many steps; 0: train to the end. */
  readonly pauseAt: number;
  readonly timeoutMs: number;
}

/** `loss`: since the last report; null before the first. */
export type OnStep = (step: number, loss: number | null) => void;

export interface TrainingEnd {
  readonly result: TrainResult;
  readonly lease: LeaseProof;
  /** File name, in the cache's folder of runs, that a paused run continues from. */
  readonly checkpoint: string;
}

export interface Trainer {
  readonly can: TrainerAbilities;
  /** Where it trains: one lane at least. */
  lanes(config: TrainerConfig): readonly [Lane, ...Lane[]];
  /** Trains from the run's checkpoint where one was left, and brings the data to the lane. @throws AgentError and errors of the session. */
  train(run: TrainingRun, signal: AbortSignal, onStep: OnStep): Promise<TrainingEnd>;
}
