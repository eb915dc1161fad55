// Results that need neither a database nor a device: the proposals of every strategy, the plans of layouts,
// and the data of synthetic tasks.
import { lower } from "../../candidates/gguf/lower.ts";
import { layoutId } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { quantizations } from "../../candidates/quantization.ts";
import { type TaskName, taskNames, taskOf } from "../../profilers/tasks/task-registry.ts";
import { createRng } from "../../search/rng.ts";
import { createStrategy, strategyNames } from "../../search/strategy-registry.ts";
import { ask, budgetSpace, largeSpace, middleSpace, objectives, toyOutcome } from "../search/problems.ts";
import { hash } from "./fingerprint.ts";

const spaces = { middle: middleSpace, budget: budgetSpace, large: largeSpace };

const BATCH = 6;
/** Fewer for the model strategy, which computes for a second before a batch of a large space. */
const proposalsAsked = (name: string): number => (name === "model" ? 30 : 60);
const isTooSlow = (name: string, space: string, seed: number): boolean =>
  name === "model" && (space === "large" || seed > 1);

export interface Computed {
  readonly sha256: string;
  readonly parts: string;
}

/**
 * Ids of the first proposals of each strategy, in order, with their origins. Some trials fail, some are over
 * budget.
 */
function proposalsOf(
  name: (typeof strategyNames)[number],
  space: keyof typeof spaces,
  seed: number,
): Computed {
  const initial = space === "middle" ? ask(createStrategy("random", { ...start(space, 9) }), 2) : [];
  const strategy = createStrategy(name, {
    ...start(space, seed),
    initial,
    options: name === "model" ? { pool: 20 } : {},
  });
  const proposals: string[] = [];
  while (proposals.length < proposalsAsked(name)) {
    const asked = strategy.ask(BATCH);
    if (asked.length === 0) break;
    proposals.push(
      ...asked.map(({ candidate, origin }) =>
        [layoutId(candidate), origin.kind, origin.operator, ...origin.parents].join(" "),
      ),
    );
    strategy.tell(asked.map(({ candidate }) => toyOutcome(candidate)));
  }
  const every = [0, 12, 24, 36, 48].map((n) => proposals[n]?.slice(3, 11));
  return { sha256: hash(proposals.join("\n")), parts: `${proposals.length}: ${every.join(" ")}` };
}

const start = (space: keyof typeof spaces, seed: number) => ({
  space: spaces[space],
  objectives,
  seed,
  options: {},
  initial: [],
});

/** Layouts beside the named ones: each operator and each of its options at least once. */
const notations = [
  "v256 d64 f64 : c2 c3 c5",
  "v256 d64 f64 h4/2x16 : g s8 c3 g",
  "v512 d96 f128 h4/2x16nt500000 : s64 g c4",
  "v65536 d1024 f4608 h16/8x64 : 8[c3 g]",
  "v512 d64 f96 h4/2x16n : m2(x16n8g2k3) g",
  "v512 d64 f96 : m2(e1.5x12n33k2) m2.conv(e1k5) c3",
  "v512 d64 f96 h4/2x16 : gdn(1/3x8/24k2) gdn.conv(3x10k5) g gdn(2/2x16)",
  "v512 d64 f96 : lin(3x10) gla(2x12/24) kda(2x16k3) kda.conv(3x10) gla(4x16) c3",
];

/** The data that a synthetic task makes under its default options; null for a task on the user's files. */
function dataOf(name: TaskName): Computed | null {
  const task = taskOf(name);
  if (!("data" in task)) return null;
  const options = task.optionsSchema.parse({ examples: 50, validationExamples: 20 });
  const { train, validation } = task.data(options, createRng(3));
  const text = JSON.stringify([train, validation], (_, value) =>
    ArrayBuffer.isView(value) ? [...(value as Uint16Array)] : value,
  );
  return { sha256: hash(text), parts: Object.keys(task.presets).join(" ") };
}

/** Returns everything that is compared without running a command. */
export function computed(): Record<string, Computed> {
  const result: Record<string, Computed> = {};
  for (const name of strategyNames)
    for (const space of Object.keys(spaces) as (keyof typeof spaces)[])
      for (const seed of [1, 2].filter((seed) => !isTooSlow(name, space, seed)))
        result[`proposals ${name} ${space} seed ${seed}`] = proposalsOf(name, space, seed);
  const layouts = {
    ...namedLayouts,
    ...Object.fromEntries(notations.map((text) => [text, parseNotation(text)])),
  };
  for (const [name, layout] of Object.entries(layouts))
    for (const quantization of quantizations) {
      const { plan, architecture, tensors } = lower(layout, {
        quantization,
        name,
        vocabulary: quantization === "q4_0",
        seed: 1,
      });
      result[`plan ${name} ${quantization}`] = {
        sha256: hash(plan),
        parts: `${layoutId(layout)} ${architecture} ${tensors.length} tensors ${plan.length} B`,
      };
    }
  for (const name of taskNames) {
    const data = dataOf(name);
    if (data !== null) result[`data ${name}`] = data;
  }
  return result;
}
