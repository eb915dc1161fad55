// Texts about the inputs that numbers depend on. profilers/identity.ts has the structured form.
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

/** Returns e.g. `corpus of text`. */
export const partName = ({ what, of }: Pick<Part, "what" | "of">): string => `${names[what]} of ${of}`;

/** Returns e.g. `the corpus of text was 1 file, 9,000 bytes (1a2b...), now 1 file, 9,001 bytes (3c4d...)`. */
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

/** Returns a line for each mix in a sweep and for unknown contents; none if all contents are equal. */
export function mixLines(identity: Identity | null | undefined): readonly string[] {
  if (identity === undefined || identity === null) return [];
  return [
    ...identity.mixed.map((one) => `${differenceText(one)} (${when[one.how]})`),
    ...identity.unknown.map(
      (how) =>
        `it is unknown whether ${how === "imported" ? "imported trials" : "trials from before the resume"} used the same content: they have no digests`,
    ),
  ];
}

/**
 * Returns name and value of each part, as facts of a report. A sweep from before digests has one fact that
 * says so.
 */
export function partFacts(identity: Identity | null): Readonly<Record<string, string>> {
  if (identity === null) return { "content digests": "unknown: the sweep is older than digests" };
  return Object.fromEntries(
    identity.parts.map((part) => [
      partName(part),
      part.shown === "" ? short(part.digest) : `${part.shown} (${short(part.digest)})`,
    ]),
  );
}
