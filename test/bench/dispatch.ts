// Measures the cost of dispatching: a no-op job on a loopback device, the share of time that a device
// measures while jobs are queued, and many devices driven by one coordinator. The agents are scripted, so
// that only the coordinator is measured.
//
//   npm run bench:dispatch [-- --part noop --part busy --part many --many 300 --job-ms 5000 --json]
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import ssh2 from "ssh2";
import { fingerprint } from "../../runner/devices/fingerprint.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import {
  coordinate,
  coordinatorProgram,
  crowdProgram,
  register,
  scriptedAgent,
  startDevice,
} from "../faults/farm.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { optionsOf, wholeOf } from "../support/parse-args.ts";

const options = optionsOf(
  "bench:dispatch [--part noop|busy|many, several times] [--many 300] [--job-ms 5000] [--json]",
  {
    part: { type: "string", multiple: true, default: ["noop", "busy", "many"] },
    many: { type: "string", default: "300" },
    "job-ms": { type: "string", default: "5000" },
    json: { type: "boolean", default: false },
  },
);
const parts = new Set(options.part);
interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly bound: string;
  readonly within: boolean;
}
const rows: Row[] = [];
const add = (name: string, value: number, unit: string, bound: string, within: boolean): void => {
  const row: Row = { name, value, unit, bound, within };
  rows.push(row);
  const line = `${name.padEnd(50)} ${value.toFixed(2).padStart(8)} ${unit} (${bound})${within ? "" : "  MISSED"}`;
  process.stdout.write(`${options.json ? JSON.stringify(row) : line}\n`);
};

const folder = temporaryFolder();
process.env.XDG_CONFIG_HOME = join(folder.path, "config");
const agent = await scriptedAgent();
const program = await coordinatorProgram();
const device = await startDevice();

/** Runs one coordinator with `many` scripted devices behind one SSH server. */
async function driveMany(many: number, jobMs: number): Promise<void> {
  const crowd = spawn(
    process.execPath,
    [
      await crowdProgram(),
      agent.path,
      `${device.sshd.identityFile}.pub`,
      device.sshd.hostKeyFile,
      String(jobMs),
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const port = Number((await createInterface({ input: crowd.stdout })[Symbol.asyncIterator]().next()).value);
  const hostKey = ssh2.utils.parseKey(readFileSync(device.sshd.hostKeyFile));
  if (hostKey instanceof Error) throw hostKey;
  const names = Array.from({ length: many }, (_, i) => `d${i}`);
  const path = join(folder.path, "many.db");
  const record = {
    transport: "ssh",
    host: "127.0.0.1",
    port,
    identityFile: device.sshd.identityFile,
    hostKey: fingerprint(hostKey.getPublicSSH()),
    target: hostTarget()!,
  } as const;
  register(
    path,
    names.map((name) => ({ ...record, name, user: name })),
  );
  const cost = await coordinate(program, {
    sweep: { db: path, devices: names, trials: 6 },
    agent,
    farm: {},
    quiet: true,
  });
  crowd.stdin.end();
  const cores = cost.cpuSeconds / cost.seconds;
  const megabytes = Math.max(...cost.memory.map(({ rssBytes }) => rssBytes)) / 1e6;
  add(`${many} devices, jobs of ${jobMs} ms: processor`, cores, "cores", "< 1", cores < 1);
  add(`${many} devices: memory`, megabytes, "MB", "< 500", megabytes < 500);
  const used = (100 * cost.jobs * jobMs) / (1000 * cost.seconds * many);
  add(`${many} devices: measuring`, used, "% of the time", "-", true);
}

try {
  const run = async (db: string, trials: number, jobMs: number) => {
    await device.reset();
    device.script({ jobMs });
    const path = join(folder.path, db);
    register(path, [{ ...device.record("a"), port: device.sshd.port }]);
    return coordinate(program, { sweep: { db: path, devices: ["a"], trials }, agent, farm: {}, quiet: true });
  };
  if (parts.has("noop")) {
    const idle = await run("noop.db", 300, 0);
    const perJob = (1000 * idle.seconds) / idle.jobs;
    add("no-op job on a loopback device", perJob, "ms", "< 30", perJob < 30);
  }
  if (parts.has("busy")) {
    const busy = await run("busy.db", 40, 250);
    const share = (100 * busy.jobs * 250) / (1000 * busy.seconds);
    add("measuring while jobs of 250 ms are queued", share, "% of the time", ">= 95", share >= 95);
  }
  if (parts.has("many")) await driveMany(wholeOf("many", options.many), wholeOf("job-ms", options["job-ms"]));
} finally {
  await device.stop();
  folder.remove();
}
process.exit(rows.every((row) => row.within) ? 0 : 1);
