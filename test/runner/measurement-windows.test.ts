// Measurement windows on a scripted device: throttling, heat, crashes and interruptions, and their effect on
// the results. Worker, session, store and decisions are real; only the device's numbers are scripted.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { profileNamed } from "../../runner/devices/profile.ts";
import { DeviceLeases } from "../../runner/farm/device-lease.ts";
import type { Measured } from "../../runner/farm/measurement/conduct.ts";
import { Store } from "../../runner/store/store.ts";
import type { AgentScript } from "../support/agent-script.ts";
import { conducts } from "../support/phone.ts";
import { phoneOfEachTest } from "../support/phone-of-each-test.ts";

const phones = phoneOfEachTest();
function phone(
  script: AgentScript,
  protocol: Record<string, unknown> = {},
  asked: Record<string, unknown> = { repetitions: 2 },
) {
  return phones.start(script, { protocol, asked });
}

// Measurements are numbered from 1: the baseline, the calibration run before the window, its candidates, the
// calibration run after.
describe("a window", () => {
  it("on an idle device measures all waiting layouts between two calibration runs", async () => {
    const device = phone({});
    const found = conducts(await device.measure());
    expect(found.map(({ flags }) => flags)).toEqual([[], [], []]);
    expect(found.map(({ place }) => place)).toEqual([0, 1, 2]);
    expect(found[0]).toMatchObject({
      windows: 1,
      contenders: 3,
      sentinel: { drift: 0 },
      readiness: { ready: true },
    });
    expect(found[0]!.rules).toMatchObject({
      readiness: { maxTemperatureC: 45 },
      sentinel: { driftTolerance: 0.03 },
    });
    expect(device.jobs()).toBe(6);
    expect(device.said).toEqual([]);
  });

  it("runs as the device's profile says where the sweep says nothing, and records it", async () => {
    const device = phone({}, { rounds: 2 }, { warmup: { max: 7 } });
    const [outcome] = await device.measure(1);
    if (outcome!.status === "rejected") throw outcome!.reason;
    const { repetitions, warmup, rounds, retries } = profileNamed("snapdragon");
    expect({ repetitions, rounds, retries }).toEqual({ repetitions: 5, rounds: 1, retries: 2 });
    const { request, result, conduct } = outcome!.value;
    expect(request).toMatchObject({ repetitions, warmup: { max: 7, tolerance: warmup.tolerance } });
    expect(conduct.rules).toMatchObject({ rounds: 2, retries });
    expect(result.contexts[0]!.ttftMs).toHaveLength(2 * repetitions);
  });

  it("runs the requested rounds in turn and keeps all samples", async () => {
    const device = phone({ slowdowns: { 5: 1.01, 6: 1.01 } }, { rounds: 2 });
    const outcomes = await device.measure(2);
    expect(conducts(outcomes).map(({ rounds }) => rounds.length)).toEqual([2, 2]);
    for (const outcome of outcomes) {
      const [one, two, three, four] = (outcome as PromiseFulfilledResult<Measured>).value.result.contexts[0]!
        .ttftMs;
      expect([two, four]).toEqual([one, three]);
      expect(three! / one!).toBeCloseTo(1.01, 6);
    }
  });

  it("is discarded and repeated if the device throttled", async () => {
    const device = phone({ slowdowns: { 5: 1.2 } });
    const found = conducts(await device.measure(2));
    expect(found.map(({ flags, windows }) => [flags, windows])).toEqual([
      [[], 2],
      [[], 2],
    ]);
    expect(device.jobs()).toBe(9);
    expect(device.events("window-void")).toHaveLength(1);
    expect(device.said.join()).toMatch(
      /calibration run changed by 20.0% .*: these measurements are discarded and will be repeated/,
    );
  });

  it("returns its layouts if the device keeps changing, or keeps and marks them on request", async () => {
    const restless = { slowdowns: { 4: 1.2, 7: 1.2, 10: 1.2, 13: 1.2 } };
    const device = phone(restless, { retries: 1 });
    const [refused] = await device.measure(1);
    expect(refused).toMatchObject({
      status: "rejected",
      reason: { code: "throttled", message: expect.stringMatching(/^calibration run changed by 20.0%/) },
    });
    const [only] = conducts(await device.measure(1, true));
    expect(only).toMatchObject({ flags: ["throttled"], windows: 2 });
    expect(only!.sentinel!.drift).toBeCloseTo(0.2, 10);
  });

  it("waits for a hot device to cool, and says so", async () => {
    const device = phone({ temperatures: [60, 50, 40] });
    const [only] = conducts(await device.measure(1));
    expect(only!.flags).toEqual([]);
    expect(only!.readiness!.looks.map(({ temperatureC }) => temperatureC)).toEqual([60, 50, 40]);
    expect(device.said).toEqual([
      "device phone is busy (60 C, limit 45 C): waiting up to 1 s. Change: measure.protocol.readiness, or --no-wait",
    ]);
    expect(device.store.health.deviceHealth("phone").temperatureC).toBe(40);
  });

  it("lets another coordinator use a device that is not at rest, and measures after it", async () => {
    const device = phone(
      { temperatures: [60, 60, 40] },
      { readiness: { pollSeconds: 0.3, deadlineSeconds: 30 } },
    );
    const measuring = device.measure(1);
    while (device.said.length === 0) await sleep(10);
    const other = Store.open(join(phones.folder, "t.db"));
    const leases = new DeviceLeases(other.leases, { pollMs: 5, idleMs: 5 });
    const asked = performance.now();
    const hold = await leases.hold("phone", new AbortController().signal);
    // Soon, and not after the whole wait, because the device was free meanwhile.
    expect(performance.now() - asked).toBeLessThan(1000);
    const held = hold.proof.token;
    await sleep(400);
    hold.release();
    leases.close();
    const [only] = await measuring;
    expect(only).toMatchObject({ status: "fulfilled" });
    const { lease } = (only as PromiseFulfilledResult<Measured>).value;
    // Measured under a lease of its own after the other's, so that its result is kept.
    expect(lease.token).toBeGreaterThan(held);
    expect(device.store.leases.find("phone")!.token).toBe(lease.token);
    other.close();
  });

  it("waits until the calibration run is back at its baseline", async () => {
    const device = phone({ slowdowns: { 2: 1.1, 3: 1.05 } });
    const [only] = conducts(await device.measure(1));
    expect(only!.readiness!.looks.map(({ slowdown }) => Number(slowdown!.toFixed(6)))).toEqual([
      1.1, 1.05, 1,
    ]);
  });

  it("does not begin while the device stays hot, unless that is allowed", async () => {
    const device = phone({ temperatures: [60] });
    for (const outcome of await device.measure(2))
      expect(outcome).toMatchObject({ reason: { code: "throttled", message: "60 C, limit 45 C" } });
    expect(device.jobs()).toBe(1); // the baseline
    const [only] = conducts(await device.measure(1, true));
    expect(only).toMatchObject({ flags: ["not-ready"], readiness: { ready: false } });
  });

  it("never waits if the device's profile does not: it measures and marks", async () => {
    const device = phone({ temperatures: [60] }, { retries: 0, readiness: { deadlineSeconds: 0 } });
    const [only] = conducts(await device.measure(1));
    expect(only).toMatchObject({ flags: ["not-ready"], windows: 1 });
  });

  it("waits for the predicted memory of the largest layout and a margin", async () => {
    const device = phone({ availableBytes: [1000, 1000, 4e9] });
    const [only] = conducts(await device.measure(1));
    expect(only).toMatchObject({ flags: [], readiness: { availableBytes: 4e9, looks: { length: 3 } } });
    expect(device.said.join()).toMatch(/0 MB of memory are free, \d+ MB needed/);
  });

  it("loses only the candidate that crashes", async () => {
    const device = phone({ jobs: { 4: "crash" } });
    const outcomes = await device.measure();
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((outcomes[1] as PromiseRejectedResult).reason).toMatchObject({
      code: "crashed",
      blame: "candidate",
    });
  });

  it("gives no result if it breaks off, and the next one is unaffected", async () => {
    const device = phone({ jobs: { 4: "exit" } });
    const outcomes = await device.measure();
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    for (const outcome of outcomes)
      expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: "transport-lost" });
    expect(conducts(await device.measure()).map(({ flags }) => flags)).toEqual([[], [], []]);
  });

  it("without checks measures each layout separately", async () => {
    const device = phone({}, { guarded: false });
    const found = conducts(await device.measure());
    expect(found[0]).toMatchObject({ contenders: 1, readiness: null, sentinel: null, windows: 1 });
    expect(device.jobs()).toBe(3);
  });
});

describe("a comparison", () => {
  it("waits before each pair until the device is at rest", async () => {
    const device = phone({ temperatures: [60, 50, 40] });
    const { pairs, voided, voidFlags } = await device.compare();
    expect([pairs.length, voided, voidFlags]).toEqual([10, 0, {}]);
    expect(device.said).toEqual([
      "device phone is busy (60 C, limit 45 C): waiting up to 1 s. Change: measure.protocol.readiness, or --no-wait",
    ]);
    // The baseline, and a calibration run before each pair.
    expect(device.jobs()).toBe(1 + 10 * 3);
  });

  it("ends on a device that stays hot, and names the reason", async () => {
    const device = phone({ temperatures: [60] }, { readiness: { pollSeconds: 0.01, deadlineSeconds: 0.01 } });
    await expect(device.compare()).rejects.toMatchObject({
      code: "device-unsteady",
      message: expect.stringMatching(/the device was busy or hot 6 times.*let it cool/),
    });
  });
});
