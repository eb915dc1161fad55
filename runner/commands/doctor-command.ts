// edgefront doctor: is this machine ready, and what to do where it is not. Checks by doing, not by looking at versions.
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
  /** Needed for work on this machine; false for what only some devices need. */
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
    throw new Error(`${process.version}; edgefront needs Node 20.19 or newer`);
  return process.version;
}

function checkCache(): string {
  const { bavail, bsize } = statfsSync(cacheFolder());
  const free = bavail * bsize;
  if (free < MIN_FREE_BYTES)
    throw new Error(`${formatBytes(free)} free; make room for at least ${formatBytes(MIN_FREE_BYTES)}`);
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
      "this machine is in use by another edgefront process: waiting until its present job ends. Ctrl-C ends the wait",
    );
  const session = await openSession(device, { binary, signal, onBusy });
  try {
    const probe = await session.request("probe", {}, { signal });
    return (
      `${probe.cpuModel}, ${counted(probe.allowedCpus.length, "core")}, kernels for ${probe.isas.join(", ")} (using ${probe.isa}), ` +
      `reads ${probe.readBandwidthGBs.toFixed(1)} GB/s, load ${probe.loadAverage.toFixed(2)}`
    );
  } finally {
    await session.close();
  }
}

/** Phones need static musl programs; boards and servers take what the distribution's cross compiler makes. */
async function checkPortable(): Promise<string> {
  const { version, flavour } = await findToolchain("aarch64-linux", "anywhere");
  return flavour === "zig"
    ? `${version}: static musl agents for phones, boards and laptops`
    : `${version}: boards and servers; phones need zig (\`pip install ziglang\`)`;
}

export const doctorCommand: CommandModule<object, { json: boolean }> = {
  command: "doctor",
  describe: "Check that this machine is ready to search",
  builder: (yargs) =>
    withJson(yargs)
      .example(example("$0 doctor", "every check with what it found"))
      .epilogue("Exit code 1 when a required check fails."),
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
