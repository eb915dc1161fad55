// Evidence for and against a claim as two p-values, and rules to combine claims. A claim that needs all its
// parts is shown when each part is shown (intersection-union: no correction), and refuted when one part is
// refuted (Bonferroni). A claim that needs any part is the reverse. p-values stay valid under any nesting, so
// a verdict from many tests errs no more often than a single test.

export interface Evidence {
  /** P-value of "the claim is false": small means that the claim is shown. */
  readonly pTrue: number;
  /** P-value of "the claim is true": small means that the claim is refuted. */
  readonly pFalse: number;
}

/** No evidence either way. */
export const none: Evidence = { pTrue: 1, pFalse: 1 };

/** Returns the evidence for the opposite claim. */
export const not = ({ pTrue, pFalse }: Evidence): Evidence => ({ pTrue: pFalse, pFalse: pTrue });

const smallest = (values: readonly number[]): number => Math.min(1, values.length * Math.min(...values));

/** Returns the evidence that every part holds. Without parts: no evidence. */
export const all = (parts: readonly Evidence[]): Evidence =>
  parts.length === 0
    ? none
    : {
        pTrue: Math.max(...parts.map(({ pTrue }) => pTrue)),
        pFalse: smallest(parts.map(({ pFalse }) => pFalse)),
      };

/** Returns the evidence that at least one part holds. Without parts: no evidence. */
export const any = (parts: readonly Evidence[]): Evidence => not(all(parts.map(not)));
