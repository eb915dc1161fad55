// Confirmation of a choice: its replacement and its texts, on layouts whose new values are known.
import { describe, expect, it } from "vitest";
import type { Scale } from "../../search/noise/estimate.ts";
import type { Choice, Known } from "../../search/selection/choice.ts";
import {
  type ConfirmOptions,
  chanceOfAll,
  chanceWithin,
  confirmChoice,
  type Fresh,
  type FreshEstimate,
  type Stage,
  shownChance,
} from "../../search/selection/confirm.ts";

const known = (value: number): Known => ({ value, low: value, high: value, marks: [] });
const layout = (trial: number, attentionLayers: number, recall: number, ms: number): Choice => ({
  id: `layout${trial}`,
  trial,
  pattern: "c3",
  parameters: 1e6,
  attentionLayers,
  mixerKinds: 2,
  onFront: true,
  chance: null,
  metrics: { recall: known(recall), ms: known(ms) },
});
const estimate = (
  value: number,
  standardError: number | null,
  scale: Scale = "difference",
): FreshEstimate => ({
  ...{ value, standardError, scale, degrees: 20, low: null, high: null, samples: 9, sessions: 3 },
});

/** Each has one attention layer more than the one before, and the later ones are faster. */
const choices = [layout(0, 1, 0.9, 95), layout(1, 2, 0.9, 97), layout(2, 3, 0.9, 80), layout(3, 4, 0.9, 70)];
const options: ConfirmOptions = {
  rule: "minimal-hybrid",
  budgets: [{ metric: "ms", max: 100 }],
  kept: [{ metric: "ms", max: 100 }],
  objectives: [
    { name: "recall", direction: "max", unit: "" },
    { name: "ms", direction: "min", unit: "ms" },
  ],
  quality: { name: "recall", direction: "max", unit: "" },
  tolerance: 0.01,
  replacements: 3,
};

/** Returns these new values, and records the requests. */
function confirmWith(
  fresh: Readonly<Record<number, { ms?: number; recall?: number; fault?: string; reported?: number }>>,
  more: Partial<ConfirmOptions> = {},
) {
  const asked: string[] = [];
  const answer = (trial: number, stage: Stage): Fresh => {
    const { ms = 70, recall = 0.9, fault, reported = ms } = fresh[trial] ?? {};
    if (fault !== undefined) return { fault };
    const time = stage === "check" ? ms : stage === "report" ? reported : (ms + reported) / 2;
    return { metrics: { recall: estimate(recall, 0.01), ms: estimate(time, 0.06, "ratio") } };
  };
  const found = confirmChoice(choices, { ...options, ...more }, async (pair, stage) => {
    asked.push(`${stage} ${pair.map(({ trial }) => trial).join("+")}`);
    return new Map(pair.map(({ id, trial }) => [id, answer(trial, stage)]));
  });
  return { found, asked };
}

describe("a confirmation", () => {
  it("keeps a choice that holds, reports samples that decided nothing, and asks for nothing else", async () => {
    const { found, asked } = confirmWith({ 0: { ms: 80, reported: 85 } });
    const { chosen, runnerUp, rejected } = await found;
    expect(chosen?.choice.trial).toBe(0);
    expect(chosen?.fresh).toMatchObject({ metrics: { ms: { value: 85 } } });
    expect(chosen?.budgets[0]?.chance).toBeGreaterThan(0.95);
    expect(runnerUp?.choice.trial).toBe(1);
    expect(rejected).toEqual([]);
    expect(asked).toEqual(["check 0+1", "report 0+1", "both 0+1"]);
  });

  it("replaces a choice that is not surely within the budget by the next of the rule's order", async () => {
    const { found } = confirmWith({ 0: { ms: 98 }, 1: { ms: 75 } });
    const { chosen, rejected } = await found;
    expect(chosen?.choice.trial).toBe(1);
    expect(rejected.map(({ choice }) => choice.trial)).toEqual([0]);
    expect(rejected[0]!.reason).toMatch(
      /^ms is 98 in new measurements, budget at most 100: its chance to be within is 6\d%, not 95%$/,
    );
  });

  it("passes over layouts that the sweep measured no further within it, and says how many", async () => {
    // The runner-up, 1, is measured again beside the choice. Of the others, none is slower than 0.
    const slower = [...choices, layout(4, 5, 0.9, 99), layout(5, 6, 0.9, 96)];
    const { found, asked } = (() => {
      const asked: string[] = [];
      const found = confirmChoice(slower, options, async (pair, stage) => {
        asked.push(`${stage} ${pair.map(({ trial }) => trial).join("+")}`);
        return new Map(
          pair.map(({ id, trial }): [string, Fresh] => [
            id,
            { metrics: { ms: estimate(trial < 2 ? 99 : 70, 0.06, "ratio"), recall: estimate(0.9, 0.01) } },
          ]),
        );
      });
      return { found, asked };
    })();
    const { chosen, rejected } = await found;
    expect(chosen?.choice.trial).toBe(2);
    expect(rejected[0]!.reason).toMatch(/; 2 that the sweep measured no further within it are passed over$/);
    expect(asked.join()).not.toMatch(/\b[45]\b/);
  });

  it("decides once more with all new samples: those reported may show that it is over", async () => {
    const { found } = confirmWith({ 0: { ms: 88, reported: 112 } });
    const { chosen, rejected } = await found;
    expect(rejected.map(({ choice }) => choice.trial)).toEqual([0]);
    expect(chosen?.choice.trial).toBe(1);
  });

  it("replaces a choice whose quality is clearly worse than the runner-up's, not one that is as good", async () => {
    expect((await confirmWith({ 0: { recall: 0.87 } }).found).chosen?.choice.trial).toBe(0);
    const { chosen, rejected } = await confirmWith({ 0: { recall: 0.8 } }).found;
    expect(chosen?.choice.trial).toBe(1);
    expect(rejected[0]!.reason).toBe(
      "recall is 0.8 in new measurements, clearly worse than the runner-up's (layout1: 0.9)",
    );
  });

  it("replaces a layout that could not be measured, with its reason", async () => {
    const { chosen, rejected } = await confirmWith({ 0: { fault: "out of memory on local" } }).found;
    expect(chosen?.choice.trial).toBe(1);
    expect(rejected[0]!.reason).toBe("out of memory on local");
  });

  it("stops after as many replacements as are allowed, and says whether there is more to try", async () => {
    const over = { 0: { ms: 120 }, 1: { ms: 120 }, 2: { ms: 120 }, 3: { ms: 120 } };
    const once = await confirmWith(over, { replacements: 1 }).found;
    expect(once).toMatchObject({ chosen: null, runnerUp: null, left: true });
    expect(once.rejected).toHaveLength(2);
    const all = await confirmWith(over).found;
    expect(all).toMatchObject({ chosen: null, left: false });
    expect(all.rejected.map(({ choice }) => choice.trial)).toEqual([0, 1, 2, 3]);
  });

  it("does not take an unknown error for a sure value", async () => {
    const unknown = confirmChoice(
      choices,
      options,
      async (pair) =>
        new Map(
          pair.map(({ id }) => [id, { metrics: { ms: estimate(10, null), recall: estimate(0.9, null) } }]),
        ),
    );
    expect((await unknown).chosen).toBeNull();
    expect((await unknown).rejected[0]!.reason).toContain("its chance to be within is unknown");
  });
});

describe("the chance to keep to a budget", () => {
  it("is that of Student's t on the metric's scale", () => {
    // t = log(100 / 90) / 0.06 = 1.756 with 20 degrees of freedom.
    expect(chanceWithin(estimate(90, 0.06, "ratio"), { metric: "ms", max: 100 })).toBeCloseTo(0.9528, 3);
    expect(chanceWithin(estimate(90, 0.06, "ratio"), { metric: "ms", min: 100 })).toBeCloseTo(0.0472, 3);
    expect(chanceWithin(estimate(0.9, 0.05), { metric: "recall", min: 0.9 })).toBeCloseTo(0.5, 6);
    expect(chanceWithin(estimate(0.9, 0.05), { metric: "recall", min: 0.8, max: 1 })).toBeCloseTo(0.9407, 3);
  });
  it("is certain for what is counted, also on the bound, and unknown for what was not measured", () => {
    expect(chanceWithin(estimate(4, 0, "exact"), { metric: "layers", max: 4 })).toBe(1);
    expect(chanceWithin(estimate(5, 0, "exact"), { metric: "layers", max: 4 })).toBe(0);
    expect(chanceWithin(undefined, { metric: "ms", max: 4 })).toBeNull();
  });
  it("of several budgets counts every doubt", () => {
    const of = (...chances: (number | null)[]) =>
      chanceOfAll(chances.map((chance) => ({ metric: "m", chance })));
    expect(of(0.98, 0.97)).toBeCloseTo(0.95);
    expect(of(0.4, 0.3)).toBe(0);
    expect(of(0.99, null)).toBeNull();
    expect(of()).toBe(1);
  });
  it("is never shown as a certainty that is none", () => {
    expect([0.9999, 1, 0.001, 0, 0.953, null].map(shownChance)).toEqual([
      ">99%",
      "100%",
      "<1%",
      "0%",
      "95%",
      "unknown",
    ]);
  });
});
