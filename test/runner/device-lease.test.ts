// Two coordinators on one database: a device is held by one of them at a time, handed over on request, and
// seized from a silent holder, which notices. The monotonic clock judges waiting.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DeviceLeases, LeaseLostError } from "../../runner/farm/device-lease.ts";
import { Store } from "../../runner/store/store.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const timing = { ttlMs: 400, renewMs: 50, pollMs: 10, idleMs: 20 };
const never = new AbortController().signal;
let folder: ReturnType<typeof temporaryFolder>;
let stores: Store[];
beforeEach(() => {
  folder = temporaryFolder();
  stores = [0, 1].map(() => Store.open(join(folder.path, "t.db")));
});
afterEach(() => {
  for (const store of stores) store.close();
  folder.remove();
});

describe("leases of two coordinators", () => {
  it("alternate when both want the device, and never overlap", async () => {
    let inside = 0;
    const order: number[] = [];
    const work = async (store: Store, who: number) => {
      const leases = new DeviceLeases(store.leases, timing);
      for (let i = 0; i < 5; i++) {
        const hold = await leases.hold("phone", never);
        expect(++inside).toBe(1);
        await sleep(5);
        order.push(who);
        inside--;
        hold.release();
      }
      leases.close();
    };
    await Promise.all(stores.map((store, who) => work(store, who)));
    expect(order).toHaveLength(10);
    const turns = order.filter((who, i) => i > 0 && who !== order[i - 1]).length;
    expect(turns).toBeGreaterThanOrEqual(3);
  });

  it("are kept through renewals during a long job", async () => {
    const [a, b] = stores.map((store) => new DeviceLeases(store.leases, timing)) as [
      DeviceLeases,
      DeviceLeases,
    ];
    const hold = await a.hold("phone", never);
    let waited = 0;
    const abort = new AbortController();
    const other = b.hold("phone", abort.signal, () => waited++);
    await sleep(3 * timing.ttlMs);
    expect(hold.lost.aborted).toBe(false);
    expect(waited).toBe(1);
    abort.abort();
    await expect(other).rejects.toThrow();
    hold.release();
    expect(stores[0]!.leases.find("phone")!.wanted).toBeNull();
    for (const leases of [a, b]) leases.close();
    expect(stores[0]!.leases.holder("phone")).toBeNull();
  });

  it("pass on when their holder is silent, and the holder's job then does not count", async () => {
    // A holder that never renews: its process lives, but hangs.
    const hung = new DeviceLeases(stores[0]!.leases, { ...timing, renewMs: 60_000 });
    const hold = await hung.hold("phone", never);
    const next = new DeviceLeases(stores[1]!.leases, timing);
    const start = performance.now();
    const taken = await next.hold("phone", never);
    expect(performance.now() - start).toBeGreaterThan(timing.ttlMs);
    expect(taken.proof.token).toBe(hold.proof.token + 1);
    expect(stores[0]!.leases.renew()).toEqual([]);
    hold.release();
    hung.close();
    expect(stores[1]!.leases.holder("phone")).toBe(stores[1]!.leases.self);

    const awake = new DeviceLeases(stores[0]!.leases, timing);
    const token = stores[0]!.leases.seize(stores[0]!.leases.find("phone")!);
    expect(token).toBe(taken.proof.token + 1);
    await new Promise<void>((resolve) => taken.lost.addEventListener("abort", () => resolve()));
    expect(taken.lost.reason).toBeInstanceOf(LeaseLostError);
    awake.close();
    next.close();
  });

  it("do not depend on the wall clock", async () => {
    const real = Date.now;
    const a = new DeviceLeases(stores[0]!.leases, timing);
    const b = new DeviceLeases(stores[1]!.leases, timing);
    try {
      const hold = await a.hold("phone", never);
      let granted = false;
      const other = b.hold("phone", never).then((next) => {
        granted = true;
        return next;
      });
      for (const jump of [-1e9, 1e9]) {
        Date.now = () => real() + jump;
        await sleep(timing.ttlMs);
        expect([granted, hold.lost.aborted]).toEqual([false, false]);
      }
      hold.release();
      (await other).release();
    } finally {
      Date.now = real;
      a.close();
      b.close();
    }
  });
});
