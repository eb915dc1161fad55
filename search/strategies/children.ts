// A candidate between its parents and a proposal, with the operators applied so far. Strategies vary
// candidates through it, so that every child records its parents and operators.
import type { Rng } from "../../candidates/space.ts";
import type { Domain } from "../domain.ts";
import type { Proposal } from "../strategy.ts";

/** Starts from a known candidate, which is its own parent until an operator is applied. */
export function childOf<C>(parent: C, domain: Domain<C>): Proposal<C> {
  return { candidate: parent, origin: { kind: "mutation", parents: [domain.id(parent)], operator: null } };
}

const also = (before: string | null, operator: string): string =>
  before === null ? operator : `${before}, ${operator}`;

/** Returns the child with one more mutation, or the same child where no draw gave one. */
export function mutated<C>(child: Proposal<C>, domain: Domain<C>, rng: Rng): Proposal<C> {
  const varied = domain.mutate(child.candidate, rng);
  if (varied === null) return child;
  const { origin } = child;
  // A random draw has no parents. Variations of a draw that was never measured have none either.
  if (origin.parents.length === 0) return { candidate: varied.candidate, origin };
  return {
    candidate: varied.candidate,
    origin: { ...origin, operator: also(origin.operator, varied.operator) },
  };
}

/**
 * Returns the child crossed with a second parent. Returns the child unchanged where both parents are the same
 * or no draw gave a child.
 */
export function crossed<C>(child: Proposal<C>, other: C, domain: Domain<C>, rng: Rng): Proposal<C> {
  const { origin } = child;
  const id = domain.id(other);
  if (origin.parents.includes(id)) return child;
  const varied = domain.crossover(child.candidate, other, rng);
  if (varied === null) return child;
  return {
    candidate: varied.candidate,
    origin: {
      kind: "crossover",
      parents: [...origin.parents, id],
      operator: also(origin.operator, varied.operator),
    },
  };
}
