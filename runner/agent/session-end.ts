// Explains the end of an agent's channel: its transport died, it broke the protocol, it ended, or it could
// not start.

import {
  AgentDiedError,
  AgentStartError,
  ProtocolError,
  type RunnerError,
  TransportLostError,
} from "../devices/device-errors.ts";
import type { ChannelEnd } from "../devices/transport.ts";

/** Returns the error for the end of a channel. `greeted`: the agent had sent its greeting. */
export function explainEnd(end: ChannelEnd, greeted: boolean): RunnerError {
  if (end.kind === "flooded") return new ProtocolError(`the agent broke the protocol: ${end.reason}`);
  if (end.kind === "lost") return new TransportLostError(end.reason, "", { cause: end.cause });
  if (!greeted) return explainStart(end);
  const said = end.stderr ? `: ${end.stderr}` : "";
  return new AgentDiedError(`the agent ended (${end.signal ?? `status ${end.code}`})${said}`);
}

/** Explains an agent that ended before its greeting, from the messages of shell and kernel. */
function explainStart(end: Extract<ChannelEnd, { kind: "exited" }>): AgentStartError {
  const said = end.stderr ? `: ${end.stderr}` : "";
  // sshd names only signals of its protocol's list, which lacks SIGSYS.
  const unnamed = end.signal?.endsWith("@openssh.com") === true;
  if (end.signal === "SIGSYS" || end.code === 159 || unnamed) {
    return new AgentStartError(
      `the device's system refuses a call of the agent's C library (SIGSYS${unnamed ? ", or another signal that sshd does not name" : ""})`,
      "On Android use a musl build: run pip install ziglang on this machine, then run the command again",
    );
  }
  // A shell may read a binary of another architecture as a script.
  const misread = /syntax error/i.test(end.stderr);
  if (misread || /exec format error|cannot execute binary/i.test(end.stderr) || end.code === 126) {
    return new AgentStartError(
      `the device cannot execute the agent${misread ? "" : said}`,
      "Check the device's target architecture, that its home is not mounted noexec, and that its login may run the Python of a PyTorch trainer",
    );
  }
  if (end.code === 127) {
    return new AgentStartError(
      `the agent or its emulator was not found on the device${said}`,
      "Add the device again, or install the emulator",
    );
  }
  return new AgentStartError(`the agent ended at once (${end.signal ?? `status ${end.code}`})${said}`);
}
