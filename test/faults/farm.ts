// Loopback devices for faults and soaks. Each is a real sshd with its own login behind a proxy that can fail,
// and an agent that is scripted or real. Runs sweeps on them in this process, and reads back the results.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { build } from "esbuild";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { parseSweepConfig } from "../../runner/config/config.ts";
import type { SshDeviceRecord } from "../../runner/devices/device-record.ts";
import { keepIdentity } from "../../runner/devices/identities.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import type { SweepEvent } from "../../runner/farm/events.ts";
import { Store } from "../../runner/store/store.ts";
import { runSweep } from "../../runner/sweep/run-sweep.ts";
import type { FarmOptions } from "../../runner/sweep/staff.ts";
import type { AgentScript } from "../support/agent-script.ts";
import { startSshd, type TestSshd } from "../support/sshd.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import type { Cost } from "./coordinator.ts";

const BUILD = join(PACKAGE_ROOT, "build", "faults");

async function bundle(source: string, out: string, external: boolean): Promise<string> {
  mkdirSync(BUILD, { recursive: true });
  const outfile = join(BUILD, out);
  await build({
    entryPoints: [join(PACKAGE_ROOT, source)],
    outfile,
    bundle: true,
    platform: "node",
    format: external ? "esm" : "cjs",
    logLevel: "error",
    ...(external ? { packages: "external" as const } : { banner: { js: `#!${process.execPath}` } }),
  });
  return outfile;
}

/** Returns the scripted agent as one executable file. */
export async function scriptedAgent(): Promise<AgentBinary> {
  const path = await bundle("test/support/scripted-agent.ts", `scripted-agent-${process.pid}`, false);
  chmodSync(path, 0o755);
  return { path, sha256: createHash("sha256").update(readFileSync(path)).digest("hex") };
}

/** Returns the coordinator of these devices as a separate program, which tests kill and stop. */
export const coordinatorProgram = (): Promise<string> =>
  bundle("test/faults/coordinator.ts", `coordinator-${process.pid}.mjs`, true);

/** Returns a program with hundreds of scripted devices behind one SSH server. */
export const crowdProgram = (): Promise<string> =>
  bundle("test/support/ssh-crowd.ts", `ssh-crowd-${process.pid}.mjs`, true);

export interface LoopbackDevice {
  readonly sshd: TestSshd;
  readonly proxy: TcpProxy;
  /** The record as it is registered. `host` names the machine that it pretends to be. */
  record(name: string): SshDeviceRecord;
  script(script: AgentScript): void;
  /** Number of jobs that its agents received so far. */
  jobs(): number;
  /** Order of its measurements: `<` where one began, `>` where it ended. */
  turns(): string;
  /** Resets the device: no script, no agent, nobody logged in. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

/** Small file systems that a row left mounted. */
const mountsIn = (home: string): string[] =>
  readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .flatMap((line) => line.split(" ")[1] ?? [])
    .filter((path) => path.startsWith(`${home}/`));

export async function startDevice(): Promise<LoopbackDevice> {
  const sshd = await startSshd();
  let proxy = await startProxy(sshd.port);
  const home = (name: string) => join(sshd.home, name);
  const device: LoopbackDevice = {
    sshd,
    get proxy() {
      return proxy;
    },
    record: (name) => ({
      name,
      transport: "ssh",
      host: sshd.host,
      port: proxy.port,
      user: sshd.user,
      identityFile: sshd.identityFile,
      hostKey: sshd.hostKey,
      target: hostTarget()!,
    }),
    script: (script) => {
      writeFileSync(home("script.json"), JSON.stringify({ bootId: sshd.user, ...script }));
      chmodSync(home("script.json"), 0o644);
    },
    jobs: () => {
      try {
        return readFileSync(home("jobs.log")).length;
      } catch {
        return 0;
      }
    },
    turns: () => readFileSync(home("turns.log"), "utf8"),
    async reset() {
      await proxy.close();
      sshd.killSessions();
      sshd.authorize(true);
      for (const name of mountsIn(sshd.home)) execFileSync("umount", [name]);
      for (const name of [".edgefront", "jobs.log", "turns.log"])
        rmSync(home(name), { recursive: true, force: true });
      device.script({});
      proxy = await startProxy(sshd.port);
    },
    async stop() {
      for (const name of mountsIn(sshd.home)) execFileSync("umount", [name]);
      await proxy.close();
      await sshd.stop();
    },
  };
  device.script({});
  return device;
}

export interface FarmSweep {
  readonly db: string;
  readonly name?: string;
  readonly devices: readonly string[];
  readonly trials?: number;
  readonly seed?: number;
  readonly resume?: boolean;
  readonly patienceMinutes?: number;
  /** `measure.protocol`; default: each job by itself, once. */
  readonly protocol?: string;
  /** --no-wait. */
  readonly noWait?: boolean;
  /** How long a write waits for another process, in ms. */
  readonly busyMs?: number;
}

/** Faults come faster than in reality, and so do retries. */
export const QUICK: FarmOptions = {
  session: { silenceMs: 3000 },
  timing: { pauseScale: 0.05 },
  leases: { ttlMs: 2000, renewMs: 300, pollMs: 50, idleMs: 50 },
};

const configOf = ({
  name = "faults",
  devices,
  trials = 5,
  seed = 1,
  patienceMinutes = 2,
  protocol = "{ guarded: false, retries: 0 }",
}: FarmSweep) =>
  parseSweepConfig(
    `name: ${name}
seed: ${seed}
space: { vocab: 256, width: 64, depth: 6, mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffn: 64 }
search: { strategy: random, trials: ${trials}, batch: ${Math.min(trials, 50)}, replicate: { layouts: 0 } }
measure: { devices: [${devices.join(", ")}], contexts: [32], decodeTokens: 4, repetitions: 2, protocol: ${protocol}, patienceMinutes: ${patienceMinutes} }
objectives: [{ metric: "kvBytes@32" }, { metric: parameters }]`,
    "faults.yaml",
  );

export function register(db: string, records: readonly SshDeviceRecord[]): void {
  const store = Store.open(db);
  for (const record of records) store.devices.add(keepIdentity(record));
  store.close();
}

export async function runFarm(
  sweep: FarmSweep,
  farm: FarmOptions,
  listen: (event: SweepEvent, store: Store) => void = () => {},
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const store = Store.open(sweep.db, sweep.busyMs === undefined ? {} : { busyMs: sweep.busyMs });
  try {
    await runSweep(store, {
      name: sweep.name ?? "faults",
      config: configOf(sweep),
      folder: ".",
      resume: sweep.resume ?? false,
      noWait: sweep.noWait ?? false,
      signal,
      listen: (event) => listen(event, store),
      farm,
    });
  } finally {
    store.close();
  }
}

export function query<T>(db: string, sql: string, ...values: unknown[]): T[] {
  const database = new Database(db, { readonly: true });
  try {
    return database.prepare(sql).all(...values) as T[];
  } finally {
    database.close();
  }
}

/**
 * Returns the results of a sweep, without values that may differ between two runs: times, tries, events, and
 * which of several equal devices did a job.
 */
export function left(db: string, sweep = "faults") {
  const of = "JOIN trials t ON t.id = %.trial_id JOIN sweeps s ON s.id = t.sweep_id AND s.name = ?";
  return {
    trials: query(
      db,
      "SELECT t.number, t.batch, t.candidate_id, t.state, t.cause FROM trials t JOIN sweeps s ON s.id = t.sweep_id AND s.name = ? ORDER BY t.number",
      sweep,
    ),
    jobs: query(
      db,
      `SELECT t.number, j.kind, j.target, j.state FROM jobs j ${of.replace("%", "j")} ORDER BY t.number, j.target`,
      sweep,
    ),
    measurements: query(
      db,
      // Time and order of measurements differ from run to run.
      `SELECT t.number, j.target, json_remove(m.request, '$.conduct.busyMs', '$.conduct.kept') AS request, m.result FROM measurements m JOIN jobs j ON j.id = m.job_id ${of.replace("%", "j")}
       ORDER BY t.number, j.target`,
      sweep,
    ),
    metrics: query(
      db,
      `SELECT t.number, m.name, m.value, m.unit, m.samples FROM metrics m ${of.replace("%", "m")} ORDER BY t.number, m.name`,
      sweep,
    ),
    broken: query(db, "PRAGMA foreign_key_check"),
  };
}

/** Returns the causes of faults recorded against a device, in order. */
export const faultsOf = (db: string, device: string): string[] =>
  query<{ cause: string }>(
    db,
    "SELECT cause FROM events WHERE kind = 'device-fault' AND device = ? ORDER BY id",
    device,
  ).map(({ cause }) => cause);

export const eventsOf = (db: string, kind: string): { device: string | null; cause: string | null }[] =>
  query(db, "SELECT device, cause FROM events WHERE kind = ? ORDER BY id", kind);

/** Returns the pids of agents that run on a device now, by its own login. */
export function agentsOf(device: LoopbackDevice): number[] {
  try {
    const found = execFileSync("pgrep", ["-u", device.sshd.user, "-f", "edgefront-agent serve"], {
      encoding: "utf8",
    });
    return found.split("\n").filter(Boolean).map(Number);
  } catch {
    return []; // none
  }
}

/** Runs the coordinator's program to its end and returns the cost of the run. */
export async function coordinate(
  program: string,
  argument: object,
  nodeArguments: readonly string[] = [],
): Promise<Cost> {
  const child = spawn(process.execPath, [...nodeArguments, program, JSON.stringify(argument)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    last = (last + text).slice(-1_000_000);
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`the coordinator ended with ${code}`);
  return JSON.parse(last.trim().split("\n").at(-1)!) as Cost;
}
