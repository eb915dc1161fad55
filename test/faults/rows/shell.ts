// Rows of the fault matrix: shells that print text, servers that allow one channel, and devices that send
// slowly.
import { expect } from "vitest";
import { makesLogins } from "../../support/sshd.ts";
import { agentsOf, faultsOf, left } from "../farm.ts";
import { type FaultMatrix, REAL, TRIALS } from "../matrix.ts";

export function shellRows({ calm, expectCalm, real, row, run }: FaultMatrix): void {
  // Only a login created for the test may get other start-up files.
  for (const [what, script] of makesLogins
    ? [
        [
          "banner, title and message of the day",
          "printf 'Welcome\\n\\033]0;lab7\\007'; seq 2000; printf 'no end'",
        ],
        [
          "messages while it measures",
          "(while sleep 0.2; do echo message; printf '\\033]0;lab7\\007'; done) &",
        ],
      ]
    : []) {
    row(`shell prints: ${what}`, "passed over, no fault", async (place) => {
      place.a.sshd.setStartUp(`${script}\n`);
      place.a.script({ jobMs: 300 });
      try {
        await run(place);
      } finally {
        place.a.sshd.setStartUp("");
      }
      expectCalm(place);
      expect(faultsOf(place.db, "a")).toEqual([]);
    });
  }
  row(
    "server bears one channel (MaxSessions 1)",
    "SFTP ends before the agent starts; agent killed: retried",
    async (place) => {
      await place.a.sshd.restart({ config: { MaxSessions: 1 } });
      let begun = 0;
      try {
        await run(place, {
          binary: await real(),
          farm: REAL,
          // At once, because a real measurement of such a small layout takes milliseconds.
          listen: (event) => {
            if (event.kind !== "job" || !event.text.startsWith("measuring") || ++begun !== 2) return;
            for (const pid of agentsOf(place.a)) process.kill(pid, "SIGKILL");
          },
        });
      } finally {
        await place.a.sshd.restart();
      }
      expect(left(place.db).trials).toEqual(calm("a").trials);
      expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
    },
  );
  row("agent: a line a byte at a time", "its memory stays that of its bytes; retried", async (place) => {
    place.a.script({ jobs: { 2: "bytes" } });
    const before = process.memoryUsage().rss;
    await run(place);
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toHaveLength(1);
    expect(place.a.jobs()).toBe(TRIALS + 1);
    expect(process.memoryUsage().rss - before).toBeLessThan(600e6);
  });
}
