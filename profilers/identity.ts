// What numbers rest on, by content: digests of corpus, tokenizer, data, teacher, agent, placement, profile and probe. Names and
// times are no identity. Here: the stored form and its comparison. Gathering the parts of a sweep is runner/farm/sweep-identity.ts's, words for
// people are reports/identity-text.ts's.
import { createHash } from "node:crypto";
import { z } from "zod";

const WHATS = ["corpus", "tokenizer", "data", "teacher", "agent", "placement", "profile", "probe"] as const;
type What = (typeof WHATS)[number];

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const part = {
  digest,
  /** A few words for people: sizes, a processor, a compiler. No paths. */
  shown: z.string().max(300),
  /** Set where an emulator stands behind it. */
  emulated: z.literal(true).optional(),
};
const contentSchema = z.object(part);
export type Content = z.infer<typeof contentSchema>;
const partSchema = z.object({
  what: z.enum(WHATS),
  /** The task, the device, or `training`. */
  of: z.string(),
  ...part,
});
export type Part = z.infer<typeof partSchema>;

const differenceSchema = z.object({
  what: z.enum(WHATS),
  of: z.string(),
  before: contentSchema,
  now: contentSchema,
});
/** The same part with two contents. */
export type Difference = z.infer<typeof differenceSchema>;

const howSchema = z.enum(["resumed", "imported", "running"]);
/** When two contents met: a sweep was resumed, began with imported trials, or its device came back as another. */
export type How = z.infer<typeof howSchema>;

const identitySchema = z.object({
  /** As accepted last. */
  parts: z.array(partSchema),
  /** Differences that were asked for, in the order they came. */
  mixed: z.array(differenceSchema.extend({ how: howSchema })),
  /** Where trials came in whose content nobody wrote down. */
  unknown: z.array(howSchema),
});
export type Identity = z.infer<typeof identitySchema>;

/** Null where the database is older than digests. */
export const parseIdentity = (json: string | null): Identity | null =>
  json === null ? null : identitySchema.parse(JSON.parse(json));

const resultSchema = z.object({
  /** By key, as `corpus:text`. */
  digests: z.record(z.string(), digest),
  /** Keys of what is not as it was when the sweep began. */
  differs: z.array(z.string()),
});
/** What one result rests on. */
export type ResultIdentity = z.infer<typeof resultSchema>;
export const parseResultIdentity = (json: string | null): ResultIdentity | null =>
  json === null ? null : resultSchema.parse(JSON.parse(json));

const keyOf = ({ what, of }: Pick<Part, "what" | "of">): string => `${what}:${of}`;

/** The parts of a key and its digest, as an export has them; undefined for what is no key. */
export function partOfKey(key: string, digest: string): Part | undefined {
  const [what, ...of] = key.split(":");
  const { success, data } = partSchema.safeParse({ what, of: of.join(":"), digest, shown: "" });
  return success ? data : undefined;
}

/** The digest of facts that are not a file. */
export const digestOf = (facts: unknown): string =>
  createHash("sha256").update(JSON.stringify(facts)).digest("hex");

export const partFrom = (
  what: What,
  of: string,
  {
    digest,
    shown,
    emulated,
  }: { readonly digest: string; readonly shown: string; readonly emulated?: boolean },
): Part => ({ what, of, digest, shown: shown.slice(0, 300), ...(emulated ? { emulated: true } : {}) });

const contentOf = ({ digest, shown, emulated }: Part): Content => ({
  digest,
  shown,
  ...(emulated === undefined ? {} : { emulated }),
});

/** Parts that both know and whose contents differ. Several contents of one part may be known from before. */
export function differences(before: readonly Part[], now: readonly Part[]): readonly Difference[] {
  const found = new Map<string, Difference>();
  const current = new Map(now.map((one) => [keyOf(one), one]));
  for (const old of before) {
    const one = current.get(keyOf(old));
    if (one === undefined || (one.digest === old.digest && one.emulated === old.emulated)) continue;
    found.set(`${keyOf(old)} ${old.digest}`, {
      what: old.what,
      of: old.of,
      before: contentOf(old),
      now: contentOf(one),
    });
  }
  return [...found.values()];
}

/** Every part that a sweep was ever run with, those it took over from imports included. */
export const partsEver = ({ parts, mixed }: Identity): readonly Part[] => [
  ...parts,
  ...mixed.flatMap(({ what, of, before, now }) => [
    { what, of, ...before },
    { what, of, ...now },
  ]),
];

/** An identity after `parts` were taken in addition, differences and all. */
export function extended(identity: Identity, parts: readonly Part[], how: How): Identity {
  const kept = new Map(identity.parts.map((one) => [keyOf(one), one]));
  for (const one of parts) kept.set(keyOf(one), one);
  const more = differences(identity.parts, parts).map((one) => ({ ...one, how }));
  return { ...identity, parts: [...kept.values()], mixed: [...identity.mixed, ...more] };
}

/** What a result rests on, and where that departs from how the sweep began. */
export function resultIdentity(identity: Identity, parts: readonly Part[]): ResultIdentity {
  const first = new Map(identity.parts.map((one) => [keyOf(one), one.digest]));
  for (const { what, of, before, how } of identity.mixed.toReversed())
    if (how !== "imported") first.set(keyOf({ what, of }), before.digest);
  const differs = parts.filter((one) => (first.get(keyOf(one)) ?? one.digest) !== one.digest);
  return {
    digests: Object.fromEntries(parts.map((one) => [keyOf(one), one.digest])),
    differs: differs.map(keyOf),
  };
}
