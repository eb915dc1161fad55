import { expect, test } from "vitest";
import { decide, eligible, type Rule, within } from "../../reports/client/decide.ts";
import { viewOf } from "../../reports/page/view.ts";
import { testReportData } from "../support/report-data.ts";

const view = viewOf(testReportData());
const metric = (key: string): number => view.metrics.findIndex((m) => m.key === key);
const ttft = metric("ttftMs@1024:laptop");
const recall = metric("recall.accuracy");
const front = view.trials.flatMap(({ label }, index) => (label === null ? [] : [index]));
const objective = (key: string): number => view.objectives.findIndex((one) => one.key === key);
const best = (key: string): Rule => ({ name: "best-quality", quality: objective(key), tolerance: 0 });
const value = (m: number, trial: number): number => view.metrics[m]!.value[trial]!;

const exact = (trial: number): number =>
  view.choices.find((one) => one.trial === view.trials[trial]!.number)!.metrics["ttftMs@1024:laptop"]!.value;

test("without bounds the best is the best of the front, and the runner-up the next", () => {
  const { order } = decide(view, [], best("recall.accuracy"));
  const values = order.map((trial) => value(recall, trial));
  expect(values[0]).toBe(Math.max(...front.map((trial) => value(recall, trial))));
  expect(values).toEqual([...values].sort((a, b) => b - a));
});

test("bounds filter in the metric's own direction", () => {
  const middle = value(ttft, front[Math.floor(front.length / 2)]!);
  const { order } = decide(view, [{ metric: ttft, worst: middle }], best("ttftMs@1024:laptop"));
  expect(order.length).toBeGreaterThan(0);
  expect(order.every((trial) => value(ttft, trial) <= middle)).toBe(true);
  const atLeast = { metric: recall, worst: 0.6 };
  for (const trial of front) expect(within(view, trial, [atLeast])).toBe(value(recall, trial) >= 0.6);
});

test("names the bound to relax, and what that would admit, if no layout is left", () => {
  const impossible = { metric: ttft, worst: 1 };
  const mild = { metric: recall, worst: 0.3 };
  const { order, relax } = decide(view, [impossible, mild], best("recall.accuracy"));
  expect(order).toEqual([]);
  expect(relax).toEqual({
    metric: ttft,
    admits: front.filter((trial) => within(view, trial, [mild])).length,
  });
});

test("minimal hybrid: fewest attention layers among those whose quality is near the best", () => {
  const rule: Rule = { name: "minimal-hybrid", quality: objective("recall.accuracy"), tolerance: 0.1 };
  const { order, feasible } = decide(view, [], rule);
  expect(feasible).toBe(front.length);
  const most = Math.max(...front.map((trial) => value(recall, trial)));
  const close = front.filter((trial) => value(recall, trial) >= most - 0.1);
  const layers = (trial: number): number =>
    view.choices.find((one) => one.trial === view.trials[trial]!.number)!.attentionLayers;
  expect(layers(order[0]!)).toBe(Math.min(...close.map(layers)));
  expect(close).toContain(order[0]);
});

test("a published layout off the front is not chosen, and values are compared exactly, not as drawn", () => {
  const data = testReportData();
  const published = data.trials.find(({ onFront, state }) => !onFront && state === "complete")!;
  const shown = viewOf({
    ...data,
    trials: data.trials.map((trial) => (trial === published ? { ...trial, published: "lfm2-350m" } : trial)),
  });
  expect(eligible(shown)).toEqual(front);
  // Values are drawn with five digits. A bound between the drawn and the true value separates them.
  const trial = front.find((one) => exact(one) !== value(ttft, one))!;
  expect(within(shown, trial, [{ metric: ttft, worst: exact(trial) }])).toBe(true);
  expect(within(shown, trial, [{ metric: ttft, worst: exact(trial) * (1 - 1e-9) }])).toBe(false);
});
