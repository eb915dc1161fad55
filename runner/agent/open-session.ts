// Opens a session with a device's agent from its record: build or find the binary, connect, upload, start.
import type { Hello } from "../../profilers/protocol.ts";
import { AgentStartError } from "../devices/device-errors.ts";
import { type DeviceRecord, profileOf } from "../devices/device-record.ts";
import { LocalTransport } from "../devices/local-transport.ts";
import { SshTransport } from "../devices/ssh-transport.ts";
import { archOf } from "../devices/toolchain.ts";
import { type AgentBinary, agentName, type Transport } from "../devices/transport.ts";
import type { BuildProgress } from "./build.ts";
import { nativeAgent } from "./native-agent.ts";
import { AgentSession, type SessionOptions } from "./session.ts";

export interface OpenSessionOptions extends SessionOptions {
  readonly onBuild?: (progress: BuildProgress) => void;
  /** Default: the agent of this package. */
  readonly binary?: AgentBinary;
  readonly signal?: AbortSignal;
}

/** The constructor of each transport. A new transport is one file and one line here. */
const TRANSPORTS = {
  local: (device: DeviceRecord & { transport: "local" }) => new LocalTransport({ emulator: device.emulator }),
  ssh: (device: DeviceRecord & { transport: "ssh" }) => {
    const { keepaliveSeconds, keepaliveTries } = profileOf(device).connection;
    return new SshTransport({
      ...device,
      timeouts: { keepaliveMs: keepaliveSeconds * 1000, keepaliveTries },
    });
  },
} satisfies Record<DeviceRecord["transport"], unknown>;

function createTransport(device: DeviceRecord): Transport {
  return device.transport === "local" ? TRANSPORTS.local(device) : TRANSPORTS.ssh(device);
}

/**
 * Opens a session; on an error nothing stays open.
 * @throws every error class of device-errors.ts except AgentError.
 */
export async function openSession(
  device: DeviceRecord,
  options: OpenSessionOptions = {},
): Promise<AgentSession> {
  const { signal } = options;
  const binary =
    options.binary ??
    (await nativeAgent(device, {
      ...(options.onBuild ? { onProgress: options.onBuild } : {}),
      ...(signal ? { signal } : {}),
    }));
  const transport = createTransport(device);
  try {
    await transport.open();
    if (!transport.confined) {
      await transport.upload(binary.path, agentName(binary.sha256), binary.sha256, {
        executable: true,
        ...(signal ? { signal } : {}),
      });
    }
    const session = await AgentSession.start(transport, binary, options);
    checkAgent(await session.hello, device, binary, transport.confined);
    return session;
  } catch (error) {
    await transport.close();
    throw error;
  }
}

/**
 * Checks that the intended agent answers. Behind a forced command only the agent itself can tell, since
 * nothing else may run there.
 */
function checkAgent(hello: Hello, device: DeviceRecord, binary: AgentBinary, confined: boolean): void {
  if (hello.arch !== archOf(device.target))
    throw new AgentStartError(`the agent says it is ${hello.arch}, not ${device.target}`);
  if (!confined) return;
  if (hello.confined !== true)
    throw new AgentStartError(
      "the device's forced command starts an agent that is not confined",
      "Use the line that edgefront device add --print-authorized-key prints",
    );
  if (hello.sha256 !== binary.sha256)
    throw new AgentStartError(
      `the device's forced command starts another build of the agent (${hello.sha256?.slice(0, 12)}, needed: ${binary.sha256.slice(0, 12)})`,
      "Add the device again with a key that may run commands and --print-authorized-key, and replace the line in its authorized_keys",
    );
}
