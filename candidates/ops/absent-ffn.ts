// No feed-forward network: the layer ends with its mixer, and has neither an FFN norm nor FFN tensors. Mamba's
// published models (arXiv 2312.00752) have such layers only.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { FfnOperator } from "./operator.ts";

const schema = z.strictObject({ op: z.literal("absent") });

/** The spec of a layer without an FFN. */
export type AbsentFfn = Readonly<z.infer<typeof schema>>;

/** A layer without an FFN. */
export const absentFfn = {
  name: "absent",
  schema,
  title: "no FFN",
  notation: {
    form: "0",
    example: "0",
    examples: ["0"],
    head: /^0+$/,
    parse: (_head, argument, text) => {
      if (argument !== undefined)
        throw new InvalidInputError("bad-notation", `"${text}": an absent FFN takes no parentheses`);
      return { op: "absent" };
    },
    format: () => ({ head: "0" }),
  },
  keys: [],
  tensors: () => [],
  problem: () => null,
  scale: (spec) => spec,
  width: () => 0,
} as const satisfies FfnOperator<AbsentFfn>;
