// Chooses the learning rate of a candidate: the configured one, or the best of short runs.
import { z } from "zod";
import type { TrainResult } from "../../profilers/protocol.ts";
import type { TaskConfig } from "../config/config-score.ts";
import { AgentError } from "../devices/device-errors.ts";

export interface Rate {
  readonly rate: number;
  /** The tried learning rates with their losses; null where a run diverged. */
  readonly tries: readonly (readonly [number, number | null])[];
}

const ratedSchema = z.object({
  optimizer: z.object({ learningRate: z.number() }),
  learningRateTries: z.array(z.tuple([z.number(), z.number().nullable()])).default([]),
});

/** Returns the learning rate of an earlier part of a run, and how it was found, from the stored request. */
export function rateOf(request: unknown): Rate {
  const { optimizer, learningRateTries } = ratedSchema.parse(request);
  return { rate: optimizer.learningRate, tries: learningRateTries };
}

/** Trains for `steps` steps at a rate. */
type ShortRun = (steps: number, rate: number) => Promise<Pick<TrainResult, "validation">>;

/** Tries the configured rates in short runs when there are several. Diverged tries do not count. */
export async function chooseRate(
  { learningRate, learningRateTrial, steps }: TaskConfig["training"],
  run: ShortRun,
): Promise<Rate> {
  if (typeof learningRate === "number") return { rate: learningRate, tries: [] };
  const short = Math.max(1, Math.round(steps * learningRateTrial));
  const tries: [number, number | null][] = [];
  for (const rate of learningRate) {
    try {
      const { validation } = await run(short, rate);
      tries.push([rate, validation.loss]);
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== "diverged") throw error;
      tries.push([rate, null]);
    }
  }
  const finite = tries.filter((pair): pair is [number, number] => pair[1] !== null);
  // When every try diverges, the smallest rate is used: its full run then records the divergence as outcome.
  const best = finite.reduce<[number, number] | null>((a, b) => (a === null || b[1] < a[1] ? b : a), null);
  return { rate: best?.[0] ?? Math.min(...learningRate), tries };
}
