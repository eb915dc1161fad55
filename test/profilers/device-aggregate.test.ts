// One number over several devices: the worst, or a weighted mean that does not follow the slowest device
// alone.
import { describe, expect, it } from "vitest";
import { type Aggregate, aggregateMetric } from "../../profilers/device-aggregate.ts";
import type { Metric } from "../../profilers/device-metrics.ts";

const metric = (name: string, value: number, samples: readonly number[] = [], stable = true): Metric => ({
  name,
  value,
  unit: "ms",
  samples,
  stable,
});
const over = (kind: Aggregate["kind"], direction: "min" | "max", weights = [1, 1]): Aggregate => ({
  name: `m:${kind}`,
  kind,
  direction,
  unit: "ms",
  parts: weights.map((weight, i) => ({ metric: `m:${"ab"[i]}`, weight })),
});
const metrics = [metric("m:a", 4, [4, 6]), metric("m:b", 9, [9, 1])];

describe("over devices", () => {
  it.each([
    ["worst of times", over("worst", "min"), 9, [9, 6]],
    ["worst of rates", over("worst", "max"), 4, [4, 1]],
    ["worst, one device counting more", over("worst", "min", [3, 1]), 12, [12, 18]],
    ["worst of rates, one counting more", over("worst", "max", [1, 3]), 3, [3, 1 / 3]],
    ["geometric mean", over("weighted", "min"), 6, [6, Math.sqrt(6)]],
    ["weighted geometric mean", over("weighted", "max", [3, 1]), 4 ** 0.75 * 9 ** 0.25, null],
  ])("%s", (_what, aggregate, value, samples) => {
    const found = aggregateMetric(aggregate, metrics)!;
    expect(found.value).toBeCloseTo(value, 10);
    if (samples !== null)
      for (const [i, sample] of samples.entries()) expect(found.samples[i]).toBeCloseTo(sample, 10);
    expect(found).toMatchObject({ name: aggregate.name, unit: "ms", stable: true });
  });

  it("a mean ranks alike in whatever unit a device reports", () => {
    const rank = (scale: number) =>
      [
        [4, 9],
        [5, 8],
        [9, 3],
      ]
        .map(
          ([a, b]) =>
            aggregateMetric(over("weighted", "min"), [metric("m:a", a! * scale), metric("m:b", b!)])!.value,
        )
        .map((value, i, all) => [i, all.filter((other) => other < value).length]);
    expect(rank(1000)).toEqual(rank(1));
  });

  it("waits for every device, is as unstable as any, and has samples only where they match", () => {
    expect(aggregateMetric(over("worst", "min"), metrics.slice(0, 1))).toBeNull();
    const shaky = [metric("m:a", 4, [4, 6], false), metric("m:b", 9, [9])];
    expect(aggregateMetric(over("worst", "min"), shaky)).toMatchObject({ stable: false, samples: [] });
  });
});
