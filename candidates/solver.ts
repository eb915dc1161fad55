// Parameter matching: chooses FFN widths so that a pattern of mixers meets a parameter budget. At d=2048 a
// convolution has about 1.6 times the parameters of a GQA mixer. A fair comparison lets the FFN absorb the
// difference.

import { parameterCount } from "./cost.ts";
import { InvalidInputError } from "./errors.ts";
import { type Layout, type NormKind, normsField } from "./layout.ts";
import { countElements } from "./ops/operator.ts";
import { ffnOfWidth, ffnOperatorOf, type Mixer } from "./ops/operator-registry.ts";
import { repeated, type Sharing } from "./sharing.ts";
import { counted } from "./words.ts";

export interface SolveOptions {
  readonly vocab: number;
  readonly width: number;
  /** The mixers of the layers, or of the stored blocks if they are repeated. */
  readonly mixers: readonly Mixer[];
  /** Norms of all layers. */
  readonly norms?: NormKind;
  /** How the model repeats its blocks. */
  readonly sharing?: Sharing;
  /** Target parameter count of the whole model. Shared weights count once. */
  readonly parameters: number;
  /** FFN widths are multiples of this number. With 32 every matrix can be quantised. */
  readonly multiple?: number;
  /** Largest relative error that is allowed. */
  readonly tolerance?: number;
}

function withFfn(options: SolveOptions, widths: (layer: number) => number): Layout {
  const norms = normsField(options.norms ?? "pre");
  const blocks = options.mixers.map((mixer, layer) => ({ mixer, ffn: ffnOfWidth(widths(layer)), ...norms }));
  return {
    vocab: options.vocab,
    width: options.width,
    layers: repeated(blocks, options.sharing ?? "none"),
  };
}

function ffnElements(width: number, modelWidth: number): number {
  const ffn = ffnOfWidth(width);
  return countElements(ffnOperatorOf(ffn).tensors(ffn, modelWidth, ""));
}

/**
 * Returns the layout nearest to the budget. All layers share one width where that is within the tolerance;
 * otherwise the first layers get one step more. Throws InvalidInputError (`no-parameter-match`) when the
 * budget cannot be met.
 */
export function solveFfnWidth(options: SolveOptions): Layout {
  const { parameters, multiple = 32, tolerance = 0.01 } = options;
  const depth = options.mixers.length;
  const error = (layout: Layout): number => Math.abs(parameterCount(layout) - parameters) / parameters;
  const smallest = parameterCount(withFfn(options, () => multiple));
  // Parameters of one step in one layer. The count is linear in the FFN width.
  const step = ffnElements(2 * multiple, options.width) - ffnElements(multiple, options.width);
  const steps = Math.round((parameters - smallest) / step);
  if (steps >= 0) {
    const uniform = withFfn(options, () => multiple * (1 + Math.round(steps / depth)));
    if (error(uniform) <= tolerance) return uniform;
    const whole = Math.floor(steps / depth);
    const split = withFfn(options, (layer) => multiple * (1 + whole + (layer < steps % depth ? 1 : 0)));
    if (error(split) <= tolerance) return split;
  }
  throw new InvalidInputError(
    "no-parameter-match",
    `no FFN width (multiples of ${multiple}) brings ${counted(depth, "layer")} of width ${options.width} to within ${tolerance * 100}% of ` +
      `${parameters} parameters; the smallest such model has ${smallest}`,
  );
}
