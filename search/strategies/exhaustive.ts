// Proposes every candidate of the space in its fixed order. Suits spaces small enough to measure completely.
import { z } from "zod";
import type { Proposal, SearchContext, Strategy } from "../strategy.ts";
import { Batched } from "./batched.ts";

export const exhaustiveOptions = z.strictObject({});

/** Returns the strategy. */
export function exhaustive<C>(context: SearchContext<C>): Strategy<C> {
  let walk = context.domain.enumerate()[Symbol.iterator]();
  return new Batched(context, {
    batch: Number.POSITIVE_INFINITY,
    breed: (count, fresh) => {
      const bred: Proposal<C>[] = [];
      while (bred.length < count) {
        const step = walk.next();
        if (step.done) break;
        if (fresh.claim(step.value))
          bred.push({
            candidate: step.value,
            origin: { kind: "enumerated", parents: [], operator: null },
          });
      }
      return bred;
    },
    learn: () => {},
    revise: () => {},
    save: () => null,
    // The walk starts again from the beginning; known proposals are skipped.
    restore: () => {
      walk = context.domain.enumerate()[Symbol.iterator]();
    },
  });
}
