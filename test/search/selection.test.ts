// Selection rules on layouts whose answer was computed manually.
import { describe, expect, it } from "vitest";
import { isAttention } from "../../candidates/layout.ts";
import { parseMixer } from "../../candidates/notation.ts";
import type { Choice, Known } from "../../search/selection/choice.ts";
import { ruleNames } from "../../search/selection/rules.ts";
import { type SelectionOptions, select } from "../../search/selection/select.ts";

const known = (value: number, error = 0): Known => ({
  value,
  low: value - error,
  high: value + error,
  marks: [],
});
/** The same layouts with another error of their recall. */
const withError = (error: number): readonly Choice[] =>
  choices.map((one) => ({
    ...one,
    metrics: { ...one.metrics, recall: known(one.metrics.recall!.value, error) },
  }));

let trials = 0;
const choice = (id: string, layers: string, recall: number, ttft: number, error = 0): Choice => {
  const tokens = layers.split(" ");
  return {
    id,
    trial: trials++,
    pattern: layers,
    parameters: 1e6,
    attentionLayers: tokens.filter((token) => isAttention({ mixer: parseMixer(token, { h: "4/2x16" }) }))
      .length,
    mixerKinds: new Set(tokens).size,
    onFront: true,
    chance: null,
    metrics: { recall: known(recall, error), ttft: known(ttft) },
  };
};
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
  objectives: [
    { name: "recall", direction: "max", unit: "" },
    { name: "ttft", direction: "min", unit: "ms" },
  ],
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
    expect(select(withError(0.022), { ...options, tolerance: 0 }).chosen?.id).toBe("one"); // 0.03 < 0.022 sqrt 2 = 0.0311
    expect(select(withError(0.021), { ...options, tolerance: 0 }).chosen?.id).toBe("one-mixed");
  });
  it("compares with the best feasible layout, not with the best of all", () => {
    const { chosen, reasons } = select(choices, {
      ...options,
      tolerance: 0.006,
      budgets: [{ metric: "ttft", max: 100 }],
    });
    expect(chosen?.id).toBe("one");
    expect(reasons[0]).toBe("3 of 5 layouts on the front meet the budgets ttft <= 100.");
  });
  it("works on a loss, where smaller is better", () => {
    const losses = choices.map((one) => ({ ...one, metrics: { bpb: known(3 - one.metrics.recall!.value) } }));
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
    const extra = { ...choices[0]!, id: "unmeasured", metrics: { ttft: known(1) } };
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
    // Without budgets nothing can be saved: quality alone decides.
    expect(select(choices, { ...options, rule: "budget-weighted" }).chosen?.id).toBe("allattention");
  });
});

describe("ties", () => {
  const pair = (a: Partial<Choice>, b: Partial<Choice>): readonly Choice[] => [
    { ...choice("a-first-by-id", "c3 g c3 c3", 0.9, 100), trial: 9, ...a },
    { ...choice("z-last-by-id", "c3 g c3 c3", 0.9, 100), trial: 10, ...b },
  ];
  const chosenOf = (choices: readonly Choice[], rule: SelectionOptions["rule"]) =>
    select(choices, { ...options, rule });

  it.each(ruleNames)(
    "%s: equal quality goes to the better in another objective, whatever the ids",
    (rule) => {
      const faster = { metrics: { recall: known(0.9), ttft: known(80) } };
      expect(chosenOf(pair({}, faster), rule).chosen?.id).toBe("z-last-by-id");
      expect(chosenOf(pair(faster, {}), rule).chosen?.id).toBe("a-first-by-id");
    },
  );
  it.each(ruleNames)("%s: equal in all within the errors says so, and goes to the smaller", (rule) => {
    const unsure = { metrics: { recall: known(0.9, 0.02), ttft: known(100, 30) } };
    const smaller = { parameters: 9e5, metrics: { recall: known(0.9, 0.02), ttft: known(110, 30) } };
    const { chosen, reasons } = chosenOf(pair(unsure, smaller), rule);
    expect(chosen?.id).toBe("z-last-by-id");
    expect(reasons.at(-1)).toMatch(
      /equal as far as measured: .*What decided is parameters: 1000000 against 900000/,
    );
  });
  it("as the last resort the earlier trial is taken, and that is said", () => {
    const [a, b] = pair({ trial: 12 }, { trial: 11 });
    const { chosen, reasons } = select([a!, b!], options);
    expect(chosen?.id).toBe("z-last-by-id");
    expect(reasons.at(-1)).toMatch(/equal as far as measured.*the order of the trials: #12 against #11/);
  });
  it("sizes that differ by less than a solver meets its target are one size", () => {
    const better = { metrics: { recall: known(0.91, 0.02), ttft: known(100) } };
    const worse = { parameters: 0.999e6, metrics: { recall: known(0.9, 0.02), ttft: known(100) } };
    expect(select(pair(worse, better), options).chosen?.id).toBe("z-last-by-id");
  });
});

describe("what may be chosen", () => {
  it.each(ruleNames)("%s: nothing off the front, however good", (rule) => {
    const off = { ...choice("off", "c3 c3 c3 c3", 0.99, 10), onFront: false };
    const { chosen, runnerUp, order } = select([off, ...choices], { ...options, rule });
    expect([chosen, runnerUp, ...order].map((one) => one?.id)).not.toContain("off");
    expect(select([off], { ...options, rule }).chosen).toBeNull();
  });
  it("the interval of a difference decides, as wide as t makes it, also where intervals are lopsided", () => {
    const metrics = (low: number, value: number, high: number) => ({
      recall: known(0.9),
      ttft: { value, low, high, marks: [] },
    });
    const times = [
      { ...choice("fast", "c3 c3 g c3", 0.9, 0), metrics: metrics(80, 100, 125) },
      { ...choice("slow", "c3 c3 g c3", 0.9, 0), metrics: metrics(104, 130, 162) },
    ];
    const quality = options.objectives[1]!;
    // Arms of 25 and 26 give 36 in quadrature: a difference of 30 is within it, 40 would not be.
    expect(select(times, { ...options, quality, tolerance: 0 }).reasons.join(" ")).toContain(
      "equal as far as measured",
    );
    const slower = { ...times[1]!, metrics: metrics(114, 140, 175) };
    expect(select([times[0]!, slower], { ...options, quality, tolerance: 0 }).reasons.join(" ")).toContain(
      "loses on ttft: 140 [114, 175] against 100 [80, 125]",
    );
  });
  it("marks stand beside the numbers in every reason", () => {
    const marked = choices.map((one) => ({
      ...one,
      metrics: {
        ...one.metrics,
        recall: { ...one.metrics.recall!, low: null, high: null, marks: ["unstable"] },
      },
    }));
    expect(select(marked, options).reasons.join(" ")).toContain("recall 0.9 ~ (unstable)");
  });
});
