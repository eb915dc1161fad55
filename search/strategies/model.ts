// Model-based search: Gaussian processes over candidate features. It proposes the candidate with the largest
// expected hypervolume improvement (times its chance of being feasible), among variations of the front and
// random draws.
import { z } from "zod";
import type { Rng } from "../../candidates/space.ts";
import type { Domain } from "../domain.ts";
import { referencePoint } from "../hypervolume.ts";
import { expectedImprovement, type Marginal, type OpenRegion, openRegion } from "../model/improvement.ts";
import { type Fitted, fitSurrogate, type Sample, type Surrogate } from "../model/surrogate.ts";
import { nonDominated, orient, type Vector } from "../pareto.ts";
import type { Outcome, Proposal, SearchContext, Strategy } from "../strategy.ts";
import { Batched, type Breeder } from "./batched.ts";
import { childOf, crossed, mutated } from "./children.ts";
import type { Fresh } from "./fresh.ts";

export const modelOptions = z.strictObject({
  startup: z.int().min(2).max(10_000).default(6).describe("Complete trials before the model is believed."),
  batch: z.int().min(1).max(100).default(4).describe("Proposals between two looks at the outcomes."),
  pool: z
    .int()
    .min(10)
    .max(100_000)
    .default(300)
    .describe("Candidates considered before the climb, a proposal."),
  memory: z.int().min(20).max(5000).default(300).describe("Trials modelled: the front, then the latest."),
});

interface Scored<C> {
  readonly proposal: Proposal<C>;
  readonly beliefs: readonly Marginal[];
  readonly score: number;
}

/** Returns the strategy. Throws a ZodError for options that its schema refuses. */
export function model<C>(context: SearchContext<C>): Strategy<C> {
  const options = modelOptions.parse(context.options);
  const { domain, objectives } = context;
  let history: Sample<C>[] = [];
  let fitted: Fitted | null = null;
  const sample = (outcome: Outcome<C>): Sample<C> => ({ outcome, features: domain.features(outcome.layout) });

  const breeder: Breeder<C> = {
    batch: options.batch,
    breed: (count, fresh, rng) => {
      const complete = history.filter(({ outcome }) => outcome.state === "complete").length;
      const surrogate =
        complete < options.startup ? null : fitSurrogate(history, domain.groups, objectives, fitted);
      if (surrogate === null) return draw(count, fresh, rng);
      fitted = surrogate.fitted;
      return propose(count, surrogate, fresh, rng);
    },
    learn: (outcomes) => {
      history = remember([...history, ...outcomes.map(sample)], options.memory, context);
    },
    revise: (outcome) => {
      history = history.map((one) => (one.outcome.id === outcome.id ? sample(outcome) : one));
    },
    save: () => ({ history: history.map(({ outcome }) => outcome), fitted }),
    restore: (saved) => {
      const state = saved as { history: Outcome<C>[]; fitted: Fitted | null };
      history = state.history.map(sample);
      fitted = state.fitted;
    },
  };

  function propose(count: number, surrogate: Surrogate, fresh: Fresh<C>, rng: Rng): Proposal<C>[] {
    const proposals: Proposal<C>[] = [];
    const complete = history.filter(({ outcome }) => outcome.state === "complete");
    const parents = nonDominated(surrogate.measured).map((index) => complete[index]!.outcome.layout);
    // Earlier proposals of this batch count as measured at their predicted medians, so that the next goes
    // elsewhere.
    const believed: Vector[] = [];
    while (proposals.length < count) {
      const turn = (history.length + proposals.length) % 3;
      const region = regionOf([...surrogate.measured, ...believed], turn !== 0);
      // Every third proposal uses the medians as if certain. Expectations keep rewarding regions beyond an
      // end of the front, where the model's uncertainty never ends.
      const view = turn === 1 ? certain : asBelieved;
      const bred = proposals.map(({ candidate }) => candidate);
      const best = climb(
        [...parents, ...bred],
        { domain, pool: options.pool, region, surrogate, view, fresh },
        rng,
      );
      if (best !== null && fresh.claim(best.proposal.candidate)) {
        believed.push(best.beliefs.map(({ median }) => median));
        proposals.push(best.proposal);
        continue;
      }
      const [other] = draw(1, fresh, rng);
      if (other === undefined) break;
      proposals.push(other);
    }
    return proposals;
  }

  return new Batched(context, breeder);
}

const MIN_CLIMBS = 3;
const CLIMBS = 40;
/** A round of neighbours must improve the best score by this factor. */
const WORTHWHILE = 1.02;
const KEPT = 10;

/** The region in which a proposal is searched, and the scoring of candidates. */
interface Climb<C> {
  readonly domain: Domain<C>;
  readonly pool: number;
  readonly region: OpenRegion;
  readonly surrogate: Surrogate;
  readonly view: (belief: Marginal) => Marginal;
  readonly fresh: Fresh<C>;
}

/** Candidates for one proposal, each scored once. */
class Pool<C> {
  scored: Scored<C>[] = [];
  private readonly considered = new Set<string>();

  constructor(private readonly where: Climb<C>) {}

  consider(proposal: Proposal<C>): void {
    const { domain, region, surrogate, view, fresh } = this.where;
    const { candidate } = proposal;
    const id = domain.id(candidate);
    if (this.considered.has(id) || fresh.seen.has(id)) return;
    this.considered.add(id);
    const features = domain.features(candidate);
    const beliefs = surrogate.predict(features);
    const score = expectedImprovement(region, beliefs.map(view)) * surrogate.feasibility(features);
    this.scored.push({ proposal, beliefs, score });
  }
}

/** The best of a pool, after rounds that score the neighbours of the best few. Null when all are known. */
function climb<C>(parents: readonly C[], where: Climb<C>, rng: Rng): Scored<C> | null {
  const { domain } = where;
  const pool = new Pool(where);
  const parent = (): C => parents[rng.below(parents.length)]!;
  for (let n = 0; n < where.pool; n++) {
    if (n % 3 === 0) {
      const candidate = domain.sample(rng);
      if (candidate !== null)
        pool.consider({ candidate, origin: { kind: "random", parents: [], operator: null } });
    } else if (n % 3 === 1) pool.consider(vary(childOf(parent(), domain), domain, rng));
    else pool.consider(crossed(childOf(parent(), domain), parent(), domain, rng));
  }
  let best = 0;
  for (let round = 0; round < CLIMBS; round++) {
    pool.scored = pool.scored.sort((a, b) => b.score - a.score).slice(0, KEPT);
    // Continues while it improves: a far optimum of a continuous space takes many steps, a layout few.
    const top = pool.scored[0]?.score ?? 0;
    if (round >= MIN_CLIMBS && top < best * WORTHWHILE) break;
    best = top;
    for (const { proposal } of [...pool.scored])
      for (let n = 0; n < where.pool / 3 / KEPT; n++) pool.consider(vary(proposal, domain, rng));
  }
  return pool.scored.reduce<Scored<C> | null>(
    (first, one) => (first !== null && first.score >= one.score ? first : one),
    null,
  );
}

function vary<C>(start: Proposal<C>, domain: Domain<C>, rng: Rng): Proposal<C> {
  let varied = start;
  do varied = mutated(varied, domain, rng);
  while (rng.next() < 0.3);
  return varied;
}

function draw<C>(count: number, fresh: Fresh<C>, rng: Rng): Proposal<C>[] {
  const drawn: Proposal<C>[] = [];
  while (drawn.length < count) {
    const next = fresh.next(rng);
    if (next === null) break;
    drawn.push(next);
  }
  return drawn;
}

const asBelieved = (belief: Marginal): Marginal => belief;
const certain = ({ median }: Marginal): Marginal => ({
  median,
  expectedBelow: (a) => Math.max(0, a - median),
});

/**
 * Open region under the front, bounded a tenth of a range beyond the worst. `close` uses the worst of the
 * front, which fills its middle; otherwise the worst of all measured, which extends its ends. Proposals
 * alternate, because either bound alone missed a part of some front.
 */
function regionOf(vectors: readonly Vector[], close: boolean): OpenRegion {
  const front = nonDominated(vectors).map((index) => vectors[index]!);
  return openRegion(front, referencePoint(close ? front : vectors));
}

/** The whole history while it is short; of a long one, the front and the latest. */
function remember<C>(history: Sample<C>[], limit: number, context: SearchContext<C>): Sample<C>[] {
  if (history.length <= limit) return history;
  const complete = history.filter(({ outcome }) => outcome.state === "complete");
  const vectors = complete.map(({ outcome }) => orient(outcome.metrics, context.objectives));
  const front = new Set(nonDominated(vectors).map((index) => complete[index]!));
  const latest = new Set(
    history.filter((one) => !front.has(one)).slice(-Math.max(limit - front.size, limit / 2)),
  );
  return history.filter((one) => front.has(one) || latest.has(one));
}
