// Budgets on metrics. A trial measured over a budget is infeasible: it is kept and shown, but never on the
// front.
import { z } from "zod";

export const budgetSchema = z
  .strictObject({
    metric: z.string().min(1).describe("A metric's name, e.g. ttft_ms@1024:phone."),
    max: z.number().optional().describe("Largest value allowed."),
    min: z.number().optional().describe("Smallest value allowed."),
  })
  .refine(({ max, min }) => max !== undefined || min !== undefined, "a budget needs `max` or `min`")
  .refine(({ max, min }) => max === undefined || min === undefined || min <= max, "`min` is above `max`");
export type Budget = Readonly<z.infer<typeof budgetSchema>>;
