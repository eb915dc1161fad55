// Regularised (aging) evolution (Real et al., arXiv 1802.01548) for several objectives: the oldest are
// removed, not the worst. Among the sampled few, the lowest non-dominated rank wins a tournament, then the
// largest crowding distance.
import { z } from "zod";
import { crowdingDistance, nonDominatedSort, orient } from "../pareto.ts";
import type { Objective, Outcome, Proposal, SearchContext, Strategy } from "../strategy.ts";
import { Batched, type Breeder, revised } from "./batched.ts";
import { childOf, mutated } from "./children.ts";

export const evolutionOptions = z.strictObject({
  population: z
    .int()
    .min(4)
    .max(10_000)
    .default(32)
    .describe("How many of the youngest trials may be parents."),
  tournament: z.int().min(2).max(1000).default(8).describe("Of these, how many compete to be one."),
  batch: z
    .int()
    .min(1)
    .max(1000)
    .default(4)
    .describe("Children bred at a time; outcomes are awaited between."),
});

const TRIES = 30;

/** Returns the strategy. Throws a ZodError for options that its schema refuses. */
export function evolution<C>(context: SearchContext<C>): Strategy<C> {
  const { population: size, tournament, batch } = evolutionOptions.parse(context.options);
  const { domain, objectives } = context;
  /** Complete trials, oldest first. Failed and infeasible ones never enter. */
  let population: readonly Outcome<C>[] = [];
  const breeder: Breeder<C> = {
    batch,
    breed: (count, fresh, rng) => {
      const born: Proposal<C>[] = [];
      while (born.length < count) {
        let child: Proposal<C> | null = null;
        // The first generation is random. So are later candidates when all neighbours of the winners are
        // known.
        for (let n = 0; n < TRIES && child === null && population.length >= size / 2; n++) {
          const entrants = Array.from(
            { length: tournament },
            () => population[rng.below(population.length)]!,
          );
          let variation = childOf(winner(entrants, objectives).layout, domain);
          do variation = mutated(variation, domain, rng);
          while (rng.next() < n / TRIES);
          if (fresh.claim(variation.candidate)) child = variation;
        }
        child ??= fresh.next(rng);
        if (child === null) break;
        born.push(child);
      }
      return born;
    },
    learn: (outcomes) => {
      population = [...population, ...outcomes.filter(({ state }) => state === "complete")].slice(-size);
    },
    revise: (outcome) => {
      population = revised(population, outcome).filter(({ state }) => state === "complete");
    },
    save: () => population,
    restore: (saved) => {
      population = saved as readonly Outcome<C>[];
    },
  };
  return new Batched(context, breeder);
}

function winner<C>(entrants: readonly Outcome<C>[], objectives: readonly Objective[]): Outcome<C> {
  const vectors = entrants.map(({ metrics }) => orient(metrics, objectives));
  const front = nonDominatedSort(vectors)[0]!;
  const crowding = crowdingDistance(front.map((index) => vectors[index]!));
  const lonely = crowding.indexOf(Math.max(...crowding));
  return entrants[front[lonely]!]!;
}
