// edgefront doctor: checks whether this machine is ready, and says how to fix any problem. Each check does
// the work instead of reading a version.
import { statfsSync } from "node:fs";
import type { CommandModule } from "yargs";
import { counted } from "../../candidates/words.ts";
import { buildAgent } from "../agent/build.ts";
import { openSession } from "../agent/open-session.ts";
import { cacheFolder } from "../base/paths.ts";
import { localDevice } from "../devices/device-record.ts";
import { findToolchain } from "../devices/toolchain.ts";
import { Store } from "../store/store.ts";
import { formatBytes, interruptSignal, printEither, say, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** False for a check that matters for some devices only. */
  readonly required: boolean;
  readonly detail: string;
}

const MIN_FREE_BYTES = 2e9;

async function check(name: string, required: boolean, work: () => Promise<string> | string): Promise<Check> {
  try {
    return { name, required, ok: true, detail: await work() };
  } catch (error) {
    return { name, required, ok: false, detail: (error as Error).message.split("\n")[0]! };
  }
}

function checkNode(): string {
  const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
  if (major < 20 || (major === 20 && minor < 19))
    throw new Error(`${process.version} is too old; install Node 20.19 or newer`);
  return process.version;
}

function checkCache(): string {
  const { bavail, bsize } = statfsSync(cacheFolder());
  const free = bavail * bsize;
  if (free < MIN_FREE_BYTES)
    throw new Error(
      `${formatBytes(free)} free in ${cacheFolder()}; edgefront needs ${formatBytes(MIN_FREE_BYTES)}: free disk space, or set XDG_CACHE_HOME`,
    );
  return `writable, ${formatBytes(free)} free`;
}

function checkDatabase(): string {
  const store = Store.open(":memory:");
  store.close();
  return "SQLite works";
}

async function checkAgent(signal: AbortSignal): Promise<string> {
  const device = localDevice();
  const binary = await buildAgent({ target: device.target, kind: "agent", signal });
  const onBusy = () =>
    say(
      "another edgefront process uses this machine: waiting until its current job ends (Ctrl-C stops waiting)",
    );
  const session = await openSession(device, { binary, signal, onBusy });
  try {
    const probe = await session.request("probe", {}, { signal });
    return (
      `${probe.cpuModel}, ${counted(probe.allowedCpus.length, "core")}, kernels for ${probe.isas.join(", ")} (used: ${probe.isa}), ` +
      `memory bandwidth ${probe.readBandwidthGBs.toFixed(1)} GB/s, load ${probe.loadAverage.toFixed(2)}`
    );
  } finally {
    await session.close();
  }
}

/**
 * Phones run static musl programs only; boards and servers also run programs of the distribution's cross
 * compiler.
 */
async function checkPortable(): Promise<string> {
  const { version, flavour } = await findToolchain("aarch64-linux", "anywhere");
  return flavour === "zig"
    ? `${version}: builds agents for phones, boards and laptops`
    : `${version}: builds agents for boards and servers; for phones run: pip install ziglang`;
}

export const doctorCommand: CommandModule<object, { json: boolean }> = {
  command: "doctor",
  describe: "Check that this machine is ready to search",
  builder: (yargs) =>
    withJson(yargs)
      .example(example("$0 doctor", "Run every check; lines with FAIL say what to do"))
      .epilogue(
        "Exit codes: 0 ready, 1 a required check failed. Lines with -- matter for some devices only.",
      ),
  handler: async ({ json }) => {
    const signal = interruptSignal();
    const checks = [
      await check("node", true, checkNode),
      await check("database", true, checkDatabase),
      await check("cache folder", true, checkCache),
      await check("compiler", true, async () => (await findToolchain(localDevice().target)).version),
      await check("kernels", true, () => checkAgent(signal)),
      await check("compiler for other devices", false, checkPortable),
    ];
    const ready = checks.every(({ ok, required }) => ok || !required);
    printEither(json, { ready, checks }, () =>
      checks
        .map(
          ({ name, ok, required, detail }) =>
            `${ok ? "ok  " : required ? "FAIL" : "--  "}  ${name}: ${detail}`,
        )
        .join("\n"),
    );
    if (!ready) process.exitCode = 1;
  },
};
