// The trainer of this package: the native agent, on this machine.
import { TRAINERS } from "../../config/config-score.ts";
import { LOCAL_DEVICE } from "../../farm/known.ts";
import { trainByAgent } from "./agent-training.ts";
import type { Trainer } from "./trainer.ts";

export const native: Trainer = {
  can: TRAINERS.native,
  lanes: () => [{ device: LOCAL_DEVICE, program: undefined }],
  train: trainByAgent,
};
