// edgefront device: register, list, inspect, probe and remove the devices that measure.
import { createInterface } from "node:readline/promises";
import type { Argv, CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { ProbeResult } from "../../profilers/protocol.ts";
import { TARGETS, type Target } from "../agent/toolchain.ts";
import {
  type DeviceRecord,
  deviceRecordSchema,
  EMULATORS,
  type Emulator,
  localDevice,
} from "../devices/device.ts";
import { readHostKey } from "../devices/fingerprint.ts";
import { keepIdentity } from "../devices/identities.ts";
import { deviceNamed, LOCAL_DEVICE } from "../devices/known.ts";
import type { Store } from "../store/store.ts";
import { withWorker } from "../sweep/solo.ts";
import {
  columns,
  formatBytes,
  interruptSignal,
  printEither,
  say,
  withDatabase,
  withJson,
  withStore,
} from "./common.ts";

interface Args {
  db: string;
  json: boolean;
  name: string;
}

interface AddArgs extends Args {
  host: string;
  port: number;
  user: string;
  identity: string | undefined;
  fingerprint: string | undefined;
  target: Target;
  emulator: Emulator | undefined;
  threads: number | undefined;
}

/** What may be printed of a device: never the path of its key. */
function visible(device: DeviceRecord) {
  if (device.transport === "local") return device;
  const { identityFile: _path, ...rest } = device;
  return rest;
}

function card(device: DeviceRecord, probe: ProbeResult | null): string {
  const emulated = device.emulator !== undefined || probe?.emulated === true;
  const where =
    device.transport === "ssh" ? `ssh ${device.user}@${device.host}:${device.port ?? 22}` : "this machine";
  const rows: string[][] = [
    ["reached by", where],
    ["target", device.target],
    ...(emulated ? [["emulated", "yes: its times say nothing about hardware"]] : []),
    ...(device.transport === "ssh" ? [["host key", device.hostKey]] : []),
  ];
  if (probe !== null) {
    rows.push(
      ["processor", `${probe.cpuModel}, ${probe.allowedCpus.length} of ${probe.cores} cores`],
      ["kernels", `${probe.isas.join(", ")} (using ${probe.isa})`],
      ["system", `${probe.os} ${probe.kernel}, pages of ${formatBytes(probe.pageBytes)}`],
      ["memory", `${formatBytes(probe.memoryBytes)}, ${formatBytes(probe.availableBytes)} available`],
      ["reads", `${probe.readBandwidthGBs.toFixed(1)} GB/s`],
      ["computes", `${probe.int8Gops.toFixed(0)} int8 GOPS, ${probe.fp32Gflops.toFixed(0)} fp32 GFLOPS`],
      ["temperature", probe.temperatureC === null ? "not readable" : `${probe.temperatureC} C`],
      ["frequency", probe.frequencyMhz === null ? "not readable" : `${probe.frequencyMhz} MHz`],
    );
  }
  return `${device.name}\n${columns(rows.map(([key, value]) => [`  ${key!}`, value!]))}`;
}

/** Opens an agent on a device; what its probe shows is stored by `keep`, once the device is known to be good. */
async function probe(store: Store, device: DeviceRecord, keep: () => void = () => {}): Promise<ProbeResult> {
  return withWorker(store, device, interruptSignal(), async (worker) => {
    const opened = await worker.open();
    keep();
    store.devices.putProbe(device.name, opened.agentSha256, opened.probe);
    return opened.probe;
  });
}

async function confirmHostKey(shown: string, expected: string | undefined, host: string): Promise<void> {
  if (expected !== undefined) {
    if (expected === shown) return;
    throw new InvalidInputError(
      "host-key-mismatch",
      `${host} shows host key ${shown}, not the ${expected} given; nothing was registered`,
    );
  }
  if (!process.stdin.isTTY) {
    throw new InvalidInputError(
      "fingerprint-needed",
      `${host} shows host key ${shown}; check it on the device, then repeat with --fingerprint ${shown}`,
    );
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(
    `${host} shows host key ${shown}\nIs this the device's key? (yes/no) `,
  );
  prompt.close();
  if (answer.trim() !== "yes")
    throw new InvalidInputError("host-key-refused", "not confirmed; nothing was registered");
}

const addCommand: CommandModule<object, AddArgs> = {
  command: "add <name>",
  describe: "Register a device reached over SSH, its host key pinned",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("name", {
        type: "string",
        demandOption: true,
        describe: "name to give it: a-z, 0-9, hyphens",
      })
      .option("host", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "host name or address",
      })
      .option("port", { type: "number", default: 22, describe: "SSH port (Termux: 8022)" })
      .option("user", { type: "string", demandOption: true, requiresArg: true, describe: "login" })
      .option("identity", {
        type: "string",
        requiresArg: true,
        describe: "private key file (default: the SSH agent)",
      })
      .option("fingerprint", {
        type: "string",
        requiresArg: true,
        describe: "expected host key, SHA256:..., for scripts",
      })
      .option("target", { choices: TARGETS, default: "aarch64-linux" as Target, describe: "what it runs" })
      .option("emulator", {
        choices: EMULATORS,
        describe: "run the agent under it; results are labelled emulated",
      })
      .option("threads", { type: "number", describe: "threads of a measurement (default: one per core)" })
      .example("$0 device add phone --host 192.168.1.20 --port 8022 --user u0_a123", "a phone running Termux")
      .example(
        "$0 device add laptop --host laptop --user me --target x86_64-linux --identity ~/.ssh/id_ed25519",
        "a Ryzen laptop",
      ),
  handler: ({ db, json, name, host, port, user, identity, fingerprint, target, emulator, threads }) =>
    withStore(db, { mustExist: false }, async (store) => {
      if (name === LOCAL_DEVICE)
        throw new InvalidInputError("reserved-name", `"${LOCAL_DEVICE}" always names this machine`);
      if (store.devices.find(name) !== null) {
        throw new InvalidInputError(
          "device-exists",
          `a device "${name}" is registered already; remove it first (edgefront device remove ${name})`,
        );
      }
      const shown = await readHostKey(host, port);
      await confirmHostKey(shown, fingerprint, host);
      const parsed = deviceRecordSchema.safeParse({
        name,
        transport: "ssh",
        host,
        port,
        user,
        target,
        hostKey: shown,
        ...(identity === undefined ? {} : { identityFile: identity }),
        ...(emulator === undefined ? {} : { emulator }),
        ...(threads === undefined ? {} : { threads }),
      });
      if (!parsed.success) {
        const issue = parsed.error.issues[0]!;
        throw new InvalidInputError("bad-device", `${issue.path.join(".")}: ${issue.message}`);
      }
      const found = await probe(store, parsed.data, () => store.devices.add(keepIdentity(parsed.data)));
      printEither(json, { device: visible(parsed.data), probe: found }, () => card(parsed.data, found));
      say(`registered ${name}`);
    }),
};

const listCommand: CommandModule<object, Omit<Args, "name">> = {
  command: "list",
  describe: "List the devices",
  builder: (yargs) =>
    withJson(withDatabase(yargs)).example("$0 device list", "every device and when it was last probed"),
  handler: ({ db, json }) =>
    withStore(db, { mustExist: false }, (store) => {
      const devices = [localDevice(), ...store.devices.all()].map((device) => ({
        device,
        probe: store.devices.lastProbe(device.name),
      }));
      const data = devices.map(({ device, probe }) => ({
        ...visible(device),
        probedAt: probe?.createdAt ?? null,
      }));
      printEither(json, { devices: data }, () =>
        columns([
          ["NAME", "REACHED BY", "TARGET", "PROCESSOR", "PROBED"],
          ...devices.map(({ device, probe }) => [
            device.name,
            device.transport === "ssh" ? `${device.user}@${device.host}` : "this machine",
            device.emulator === undefined ? device.target : `${device.target} EMULATED`,
            probe?.result.cpuModel ?? "-",
            probe?.createdAt.slice(0, 16).replace("T", " ") ?? "never",
          ]),
        ]),
      );
    }),
};

const withName = (yargs: Argv<object>): Argv<Args> =>
  withJson(withDatabase(yargs)).positional("name", {
    type: "string",
    demandOption: true,
    describe: "device",
  });

const showDevice: CommandModule<object, Args> = {
  command: "show <name>",
  describe: "Show a device and its last probe",
  builder: (yargs) => withName(yargs).example("$0 device show local", "what is known of this machine"),
  handler: ({ db, json, name }) =>
    withStore(db, { mustExist: false }, (store) => {
      const device = deviceNamed(store, name);
      const last = store.devices.lastProbe(name);
      const data = {
        device: visible(device),
        probe: last?.result ?? null,
        probedAt: last?.createdAt ?? null,
      };
      printEither(
        json,
        data,
        () => `${card(device, last?.result ?? null)}${last === null ? "\n  never probed" : ""}`,
      );
    }),
};

const probeCommand: CommandModule<object, Args> = {
  command: "probe <name>",
  describe: "Connect to a device and measure what it is",
  builder: (yargs) =>
    withName(yargs).example("$0 device probe local", "processor, kernels, bandwidth of this machine"),
  handler: ({ db, json, name }) =>
    withStore(db, { mustExist: false }, async (store) => {
      const device = deviceNamed(store, name);
      const found = await probe(store, device);
      printEither(json, { device: visible(device), probe: found }, () => card(device, found));
    }),
};

const removeCommand: CommandModule<object, Args> = {
  command: "remove <name>",
  describe: "Forget a device; its measurements stay",
  builder: (yargs) => withName(yargs).example("$0 device remove phone", "forget the phone"),
  handler: ({ db, json, name }) =>
    withStore(db, { mustExist: true }, (store) => {
      if (name === LOCAL_DEVICE)
        throw new InvalidInputError("reserved-name", "this machine cannot be removed");
      deviceNamed(store, name);
      store.devices.remove(name);
      if (json) printEither(true, { removed: name }, () => "");
      else say(`removed ${name}`);
    }),
};

export const deviceCommand: CommandModule<object, object> = {
  command: "device",
  describe: "Register and inspect the devices that measure",
  builder: (yargs) =>
    yargs
      .command([
        addCommand,
        listCommand,
        showDevice,
        probeCommand,
        removeCommand,
      ] as unknown as CommandModule[])
      .demandCommand(1, "name an action; edgefront device --help lists them"),
  handler: () => {},
};
