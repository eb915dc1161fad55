// Identifies by content what numbers depend on: digests of corpus, tokenizer, data, teacher, agent,
// placement, profile and probe. Names and times are not part of the identity. This file has the stored form
// and its comparison. runner/farm/sweep-identity.ts gathers the parts of a sweep; reports/identity-text.ts
// has the texts.
import { createHash } from "node:crypto";
import { z } from "zod";

const WHATS = ["corpus", "tokenizer", "data", "teacher", "agent", "placement", "profile", "probe"] as const;
type What = (typeof WHATS)[number];

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const part = {
  digest,
  /** A short text for people: sizes, a processor, a compiler. No paths. */
  shown: z.string().max(300),
  /** Set where the device is an emulator. */
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
/** One part with two different contents. */
export type Difference = z.infer<typeof differenceSchema>;

const howSchema = z.enum(["resumed", "imported", "running"]);
/**
 * The event at which two contents met: a sweep was resumed, it began with imported trials, or its device
 * changed.
 */
export type How = z.infer<typeof howSchema>;

const identitySchema = z.object({
  /** Parts as last accepted. */
  parts: z.array(partSchema),
  /** Differences that the user accepted, in order of time. */
  mixed: z.array(differenceSchema.extend({ how: howSchema })),
  /** Events at which trials of unrecorded content were added. */
  unknown: z.array(howSchema),
});
export type Identity = z.infer<typeof identitySchema>;

/** Returns a stored identity; null where the database is older than digests. */
export const parseIdentity = (json: string | null): Identity | null =>
  json === null ? null : identitySchema.parse(JSON.parse(json));

const resultSchema = z.object({
  /** Digest of each part by its key, e.g. `corpus:text`. */
  digests: z.record(z.string(), digest),
  /** Keys of parts that differ from those at the start of the sweep. */
  differs: z.array(z.string()),
});
/** The identity of one result: the content of every part that it depends on. */
export type ResultIdentity = z.infer<typeof resultSchema>;
/** Returns a stored identity of a result; null where none was stored. */
export const parseResultIdentity = (json: string | null): ResultIdentity | null =>
  json === null ? null : resultSchema.parse(JSON.parse(json));

const keyOf = ({ what, of }: Pick<Part, "what" | "of">): string => `${what}:${of}`;

/** Returns the part for a key and its digest, as an export has them; undefined for text that is no key. */
export function partOfKey(key: string, digest: string): Part | undefined {
  const [what, ...of] = key.split(":");
  const { success, data } = partSchema.safeParse({ what, of: of.join(":"), digest, shown: "" });
  return success ? data : undefined;
}

/** Returns the digest of facts that are not a file. */
export const digestOf = (facts: unknown): string =>
  createHash("sha256").update(JSON.stringify(facts)).digest("hex");

/** Returns the part `what` of `of` with this content. Its text is cut to 300 characters. */
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

/**
 * Returns the parts that are in both lists with different contents. `before` may list several contents of one
 * part.
 */
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

/** Returns every part that a sweep ever ran with, including those from imports. */
export const partsEver = ({ parts, mixed }: Identity): readonly Part[] => [
  ...parts,
  ...mixed.flatMap(({ what, of, before, now }) => [
    { what, of, ...before },
    { what, of, ...now },
  ]),
];

/** Returns the identity with `parts` added. Differences are recorded with `how`. */
export function extended(identity: Identity, parts: readonly Part[], how: How): Identity {
  const kept = new Map(identity.parts.map((one) => [keyOf(one), one]));
  for (const one of parts) kept.set(keyOf(one), one);
  const more = differences(identity.parts, parts).map((one) => ({ ...one, how }));
  return { ...identity, parts: [...kept.values()], mixed: [...identity.mixed, ...more] };
}

/** Returns the identity of a result, with the parts that differ from the start of the sweep. */
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
