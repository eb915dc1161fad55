// Finds the fastest threads and cores of a device by timing placements. profilers/placement.ts decides which
// to time and which to keep.
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

/** Times the placements of a device. Returns null when none could be used: then the system places threads. */
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
      // A device too small for the layout fails at some placements only. readPlacement detects withheld
      // cores.
      if (!(error instanceof AgentError) || !["out-of-memory", "timeout"].includes(error.code)) throw error;
    }
  }
  const best = bestPlacement(tried, options.tolerance);
  return best === null ? null : { best, tried };
}
