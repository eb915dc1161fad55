// The short form of bench:conclusions -- --only confirm: fewer simulated sweeps, with limits as wide as their
// number requires.
import { expect, it } from "vitest";
import { agreementOf } from "../bench/conclusions/agreement.ts";
import { confirmRows } from "../bench/conclusions/confirm.ts";

it("page and command line choose the same layouts for the same reasons in every made-up sweep", () => {
  for (const seed of [11, 12]) {
    const { same, of } = agreementOf({ runs: 60, seed });
    expect(of).toBe(180);
    expect(same).toBe(of);
  }
});

it("confirmed values are not too good, their intervals hold, and few confirmed layouts are over budget", async () => {
  const rows = await confirmRows({ runs: 60, seed: 5 });
  const of = (name: string): number => rows.find((row) => row.name.includes(name))!.value;
  expect(of("for contrast, bias")).toBeGreaterThan(0.8);
  expect(Math.abs(of("|bias|"))).toBeLessThan(0.15);
  expect(of("intervals of the quality")).toBeGreaterThan(0.9);
  expect(of("intervals of the time")).toBeGreaterThan(0.9);
  expect(of("for contrast, the sweep's first choice")).toBeGreaterThan(0.15);
  expect(of("confirmed choice truly over")).toBeLessThan(0.05);
}, 60_000);
