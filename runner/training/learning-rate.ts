// The learning rate of a candidate: the configured one, or the best of short runs.
import { z } from "zod";
import type { TrainResult } from "../../profilers/protocol.ts";
import type { TaskConfig } from "../config/config-score.ts";
import { AgentError } from "../devices/device-errors.ts";

export interface Rate {
  readonly rate: number;
  /** Learning rates that were tried, each with its loss; null where it diverged. */
  readonly tries: readonly (readonly [number, number | null])[];
}

const ratedSchema = z.object({
  optimizer: z.object({ learningRate: z.number() }),
  learningRateTries: z.array(z.tuple([z.number(), z.number().nullable()])).default([]),
});

/** Reads, from a stored request, the learning rate that an earlier part of a run was trained with, and how it was found. */
export function rateOf(request: unknown): Rate {
  const { optimizer, learningRateTries } = ratedSchema.parse(request);
  return { rate: optimizer.learningRate, tries: learningRateTries };
}

/** Trains for `steps` steps at a rate. */
type ShortRun = (steps: number, rate: number) => Promise<Pick<TrainResult, "validation">>;

/** Tries the configured rates in short runs where there are several. A try that diverges is left out. */
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
  // Where every try diverges the smallest rate is taken: its full run says so as a recorded outcome.
  const best = finite.reduce<[number, number] | null>((a, b) => (a === null || b[1] < a[1] ? b : a), null);
  return { rate: best?.[0] ?? Math.min(...learningRate), tries };
}
