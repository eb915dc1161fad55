// Simulated sweeps whose truth is known: true values of layouts, and a sweep's samples of them.
import type { Sampled } from "../../../search/noise/estimate.ts";
import { normal, type SeededRng } from "../../../search/rng.ts";

/** True values of a layout. */
export interface TrueLayout {
  readonly tokenMs: number;
  readonly accuracy: number;
}

export interface Noise {
  /** Relative noise of a repetition within a session. */
  readonly within: number;
  /** Relative noise of a session. */
  readonly session: number;
  /** Noise of a seed, in the score's unit. */
  readonly seed: number;
}

/** The noise of the shared machine on which the quickstart was audited. */
export const auditedNoise: Noise = { within: 0.04, session: 0.1, seed: 0.02 };

/** Distributions of true values over layouts. */
export const worlds: Readonly<Record<string, (rng: SeededRng) => TrueLayout>> = {
  "speed costs quality": (rng) => {
    const z = normal(rng);
    return { tokenMs: Math.exp(0.2 * z), accuracy: 0.8 + 0.04 * z + 0.02 * normal(rng) };
  },
  "speed and quality apart": (rng) => ({
    tokenMs: Math.exp(0.2 * normal(rng)),
    accuracy: 0.8 + 0.04 * normal(rng),
  }),
  "some can recall, some cannot": (rng) => {
    const can = rng.next() < 0.6;
    return {
      tokenMs: Math.exp(0.15 * normal(rng) + (can ? 0.1 : 0)),
      accuracy: can ? 0.97 + 0.01 * normal(rng) : 0.35 + 0.05 * normal(rng),
    };
  },
  "nearly alike": (rng) => ({
    tokenMs: Math.exp(0.03 * normal(rng)),
    accuracy: 0.8 + 0.01 * normal(rng),
  }),
};

/** Repetitions per session, as in the sweeps and the quickstart. */
const REPETITIONS = 3;

export interface SampledLayout {
  readonly tokenMs: Sampled;
  readonly accuracy: Sampled;
}

/** Returns the first session and seed alone. */
export const once = ({ tokenMs, accuracy }: SampledLayout): SampledLayout => ({
  tokenMs: {
    ...tokenMs,
    value: median(tokenMs.samples.slice(0, REPETITIONS)),
    samples: tokenMs.samples.slice(0, REPETITIONS),
    sessions: [REPETITIONS],
  },
  accuracy: { ...accuracy, value: accuracy.samples[0]!, samples: accuracy.samples.slice(0, 1) },
});

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Returns `sessions` measurements, and as many seeds. */
export function sample(
  { tokenMs, accuracy }: TrueLayout,
  sessions: number,
  noise: Noise,
  rng: SeededRng,
): SampledLayout {
  const times = Array.from({ length: sessions }, () => {
    const session = noise.session * normal(rng);
    return Array.from(
      { length: REPETITIONS },
      () => tokenMs * Math.exp(session + noise.within * normal(rng)),
    );
  });
  const scores = Array.from({ length: sessions }, () => accuracy + noise.seed * normal(rng));
  return {
    tokenMs: {
      value: Math.exp(times.reduce((sum, own) => sum + Math.log(median(own)), 0) / sessions),
      samples: times.flat(),
      sessions: times.map((own) => own.length),
      stable: true,
    },
    accuracy: {
      value: scores.reduce((sum, one) => sum + one, 0) / sessions,
      samples: scores,
      stable: true,
    },
  };
}
