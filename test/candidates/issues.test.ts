// Every kind of zod issue is reported in plain words.
import { expect, it } from "vitest";
import { z } from "zod";
import { issueText } from "../../candidates/issues.ts";

const shape = z.strictObject({
  n: z.int().min(1).max(8),
  share: z.number().positive().lt(1),
  even: z.int().multipleOf(2),
  kind: z.enum(["a", "b"]),
  list: z.array(z.int()).min(1).max(2),
  name: z
    .string()
    .min(3)
    .regex(/^[a-z]+$/, "may hold letters only"),
  op: z.discriminatedUnion("op", [
    z.object({ op: z.literal("conv"), k: z.int() }),
    z.object({ op: z.literal("gqa") }),
  ]),
  size: z.union([z.string(), z.number()]),
  deep: z.union([z.object({ a: z.int() }), z.object({ b: z.object({ c: z.int() }) })]),
  flag: z.boolean(),
});
const good = {
  n: 1,
  share: 0.5,
  even: 2,
  kind: "a",
  list: [1],
  name: "abc",
  op: { op: "gqa" },
  size: 1,
  deep: { a: 1 },
  flag: true,
};

it.each([
  [{ n: 0 }, "n: must be at least 1"],
  [{ n: 9 }, "n: must be at most 8"],
  [{ n: 1.5 }, "n: must be a whole number, not a fraction"],
  [{ n: "1" }, "n: must be a number, not text"],
  [{ n: Number.NaN }, "n: must be a number"],
  [{ n: undefined }, "n: is missing; it must be a number"],
  [{ share: 0 }, "share: must be more than 0"],
  [{ share: 1 }, "share: must be less than 1"],
  [{ even: 3 }, "even: must be a multiple of 2"],
  [{ kind: "c" }, 'kind: must be one of "a", "b"'],
  [{ list: [] }, "list: must have at least 1 item"],
  [{ list: [1, 2, 3] }, "list: must have at most 2 items"],
  [{ list: [1, "x"] }, "list.1: must be a number, not text"],
  [{ name: "ab" }, "name: must have at least 3 characters"],
  [{ name: "AB1" }, "name: may hold letters only"],
  [{ op: { op: "mamba" } }, 'op.op: must be one of "conv", "gqa"'],
  [{ op: { op: "conv", k: 0.5 } }, "op.k: must be a whole number, not a fraction"],
  [{ size: true }, "size: must be text or a number"],
  [{ deep: { b: { c: "x" } } }, "deep.b.c: must be a number, not text"],
  [{ flag: "yes" }, "flag: must be true or false, not text"],
  [{ extra: 1 }, 'unknown key "extra"'],
])("%j", (change, text) => {
  const parsed = shape.safeParse({ ...good, ...change });
  expect(parsed.success ? "" : issueText(parsed.error)).toBe(text);
});
