// A candidate on its way from its parents to a proposal: what was done to it so far. Strategies vary through it, so that
// every child carries its parents and operators.
import type { Rng } from "../../candidates/space.ts";
import type { Domain } from "../domain.ts";
import type { Proposal } from "../strategy.ts";

/** Starts from a known candidate. It is its own parent until something is done to it. */
export function childOf<C>(parent: C, domain: Domain<C>): Proposal<C> {
  return { candidate: parent, origin: { kind: "mutation", parents: [domain.id(parent)], operator: null } };
}

const also = (before: string | null, operator: string): string =>
  before === null ? operator : `${before}, ${operator}`;

/** One mutation more; the same child where no draw gave one. */
export function mutated<C>(child: Proposal<C>, domain: Domain<C>, rng: Rng): Proposal<C> {
  const varied = domain.mutate(child.candidate, rng);
  if (varied === null) return child;
  const { origin } = child;
  // A draw has no parents, and neither have variations of a draw that was never measured.
  if (origin.parents.length === 0) return { candidate: varied.candidate, origin };
  return {
    candidate: varied.candidate,
    origin: { ...origin, operator: also(origin.operator, varied.operator) },
  };
}

/** Crossed with a second parent; the first as it is where both are the same, or no draw gave a child. */
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
