// The additive part of a cost: the cost of each operator by its size, fitted by non-negative least squares on
// relative errors. Coefficients have units of the metric per weight element (or per cached element), so that
// a reader can check them.

import type { Layout } from "../../candidates/layout.ts";
import { countActive, countElements } from "../../candidates/ops/operator.ts";
import { ffnOperatorOf, operatorOf, partsOf } from "../../candidates/ops/operator-registry.ts";

/**
 * Sizes of a layout by term: weight elements of each kind of mixer, of FFNs and of the output; elements of
 * experts that a token does not use, which cost memory only; number of layers; cached elements that a token
 * reads. Weights of another layer have terms of their own, because they cost time but no memory.
 */
export type Terms = ReadonlyMap<string, number>;

/** Returns the terms of a layout. `context`: length for the cached elements, in tokens. */
export function termsOf(layout: Layout, context: number): Terms {
  const terms = new Map<string, number>([["constant", 1]]);
  const add = (name: string, amount: number): void => void terms.set(name, (terms.get(name) ?? 0) + amount);
  add("layers", layout.layers.length);
  add("output", layout.vocab * layout.width);
  for (const { mixer, ffn, weightsOf } of layout.layers) {
    const weights = weightsOf === undefined ? "weights" : "repeated weights";
    for (const part of partsOf(mixer)) {
      const operator = operatorOf(part);
      const kind = operator.costKind(part);
      add(`${weights} of ${kind}`, countElements(operator.tensors(part, layout.width, "")));
      const { kv } = operator.decode(part, layout.width, context).reads;
      if (kv > 0) add(`cache of ${kind}`, kv);
    }
    const tensors = ffnOperatorOf(ffn).tensors(ffn, layout.width, "");
    const active = countActive(tensors);
    const idle = countElements(tensors) - active;
    add(`${weights} of ${ffn.op}`, active);
    if (idle > 0 && weightsOf === undefined) add(`unused weights of ${ffn.op}`, idle);
  }
  return terms;
}

/** Coefficient of each term; none is negative. */
export type Coefficients = ReadonlyMap<string, number>;

/** Returns the cost of these terms, in the unit of the fitted metric. */
export const additive = (coefficients: Coefficients, terms: Terms): number => {
  let sum = 0;
  for (const [name, amount] of terms) sum += (coefficients.get(name) ?? 0) * amount;
  return sum;
};

const SWEEPS = 500;
/** Makes the split unique between terms that always occur together (layers and constant at one depth). */
const RIDGE = 1e-4;

/**
 * Returns the coefficients that minimise the sum of ((predicted - value) / value)^2, by coordinate descent.
 * Values must be positive.
 */
export function fitAdditive(rows: readonly Terms[], values: readonly number[]): Coefficients {
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))].sort();
  // Columns of relative contributions, each scaled to a mean square of 1.
  const columns = names.map((name) => rows.map((row, n) => (row.get(name) ?? 0) / values[n]!));
  const scales = columns.map(
    (column) => Math.sqrt(column.reduce((sum, x) => sum + x * x, 0) / rows.length) || 1,
  );
  const beta = names.map(() => 0);
  const residual = values.map(() => 1);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let largest = 0;
    for (const [k, column] of columns.entries()) {
      const scale = scales[k]!;
      let slope = 0;
      for (let n = 0; n < rows.length; n++) slope += (column[n]! / scale) * residual[n]!;
      const moved = Math.max(0, (beta[k]! * rows.length + slope) / (rows.length * (1 + RIDGE)));
      const change = moved - beta[k]!;
      if (change === 0) continue;
      for (let n = 0; n < rows.length; n++) residual[n]! -= (change * column[n]!) / scale;
      beta[k] = moved;
      largest = Math.max(largest, Math.abs(change));
    }
    if (largest < 1e-9) break;
  }
  return new Map(names.map((name, k) => [name, beta[k]! / scales[k]!]));
}
