// Random search: independent draws from the space. The baseline that every other strategy must beat.
import { z } from "zod";
import type { Proposal, SearchContext, Strategy } from "../strategy.ts";
import { Batched } from "./batched.ts";

export const randomOptions = z.strictObject({});

/** Returns the strategy. */
export function random<C>(context: SearchContext<C>): Strategy<C> {
  return new Batched(context, {
    batch: Number.POSITIVE_INFINITY,
    breed: (count, fresh, rng) => {
      const bred: Proposal<C>[] = [];
      for (let next = fresh.next(rng); next !== null; next = fresh.next(rng)) {
        bred.push(next);
        if (bred.length === count) break;
      }
      return bred;
    },
    learn: () => {},
    revise: () => {},
    save: () => null,
    restore: () => {},
  });
}
