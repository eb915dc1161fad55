// The operators a layer can be made of. A new operator is a file beside this one and a line in each place below.
import { z } from "zod";
import { attention, gqaSchema, swaSchema } from "./attention.ts";
import { conv, convSchema } from "./conv.ts";
import type { Operator } from "./operator.ts";
import { swiglu, swigluSchema } from "./swiglu.ts";

export const mixerSchema = z.discriminatedUnion("op", [convSchema, gqaSchema, swaSchema]);
export const ffnSchema = z.discriminatedUnion("op", [swigluSchema]);
export type Mixer = Readonly<z.infer<typeof mixerSchema>>;
export type Ffn = Readonly<z.infer<typeof ffnSchema>>;
export type OperatorName = Mixer["op"] | Ffn["op"];

const operators = {
  conv,
  gqa: attention,
  swa: attention,
  swiglu,
} satisfies Record<OperatorName, unknown>;

export const operatorNames = Object.keys(operators) as readonly OperatorName[];

/** The implementation that belongs to a mixer or FFN spec. */
export function operatorOf<Spec extends Mixer | Ffn>(spec: Spec): Operator<Spec> {
  return operators[spec.op] as unknown as Operator<Spec>;
}
