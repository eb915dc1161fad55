// Every trainer by its id. A new one is one file, one line here, and one in runner/config/config-score.ts.
import type { TrainerConfig, TrainerId } from "../../config/config-score.ts";
import type { DeviceRecord } from "../../devices/device-record.ts";
import { deviceNamed } from "../../farm/known.ts";
import type { Store } from "../../store/store.ts";
import { native } from "./native-trainer.ts";
import { pytorch } from "./pytorch-trainer.ts";
import type { Lane, Trainer } from "./trainer.ts";

export const trainers = { native, pytorch } as const satisfies Record<TrainerId, Trainer>;

/** Returns the lane in which a configuration trains. */
export const laneOf = (config: TrainerConfig): Lane => trainers[config.backend].lanes(config)[0];

/**
 * Returns the device of a lane, without the runtime that times layouts there.
 * @throws InvalidInputError (`unknown-device`).
 */
export const laneDevice = (store: Store, { device }: Lane): DeviceRecord => ({
  ...deviceNamed(store, device),
  runtime: undefined,
});
