// Evidence for and against a claim as two p-values, and how claims are put together from parts. A claim that needs all of its parts is shown when
// each is (intersection-union: no correction), refuted when one is refuted (Bonferroni); a claim that needs any is the reverse. p-values
// stay valid however parts are nested, so that a verdict made from many tests errs no more often than one.

export interface Evidence {
  /** P-value of "the claim is false": small means that the claim is shown. */
  readonly pTrue: number;
  /** P-value of "the claim is true": small means that the claim is refuted. */
  readonly pFalse: number;
}

/** No evidence either way. */
export const none: Evidence = { pTrue: 1, pFalse: 1 };

export const not = ({ pTrue, pFalse }: Evidence): Evidence => ({ pTrue: pFalse, pFalse: pTrue });

const smallest = (values: readonly number[]): number => Math.min(1, values.length * Math.min(...values));

/** Every part holds. Of no parts: no evidence. */
export const all = (parts: readonly Evidence[]): Evidence =>
  parts.length === 0
    ? none
    : {
        pTrue: Math.max(...parts.map(({ pTrue }) => pTrue)),
        pFalse: smallest(parts.map(({ pFalse }) => pFalse)),
      };

/** At least one part holds. Of no parts: no evidence. */
export const any = (parts: readonly Evidence[]): Evidence => not(all(parts.map(not)));
