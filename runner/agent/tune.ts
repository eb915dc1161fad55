// Finds the threads and cores on which a device is fastest, by trying. What to try and what to keep is profilers/placement.ts's business.
import {
  bestPlacement,
  candidatePlacements,
  PLACEMENT_REQUEST,
  readPlacement,
  type TriedPlacement,
} from "../../profilers/placement.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import type { ModelRef } from "../../profilers/requests.ts";
import { AgentError } from "../devices/device-errors.ts";
import type { AgentSession } from "./session.ts";

const TIMEOUT_MS = 120_000;

export interface TuneOptions {
  /** The placement layout, lowered for the device's runtime. */
  readonly model: ModelRef;
  readonly tolerance: number;
  readonly signal: AbortSignal;
  readonly onTry?: (done: number, total: number) => void;
}
export interface Tuned {
  readonly best: TriedPlacement;
  readonly tried: readonly TriedPlacement[];
}

/** Null where nothing could be placed as asked: then the system decides. */
export async function tune(
  session: AgentSession,
  probe: ProbeResult,
  options: TuneOptions,
): Promise<Tuned | null> {
  const placements = candidatePlacements(probe.cpus ?? []);
  const tried: TriedPlacement[] = [];
  for (const [i, placement] of placements.entries()) {
    options.onTry?.(i, placements.length);
    const request = {
      ...PLACEMENT_REQUEST,
      model: options.model,
      cpus: placement.cpus,
      threads: placement.cpus.length,
    };
    try {
      const result = await session.request("measure", request, {
        timeoutMs: TIMEOUT_MS,
        signal: options.signal,
      });
      const rates = readPlacement(placement, result);
      if (rates !== null) tried.push(rates);
    } catch (error) {
      // A device too small for the layout leaves the choice to the others; where cores are withheld, readPlacement tells.
      if (!(error instanceof AgentError) || !["out-of-memory", "timeout"].includes(error.code)) throw error;
    }
  }
  const best = bestPlacement(tried, options.tolerance);
  return best === null ? null : { best, tried };
}
