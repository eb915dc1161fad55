// The first steps with a device that is only an address: pin the host key of every machine on the way,
// identify what answers the login, and find its target. Each failure has its reason and a remedy. Building,
// probing and storing are left to the command.
import { InvalidInputError } from "../../candidates/errors.ts";
import { AgentStartError, CompilerMissingError, type RunnerError } from "../devices/device-errors.ts";
import type { Emulator } from "../devices/device-record.ts";
import type { Stop } from "../devices/ssh-config.ts";
import { Connection, type Endpoint, readHostKey } from "../devices/ssh-connect.ts";
import type { Identity } from "../devices/ssh-identify.ts";
import { SshTransport } from "../devices/ssh-transport.ts";
import { findToolchain, type Target } from "../devices/toolchain.ts";

/**
 * Decides whether `shown` is the host key of `where`; throws if it is not. `before`: the keys already
 * confirmed.
 */
export type ConfirmHostKey = (shown: string, where: string, before: readonly string[]) => Promise<void>;

/**
 * Follows the route once, and pins each machine's host key after confirmation. Only pinned machines are
 * logged in to.
 */
export async function pinRoute(
  stops: readonly Stop[],
  confirm: ConfirmHostKey,
): Promise<readonly Endpoint[]> {
  const pinned: Endpoint[] = [];
  for (const stop of stops) {
    const through = pinned.length > 0 ? await Connection.open(pinned) : undefined;
    try {
      const hostKey = await readHostKey(stop, through);
      await confirm(
        hostKey,
        `${stop.host}:${stop.port}`,
        pinned.map((endpoint) => endpoint.hostKey),
      );
      pinned.push({ ...stop, hostKey });
    } finally {
      await through?.close();
    }
  }
  return pinned;
}

/**
 * Logs in and identifies the far side.
 * @throws UnreachableError, AuthenticationError, IdentityFileError, AgentStartError.
 */
export async function meet(route: readonly Endpoint[]): Promise<Identity> {
  const device = route.at(-1)!;
  const transport = new SshTransport({ ...device, jumps: route.slice(0, -1) });
  try {
    await transport.open();
    return transport.identity;
  } finally {
    await transport.close();
  }
}

const MACHINES: Readonly<Record<string, Target>> = {
  x86_64: "x86_64-linux",
  amd64: "x86_64-linux",
  aarch64: "aarch64-linux",
  arm64: "aarch64-linux",
};

/**
 * Returns the target of a device: its own statement, unless an emulator is used.
 * @throws AgentStartError when no agent can run there, InvalidInputError (`wrong-target`) when the user names
 * another target.
 */
export function targetOf(
  { system, termux, confined, said }: Identity,
  asked: { readonly target?: Target | undefined; readonly emulator?: Emulator | undefined },
): Target {
  if (asked.emulator !== undefined) return asked.target ?? "aarch64-linux";
  if (termux?.startsWith("googleplay"))
    throw new AgentStartError(
      "the device runs Termux from the Play Store, which Android does not allow to execute its own programs",
      "Install Termux from F-Droid or GitHub instead",
    );
  if (confined) {
    const arch = /"arch":"(x86_64|aarch64)"/.exec(said)?.[1];
    if (arch !== undefined) return MACHINES[arch]!;
  }
  if (system === null)
    throw new AgentStartError(
      `the login does not answer like a shell${said ? `; its output: ${said}` : ""}`,
      "Allow this login to run commands, or bind it to the agent with the line of --print-authorized-key",
    );
  const [name, machine] = system.split(" ") as [string, string];
  const target = name === "Linux" ? MACHINES[machine] : undefined;
  if (target === undefined)
    throw new AgentStartError(
      `the agent is written for 64-bit Linux and Android; this is ${system}`,
      whyNot(name, machine),
    );
  if (asked.target !== undefined && asked.target !== target)
    throw new InvalidInputError(
      "wrong-target",
      `the device is ${target}, not ${asked.target}; leave --target out`,
    );
  return target;
}

function whyNot(name: string, machine: string): string {
  if (name !== "Linux") return "Use a Linux or Android machine";
  return /^armv[78]l$|^i[3-6]86$/.test(machine)
    ? "Install a 64-bit system there"
    : "No other processor is supported yet";
}

/**
 * Checks that a phone will get a static musl binary, the only kind Android runs, which zig builds.
 * @throws CompilerMissingError when only another compiler is found.
 */
export async function requireMusl({ termux }: Identity, target: Target): Promise<void> {
  if (termux === null) return;
  const { flavour, version } = await findToolchain(target, "anywhere");
  if (flavour !== "zig")
    throw new CompilerMissingError(
      `Android ends programs of glibc at their first system call, and ${version} builds no others`,
      "Install zig on this machine, for example: pip install ziglang. Or name one in $EDGEFRONT_ZIG",
    );
}

/** Returns the error of an agent that could not start, with an explanation that is specific to phones. */
export function explainStart(error: RunnerError, identity: Identity): RunnerError {
  if (
    !(error instanceof AgentStartError) ||
    identity.termux === null ||
    !/cannot execute|permission/i.test(error.message)
  )
    return error;
  return new AgentStartError(
    "Android does not let this Termux execute the agent",
    "Install Termux from F-Droid or GitHub, not from the Play Store, and keep ~/.edgefront below its home",
    { cause: error },
  );
}
