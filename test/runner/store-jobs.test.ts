// Jobs, leases and the health of devices in the store: who may store a result, who holds a device, and when a
// device is taken out of use.
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TrainResult } from "../../profilers/protocol.ts";
import { measurementOn, trainingOf } from "../../runner/store/job-target.ts";
import { type LeaseProof, LeaseTable } from "../../runner/store/lease-table.ts";
import { Store } from "../../runner/store/store.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { storeWithSweep } from "../support/small-store.ts";

let folder: ReturnType<typeof temporaryFolder>;
let path: string;
beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, "t.db");
});
afterEach(() => folder.remove());

const withSweep = () => storeWithSweep(path);

const leaseOn = (store: Store): LeaseProof => ({ device: "local", token: store.leases.take("local")! });

describe("jobs", () => {
  const result = { steps: 1 } as unknown as TrainResult;
  const record = { task: "t", seed: 1, agentSha256: "a", request: {}, result };

  it("store a result once; a result of an earlier start is refused", () => {
    const { store, trialId } = withSweep();
    const lease = leaseOn(store);
    const first = store.jobs.start(trialId, trainingOf("t", 1), "local");
    const second = store.jobs.start(trialId, trainingOf("t", 1), "local");
    expect(second.fence).toBe(first.fence + 1);
    expect(store.jobs.finishScore(first, lease, record)).toBe(false);
    expect(store.jobs.isDone(trialId, trainingOf("t", 1))).toBe(false);
    expect(store.jobs.finishScore(second, lease, record)).toBe(true);
    expect(store.jobs.finishScore(second, lease, record)).toBe(false);
    expect(store.jobs.scores(trialId, "t")).toHaveLength(1);
    expect(() => store.jobs.start(trialId, trainingOf("t", 1), "local")).toThrow(/done already/);
    store.close();
  });

  it("that failed may run again, and a late failure of an earlier start changes nothing", () => {
    const { store, trialId } = withSweep();
    const lease = leaseOn(store);
    const first = store.jobs.start(trialId, trainingOf("t", 1), "local");
    const second = store.jobs.start(trialId, trainingOf("t", 1), "local");
    store.jobs.fail(first, "lost", "transport-lost", "gone");
    expect(store.jobs.finishScore(second, lease, record)).toBe(true);
    store.close();
  });

  it("refuse a result whose device was granted to another coordinator since", () => {
    const { store, trialId } = withSweep();
    const other = Store.open(path);
    const lease = leaseOn(store);
    const job = store.jobs.start(trialId, trainingOf("t", 1), "local");
    expect(other.leases.take("local")).toBeNull();
    const token = other.leases.seize(other.leases.find("local")!);
    expect(token).toBe(lease.token + 1);
    expect(store.jobs.finishScore(job, lease, record)).toBe(false);
    expect(store.jobs.isDone(trialId, trainingOf("t", 1))).toBe(false);
    expect(store.leases.renew()).toEqual([]);
    other.close();
    store.close();
  });

  it("never leave a metric that is not a number", () => {
    const { store, trialId } = withSweep();
    const metric = { name: "m", value: Number.NaN, unit: "ms", samples: [], stable: true };
    expect(() => store.metrics.put(trialId, [metric])).toThrow(/NOT NULL/);
    store.close();
  });
});

describe("leases", () => {
  it("have one holder, tokens that only grow, and a next in line that is served first", () => {
    const [a, b, c] = [Store.open(path), Store.open(path), Store.open(path)];
    expect(a.leases.take("phone")).toBe(1);
    expect(b.leases.take("phone")).toBeNull();
    b.leases.want("phone");
    c.leases.want("phone");
    expect(a.leases.find("phone")).toMatchObject({ holder: a.leases.self, wanted: b.leases.self });
    a.leases.release({ device: "phone", token: 1 });
    expect(a.leases.take("phone")).toBeNull();
    expect(c.leases.take("phone")).toBeNull();
    expect(b.leases.take("phone")).toBe(2);
    a.leases.release({ device: "phone", token: 1 }); // too late, so nothing changes
    expect(a.leases.holder("phone")).toBe(b.leases.self);
    for (const store of [a, b, c]) store.close();
  });

  it("are seized only from a holder that did not move since", () => {
    const [a, b] = [Store.open(path), Store.open(path)];
    a.leases.take("phone");
    const seen = b.leases.find("phone")!;
    expect(a.leases.renew()).toEqual([{ device: "phone", token: 1 }]);
    expect(b.leases.seize(seen)).toBeNull();
    expect(LeaseTable.abandoned(seen)).toBe(false);
    const owner = JSON.parse(seen.holder!) as Record<string, unknown>;
    const holder = (changes: object) => ({ ...seen, holder: JSON.stringify({ ...owner, ...changes }) });
    expect(LeaseTable.abandoned(holder({ pid: 2 ** 22 + 1 }))).toBe(true);
    // The pid now belongs to another process.
    expect(LeaseTable.abandoned(holder({ started: "1" }))).toBe(true);
    // Another machine or container: its state is unknown.
    expect(LeaseTable.abandoned(holder({ boot: "x", pid: 2 ** 22 + 1 }))).toBe(false);
    expect(LeaseTable.abandoned(holder({ space: "pid:[1]", pid: 2 ** 22 + 1 }))).toBe(false);
    expect(b.leases.seize(b.leases.find("phone")!)).toBe(2);
    for (const store of [a, b]) store.close();
  });
});

describe("the health of devices", () => {
  const fault = { cause: "transport-lost", reason: "the connection was lost" };

  it("counts faults, quarantines at the third, and forgives them when it is restored", () => {
    const store = Store.open(path);
    const { health } = store;
    expect(health.deviceHealth("phone")).toMatchObject({ state: "ready", recentFaults: 0, lastFault: null });
    expect(health.recordDeviceFault("phone", fault)).toBe(false);
    expect(health.deviceHealth("phone")).toMatchObject({ state: "lost", reason: fault.reason });
    health.ready("phone");
    expect(health.state("phone").state).toBe("ready");
    expect(health.recordDeviceFault("phone", fault)).toBe(false);
    expect(health.recordDeviceFault("phone", { ...fault, cause: "protocol" })).toBe(true);
    health.ready("phone");
    expect(health.deviceHealth("phone")).toMatchObject({
      state: "quarantined",
      readmission: "sentinel",
      recentFaults: 3,
      lastFault: { cause: "protocol" },
    });
    health.restore("phone", "sentinel-passed");
    expect(health.deviceHealth("phone")).toMatchObject({ state: "ready", recentFaults: 0 });
    expect(health.recordDeviceFault("phone", fault)).toBe(false);
    store.close();
  });

  it("forgets faults older than a day, whatever else happened", () => {
    const store = Store.open(path);
    for (let i = 0; i < 2; i++) store.health.recordDeviceFault("phone", fault);
    const db = new Database(path);
    db.exec("UPDATE events SET created_at = '2020-01-01T00:00:00.000Z'");
    db.close();
    expect(store.health.recordDeviceFault("phone", fault)).toBe(false);
    expect(store.health.deviceHealth("phone").recentFaults).toBe(1);
    store.close();
  });

  it("knows its queue, a restart by the boot id, its temperature, and a quarantine by hand", () => {
    const { store, sweepId, trialId } = withSweep();
    const { health } = store;
    const second = store.trials.batch(sweepId, 0)[1]!.id;
    store.jobs.start(trialId, measurementOn("phone"), "phone");
    store.jobs.start(second, measurementOn("phone"), "phone");
    expect(health.deviceHealth("phone")).toMatchObject({ state: "busy", queued: 1 });
    store.sweeps.release(sweepId); // no process runs the sweep now
    expect(health.deviceHealth("phone")).toMatchObject({ state: "ready", queued: 0 });
    expect(health.sawBoot("phone", "a")).toBe(false);
    expect(health.sawBoot("phone", "a")).toBe(false);
    expect(health.sawBoot("phone", "b", { sweepId })).toBe(true);
    health.sawTemperature("phone", 34.5);
    health.quarantine("phone", "its battery swells");
    expect(health.deviceHealth("phone")).toMatchObject({
      state: "quarantined",
      readmission: "restore",
      reason: "its battery swells",
      temperatureC: 34.5,
      bootId: "b",
    });
    expect(store.events(sweepId).at(-1)).toMatchObject({
      kind: "rebooted",
      device: "phone",
      cause: "boot-id",
    });
    store.close();
  });
});
