// Selection rules on layouts whose answer is known by hand.
import { describe, expect, it } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import { type Choice, ruleNames } from "../../search/selection/rules.ts";
import { type SelectionOptions, select } from "../../search/selection/select.ts";

const choice = (id: string, layers: string, recall: number, ttft: number, error = 0): Choice => ({
  id,
  layout: parseNotation(`v512 d64 f128 h4/2x16 : ${layers}`),
  metrics: { recall, ttft },
  errors: { recall: error },
});
const choices = [
  choice("allconv", "c3 c3 c3 c3", 0.3, 50),
  choice("one", "c3 c3 g c3", 0.9, 80),
  choice("one-mixed", "c3 c5 g c3", 0.905, 82),
  choice("two", "c3 g c3 g", 0.92, 110),
  choice("allattention", "g g g g", 0.93, 200),
];
const options: SelectionOptions = {
  rule: "minimal-hybrid",
  budgets: [],
  quality: { name: "recall", direction: "max", unit: "" },
  tolerance: 0.04,
};

describe("minimal-hybrid", () => {
  it("takes the fewest attention layers within the error of the best, then the fewest kinds", () => {
    const { chosen, runnerUp, reasons } = select(choices, options);
    expect(chosen?.id).toBe("one");
    expect(runnerUp?.id).toBe("one-mixed");
    expect(reasons.join(" ")).toMatch(/loses on mixer kinds: 3 against 2/);
  });
  it("keeps more attention when less costs quality beyond the error", () => {
    expect(select(choices, { ...options, tolerance: 0.015 }).chosen?.id).toBe("two");
    expect(select(choices, { ...options, tolerance: 0 }).chosen?.id).toBe("allattention");
    expect(select(choices, { ...options, tolerance: 1 }).chosen?.id).toBe("allconv");
  });
  it("counts measured errors in quadrature, beside the tolerance", () => {
    const noisy = choices.map(({ id, layout, metrics }) => ({
      id,
      layout,
      metrics,
      errors: { recall: 0.022 },
    }));
    expect(select(noisy, { ...options, tolerance: 0 }).chosen?.id).toBe("one"); // 0.03 < 0.022 sqrt 2 = 0.0311
    const surer = choices.map(({ id, layout, metrics }) => ({
      id,
      layout,
      metrics,
      errors: { recall: 0.021 },
    }));
    expect(select(surer, { ...options, tolerance: 0 }).chosen?.id).toBe("one-mixed");
  });
  it("compares with the best feasible layout, not with the best of all", () => {
    const { chosen, reasons } = select(choices, {
      ...options,
      tolerance: 0.006,
      budgets: [{ metric: "ttft", max: 100 }],
    });
    expect(chosen?.id).toBe("one");
    expect(reasons[0]).toBe("3 of 5 measured layouts meet the budgets ttft <= 100.");
  });
  it("works on a loss, where smaller is better", () => {
    const losses = choices.map(({ id, layout, metrics }) => ({
      id,
      layout,
      metrics: { bpb: 3 - metrics.recall! },
    }));
    const quality = { name: "bpb", direction: "min", unit: "bits/byte" } as const;
    expect(select(losses, { ...options, quality }).chosen?.id).toBe("one");
  });
});

describe.each(ruleNames)("%s", (rule) => {
  it("says what was nearest when nothing is feasible", () => {
    const none = select(choices, { ...options, rule, budgets: [{ metric: "ttft", max: 40 }] });
    expect(none).toMatchObject({ chosen: null, runnerUp: null });
    expect(none.reasons.join(" ")).toContain("The nearest is allconv: ttft 50 against max 40");
  });
  it("does not depend on the order of the trials, and leaves out what was not measured", () => {
    const extra = { ...choices[0]!, id: "unmeasured", metrics: { ttft: 1 } };
    const budgets = [{ metric: "ttft", max: 150 }];
    const forward = select([...choices, extra], { ...options, rule, budgets });
    expect(select([extra, ...choices.toReversed()], { ...options, rule, budgets })).toEqual(forward);
    expect(forward.reasons[0]).toContain("1 of 6");
    expect(forward.chosen).not.toBeNull();
    expect(forward.chosen?.id).not.toBe(forward.runnerUp?.id);
  });
  it("has no runner-up to a single layout, and no choice in none", () => {
    expect(select([choices[1]!], { ...options, rule })).toMatchObject({
      chosen: { id: "one" },
      runnerUp: null,
    });
    expect(select([], { ...options, rule }).chosen).toBeNull();
  });
});

describe("other rules", () => {
  it("best-quality takes the best recall", () => {
    expect(select(choices, { ...options, rule: "best-quality" }).chosen?.id).toBe("allattention");
  });
  it("budget-weighted trades a little quality for much budget", () => {
    const budgets = [{ metric: "ttft", max: 200 }];
    expect(select(choices, { ...options, rule: "budget-weighted", budgets }).chosen?.id).toBe("one");
    // Without budgets there is nothing to save: quality alone.
    expect(select(choices, { ...options, rule: "budget-weighted" }).chosen?.id).toBe("allattention");
  });
});
