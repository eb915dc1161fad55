// A soak: six loopback devices behind real sshd processes, faults at random moments from a seed, thousands of
// jobs. Their agents are scripted. A second coordinator on the same database uses the real agent on a seventh
// device, under the same faults. At the end every job must have been measured once, as without the faults. No
// process, open file or stray file may be left. Memory must be flat (flatness.ts has the bounds; with --leak
// 5000 this many bytes per job are kept, and the soak must fail).
//
//   npm run test:soak [-- --jobs 2000 --real 60 --seed 1 --leak 0 --json]
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildAgent } from "../../runner/agent/build.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { createRng } from "../../search/rng.ts";
import type { AgentScript, Misbehaviour } from "../support/agent-script.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { optionsOf, wholeOf } from "../support/parse-args.ts";
import type { Cost } from "./coordinator.ts";
import {
  agentsOf,
  coordinate,
  coordinatorProgram,
  type FarmSweep,
  faultsOf,
  type LoopbackDevice,
  left,
  query,
  register,
  scriptedAgent,
  startDevice,
} from "./farm.ts";
import { allowed, growth, MEASURES } from "./flatness.ts";

const flags = optionsOf("test:soak [--jobs 2000] [--devices 6] [--real 60] [--seed 1] [--leak 0] [--json]", {
  jobs: { type: "string", default: "2000" },
  devices: { type: "string", default: "6" },
  real: { type: "string", default: "60" },
  seed: { type: "string", default: "1" },
  leak: { type: "string", default: "0" },
  json: { type: "boolean", default: false },
});
const options = {
  jobs: wholeOf("jobs", flags.jobs),
  devices: wholeOf("devices", flags.devices),
  real: wholeOf("real", flags.real),
  leak: wholeOf("leak", flags.leak, 0),
  json: flags.json,
};
const deviceCount = options.devices;
const trials = Math.ceil(options.jobs / deviceCount);
const rng = createRng(wholeOf("seed", flags.seed, 0));
const below = (n: number): number => Math.floor(rng.next() * n);

const AGENT_FAULTS: readonly Misbehaviour[] = [
  "garbage",
  "truncated",
  "oversized",
  "hang",
  "exit",
  "kill",
  "crash",
  "disk-error",
  "wrong-output",
];
/**
 * Faults far enough apart that no candidate meets two in a row, which would correctly count against the
 * candidate.
 */
function randomScript(jobs: number): AgentScript {
  const script: Record<number, Misbehaviour> = {};
  for (let at = 5 + below(60); at < jobs; at += 5 + below(90))
    script[at] = AGENT_FAULTS[below(AGENT_FAULTS.length)]!;
  return { jobs: script, jobMs: 10 };
}

/** Resets, kills or silences one device. Silence ends after a while. */
const LINK_FAULTS: Readonly<Record<string, (device: LoopbackDevice) => void>> = {
  reset: ({ proxy }) => proxy.reset(),
  "sshd killed": ({ sshd }) => sshd.killSessions(),
  silence: ({ proxy }) => {
    proxy.freeze();
    setTimeout(() => proxy.thaw(), 5000);
  },
};

/** Number of measurements of a sweep so far. */
const measured = (db: string, sweep: string): number =>
  query<{ n: number }>(
    db,
    `SELECT count(*) AS n FROM measurements m JOIN jobs j ON j.id = m.job_id JOIN trials t ON t.id = j.trial_id
     JOIN sweeps s ON s.id = t.sweep_id WHERE s.name = ?`,
    sweep,
  )[0]!.n;

const folder = temporaryFolder();
process.env.XDG_CONFIG_HOME = join(folder.path, "config");
const names = Array.from({ length: deviceCount }, (_, i) => `device-${i}`);
const agent = await scriptedAgent();
const realAgent = await buildAgent({ target: hostTarget()!, kind: "agent" });
const program = await coordinatorProgram();
const devices: LoopbackDevice[] = [];
for (const _ of names) devices.push(await startDevice());
const real = await startDevice();
/** Name of the real agent's sweep, which runs beside the scripted one. */
const REAL = "real";
const problems: string[] = [];
const check = (ok: boolean, what: string): void => {
  if (!ok) problems.push(what);
};
const faults: Record<string, number> = {};
let cost: Cost;
try {
  const sweepIn = (db: string): FarmSweep => {
    const path = join(folder.path, db);
    register(path, [...devices.map((device, i) => device.record(names[i]!)), real.record(REAL)]);
    return { db: path, devices: names, trials, patienceMinutes: 5 };
  };
  const farm = {
    session: { silenceMs: 3000 },
    timing: { pauseScale: 0.02 },
    leases: { ttlMs: 5000, renewMs: 1000 },
  };
  /** Runs both sweeps at once. Returns the cost of each for its coordinator. */
  const both = (sweep: FarmSweep): Promise<Cost[]> =>
    Promise.all([
      // Compiled code grows with a program's age without being a leak, so it is kept out of the heap.
      coordinate(program, { sweep, agent, farm, quiet: true, leakBytes: options.leak }, [
        "--expose-gc",
        "--no-opt",
        "--no-sparkplug",
      ]),
      coordinate(program, {
        sweep: { ...sweep, name: REAL, devices: [REAL], trials: options.real },
        agent: realAgent,
        // The real agent sends a heartbeat every 5 s.
        farm: { ...farm, session: { silenceMs: 12_000 } },
        quiet: true,
      }),
    ]);
  // Each device has its own class, so that no job moves: here every device must recover. The fault matrix
  // tests moved jobs.
  for (const [i, device] of devices.entries()) device.script({ jobMs: 10, cpuModel: `CPU ${i}` });
  const calm = sweepIn("calm.db");
  await both(calm);

  for (const device of [...devices, real]) await device.reset();
  for (const [i, device] of devices.entries())
    device.script({ ...randomScript(trials * 2), cpuModel: `CPU ${i}` });
  const rough = sweepIn("rough.db");
  const kinds = Object.keys(LINK_FAULTS);
  let turns = 0;
  /** Number of jobs that each device had done at its last fault. */
  const doneAtFault = new Map<LoopbackDevice, number>();
  const injecting = setInterval(() => {
    const realDone = measured(rough.db, REAL);
    // A sweep begins only when every device answers; earlier failures are not its concern.
    if (devices.some((device) => device.jobs() === 0) || realDone === 0) return;
    const kind = kinds[below(kinds.length)]!;
    // The real agent's sweep is short, so while it lasts every other fault is for its device.
    const ofReal = turns++ % 2 === 0 && realDone < options.real;
    const device = ofReal ? real : devices[below(devices.length)]!;
    const done = ofReal ? realDone : device.jobs();
    // On a slow machine recovery takes longer than the interval between faults. A device that never recovers
    // would prove nothing.
    if (doneAtFault.get(device) === done) return;
    doneAtFault.set(device, done);
    faults[kind] = (faults[kind] ?? 0) + 1;
    LINK_FAULTS[kind]!(device);
  }, 1500);
  const costs = await both(rough);
  [cost] = costs as [Cost];
  clearInterval(injecting);

  const [expected, got] = [left(calm.db), left(rough.db)];
  for (const table of Object.keys(expected) as (keyof typeof expected)[])
    check(
      JSON.stringify(expected[table]) === JSON.stringify(got[table]),
      `${table}: not as without faults (${got[table].length} rows, expected ${expected[table].length})`,
    );
  const [doubled] = query<{ n: number }>(
    rough.db,
    "SELECT count(*) AS n FROM (SELECT trial_id, target FROM jobs GROUP BY trial_id, target HAVING count(*) > 1)",
  );
  check(doubled!.n === 0, `${doubled!.n} jobs are there twice`);
  check(got.measurements.length >= options.jobs, `${got.measurements.length} measurements`);
  // Times depend on the machine; computed values depend on the agent.
  const computed = (db: string): unknown[] =>
    left(db, REAL).measurements.map((row) => {
      const { number, result } = row as { number: number; result: string };
      const { parameters, modelSha256, outputHash } = JSON.parse(result);
      return [number, parameters, modelSha256, outputHash];
    });
  const [realExpected, realGot] = [computed(calm.db), computed(rough.db)];
  check(realGot.length === options.real, `${realGot.length} measurements of the real agent`);
  check(
    JSON.stringify(realGot) === JSON.stringify(realExpected),
    "the real agent computed something else than without faults",
  );
  const realFaults = faultsOf(rough.db, REAL).length;
  for (const { cause, n } of query<{ cause: string; n: number }>(
    rough.db,
    "SELECT cause, count(*) AS n FROM events WHERE kind = 'fault' GROUP BY cause",
  ))
    faults[cause] = n;

  await new Promise((resolve) => setTimeout(resolve, 7000));
  for (const device of [...devices, real]) {
    check(
      agentsOf(device).length === 0,
      `${agentsOf(device).length} agents still run on ${device.sshd.user}`,
    );
    const files = readdirSync(join(device.sshd.home, ".edgefront"), { recursive: true }) as string[];
    check(!files.some((file) => file.includes(".part")), `half an upload lies on ${device.sshd.user}`);
    const sessions = execFileSync("sh", ["-c", `pgrep -u ${device.sshd.user} | wc -l`], { encoding: "utf8" });
    check(Number(sessions) === 0, `${sessions.trim()} sessions are open on ${device.sshd.user}`);
  }
  for (const { files, children, resources } of costs) {
    check(files[1] <= files[0] + 1, `open files grew from ${files[0]} to ${files[1]}`);
    check(children === 0, `${children} children left`);
    check(resources.length === 0, `still busy with ${resources.join(", ")}`);
  }
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(2);
  const grown = MEASURES.map((key) => ({
    key,
    bytes: growth(cost.memory, key),
    bound: allowed(cost.jobs, key),
  }));
  for (const { key, bytes, bound } of grown)
    check(
      bound === null || bytes < bound,
      `memory (${key}) grows by ${megabytes(bytes)} MB per 1,000 jobs, allowed are ${megabytes(bound ?? 0)}`,
    );
  const memoryText = grown
    .map(({ key, bytes, bound }) => {
      const limit = bound === null ? "too few jobs to tell" : `allowed ${megabytes(bound)}`;
      return `${key} ${megabytes(bytes)} MB (${limit})`;
    })
    .join(", ");
  const total = Object.values(faults).reduce((sum, n) => sum + n, 0);
  const summary = {
    devices: deviceCount,
    measurements: got.measurements.length,
    realMeasurements: realGot.length,
    realFaults,
    attempts: cost.jobs,
    seconds: cost.seconds,
    faults,
    rssMaxBytes: Math.max(...cost.memory.map(({ rssBytes }) => rssBytes)),
    grownPer1000Jobs: grown,
    memory: cost.memory,
    openFiles: cost.files,
    problems,
  };
  if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else
    process.stdout.write(
      `${summary.measurements} measurements on ${deviceCount} devices in ${cost.seconds.toFixed(0)} s, ${cost.jobs} attempts, ` +
        `${summary.realMeasurements} more by the real agent under ${realFaults} faults of its device; ` +
        `${total} faults in all (${Object.entries(faults)
          .map(([kind, n]) => `${kind} ${n}`)
          .join(", ")})\n` +
        `coordinator: ${(summary.rssMaxBytes / 1e6).toFixed(0)} MB at most; grown per 1,000 jobs: ${memoryText}; ` +
        `files ${cost.files.join(" -> ")}\n${problems.length === 0 ? "nothing lost, doubled or leaked" : problems.join("\n")}\n`,
    );
} finally {
  for (const device of [...devices, real]) await device.stop();
  folder.remove();
}
process.exit(problems.length === 0 ? 0 : 1);
