// Events of a running sweep. Views (live or plain lines) listen to them; nothing here is stored.
import type { DeviceHealth, DeviceState } from "../store/health-table.ts";
import type { Trial } from "../store/trial-row.ts";

export type SweepEvent =
  | { readonly kind: "started"; readonly name: string; readonly trials: number; readonly finished: number }
  | { readonly kind: "build"; readonly target: string; readonly done: number; readonly total: number }
  | { readonly kind: "device"; readonly name: string; readonly text: string; readonly emulated: boolean }
  | {
      readonly kind: "device-state";
      readonly name: string;
      readonly state: DeviceState;
      readonly text: string;
    }
  | { readonly kind: "devices"; readonly health: readonly DeviceHealth[] }
  | { readonly kind: "waiting"; readonly text: string }
  /** Information about the sweep that stops nothing. */
  | { readonly kind: "notice"; readonly text: string }
  | {
      readonly kind: "proposed";
      readonly batch: number;
      readonly count: number;
      /** Repetitions of earlier trials in the same batch. */
      readonly repetitions: number;
    }
  | {
      readonly kind: "job";
      readonly trial: Trial;
      readonly text: string;
      /** The device that works on the job, or its training lane; null while the trial waits. */
      readonly lane: string | null;
    }
  | { readonly kind: "retry"; readonly trial: Trial; readonly text: string }
  | {
      readonly kind: "trial";
      readonly trial: Trial;
      readonly onFront: boolean;
      readonly values: readonly string[];
    }
  | {
      /** A complete trial was measured or trained again. */
      readonly kind: "repeated";
      readonly trial: Trial;
      readonly onFront: boolean;
      readonly text: string;
    }
  | {
      readonly kind: "front";
      readonly size: number;
      /** Hypervolume of the front, up to a reference point from all trials complete so far. */
      readonly hypervolume: number;
    };

export type Listener = (event: SweepEvent) => void;

/**
 * Returns the lane of a training run: local, or a named trainer. It is separate from the lane of a device
 * that measures.
 */
export const trainingLane = (device: string | null): string =>
  device === null || device === "local" ? "training" : `training on ${device}`;
