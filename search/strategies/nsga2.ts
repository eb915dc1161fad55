// NSGA-II (Deb, Pratap, Agarwal, Meyarivan 2002) with constraint domination: feasible before infeasible, less
// violation before more. Failed trials do not take part: they are neither parents nor penalised. Within a
// front of three or four objectives, the hypervolume contribution replaces the crowding distance, which tells
// little there about isolation (Kukkonen, Deb 2006; Emmerich, Beume, Naujoks 2005).
import { z } from "zod";
import type { Rng } from "../../candidates/space.ts";
import type { Domain } from "../domain.ts";
import { contributions, referencePoint } from "../hypervolume.ts";
import { crowdingDistance, nonDominatedSort, orient, type Vector } from "../pareto.ts";
import type { Objective, Outcome, Proposal, SearchContext, Strategy } from "../strategy.ts";
import { Batched, type Breeder, revised } from "./batched.ts";
import { childOf, crossed, mutated } from "./children.ts";
import type { Fresh } from "./fresh.ts";

export const nsga2Options = z.strictObject({
  population: z
    .int()
    .min(4)
    .max(10_000)
    .default(20)
    .describe("Survivors of, and offspring in, a generation."),
  crossover: z.number().min(0).max(1).default(0.9).describe("Share of children with two parents."),
});

/** A survivor with the values that the tournament compares. */
interface Ranked<C> {
  readonly outcome: Outcome<C>;
  readonly rank: number;
  /** Worth within its front; more is better. */
  readonly worth: number;
}

/** Returns the strategy. Throws a ZodError for options that its schema refuses. */
export function nsga2<C>(context: SearchContext<C>): Strategy<C> {
  const { population: size, crossover } = nsga2Options.parse(context.options);
  // The survivors are ranked again among themselves, so that the saved state (the pool) determines all later
  // steps.
  let pool: readonly Outcome<C>[] = [];
  let population: readonly Ranked<C>[] = [];
  const breeder: Breeder<C> = {
    batch: size,
    breed: (count, fresh, rng) => {
      const children: Proposal<C>[] = [];
      while (children.length < count) {
        const child =
          population.length < 2
            ? fresh.next(rng)
            : breedOne(population, crossover, context.domain, fresh, rng);
        if (child === null) break;
        children.push(child);
      }
      return children;
    },
    learn: (outcomes) => {
      pool = survivors([...pool, ...outcomes], context.objectives, size).map(({ outcome }) => outcome);
      population = survivors(pool, context.objectives, size);
    },
    revise: (outcome) => {
      pool = revised(pool, outcome);
      population = survivors(pool, context.objectives, size);
    },
    save: () => pool,
    restore: (saved) => {
      pool = saved as readonly Outcome<C>[];
      population = survivors(pool, context.objectives, size);
    },
  };
  return new Batched(context, breeder);
}

/** Beyond these numbers of points or objectives, hypervolumes cost more than their information is worth. */
const MOST_POINTS = 60;
const MOST_OBJECTIVES = 4;

interface Member {
  /** Index in `vectors`. */
  readonly index: number;
  readonly worth: number;
}

/**
 * Members of a front with their worth (more is better), best first. If more than `room`, the least worthy are
 * removed.
 */
function bestOf(front: readonly number[], vectors: readonly Vector[], room: number): readonly Member[] {
  const objectives = vectors[0]!.length;
  const crowded = objectives < 3 || objectives > MOST_OBJECTIVES || front.length > MOST_POINTS;
  const reference = crowded ? null : referencePoint(vectors);
  let left = front;
  for (;;) {
    const members = left.map((index) => vectors[index]!);
    const worth = reference === null ? crowdingDistance(members) : contributions(members, reference);
    const sorted = left
      .map((index, place) => ({ index, worth: worth[place]! }))
      .sort((a, b) => b.worth - a.worth);
    if (reference === null || left.length <= room) return sorted.slice(0, room);
    // Removed one at a time, because the neighbours of a removed point gain worth.
    const { index: least } = sorted.at(-1)!;
    left = left.filter((index) => index !== least);
  }
}

/** The best `size` by rank, then by worth within their front. */
function survivors<C>(
  outcomes: readonly Outcome<C>[],
  objectives: readonly Objective[],
  size: number,
): Ranked<C>[] {
  const feasible = outcomes.filter(({ state }) => state === "complete");
  const vectors = feasible.map(({ metrics }) => orient(metrics, objectives));
  const ranked: Ranked<C>[] = [];
  let rank = 0;
  for (const front of nonDominatedSort(vectors)) {
    for (const { index, worth } of bestOf(front, vectors, size - ranked.length))
      ranked.push({ outcome: feasible[index]!, rank, worth });
    rank++;
    if (ranked.length >= size) return ranked;
  }
  const violation = ({ violation }: Outcome<C>): number => violation ?? Number.POSITIVE_INFINITY;
  const infeasible = outcomes
    .filter(({ state }) => state === "infeasible")
    .sort((a, b) => (violation(a) === violation(b) ? 0 : violation(a) - violation(b)));
  for (const outcome of infeasible.slice(0, size - ranked.length)) {
    const tied = ranked.at(-1)?.outcome;
    const same = tied?.state === "infeasible" && violation(tied) === violation(outcome);
    ranked.push({ outcome, rank: same ? rank - 1 : rank++, worth: 0 });
  }
  return ranked;
}

/** Binary tournament: lower rank, then more worth within the front, then the first drawn. */
function tournament<C>(population: readonly Ranked<C>[], rng: Rng): C {
  const a = population[rng.below(population.length)]!;
  const b = population[rng.below(population.length)]!;
  const second = b.rank < a.rank || (b.rank === a.rank && b.worth > a.worth);
  return (second ? b : a).outcome.layout;
}

const TRIES = 30;

/**
 * A new child. Where variation only gives known candidates, a random new one. Null when the space is
 * exhausted.
 */
function breedOne<C>(
  population: readonly Ranked<C>[],
  crossoverRate: number,
  domain: Domain<C>,
  fresh: Fresh<C>,
  rng: Rng,
): Proposal<C> | null {
  for (let n = 0; n < TRIES; n++) {
    let child = childOf(tournament(population, rng), domain);
    if (rng.next() < crossoverRate) child = crossed(child, tournament(population, rng), domain, rng);
    // One mutation each, and more after every failed try, to leave the region of known candidates.
    do child = mutated(child, domain, rng);
    while (rng.next() < 0.2 + n / TRIES / 2);
    if (fresh.claim(child.candidate)) return child;
  }
  return fresh.next(rng);
}
