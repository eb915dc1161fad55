// Changes between two sweeps, as data and in words. test/profilers/rerun.test.ts tests the statistics.
import { expect, test } from "vitest";
import { metricsText, renderDiff } from "../../reports/diff-text.ts";
import { comparisonPage } from "../../reports/page/comparison.ts";
import type { ReportData, ReportMetric, ReportTrial } from "../../reports/report-model.ts";
import { sweepDiff } from "../../runner/reading/sweep-diff.ts";
import { hostileReportData, testReportData } from "../support/report-data.ts";

const data = testReportData();
const name = "ttftMs@1024:laptop";
const [target, ...others] = data.trials.filter(({ onFront }) => onFront) as [ReportTrial, ...ReportTrial[]];

const scaled = (metric: ReportMetric, factor: number): ReportMetric => ({
  ...metric,
  value: metric.value * factor,
  samples: metric.samples.map((sample) => sample * factor),
});

/** The sweep again: the metric of every layout times a factor, some trials with other outcomes. */
const again = (
  factor: (trial: ReportTrial) => number,
  change: (trial: ReportTrial) => Partial<ReportTrial> = () => ({}),
): ReportData => ({
  ...data,
  sweep: "later",
  trials: data.trials.map((trial) => {
    const metric = trial.metrics[name];
    const metrics =
      metric === undefined ? trial.metrics : { ...trial.metrics, [name]: scaled(metric, factor(trial)) };
    return { ...trial, metrics, ...change(trial) };
  }),
});

test("a sweep does not differ from itself", () => {
  const diff = sweepDiff(data, data);
  expect(diff).toMatchObject({ configuration: [], changes: [], front: { joined: [], left: [] } });
  expect(diff.compared).toBeGreaterThan(100);
  expect(diff.shifts.filter(({ beyondNoise }) => beyondNoise)).toEqual([]);
  const values = data.trials
    .filter(({ state }) => state === "complete")
    .flatMap(({ metrics }) => Object.values(metrics));
  expect(diff).toMatchObject({
    compared: values.length,
    unstable: values.filter(({ stable }) => !stable).length,
  });
  expect(renderDiff(diff)).toContain(`${diff.unstable} of them are unstable`);
});

test("one layout that changed is named; noise is not", () => {
  const factors = new Map(data.trials.map((trial, n) => [trial.id, 1 + 0.004 * ((n % 5) - 2)]));
  const diff = sweepDiff(data, {
    ...again((trial) => (trial.id === target.id ? 1.5 : factors.get(trial.id)!)),
    configuration: { ...(data.configuration as object), seed: 2 },
  });
  expect(diff.configuration).toEqual([{ path: "seed", before: "1", after: "2" }]);
  expect(diff.changes.map(({ id, metric }) => [id, metric])).toEqual([[target.id, name]]);
  expect(diff.changes[0]!.change).toBeCloseTo(0.5);
  expect(diff.shifts.filter(({ beyondNoise }) => beyondNoise)).toEqual([]);
  expect(renderDiff(diff)).toMatch(/^ {2}l1-\S+ Time to first token .*\(\+50\.0%\)$/m);
  // On the page both values link to their raw samples.
  const page = comparisonPage(diff, { before: "/sweeps/a", after: "/sweeps/b" });
  for (const side of ["a", "b"])
    expect(page).toContain(`href="/sweeps/${side}#trial=${target.number}&amp;metric=ttftMs%401024%3Alaptop"`);
});

test("reports a shift of all layouts once, with its interval and error rate", () => {
  const diff = sweepDiff(
    data,
    again(() => 1.1),
  );
  expect(diff.changes).toEqual([]);
  const [shift] = diff.shifts;
  expect(shift).toMatchObject({ metric: name, beyondNoise: true });
  expect(shift!.change).toBeCloseTo(0.1);
  const text = renderDiff(diff);
  expect(text).toMatch(
    /Time to first token at 1K on laptop: \+10\.0% \(95% \+10\.0% to \+10\.0%\) over \d+ layouts/,
  );
  expect(text).toContain("at most 5% of the time");
});

test("names the layouts that left the front, with the reason", () => {
  const [dropped, lost] = others as [ReportTrial, ReportTrial];
  const worse = (trial: ReportTrial, factor: number) =>
    Object.fromEntries(
      Object.entries(trial.metrics).map(([metric, value]) => {
        const objective = data.objectives.find((one) => one.name === metric);
        return [
          metric,
          objective === undefined
            ? value
            : scaled(value, objective.direction === "min" ? factor : 1 / factor),
        ];
      }),
    );
  const later = again(
    () => 1,
    (trial) =>
      trial === target
        ? { onFront: false, metrics: worse(others[2]!, 3) }
        : trial === dropped
          ? { onFront: false, metrics: worse(others[2]!, 1.0001) }
          : trial === lost
            ? { onFront: false, state: "failed", reason: "crashed: SIGILL" }
            : {},
  );
  const diff = sweepDiff(data, { ...later, trials: later.trials.filter(({ id }) => id !== others[3]!.id) });
  const why = new Map(diff.front.left.map(({ id, why }) => [id, why]));
  expect(why.get(target.id)).toMatch(
    /^dominated in later by F\d+ l1-\w+, beyond noise in Time to first token/,
  );
  expect(why.get(dropped.id)).toMatch(/^dominated in later by F\d+ l1-\w+, within noise$/);
  expect(why.get(lost.id)).toBe("failed in later: crashed: SIGILL");
  expect(why.get(others[3]!.id)).toBe("not proposed in later");
});

test("reports another build of the agent, and the change of the calibration run", () => {
  const under = (agents: readonly string[], sentinelMs: readonly number[]): ReportData => ({
    ...data,
    devices: data.devices.map((device, n) =>
      n === 0 ? { ...device, conditions: { agents, sentinelMs } } : device,
    ),
  });
  const diff = sweepDiff(under(["aa"], [2, 2, 2]), under(["bb"], [2.1, 2.1, 9]));
  expect(diff.devices).toHaveLength(1);
  expect(renderDiff(diff)).toContain(
    "  laptop: another build of the agent, its calibration run changed by +5.0%",
  );
});

test("both fronts are drawn, every point once, each leading to its trial", () => {
  const later = again(() => 1.1);
  const diff = sweepDiff(data, later);
  const page = comparisonPage(diff, { before: "/sweeps/a", after: "/sweeps/b" });
  const front = data.trials.filter(({ onFront }) => onFront);
  for (const [side, sweep] of [
    ["before", "a"],
    ["after", "b"],
  ]) {
    const links = [
      ...page.matchAll(new RegExp(`href="/sweeps/${sweep}#trial=(\\d+)"[^>]*><circle class="${side}"`, "g")),
    ];
    expect(links.map(([, number]) => Number(number)).sort()).toEqual(
      front.map(({ number }) => number).sort(),
    );
  }
  // Every layout was slower, so each layout's line leads to the right.
  const lines = [
    ...page.matchAll(/<line class="moved" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"/g),
  ];
  expect(lines).toHaveLength(front.length);
  for (const [, x1, y1, x2, y2] of lines) {
    expect(Number(x2)).toBeGreaterThan(Number(x1));
    expect(y2).toBe(y1);
  }
  // One common objective is not enough for a picture.
  const alone = { ...later, objectives: later.objectives.slice(0, 1) };
  expect(comparisonPage(sweepDiff(data, alone), { before: "/a", after: "/b" })).not.toContain(
    'class="fronts"',
  );
});

test("nothing of a name becomes markup or an escape", () => {
  const diff = sweepDiff(hostileReportData(), data);
  expect(comparisonPage(diff, { before: "/a", after: "/b" })).not.toMatch(/<script|<img/);
  expect(renderDiff(diff).replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

test("reports too few layouts as too few, not as no shift", () => {
  const some = (count: number): ReportData => {
    const complete = data.trials.filter(({ state }) => state === "complete").slice(0, count);
    return {
      ...data,
      trials: complete.map((trial) => ({ ...trial, metrics: { [name]: trial.metrics[name]! } })),
    };
  };
  const text = (count: number): string => metricsText(sweepDiff(some(count), some(count)));
  expect(text(0)).toBe("No layout is complete in both sweeps, so no metric can be compared.");
  expect(text(1)).toMatch(
    /^1 layout complete in both; 1 value compared\..*Too few layouts to test .*: 1 \(at least 6 layouts/,
  );
  expect(text(3)).toMatch(
    /Too few layouts to test whether a metric shifted beyond noise: \d \(at least 6 layouts/,
  );
  expect(text(3)).not.toMatch(/0 of/);
  // With the needed number of layouts the sign test can reject; with one fewer it cannot.
  const { neededLayouts } = sweepDiff(data, data);
  const metrics = new Set(data.trials.flatMap((trial) => Object.keys(trial.metrics))).size;
  expect(2 ** (1 - neededLayouts) * metrics).toBeLessThanOrEqual(0.05);
  expect(2 ** (2 - neededLayouts) * metrics).toBeGreaterThan(0.05);
});
