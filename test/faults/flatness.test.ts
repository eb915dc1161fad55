// Tests the soak's own memory check: what it accepts and what it reports.
import { expect, it } from "vitest";
import { createRng } from "../../search/rng.ts";
import { allowed, growth, type MemorySample } from "./flatness.ts";

/**
 * A minute of 2,000 jobs: a cache that fills, garbage of up to a megabyte, and `leak` bytes per job that
 * stay.
 */
function samples(leak: number): MemorySample[] {
  const rng = createRng(1);
  return Array.from({ length: 60 }, (_, second) => {
    const jobs = second * 34;
    const bytes = 50e6 + Math.min(jobs, 300) * 20e3 + rng.next() * 1e6 + jobs * leak;
    const answer = second % 11 === 0 ? 17e6 : 0;
    // The collector does not free garbage at once.
    return {
      jobs,
      rssBytes: bytes + rng.next() * 60e6 * (second % 7 === 0 ? 0 : 1),
      liveBytes: bytes + answer,
    };
  });
}

it("a cache that fills is flat; a kilobyte a job is not", () => {
  const [live, resident] = [allowed(2006, "liveBytes")!, allowed(2006, "rssBytes")!];
  expect(Math.abs(growth(samples(0), "liveBytes"))).toBeLessThan(live);
  expect(Math.abs(growth(samples(0), "rssBytes"))).toBeLessThan(resident);
  expect(growth(samples(1000), "liveBytes")).toBeGreaterThan(live);
  expect(growth(samples(6000), "rssBytes")).toBeGreaterThan(resident);
  expect(allowed(500, "liveBytes")).toBe(4 * live);
  expect(allowed(500, "rssBytes")).toBeNull();
});
