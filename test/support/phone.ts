// A scripted phone measured through windows. Worker, session, store and decisions are real; only its numbers
// are scripted.

import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Layout } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { compare, compareRules } from "../../runner/commands/measure-compare.ts";
import { sweepSchema } from "../../runner/config/config.ts";
import { profileNamed } from "../../runner/devices/profile.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import { DeviceLeases } from "../../runner/farm/device-lease.ts";
import type { SweepEvent } from "../../runner/farm/events.ts";
import type { HostLock } from "../../runner/farm/host-lock.ts";
import { measureOn } from "../../runner/farm/job-requests.ts";
import type { Measured } from "../../runner/farm/measurement/conduct.ts";
import { SweepWindows } from "../../runner/farm/measurement/sweep-windows.ts";
import { Worker } from "../../runner/farm/worker.ts";
import { Store } from "../../runner/store/store.ts";
import type { AgentScript } from "./agent-script.ts";

const LAYOUTS = ["c2 c2", "c3 g", "g g"].map((layers) => parseNotation(`v256 d64 f128 h4/2x16 : ${layers}`));
/** Nothing is really measured on this machine, so its turns need no lock. */
const noLock = {
  acquire: async () => ({ pause: (ms: number) => sleep(ms), release: () => {} }),
} as unknown as HostLock;

const placed = (cpus: readonly number[]) => ({
  cpus: [...cpus],
  decodeTokensPerSecond: 1,
  prefillTokensPerSecond: 1,
});

/** A seed that draws the given order, for up to three candidates. */
const AS_HANDED_IN = 11;

export interface PhoneOptions {
  readonly protocol?: Readonly<Record<string, unknown>>;
  readonly asked?: Readonly<Record<string, unknown>>;
  readonly layouts?: readonly Layout[];
  /** The CPUs of the best placement at registration. */
  readonly cpus?: readonly number[];
  readonly orderSeed?: () => number;
}

/**
 * Starts a phone that behaves as scripted, with its files in `folder`. It measures through windows under a
 * phone's profile.
 */
export function startPhone(
  agent: AgentBinary,
  folder: string,
  script: AgentScript,
  {
    protocol = {},
    asked = { repetitions: 2 },
    layouts = LAYOUTS,
    cpus,
    orderSeed = () => AS_HANDED_IN,
  }: PhoneOptions = {},
) {
  writeFileSync(join(folder, "script.json"), JSON.stringify(script));
  const path = join(folder, "agent");
  // Outside this package, whose scripts are modules.
  const program = join(folder, "agent.cjs");
  copyFileSync(agent.path, program);
  writeFileSync(path, `#!/bin/sh\nHOME=${folder} exec ${process.execPath} ${program} "$@"\n`);
  chmodSync(path, 0o755);
  const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
  const store = Store.open(join(folder, "t.db"));
  const leases = new DeviceLeases(store.leases);
  const controller = new AbortController();
  const said: string[] = [];
  const listen = (event: SweepEvent): void => {
    if (event.kind === "waiting") said.push(event.text);
  };
  const worker = new Worker(
    {
      name: "phone",
      transport: "local",
      target: hostTarget()!,
      profile: profileNamed("snapdragon"),
      ...(cpus && { placement: { best: placed(cpus), tried: [placed(cpus)] } }),
    },
    {
      lock: noLock,
      leases,
      store,
      signal: controller.signal,
      listen,
      agentFor: async () => ({ path, sha256 }),
    },
  );
  const config = sweepSchema.shape.measure.parse({
    devices: ["phone"],
    contexts: [32],
    decodeTokens: 4,
    ...asked,
    protocol: { readiness: { pollSeconds: 0.02, deadlineSeconds: 0.1 }, ...protocol },
  });
  const sweepId = 1;
  // The sweep to which events refer.
  store.sweeps.create("s", {} as never, {});
  const windows = new SweepWindows(config, { store, sweepId, listen, orderSeed });
  return {
    store,
    said,
    sha256,
    close: async () => {
      controller.abort();
      await worker.close();
      leases.close();
      store.close();
    },
    events: (kind: string) => store.events(sweepId).filter((event) => event.kind === kind),
    jobs: () => readFileSync(join(folder, "jobs.log"), "utf8").length,
    measure: (n = layouts.length, asItIs = false): Promise<PromiseSettledResult<Measured>[]> =>
      Promise.allSettled(
        layouts.slice(0, n).map((layout) => windows.of(worker).measure(layout, () => {}, asItIs)),
      ),
    compare: () => {
      const run = async () => (await measureOn(worker, layouts[0]!, config, () => {})).result;
      return compare({ a: run, b: run }, worker, config, compareRules(10), { store, listen });
    },
  };
}

/** Returns the recorded conduct of measurements. All must have succeeded. */
export const conducts = (outcomes: PromiseSettledResult<Measured>[]) =>
  outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value.conduct;
  });
