// The seeded random source of a search: sfc32 (C. Doty-Humphrey, PractRand), seeded through splitmix32. Its
// whole state can be saved and restored. Math.random and clocks stay out of search/ and candidates/.
import type { Rng } from "../candidates/space.ts";

/** Four 32-bit words: the complete state. JSON-serialisable. */
export type RngState = readonly [number, number, number, number];

export interface SeededRng extends Rng {
  save(): RngState;
  restore(state: RngState): void;
}

/**
 * Returns a generator. Equal seeds (any finite numbers) give equal sequences on every machine, because only
 * 32-bit integer arithmetic is used.
 */
export function createRng(seed: number): SeededRng {
  let [a, b, c, counter] = seedWords(seed);

  const word = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  const next = (): number => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53;

  return {
    next,
    below: (n) => {
      if (!Number.isInteger(n) || n < 1) throw new RangeError(`below(${n}): need a whole number above 0`);
      return Math.floor(next() * n);
    },
    save: () => [a, b, c, counter],
    restore: (state) => {
      [a, b, c, counter] = state;
    },
  };
}

/**
 * Returns a standard normal number (Box and Muller). The method's second value is discarded, so that the
 * generator's state stays complete.
 */
export function normal(rng: Rng): number {
  const radius = Math.sqrt(-2 * Math.log(1 - rng.next()));
  return radius * Math.cos(2 * Math.PI * rng.next());
}

/**
 * Returns a chi-square number with any degrees above 0 (Marsaglia and Tsang 2000, "A simple method for
 * generating gamma variables").
 */
export function chiSquare(degrees: number, rng: Rng): number {
  const shape = degrees / 2;
  if (shape < 1) return chiSquare(degrees + 2, rng) * (1 - rng.next()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = normal(rng);
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - rng.next()) < x ** 2 / 2 + d - d * v + d * Math.log(v)) return 2 * d * v;
  }
}

/** splitmix32 over both halves of the seed's bits. */
function seedWords(seed: number): [number, number, number, number] {
  if (!Number.isFinite(seed)) throw new RangeError(`seed ${seed} is not a finite number`);
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, seed);
  let state = Math.imul(bits.getInt32(0), 0x85ebca6b) ^ bits.getInt32(4);
  const word = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return z ^ (z >>> 15);
  };
  return [word(), word(), word(), word()];
}
