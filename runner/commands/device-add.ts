// edgefront device add: from a host name to a device that can measure. Pins host keys, finds the target,
// builds and starts the agent, probes, searches the best placement of threads, and only then stores the
// device.

import type { Argv, CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { issueText } from "../../candidates/issues.ts";
import { explainStart, meet, pinRoute, requireMusl, targetOf } from "../agent/enrol.ts";
import { InterruptedError } from "../base/run-errors.ts";
import { JobCancelledError, RunnerError } from "../devices/device-errors.ts";
import {
  type DeviceRecord,
  deviceRecordSchema,
  EMULATORS,
  type Emulator,
  localDevice,
} from "../devices/device-record.ts";
import { keepIdentity } from "../devices/identities.ts";
import { type DeviceProfile, profileNamed, profileNames } from "../devices/profile.ts";
import { ask, canAsk } from "../devices/prompt.ts";
import { routeTo } from "../devices/ssh-config.ts";
import { TARGETS, type Target } from "../devices/toolchain.ts";
import { LOCAL_DEVICE, registeredHost } from "../farm/known.ts";
import { namedRuntime, runtimeOption, withRuntime } from "../runtimes/runtime-option.ts";
import type { Store } from "../store/store.ts";
import { say, sayToPerson, withDatabase, withJson, withStore } from "./common.ts";
import { authorizedKeyOption, inspect, printEnrolled } from "./device-inspect.ts";
import { example } from "./examples.ts";

interface AddArgs {
  db: string;
  json: boolean;
  name: string;
  host: string | undefined;
  profile: string | undefined;
  port: number | undefined;
  user: string | undefined;
  identity: string | undefined;
  jump: string | undefined;
  sshConfig: string | undefined;
  fingerprint: string[] | undefined;
  target: Target | undefined;
  emulator: Emulator | undefined;
  threads: number | undefined;
  runtime: string | undefined;
  printAuthorizedKey: boolean;
}

/** Returns whether an answer means yes; people type `y`. */
export const isYes = (answer: string): boolean => /^y(es)?$/i.test(answer.trim());

/**
 * Compares host keys with the given ones, one for each machine on the way. Asks at a terminal if none are
 * given.
 */
function confirmWith(given: readonly string[] | undefined) {
  return async (shown: string, where: string, before: readonly string[]): Promise<void> => {
    const expected = given?.[before.length];
    if (expected === shown) return;
    if (expected !== undefined)
      throw new InvalidInputError(
        "host-key-mismatch",
        `${where} shows host key ${shown}, but --fingerprint says ${expected}: nothing was registered; compare both with ssh-keygen -lf on the device`,
      );
    if (given !== undefined || !canAsk()) {
      const repeat = [...before, shown].map((key) => `--fingerprint ${key}`).join(" ");
      throw new InvalidInputError(
        "fingerprint-needed",
        `${where} shows host key ${shown}, which is not confirmed; check it on the device with ssh-keygen -lf, then repeat with ${repeat}`,
      );
    }
    const answer = await ask(`${where} shows host key ${shown}\nIs this its key? (yes/no) `);
    if (!isYes(answer))
      throw new InvalidInputError(
        "host-key-refused",
        `the host key of ${where} was not confirmed: nothing was registered`,
      );
  };
}

function checked(record: unknown): DeviceRecord {
  const parsed = deviceRecordSchema.safeParse(record);
  if (parsed.success) return parsed.data;
  throw new InvalidInputError("bad-device", issueText(parsed.error));
}

/** Checks the options before any connection is made. */
function checkArgs(
  store: Store,
  { name, host, emulator, port, threads }: AddArgs,
  profile: DeviceProfile,
): void {
  for (const [option, value, most] of [
    ["port", port, 65_535],
    ["threads", threads, 1024],
  ] as const)
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= most))
      throw new InvalidInputError(
        "usage",
        `--${option} is ${value}, but must be a whole number from 1 to ${most} (see edgefront device add --help)`,
      );
  const isLocal = profile.connection.transport === "local";
  if (name === LOCAL_DEVICE && !isLocal)
    throw new InvalidInputError(
      "reserved-name",
      `the name "${LOCAL_DEVICE}" is reserved for this machine; give another name`,
    );
  if (isLocal && host !== undefined)
    throw new InvalidInputError(
      "usage",
      `profile ${profile.name} is for this machine, but --host names ${host}; leave out --host, or give --profile linux`,
    );
  if (!isLocal && host === undefined)
    throw new InvalidInputError(
      "usage",
      `profile ${profile.name} is for a remote device; give --host with an address or a name in ~/.ssh/config`,
    );
  checked({ name, transport: "local", target: "x86_64-linux", ...(emulator ? { emulator } : {}) });
  if (store.devices.find(name) !== null)
    throw new InvalidInputError(
      "device-exists",
      `a device "${name}" is already registered; remove it first: edgefront device remove ${name}`,
    );
}

/**
 * Returns the record of a device over SSH, and a function that explains why an agent does not start there.
 */
async function reach(args: AddArgs, profile: DeviceProfile) {
  const { name, host, port, user, identity, jump, sshConfig, emulator, threads } = args;
  const stops = await routeTo(host!, {
    port,
    user,
    identityFile: identity,
    jump,
    configFile: sshConfig,
    defaultPort: profile.connection.port,
  });
  for (const stop of stops) sayToPerson(`asking ${stop.host}:${stop.port} for its host key`);
  const route = await pinRoute(stops, confirmWith(args.fingerprint));
  const met = await meet(route);
  const target = targetOf(met, args);
  await requireMusl(met, target);
  const jumps = route.slice(0, -1);
  const device = checked({
    name,
    transport: "ssh",
    ...route.at(-1)!,
    ...(jumps.length > 0 ? { jumps } : {}),
    target,
    profile,
    ...(emulator === undefined ? {} : { emulator }),
    ...(threads === undefined ? {} : { threads }),
  });
  return { device, explain: (error: RunnerError) => explainStart(error, met) };
}

export const addCommand: CommandModule<object, AddArgs> = {
  command: "add <name>",
  describe: "Register a device: pin its host key, upload the agent, probe it",
  builder: (yargs: Argv<object>) =>
    withJson(withDatabase(yargs))
      .positional("name", {
        type: "string",
        demandOption: true,
        describe: "name for the device: a-z, 0-9, hyphens",
      })
      .option("host", {
        type: "string",
        requiresArg: true,
        describe: "address, or a name in ~/.ssh/config; user@host works too",
      })
      .option("profile", {
        type: "string",
        requiresArg: true,
        defaultDescription: "linux; local without --host",
        describe: `measuring conditions: ${profileNames.join(", ")}, or your own .yaml file`,
      })
      .option("port", {
        type: "number",
        describe: "SSH port (default: ~/.ssh/config, else the profile's: 8022 for snapdragon)",
      })
      .option("user", {
        type: "string",
        requiresArg: true,
        describe: "login name (default: ~/.ssh/config, else your own)",
      })
      .option("identity", {
        type: "string",
        requiresArg: true,
        describe: "private key file (default: ~/.ssh/config, ssh-agent, ~/.ssh)",
      })
      .option("jump", {
        type: "string",
        requiresArg: true,
        describe: "jump hosts, [user@]host[:port],... (default: ProxyJump)",
      })
      .option("ssh-config", {
        type: "string",
        requiresArg: true,
        describe: "file to read instead of ~/.ssh/config",
      })
      .option("fingerprint", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "expected host key, SHA256:..., for scripts; one for each jump host, the device's last",
      })
      .option("target", { choices: TARGETS, describe: "processor and system (default: detected)" })
      .option("emulator", {
        choices: EMULATORS,
        describe: "run the agent under this emulator; results are labelled emulated",
      })
      .option("threads", {
        type: "number",
        describe: "threads of a measurement (default: the fastest number found)",
      })
      .option("runtime", {
        ...runtimeOption,
        describe:
          "engine that times layouts there: native, or llama.cpp=/path with the folder of its libraries there; a second device of one machine may have another",
      })
      .option("print-authorized-key", authorizedKeyOption)
      .example(
        example(
          "$0 device add phone --host 192.168.1.20 --profile snapdragon --user u0_a123",
          "Register a phone that runs Termux",
        ),
      )
      .example(
        example(
          "$0 device add laptop --host laptop --profile ryzen",
          "Register a name in ~/.ssh/config, with its user, key and ProxyJump",
        ),
      )
      .example(example("$0 device add local --profile local", "Register this machine and tune its threads"))
      .epilogue(
        "Exit codes: 0 registered, 1 the device failed, 2 wrong input, key or host key, 130 interrupted.",
      ) as unknown as Argv<AddArgs>,
  handler: (args) =>
    withStore(args.db, { mustExist: false }, async (store) => {
      const { name, json, threads, runtime, printAuthorizedKey } = args;
      const profile = profileNamed(args.profile ?? (args.host === undefined ? LOCAL_DEVICE : "linux"));
      checkArgs(store, args, profile);
      const named = runtime === undefined ? undefined : namedRuntime(runtime);
      const local = profile.connection.transport === "local";
      const { device: reached, explain } = local
        ? {
            device: checked({
              ...localDevice(),
              name,
              profile,
              ...(threads ? { threads } : {}),
            }),
            explain: (e: RunnerError) => e,
          }
        : await reach(args, profile);
      const device = named === undefined ? reached : withRuntime(reached, named);
      const tune = threads === undefined && profile.threads.policy === "sweep";
      const enrolled = await inspect(store, device, {
        tune,
        baseline: true,
        keep: (record, probe) => {
          const machine = registeredHost(store, record, probe);
          const kept = machine === null ? record : { ...record, machine };
          store.devices.add(keepIdentity(kept));
          return kept;
        },
      }).catch((error: unknown) => {
        if (error instanceof JobCancelledError || (error as Error).name === "AbortError")
          throw new InterruptedError(`interrupted: ${name} was not registered`, { cause: error });
        throw error instanceof RunnerError ? explain(error) : error;
      });
      await printEnrolled(enrolled, { json, printAuthorizedKey });
      const { machine } = enrolled.device;
      say(
        `registered ${name}${machine === undefined ? "" : ` on the host of ${machine}: the two take turns`}`,
      );
    }),
};
