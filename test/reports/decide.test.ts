import { expect, test } from "vitest";
import { attentionLayers, decide, within } from "../../reports/client/decide.ts";
import { viewOf } from "../../reports/page/view.ts";
import { testReportData } from "../support/report-data.ts";

const view = viewOf(testReportData());
const metric = (key: string): number => view.metrics.findIndex((m) => m.key === key);
const ttft = metric("ttftMs@1024:laptop");
const recall = metric("recall.accuracy");
const front = view.trials.flatMap(({ label }, index) => (label === null ? [] : [index]));
const value = (m: number, trial: number): number => view.metrics[m]!.value[trial]!;

test("without bounds the best is the best of the front, and the runner-up the next", () => {
  const { order } = decide(view, [], { kind: "best", metric: recall });
  const values = order.map((trial) => value(recall, trial));
  expect(values[0]).toBe(Math.max(...front.map((trial) => value(recall, trial))));
  expect(values).toEqual([...values].sort((a, b) => b - a));
});

test("bounds filter in the metric's own direction", () => {
  const middle = value(ttft, front[Math.floor(front.length / 2)]!);
  const { order } = decide(view, [{ metric: ttft, worst: middle }], { kind: "best", metric: ttft });
  expect(order.length).toBeGreaterThan(0);
  expect(order.every((trial) => value(ttft, trial) <= middle)).toBe(true);
  const atLeast = { metric: recall, worst: 0.6 };
  for (const trial of front) expect(within(view, trial, [atLeast])).toBe(value(recall, trial) >= 0.6);
});

test("nothing left: says which bound to loosen, and what that would admit", () => {
  const impossible = { metric: ttft, worst: 1 };
  const mild = { metric: recall, worst: 0.3 };
  const { order, relax } = decide(view, [impossible, mild], { kind: "best", metric: recall });
  expect(order).toEqual([]);
  expect(relax).toEqual({
    metric: ttft,
    admits: front.filter((trial) => within(view, trial, [mild])).length,
  });
});

test("minimal hybrid: fewest attention layers among those whose quality is near the best", () => {
  const { order } = decide(view, [], { kind: "minimal-hybrid", metric: recall, tolerance: 0.1 });
  const best = Math.max(...front.map((trial) => value(recall, trial)));
  const close = front.filter((trial) => value(recall, trial) >= best * 0.9);
  expect(attentionLayers(view, order[0]!)).toBe(
    Math.min(...close.map((trial) => attentionLayers(view, trial))),
  );
  expect(close).toContain(order[0]);
});
