// Texts on plots and pages: their places, and the wording of a stored reason.
import { expect, test } from "vitest";
import { busyShare } from "../../reports/client/busy.ts";
import { readableReason } from "../../reports/front.ts";
import { side, titleLines } from "../../reports/labels.ts";
import type { ReportOverBudget } from "../../reports/report-model.ts";
import { testReportData } from "../support/report-data.ts";

test("a label leaves the edge it would be cut by, and stays centred elsewhere", () => {
  expect(side(1, "LFM2-350M pattern", 276)).toBe("left");
  expect(side(0, "LFM2-350M pattern", 276)).toBe("right");
  expect(side(0.5, "LFM2-350M pattern", 276)).toBe("center");
  expect(side(1, "F1", 276)).toBe("center");
});

test("titles break between words only", () => {
  expect(titleLines("Median time per token at 1K", 20)).toEqual(["Median time per", "token at 1K"]);
  expect(titleLines("Recall accuracy", 20)).toEqual(["Recall accuracy"]);
  expect(titleLines("unbreakablylongnameofametric x", 10)).toEqual(["unbreakablylongnameofametric", "x"]);
});

test("overlapping work counts once", () => {
  const span = (startMs: number, endMs: number) => ({ startMs, endMs });
  expect(busyShare([span(0, 10), span(5, 20), span(7, 9), span(30, 40)], 40)).toBe(0.75);
  expect(busyShare([], 40)).toBe(0);
});

test("writes an over-budget reason with names and units; other reasons stay unchanged", () => {
  const data = testReportData();
  const over = (again: "measured" | null, ...violations: ReportOverBudget["violations"]) =>
    readableReason({ reason: "the stored sentence", overBudget: { violations, again } }, data);
  const memory = { metric: "peakBytes:phone", limit: "max", bound: 268e6, value: 412_345_678 } as const;
  expect(over(null, memory)).toBe("Peak memory on phone is 412 MB, budget at most 268 MB");
  expect(over("measured", memory)).toBe(
    "Peak memory on phone is 412 MB, budget at most 268 MB, when it was measured once more",
  );
  expect(
    over(
      null,
      { metric: "recall.accuracy", limit: "min", bound: 0.5, value: 0.1 },
      { metric: "ttftMs@1024:laptop", limit: "max", bound: 920, value: 950.2 },
    ),
  ).toBe(
    "Recall accuracy is 0.100, budget at least 0.500; Time to first token at 1K on laptop is 950 ms, budget at most 920 ms",
  );
  expect(over(null, { metric: "unknown", limit: "max", bound: 4, value: 3 })).toMatch(
    / is 3, budget at most 4$/,
  );
  for (const reason of ["crashed: SIGILL", "peakBytes:phone is 3, budget max 2"])
    expect(readableReason({ reason }, data)).toBe(reason);
});
