// Rows of the fault matrix: an agent that dies, hangs, floods or lies, scripted and real.
import { expect } from "vitest";
import { childrenOf, isAlive, until } from "../../support/agents.ts";
import { agentsOf, faultsOf, left } from "../farm.ts";
import { type FaultMatrix, REAL, TRIALS } from "../matrix.ts";

export function agentRows({ atJob, calm, expectCalm, real, row, run }: FaultMatrix): void {
  row("real agent killed -9, its child too", "job lost, retried; no orphan", async (place) => {
    // The requests only: conduct and kernels differ for the real agent.
    const asked = (rows: readonly unknown[]) =>
      rows.map((row) => {
        const { conduct: _conduct, isa: _isa, ...request } = JSON.parse((row as { request: string }).request);
        return request;
      });
    const pids: number[] = [];
    await run(place, {
      binary: await real(),
      farm: REAL,
      listen: atJob(2, () => {
        for (const pid of agentsOf(place.a)) {
          pids.push(pid, ...childrenOf(pid));
          process.kill(pid, "SIGKILL");
        }
      }),
    });
    expect(pids.length).toBeGreaterThan(0);
    await until("agent and child are gone", () => !pids.some(isAlive));
    expect(left(place.db).trials).toEqual(calm("a").trials);
    expect(asked(left(place.db).measurements)).toEqual(asked(calm("a").measurements));
  });
  row("real agent stopped (SIGSTOP)", "its silence ends the session, retried", async (place) => {
    let stopped: number[] = [];
    const stop = atJob(2, () => {
      stopped = agentsOf(place.a);
      for (const pid of stopped) process.kill(pid, "SIGSTOP");
    });
    await run(place, {
      binary: await real(),
      farm: REAL,
      listen: (event, store) => {
        stop(event, store);
        if (event.kind === "device-state") for (const pid of stopped.splice(0)) process.kill(pid, "SIGKILL");
      },
    });
    expect(left(place.db).trials).toEqual(calm("a").trials);
    expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
  });
  for (const [how, cause, required] of [
    ["kill", "transport-lost", "agent killed -9: job lost, retried"],
    ["exit", "transport-lost", "agent ends: job lost, retried"],
    ["truncated", "transport-lost", "half an answer: nothing kept, retried"],
    ["garbage", "protocol", "session ended, nothing kept, retried"],
    ["oversized", "protocol", "capped, session ended, retried"],
    ["flood", "protocol", "capped, session ended, retried"],
    ["heartbeats", "protocol", "their rate is limited, session ended, retried"],
    ["hang", "transport-lost", "silence ends the session, retried"],
    ["disk-error", "io", "device's fault, retried"],
    ["unavailable", "unavailable", "kernels that the device lacks now: its fault, retried"],
  ] as const) {
    row(`agent: ${how}`, required, async (place) => {
      place.a.script({ jobs: { 2: how, 4: how } });
      const before = process.memoryUsage().rss;
      await run(place);
      expectCalm(place);
      expect(faultsOf(place.db, "a")).toEqual([cause, cause]);
      expect(place.a.jobs()).toBe(TRIALS + 2);
      expect(process.memoryUsage().rss - before).toBeLessThan(600e6);
      await until("no agent is left", () => agentsOf(place.a).length === 0);
    });
  }
}
