// A comparison is made once while the database is unchanged, and not repeatedly while it changes.
import { expect, it } from "vitest";
import { Comparisons } from "../../runner/ui/comparisons.ts";

/** A database and a clock that the test moves. */
function scene() {
  const at = { revision: 1, ms: 0, made: 0 };
  const comparisons = new Comparisons(
    () => at.revision,
    () => at.ms,
  );
  const ask = (name = "a b") =>
    comparisons.get(name, () => {
      at.ms += 100;
      return `${name} ${++at.made}`;
    });
  return { at, ask };
}

it("is kept while nothing changes", () => {
  const { at, ask } = scene();
  expect([ask(), ask(), ask("b a"), ask()]).toEqual(["a b 1", "a b 1", "b a 2", "a b 1"]);
  at.ms += 1e9;
  expect(ask()).toBe("a b 1");
});

it("is made anew after a change, 19 times its cost later at the earliest", () => {
  const { at, ask } = scene();
  ask();
  at.revision++;
  expect(ask()).toBe("a b 1");
  at.ms += 1899;
  expect(ask()).toBe("a b 1");
  at.ms += 1;
  expect(ask()).toBe("a b 2");
});

it("forgets the oldest of many", () => {
  const { at, ask } = scene();
  for (let n = 0; n < 17; n++) ask(`x ${n}`);
  expect(at.made).toBe(17);
  ask("x 16");
  expect(at.made).toBe(17);
  ask("x 0");
  expect(at.made).toBe(18);
});
