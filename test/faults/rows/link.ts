// Rows of the fault matrix: network and sshd are reset, silent or gone.
import { expect } from "vitest";
import { until } from "../../support/agents.ts";
import { agentsOf, eventsOf, faultsOf } from "../farm.ts";
import type { FaultMatrix } from "../matrix.ts";

export function linkRows({ atJob, expectCalm, row, run }: FaultMatrix): void {
  row("network reset during a run", "job lost, retried; the agent there dies", async (place) => {
    place.a.script({ jobMs: 100 });
    await run(place, { listen: atJob(2, () => place.a.proxy.reset()) });
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
    await until("no agent is left", () => agentsOf(place.a).length === 0);
  });
  row("silent drop during a run", "noticed < 60 s, retried", async (place) => {
    place.a.script({ jobMs: 100 });
    let frozen = 0;
    let noticed = 0;
    const freeze = atJob(2, () => {
      place.a.proxy.freeze();
      frozen = performance.now();
    });
    await run(place, {
      listen: (event, store) => {
        freeze(event, store);
        if (event.kind !== "device-state" || noticed > 0) return;
        noticed = performance.now() - frozen;
        place.a.proxy.thaw();
      },
    });
    expectCalm(place);
    expect(noticed).toBeGreaterThan(1000);
    expect(noticed).toBeLessThan(60_000);
  });
  row("network reset during an upload", "upload lost; the next run sends it whole", async (place) => {
    place.a.proxy.after(6000, "reset");
    await expect(run(place)).rejects.toMatchObject({
      code: expect.stringMatching(/transport-lost|unreachable/),
    });
    await run(place);
    expectCalm(place);
  });
  row("silent drop during an upload", "noticed < 60 s; nothing half there is run", async (place) => {
    place.a.proxy.after(6000, "freeze");
    const start = performance.now();
    await expect(run(place)).rejects.toMatchObject({
      code: expect.stringMatching(/transport-lost|unreachable/),
    });
    expect(performance.now() - start).toBeLessThan(60_000);
    place.a.proxy.thaw();
    await run(place);
    expectCalm(place);
  });
  row("sshd's session killed", "job lost, retried", async (place) => {
    place.a.script({ jobMs: 100 });
    await run(place, { listen: atJob(2, () => place.a.sshd.killSessions()) });
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
  });
  row("sshd gone for a while", "waits, comes back through the sentinel", async (place) => {
    place.a.script({ jobMs: 100 });
    await run(place, {
      listen: atJob(2, () => {
        place.a.sshd.killListener();
        place.a.sshd.killSessions();
        setTimeout(() => void place.a.sshd.restart(), 2500);
      }),
    });
    expectCalm(place);
    expect(faultsOf(place.db, "a").length).toBeGreaterThanOrEqual(3);
    expect(eventsOf(place.db, "restored")).toEqual([{ device: "a", cause: "sentinel-passed" }]);
  });
}
