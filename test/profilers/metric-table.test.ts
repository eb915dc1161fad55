// The contract of the metric table: every row is named, measured or counted, shown, and accepted as a budget.
import { describe, expect, it } from "vitest";
import { namedLayouts } from "../../candidates/named.ts";
import { deviceMetrics } from "../../profilers/device-metrics.ts";
import {
  contextMetrics,
  countedMetrics,
  type Kind,
  type MetricBase,
  metricAliases,
  metricKinds,
  runMetrics,
} from "../../profilers/metrics/kinds.ts";
import {
  kindOf,
  metricName,
  onDevice,
  originOf,
  parseMetricName,
  scoreName,
  withoutDevice,
} from "../../profilers/metrics/name.ts";
import { unitOf } from "../../profilers/metrics/units.ts";
import { type MeasureResult, SAMPLE_FIELDS } from "../../profilers/protocol.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import { tasks } from "../../profilers/tasks/task-registry.ts";
import { formatValue } from "../../reports/format.ts";
import { metricLabel, shortLabel } from "../../reports/metrics.ts";
import { parseBudgets } from "../../runner/commands/budget-text.ts";

const table = Object.entries(metricKinds) as [MetricBase, Kind][];

/** The name in a sweep on a phone. */
function nameOf(base: MetricBase, { from, per }: Kind): string {
  if (from === "trained") return scoreName("recall", base);
  const context = per === "context" ? 1024 : null;
  return metricName({ base, context, device: from === "measured" ? "phone" : null });
}

it("calls no two metrics the same", () => {
  for (const word of ["label", "short"] as const)
    expect(new Set(table.map(([, kind]) => kind[word])).size).toBe(table.length);
  const aliases = table.flatMap(([, { alias }]) => alias ?? []);
  expect(Object.keys(metricAliases).sort()).toEqual([...new Set(aliases)].sort());
  expect(aliases.filter((alias) => alias !== alias.toLowerCase() || alias in metricKinds)).toEqual([]);
});

describe.each(table)("%s", (base, kind) => {
  const name = nameOf(base, kind);

  it("is found by its name, wherever it was measured and whatever ran it", () => {
    expect(kindOf(name)).toBe(kind);
    expect(originOf(name)).toBe(kind.from);
    for (const runtime of [null, "llama.cpp"])
      for (const batch of kind.per === "context" ? [1, 4] : [1]) {
        const parts = { ...parseMetricName(name), batch, runtime };
        expect(parseMetricName(metricName(parts))).toEqual(parts);
        expect(kindOf(metricName(parts))).toBe(kind);
      }
  });

  it("has words for readers", () => {
    expect(kind.description).not.toBe("");
    expect(metricLabel(name)).toMatch(/^[A-Z].*[a-zA-Z)]/);
    expect(metricLabel(name)).toContain(kind.label);
    expect(shortLabel(name)[0]).toContain(kind.short);
    expect(formatValue(12_345.678, kind.unit)).toMatch(/\d/);
  });

  it.runIf(kind.alias !== undefined)(
    "is meant by its alias in a budget, with every suffix of its unit",
    () => {
      const context = { known: new Map([[name, kind]]), objectives: [], device: undefined };
      for (const suffix of ["", ...Object.keys(unitOf(kind.unit).suffixes ?? {})]) {
        const [budget] = parseBudgets(`${kind.alias}=2${suffix}`, context);
        const bound = kind.direction === "min" ? "max" : "min";
        expect(budget).toEqual({ metric: name, [bound]: expect.any(Number) });
      }
    },
  );
});

it("every measured metric comes from a result, or is one that the agent may leave out", () => {
  const result = {
    ...{ batch: 1, loadMs: 3, memory: { peakBytes: 900, anonBytes: 800, fileBytes: 100, swapBytes: 0 } },
    contexts: [
      {
        ...{ context: 64, warmups: 0, stable: true },
        ...{
          ttftMs: [50, 52],
          prefillMs: [49, 51],
          decodeMs: [
            [10, 11, 12],
            [10, 10, 30],
          ],
        },
      },
    ],
  } as unknown as MeasureResult;
  const names = deviceMetrics(result, "phone").map((metric) => metric.name);
  const missing = [...contextMetrics, ...runMetrics].filter(
    (base) => !names.some((name) => parseMetricName(name).base === base),
  );
  const optional = SAMPLE_FIELDS.filter((field) => !(field in result.contexts[0]!));
  expect(missing.length).toBeLessThanOrEqual(optional.length);
});

it.each(countedMetrics)("%s is counted without a device", (base) => {
  const context = metricKinds[base].per === "context" ? 1024 : null;
  const found = staticMetric(metricName({ base, context }), namedLayouts["lfm2-350m"]!, "q4_0");
  expect(found).toMatchObject({ unit: metricKinds[base].unit, value: expect.any(Number) });
});

it("every score of a task is in the table", () => {
  const scores = Object.values(tasks).flatMap((task) => task.scores.map(({ name }) => name));
  expect(scores.filter((name) => metricKinds[name].from !== "trained")).toEqual([]);
});

describe("a name", () => {
  it.each([
    ["decodeP50Ms@1024x4:phone/llama.cpp", "decodeP50Ms", 1024, 4, "phone", "llama.cpp"],
    ["peakBytes:phone/onnxruntime", "peakBytes", null, 1, "phone", "onnxruntime"],
    ["ttftMs@64/llama.cpp", "ttftMs", 64, 1, null, "llama.cpp"],
    ["ttftMs@64:my phone:2", "ttftMs", 64, 1, "my phone:2", null],
  ])("%s is read and written", (name, base, context, batch, device, runtime) => {
    expect(parseMetricName(name)).toEqual({ base, context, batch, device, runtime });
    expect(metricName({ base, context, batch, device, runtime })).toBe(name);
  });

  it("says on which device and by which engine", () => {
    expect(metricLabel("decodeP50Ms@1024x4:phone/llama.cpp")).toBe(
      "Median time per token at 1K batch 4 on phone (llama.cpp)",
    );
    expect(shortLabel("ttftMs@1024:phone/llama.cpp")).toEqual(["TTFT", "1K phone/llama.cpp"]);
    expect(withoutDevice("ttftMs@64:phone/llama.cpp")).toBe("ttftMs@64/llama.cpp");
    expect(onDevice("ttftMs@64/llama.cpp", "phone")).toBe("ttftMs@64:phone/llama.cpp");
  });

  it.each(["text@25%.loss", "a b c", "toString", "a:", ""])("%j of no known form is kept", (name) => {
    expect(metricName(parseMetricName(name))).toBe(name);
    expect(originOf(name)).not.toBe("measured");
    expect(metricLabel(name)).toEqual(expect.any(String));
  });
});
