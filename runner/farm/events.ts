// What a running sweep says while it runs. Views (live or plain lines) listen; nothing here is stored.
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
  /** Something to know about the sweep that stops nothing. */
  | { readonly kind: "notice"; readonly text: string }
  | {
      readonly kind: "proposed";
      readonly batch: number;
      readonly count: number;
      /** Of earlier trials, in the same batch. */
      readonly repetitions: number;
    }
  | {
      readonly kind: "job";
      readonly trial: Trial;
      readonly text: string;
      /** The device that is busy with it, or its training lane; null while the trial waits. */
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
      /** A complete trial was measured or trained once more. */
      readonly kind: "repeated";
      readonly trial: Trial;
      readonly onFront: boolean;
      readonly text: string;
    }
  | {
      readonly kind: "front";
      readonly size: number;
      /** Of the front, up to a reference point from all that is complete so far. */
      readonly hypervolume: number;
    };

export type Listener = (event: SweepEvent) => void;

/** Training here, or on a trainer with a name; devices that measure have lanes of their own. */
export const trainingLane = (device: string | null): string =>
  device === null || device === "local" ? "training" : `training on ${device}`;
