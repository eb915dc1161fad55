// Contents that numbers rest on, in words: the structured form is profilers/identity.ts's.
import type { Difference, How, Identity, Part } from "../profilers/identity.ts";

const names: Readonly<Record<Part["what"], string>> = {
  corpus: "corpus",
  tokenizer: "tokenizer",
  data: "training data",
  teacher: "teacher",
  agent: "agent",
  placement: "placement",
  profile: "measuring profile",
  probe: "machine",
};

const short = (digest: string): string => digest.slice(0, 12);

/** `corpus of text`. */
export const partName = ({ what, of }: Pick<Part, "what" | "of">): string => `${names[what]} of ${of}`;

/** `the corpus of text was 1 file, 9,000 bytes (1a2b...), now 1 file, 9,001 bytes (3c4d...)`. */
export const differenceText = ({ what, of, before, now }: Difference): string => {
  const [then, current] = [before, now].map(({ shown, digest }) =>
    shown === "" ? short(digest) : `${shown} (${short(digest)})`,
  );
  return `the ${partName({ what, of })} was ${then}, now ${current}`;
};

const when: Readonly<Record<How, string>> = {
  resumed: "since the sweep was resumed",
  imported: "in imported trials",
  running: "since a device came back",
};

/** One line for each mix in a sweep, and for what is not known; none where all of it is one. */
export function mixLines(identity: Identity | null | undefined): readonly string[] {
  if (identity === undefined || identity === null) return [];
  return [
    ...identity.mixed.map((one) => `${differenceText(one)} (${when[one.how]})`),
    ...identity.unknown.map(
      (how) =>
        `whether ${how === "imported" ? "imported trials" : "trials from before it was resumed"} rest on the same content is unknown: no digests were kept of them`,
    ),
  ];
}

/** Name and value of each part, as the facts of a report; what is older than digests says so. */
export function partFacts(identity: Identity | null): Readonly<Record<string, string>> {
  if (identity === null) return { "content digests": "unknown: the sweep is older than they are" };
  return Object.fromEntries(
    identity.parts.map((part) => [
      partName(part),
      part.shown === "" ? short(part.digest) : `${part.shown} (${short(part.digest)})`,
    ]),
  );
}
