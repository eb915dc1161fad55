// CfC: the cell of closed-form continuous-time networks, a recurrence that is not linear in its state.
// Source: Hasani et al., "Closed-form Continuous-time Neural Networks", arXiv 2106.13898.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { MixerOperator, TensorSpec } from "./operator.ts";
import { recurrentCosts, recurrentTraits } from "./recurrent.ts";

const schema = z.strictObject({ op: z.literal("cfc") });
type Cfc = Readonly<z.infer<typeof schema>>;

/** Products of the cell that read its own values, each [d, d] with a bias except that of the state. */
const HEADS = ["f1", "f2", "time_a", "time_b"] as const;

/** FLOPs per token: five products that are no matrices of the file, and about 20 operations a channel. */
const tokenFlops = (width: number): number => 10 * width * width + 20 * width;

/**
 * CfC with a state and inner layers of the model's width. It is meant for proxies: a token needs the state of
 * the token before it, so that a prefill runs token by token on one core. Tensors: `in` and `state` of the
 * backbone, `f1`, `f2`, `time_a` and `time_b` of the heads, and `out`, all [d, d]; biases of all but `state` and
 * `out`. The cell alone has 6 d^2 + 5 d parameters; `out` is the output's product, which every mixer has.
 */
export const cfc = {
  name: "cfc",
  schema,
  title: "CfC cell (slow: a prefill runs token by token)",
  notation: {
    form: "cfc",
    example: "cfc",
    examples: ["cfc"],
    head: /^cfc$/,
    parse: (_head, argument, text) => {
      if (argument !== undefined)
        throw new InvalidInputError(
          "bad-notation",
          `"${text}": cfc has no options; all its widths are the model's`,
        );
      return { op: "cfc" };
    },
    format: () => ({ head: "cfc" }),
  },
  keys: [],
  tensors: (_spec, width, prefix) => {
    const square = (name: string, role: TensorSpec["role"]): TensorSpec => ({
      name: `${prefix}.cfc.${name}.weight`,
      shape: [width, width],
      role,
    });
    const bias = (name: string): TensorSpec => ({
      name: `${prefix}.cfc.${name}.bias`,
      shape: [width],
      role: "vector",
    });
    // All but the first and the last read the cell's own values, and stay in F32.
    return [
      square("in", "matrix"),
      bias("in"),
      square("state", "vector"),
      ...HEADS.flatMap((name) => [square(name, "vector"), bias(name)]),
      square("out", "matrix"),
    ];
  },
  problem: () => null,
  traits: () => ({ ...recurrentTraits, sequential: true }),
  ...recurrentCosts<Cfc>((_spec, width) => ({ elements: width, flops: tokenFlops(width) })),
  costKind: () => "cfc",
  scale: (spec) => spec,
  picture: {
    tone: "swa",
    height: 23,
    legend: "CfC: closed-form continuous-time cell",
    mark: () => ({ text: "CfC", title: "cfc cell, which runs token by token" }),
  },
  quantities: [],
  floatStages: ["cfc"],
} as const satisfies MixerOperator<Cfc>;
