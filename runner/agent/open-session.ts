// From a device's record to a session with its agent: build or find the binary, connect, upload, start.
import type { DeviceRecord } from "../devices/device.ts";
import { LocalTransport } from "../devices/local.ts";
import { SshTransport } from "../devices/ssh.ts";
import { type AgentBinary, agentName, type Transport } from "../devices/transport.ts";
import { type BuildProgress, buildAgent } from "./build.ts";
import { AgentStartError } from "./errors.ts";
import { AgentSession, type SessionOptions } from "./session.ts";
import { archOf } from "./toolchain.ts";

export interface OpenSessionOptions extends SessionOptions {
  readonly onBuild?: (progress: BuildProgress) => void;
  /** Use this agent instead of building one. */
  readonly binary?: AgentBinary;
  /** For an encrypted identity file; stays in memory. */
  readonly passphrase?: string;
  readonly signal?: AbortSignal;
}

/** Each transport's constructor: a new one is one file and one line here. */
const TRANSPORTS = {
  local: (device: DeviceRecord & { transport: "local" }) => new LocalTransport({ emulator: device.emulator }),
  ssh: (device: DeviceRecord & { transport: "ssh" }, passphrase?: string) =>
    new SshTransport({ ...device, passphrase }),
} satisfies Record<DeviceRecord["transport"], unknown>;

export function createTransport(device: DeviceRecord, passphrase?: string): Transport {
  return device.transport === "local" ? TRANSPORTS.local(device) : TRANSPORTS.ssh(device, passphrase);
}

/** @throws every error class of errors.ts but AgentError; nothing is left open then. */
export async function openSession(
  device: DeviceRecord,
  options: OpenSessionOptions = {},
): Promise<AgentSession> {
  const { signal } = options;
  const binary =
    options.binary ??
    (await buildAgent({
      target: device.target,
      kind: "agent",
      ...(options.onBuild ? { onProgress: options.onBuild } : {}),
      ...(signal ? { signal } : {}),
    }));
  const transport = createTransport(device, options.passphrase);
  try {
    await transport.open();
    await transport.upload(binary.path, agentName(binary.sha256), binary.sha256, {
      executable: true,
      ...(signal ? { signal } : {}),
    });
    const session = await AgentSession.start(transport, binary, options);
    const { arch } = await session.hello;
    if (arch !== archOf(device.target))
      throw new AgentStartError(`the agent says it is ${arch}, not ${device.target}`);
    return session;
  } catch (error) {
    await transport.close();
    throw error;
  }
}
