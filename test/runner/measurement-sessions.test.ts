// A candidate measured in several windows on a scripted device. Tests what counts as a session, which windows
// are repeated, processor time lost to others, and the blame when a device contradicts itself.
import { describe, expect, it } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import { deviceMetrics } from "../../profilers/device-metrics.ts";
import { drawOrder } from "../../profilers/window.ts";
import { policies, routeFault } from "../../runner/farm/faults.ts";
import { trustOf } from "../../runner/sweep/trial-jobs.ts";
import { createRng } from "../../search/rng.ts";
import { conducts } from "../support/phone.ts";
import { phoneOfEachTest } from "../support/phone-of-each-test.ts";

const phones = phoneOfEachTest();
const phone = phones.start;

const fulfilled = <T>(outcome: PromiseSettledResult<T> | undefined): T => {
  if (outcome?.status !== "fulfilled") throw outcome?.reason;
  return outcome.value;
};

/** Disturbance as the agent reports it: one second on one CPU. */
const taken = (changes: Record<string, number | null>) => ({
  disturbance: {
    wallMs: 1000,
    cpus: 1,
    stealMs: 0,
    foreignMs: 0,
    stalledMs: 0,
    waitedMs: 0,
    throttledMs: 0,
    ...changes,
  },
});

// Measurements are numbered from 1: the baseline, then for each window a calibration run, its candidates, a
// calibration run.
describe("several windows", () => {
  it("share out the repetitions, others in between, in orders drawn anew and recorded", async () => {
    let seed = 0;
    const device = phone(
      {},
      { protocol: { windows: 3 }, asked: { repetitions: 3, warmup: { max: 3 } }, orderSeed: () => seed++ },
    );
    const outcomes = await device.measure();
    const found = conducts(outcomes);
    for (const { windows, flags, rounds } of found)
      expect([windows, flags, rounds.length]).toEqual([3, [], 3]);
    for (const outcome of outcomes) {
      const { request, result } = fulfilled(outcome);
      expect(request).toMatchObject({ repetitions: 1, warmup: { max: 1 } });
      expect(result.contexts[0]!.ttftMs).toHaveLength(3);
    }
    for (let window = 0; window < 3; window++) {
      const kept = found.map((conduct) => conduct.kept[window]!);
      expect(kept.map(({ orderSeed }) => orderSeed)).toEqual([window, window, window]);
      expect(kept.map(({ contenders }) => contenders)).toEqual([3, 3, 3]);
      // Repeated candidates are passed in the order of the previous window.
      expect(kept.map(({ place }) => place).toSorted()).toEqual([0, 1, 2]);
    }
    const order = drawOrder(3, createRng(0));
    expect(found.map(({ kept }) => kept[0]!.place)).toEqual([0, 1, 2].map((index) => order.indexOf(index)));
    // The baseline; three windows of three candidates, each between two calibration runs.
    expect(device.jobs()).toBe(1 + 3 * (2 + 3));
  });

  it("are one session however far apart: windows of one measurement differ by less than measurements do", async () => {
    const device = phone({ jobMs: 700 }, { protocol: { windows: 2 }, asked: { repetitions: 3 } });
    const { result, conduct } = fulfilled((await device.measure(1))[0]);
    expect(conduct.kept[1]!.afterMs).toBeGreaterThan(2000);
    for (const metric of deviceMetrics(result, "phone", trustOf(conduct)))
      expect(metric).not.toHaveProperty("sessions");
  });

  it("take a void one again by itself, and keep the others", async () => {
    // Measurement 7 is the calibration run after the second window.
    const device = phone({ slowdowns: { 7: 1.2 } }, { protocol: { windows: 3 }, asked: { repetitions: 3 } });
    const [only] = conducts(await device.measure(1));
    expect(only).toMatchObject({ windows: 4, flags: [], kept: { length: 3 } });
    expect(device.events("window-void")).toHaveLength(1);
    expect(device.jobs()).toBe(1 + 4 * 3);
  });

  it("that disagree are joined by one more, all samples kept and marked", async () => {
    const protocol = { windows: 3, retries: 1 };
    const device = phone({ slowdowns: { 3: 1.3 } }, { protocol, asked: { repetitions: 3 } });
    const { conduct, result } = fulfilled((await device.measure(1))[0]);
    expect(conduct).toMatchObject({ windows: 4, flags: ["unstable"], kept: { length: 4 } });
    const [first, ...others] = result.contexts[0]!.ttftMs;
    expect(others).toHaveLength(3);
    for (const other of others) expect(first! / other).toBeCloseTo(1.3, 6);
  });

  it("that generate different tokens are no result", async () => {
    const device = phone({ results: { 6: { outputHash: "ab" } } }, { protocol: { windows: 2 } });
    expect((await device.measure(1))[0]).toMatchObject({
      reason: { code: "invalid-measurement", blame: "candidate" },
    });
  });
});

it("several windows are no more than the repetitions that were asked for", async () => {
  const device = phone({}, { protocol: { windows: 3 }, asked: { repetitions: 1 } });
  const { conduct, result } = fulfilled((await device.measure(1))[0]);
  expect(conduct).toMatchObject({ windows: 1, rules: { windows: 1 } });
  expect(result.contexts[0]!.ttftMs).toHaveLength(1);
});

describe("what others take of the processor", () => {
  const stable = (outcome: PromiseSettledResult<Parameters<typeof measuredMetrics>[0]> | undefined) =>
    measuredMetrics(fulfilled(outcome)).find(({ name }) => name === "decodeP10Ms@32:phone")!.stable;
  const measuredMetrics = ({
    result,
    conduct,
  }: {
    result: Parameters<typeof deviceMetrics>[0];
    conduct: Parameters<typeof trustOf>[0];
  }) => deviceMetrics(result, "phone", trustOf(conduct));

  it.each([
    ["time stolen by a hypervisor", { stealMs: 600 }],
    ["ready threads that waited", { waitedMs: 900, stealMs: null }],
  ])("%s: measured again, and as good as any then", async (_what, changes) => {
    const device = phone({ results: { 3: taken(changes) } }, {});
    const [outcome] = await device.measure(1);
    expect(fulfilled(outcome).conduct).toMatchObject({ flags: [], windows: 2 });
    expect(stable(outcome)).toBe(true);
  });

  it("is marked where it does not end, and no number of it is plain", async () => {
    const much = taken({ waitedMs: 900 });
    const device = phone({ results: { 3: much, 6: much, 9: much } }, { protocol: { retries: 1 } });
    const [outcome] = await device.measure(1);
    const { conduct } = fulfilled(outcome);
    expect(conduct).toMatchObject({ flags: ["disturbed"], windows: 2 });
    expect(conduct.rounds[0]!.disturbance).toMatchObject({ waitedMs: 900, cpus: 1 });
    expect(stable(outcome)).toBe(false);
  });

  it.each([
    ["is no disturbance below the limit, nor what they do elsewhere", {}, []],
    ["is one above the limit that the sweep sets", { disturbanceLimit: 0.1, retries: 0 }, ["disturbed"]],
  ])("%s", async (_what, protocol, flags) => {
    const some = taken({ waitedMs: 200, foreignMs: 1000, stalledMs: 1000 });
    const device = phone({ results: { 3: some } }, { protocol });
    expect(conducts(await device.measure(1))[0]).toMatchObject({ flags, windows: 1 });
  });

  it("by a quota is named, and not tried again: it lasts", async () => {
    const device = phone({ results: { 3: taken({ throttledMs: 300 }) } }, {});
    const [outcome] = await device.measure(1);
    expect(fulfilled(outcome).conduct).toMatchObject({ flags: ["quota"], windows: 1 });
    expect(stable(outcome)).toBe(false);
  });
});

describe("cores that the system withholds today", () => {
  it("are said when the device is opened; it is measured on others, marked, and not again for that", async () => {
    const device = phone({}, { cpus: [3] });
    const [outcome] = await device.measure(1);
    expect(fulfilled(outcome).conduct).toMatchObject({ flags: ["moved"], windows: 1 });
    expect(device.said.join()).toMatch(/withholds CPU 3 .*edgefront device probe phone --tune/);
  });
});

describe("a device that contradicts itself", () => {
  /** Too large for any cache. The scripted agent reads its 170 MB per token at 0.6 GB/s. */
  const layouts = [parseNotation("v65536 d2048 f8192 h32/8x64 : g c3 c3 g")];
  const probes = (...read: number[]) => read.map((readBandwidthGBs) => ({ readBandwidthGBs }));

  it("is probed again, and its measurement counts where a probe at rest explains it", async () => {
    const device = phone({ probes: probes(0.1, 0.2, 5) }, { layouts });
    const [only] = conducts(await device.measure());
    expect(only!.flags).toEqual([]);
    expect(device.store.devices.bestReadBandwidth("phone", device.sha256)).toBe(5);
  });

  it("is held against the best of all its probes with this agent, not against the last", async () => {
    const device = phone({ probes: probes(0.1) }, { layouts });
    const { result } = { result: { readBandwidthGBs: 5 } };
    device.store.devices.putProbe("phone", device.sha256, result as never);
    expect(conducts(await device.measure())).toHaveLength(1);
  });

  it.each([
    ["another agent", "phone", "00"],
    ["another device", "other", undefined],
  ])("is not helped by a probe of %s, and is to blame itself", async (_what, name, sha256) => {
    const device = phone({ probes: probes(0.1) }, { layouts });
    device.store.devices.putProbe(name, sha256 ?? device.sha256, { readBandwidthGBs: 5 } as never);
    const [outcome] = await device.measure();
    expect(outcome).toMatchObject({
      reason: {
        code: "contradiction",
        blame: "device",
        message: expect.stringMatching(
          /above the 0\.1 GB\/s that its best probe measured.*edgefront device probe phone$/,
        ),
      },
    });
    const fault = routeFault((outcome as PromiseRejectedResult).reason, "phone")!;
    expect(policies[fault.route]).toMatchObject({ job: "retry", device: "fault" });
  });

  it("is to blame where it tells no memory at all", async () => {
    const memory = { peakBytes: 0, anonBytes: 0, fileBytes: 0, swapBytes: 0 };
    const device = phone({ results: { 3: { memory } } }, {});
    expect((await device.measure(1))[0]).toMatchObject({
      reason: { code: "contradiction", blame: "device" },
    });
  });

  it("is asked for no kernels that it does not have: that is said before anything is measured", async () => {
    const device = phone({}, { asked: { isa: "avx512" } });
    expect((await device.measure(1))[0]).toMatchObject({
      reason: { code: "isa-missing", message: expect.stringMatching(/no avx512 kernels, only scalar/) },
    });
    expect(() => device.jobs()).toThrow();
  });
});
