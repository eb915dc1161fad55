// Reads an earlier comparison (its --json output), to which pairs are added. Models, options, device and
// agent must be the same, because other pairs would measure another difference.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";

const values = z.record(z.string(), z.number().positive());
const earlierSchema = z.object({
  identities: z.object({ a: z.string(), b: z.string() }),
  device: z.string(),
  agentSha256: z.string(),
  measure: z.looseObject({ repetitions: z.int().min(1).max(1000) }),
  ended: z.enum(["decided", "pairs"]),
  stages: z.array(z.int().positive()).min(1).max(1000),
  pairs: z
    .array(z.object({ first: z.enum(["a", "b"]), block: z.int().min(0), a: values, b: values }))
    .min(1)
    .max(100_000),
});
export type EarlierComparison = z.infer<typeof earlierSchema>;

/** The properties in which an earlier comparison must equal the one about to run. */
export type ComparisonIdentity = Pick<EarlierComparison, "identities" | "device" | "agentSha256" | "measure">;

/**
 * Reads an earlier comparison.
 * @throws InvalidInputError if the file is not a comparison that ran all its pairs.
 */
export function readEarlier(path: string): EarlierComparison {
  const wrong = (what: string): InvalidInputError =>
    new InvalidInputError(
      "bad-comparison",
      `${path} ${what}; make one with: edgefront measure --compare A B --json > comparison.json`,
    );
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw wrong(error instanceof SyntaxError ? "is not JSON" : "cannot be read");
  }
  const parsed = earlierSchema.safeParse(data);
  if (!parsed.success) throw wrong("is not the --json output of a comparison");
  const { ended, stages, pairs } = parsed.data;
  if (ended === "decided") throw wrong("already has a verdict for every metric");
  if (stages.reduce((sum, stage) => sum + stage, 0) !== pairs.length)
    throw wrong("lacks some of its planned pairs");
  const names = Object.keys(pairs[0]!.a).join();
  if (pairs.some(({ a, b }) => Object.keys(a).join() !== names || Object.keys(b).join() !== names))
    throw wrong("has pairs with different metrics");
  return parsed.data;
}

const WHAT: readonly (readonly [keyof ComparisonIdentity, string])[] = [
  ["identities", "compares other models"],
  ["device", "was measured on another device"],
  ["agentSha256", "was measured by another build of the agent"],
  ["measure", "was measured with other options"],
];

/**
 * Checks that pairs may be added to `earlier`.
 * @throws InvalidInputError if it differs in models, device, agent or options.
 */
export function requireSame(path: string, earlier: ComparisonIdentity, now: ComparisonIdentity): void {
  for (const [key, what] of WHAT)
    if (!isDeepStrictEqual(earlier[key], JSON.parse(JSON.stringify(now[key]))))
      throw new InvalidInputError(
        "other-comparison",
        `${path} ${what}, so no pairs can be added; for a new comparison leave out --extend ${path}`,
      );
}
