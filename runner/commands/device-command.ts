// edgefront device: lists, shows, probes and removes the devices that measure. device-add.ts registers one.

import type { Argv, CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { sanitise } from "../../profilers/protocol-fields.ts";
import { formatNumber } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import { fewerColumns } from "../../reports/terminal.ts";
import { keepIdentity } from "../devices/identities.ts";
import { deviceNamed, deviceNames, LOCAL_DEVICE } from "../farm/known.ts";
import type { DeviceHealth } from "../store/health-table.ts";
import type { Store } from "../store/store.ts";
import { type DeviceNoise, deviceNoise } from "../sweep/estimates.ts";
import {
  columns,
  printEither,
  readStore,
  say,
  terminalWidth,
  withDatabase,
  withJson,
  withStore,
} from "./common.ts";
import { addCommand } from "./device-add.ts";
import { deviceCard, visible } from "./device-card.ts";
import { authorizedKeyOption, inspect, printEnrolled } from "./device-inspect.ts";
import { example } from "./examples.ts";

interface Args {
  db: string;
  json: boolean;
  name: string;
}

/** Reads the database; without one, this machine is the only device. */
const fromStore = (db: string, work: (store: Store) => void): Promise<void> =>
  readStore(db, work, { orEmpty: true });

const minute = (at: string): string => at.slice(0, 16).replace("T", " ");

/** Columns of the list that a narrow terminal drops, in this order; `device show` has them too. */
const DISPENSABLE = ["PROBED", "TARGET", "REACHED BY", "PROCESSOR"];

/** Returns a line below the list, because a reason is longer than a column. */
function whyUnusable({ device, state, reason, readmission }: DeviceHealth): string[] {
  if (state === "ready" || state === "busy" || reason === null) return [];
  const next =
    state !== "quarantined"
      ? ""
      : readmission === "sentinel"
        ? `. The next sweep checks it again. To use it now: edgefront device restore ${device}`
        : `. When it is repaired: edgefront device restore ${device}`;
  return [`${device} is ${state}: ${reason}${next}`];
}

const listCommand: CommandModule<object, Omit<Args, "name">> = {
  command: "list",
  describe: "List the devices with state, queue, temperature and last fault",
  builder: (yargs) =>
    withJson(withDatabase(yargs)).example(
      example("$0 device list", "List this machine and all registered devices"),
    ),
  handler: ({ db, json }) =>
    fromStore(db, (store) => {
      const devices = deviceNames(store).map((name) => ({
        device: deviceNamed(store, name),
        probe: store.devices.lastProbe(name),
        health: store.health.deviceHealth(name),
      }));
      const data = devices.map(({ device, probe, health }) => ({
        ...visible(device),
        probedAt: probe?.createdAt ?? null,
        health,
      }));
      const unusable = devices.flatMap(({ health }) => whyUnusable(health));
      printEither(json, { devices: data }, () =>
        [
          fewerColumns(
            [
              ["NAME", "STATE", "QUEUE", "TEMP", "LAST FAULT", "REACHED BY", "TARGET", "PROCESSOR", "PROBED"],
              ...devices.map(({ device, probe, health }) => [
                device.emulator === undefined ? device.name : `${device.name} EMULATED`,
                health.state,
                String(health.queued),
                health.temperatureC === null ? "-" : `${health.temperatureC.toFixed(0)} °C`,
                health.lastFault === null ? "-" : `${health.lastFault.cause} ${minute(health.lastFault.at)}`,
                device.transport === "ssh" ? `${device.user}@${device.host}` : "this machine",
                device.target,
                probe?.result.cpuModel ?? "-",
                probe === null ? "never" : minute(probe.createdAt),
              ]),
            ],
            DISPENSABLE,
            terminalWidth(),
          ),
          ...unusable,
        ].join("\n"),
      );
    }),
};

const withName = (yargs: Argv<object>): Argv<Args> =>
  withJson(withDatabase(yargs)).positional("name", {
    type: "string",
    demandOption: true,
    describe: "name of the device",
  });

const showDevice: CommandModule<object, Args> = {
  command: "show <name>",
  describe: "Show a device and its last probe",
  builder: (yargs) =>
    withName(yargs).example(example("$0 device show local", "Show this machine, its state and its noise")),
  handler: ({ db, json, name }) =>
    fromStore(db, (store) => {
      const device = deviceNamed(store, name);
      const last = store.devices.lastProbe(name);
      const health = store.health.deviceHealth(name);
      const { state, reason, recentFaults, lastFault } = health;
      const how = [
        `  state: ${state}${reason === null ? "" : `: ${reason}`}`,
        ...(lastFault === null
          ? []
          : [`  last fault: ${minute(lastFault.at)} ${lastFault.reason}; ${recentFaults} within 24 h`]),
      ].join("\n");
      const data = {
        device: visible(device),
        probe: last?.result ?? null,
        probedAt: last?.createdAt ?? null,
        health,
        noise: deviceNoise(store, name),
      };
      printEither(
        json,
        data,
        () =>
          `${deviceCard(device, last?.result ?? null)}${last === null ? "\n  never probed" : ""}\n${how}\n${noiseText(data.noise)}`,
      );
    }),
};

/** Returns a table of how much another session changes each metric. */
function noiseText(noise: readonly DeviceNoise[]): string {
  if (noise.length === 0)
    return "  noise: unknown until a sweep has measured layouts twice (search.replicate)";
  const percent = (share: number): string => `${formatNumber(100 * share, 2)}%`;
  const rows = noise.map(({ metric, layouts, session, repetition, sessionsFor5Percent }) => [
    `  ${metricLabel(metric, { device: false })}`,
    percent(session),
    repetition === null ? "-" : percent(repetition),
    String(sessionsFor5Percent),
    String(layouts),
  ]);
  const head = ["  noise (1 sd)", "SESSION", "REPETITION", "SESSIONS FOR 5%", "LAYOUTS"];
  return columns([head, ...rows], [1, 2, 3, 4]);
}

interface ProbeArgs extends Args {
  tune: boolean;
  printAuthorizedKey: boolean;
}

const probeCommand: CommandModule<object, ProbeArgs> = {
  command: "probe <name>",
  describe: "Connect to a device and measure its processor, memory and kernels",
  builder: (yargs) =>
    withName(yargs)
      .option("tune", {
        type: "boolean",
        default: false,
        describe: "also search again for the fastest threads and cores",
      })
      .option("print-authorized-key", authorizedKeyOption)
      .example(example("$0 device probe local", "Measure processor, kernels and bandwidth of this machine"))
      .example(
        example("$0 device probe local --tune", "Tune the threads again, after a system update"),
      ) as unknown as Argv<ProbeArgs>,
  handler: ({ db, json, name, tune, printAuthorizedKey }) =>
    withStore(db, { mustExist: false }, async (store) => {
      const device = deviceNamed(store, name);
      const enrolled = await inspect(store, device, { tune, baseline: false, keep: (record) => record });
      if (tune && store.devices.find(name) !== null) store.devices.update(keepIdentity(enrolled.device));
      await printEnrolled(enrolled, { json, printAuthorizedKey });
    }),
};

const removeCommand: CommandModule<object, Args> = {
  command: "remove <name>",
  describe: "Remove a device; its measurements stay",
  builder: (yargs) =>
    withName(yargs).example(
      example(
        "$0 device add local --profile local && $0 device remove local",
        "Register this machine, and remove it again",
      ),
    ),
  handler: ({ db, json, name }) =>
    withStore(db, { mustExist: true }, (store) => {
      if (name === LOCAL_DEVICE && store.devices.find(name) === null)
        throw new InvalidInputError(
          "reserved-name",
          `"${LOCAL_DEVICE}" is this machine, which is always there and cannot be removed; see edgefront device list`,
        );
      deviceNamed(store, name);
      store.devices.remove(name);
      if (json) printEither(true, { removed: name }, () => "");
      else say(`removed ${name}`);
    }),
};

interface QuarantineArgs extends Args {
  reason: string;
}

const quarantineCommand: CommandModule<object, QuarantineArgs> = {
  command: "quarantine <name>",
  describe: "Stop using a device until it is restored",
  builder: (yargs) =>
    withName(yargs)
      .option("reason", {
        type: "string",
        default: "set manually",
        requiresArg: true,
        describe: "reason, shown by device list",
      })
      .example(
        example('$0 device quarantine local --reason "being repaired"', "Send no more jobs to this machine"),
      ),
  handler: ({ db, json, name, reason }) =>
    withStore(db, { mustExist: false }, (store) => {
      deviceNamed(store, name);
      const line = sanitise(reason.trim()).slice(0, 500);
      if (line === "")
        throw new InvalidInputError("usage", "--reason is empty; give a text, or leave the option out");
      store.health.quarantine(name, line);
      printEither(json, { quarantined: name, reason: line }, () => `quarantined ${name}: ${line}`);
    }),
};

const restoreCommand: CommandModule<object, Args> = {
  command: "restore <name>",
  describe: "Use a device again and clear its faults",
  builder: (yargs) =>
    withName(yargs).example(example("$0 device restore local", "Use this machine again after a repair")),
  handler: ({ db, json, name }) =>
    withStore(db, { mustExist: true }, (store) => {
      deviceNamed(store, name);
      const before = store.health.deviceHealth(name).state;
      store.health.restore(name);
      printEither(json, { restored: name, before }, () => `restored ${name} (it was ${before})`);
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
        quarantineCommand,
        restoreCommand,
      ] as unknown as CommandModule[])
      .demandCommand(1, "no action is given, such as list or add; edgefront device --help lists the actions"),
  handler: () => {},
};
