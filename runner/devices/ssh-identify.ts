// Identifies the far side of a login: a shell, or a forced command that answers every request alike. Start-up
// files of a shell may print before and after the answer, so the answer stands between marks.
import type { ClientChannel } from "ssh2";
import { sanitise } from "../../profilers/protocol-fields.ts";
import { AgentStartError } from "./device-errors.ts";
import type { RunStep } from "./ssh-step.ts";

export interface Identity {
  /** `Linux aarch64`, from `uname -sm`; null for any other answer. */
  readonly system: string | null;
  /** Version of Termux, e.g. `0.118.1` or `googleplay.2025.01.18`. */
  readonly termux: string | null;
  /** An agent answers every request, because the key has a forced command. */
  readonly confined: boolean;
  /** The shell's start-up files print, which breaks SFTP by a program that the shell starts. */
  readonly noisy: boolean;
  /** The first line of the answer, sanitised. */
  readonly said: string;
}

const BEGIN = "edgefront-begins";
const END = "edgefront-ends";
/**
 * A command that every shell of Linux and Android understands. It is constant and contains no data of a user
 * or a device.
 */
export const FIRST_COMMAND = `echo ${BEGIN}; uname -sm; env | grep "^TERMUX_VERSION="; echo ${END}`;
/** Largest banner and answer that are read. */
const MAX_BYTES = 256 << 10;
/** Wait after the shell's exit; its background programs may keep the channel open. */
const AFTER_EXIT_MS = 300;
const HELLO = '{"v":1,"type":"hello","agent":"edgefront-agent"';

/** Runs the first command with closed input. @throws AgentStartError for an answer above `MAX_BYTES`. */
export async function askWhatIsThere(
  stream: ClientChannel,
  address: string,
  step: RunStep,
): Promise<Identity> {
  const texts = { stdout: "", stderr: "" };
  let status: number | null | undefined;
  // Output does not extend the step's deadline.
  await step("a first command", () => {
    let [bytes, tail] = [0, ""];
    return new Promise<void>((resolve, reject) => {
      const take = (name: keyof typeof texts) => (chunk: Buffer) => {
        bytes += chunk.length;
        const words = chunk.toString("latin1");
        texts[name] += words;
        if (name === "stdout") tail = (tail + words).slice(-256);
        if (tail.includes(`\n${END}\n`) || tail.includes(`\n${END}\r\n`)) resolve();
        if (bytes <= MAX_BYTES) return;
        stream.removeAllListeners("data");
        stream.stderr.removeAllListeners("data");
        reject(
          new AgentStartError(
            `${address} answered a short command with over ${MAX_BYTES / 1024} KiB`,
            "Log in with ssh and check the output of its shell (~/.bashrc, ~/.profile)",
          ),
        );
      };
      stream.on("data", take("stdout"));
      stream.stderr.on("data", take("stderr"));
      stream.on("error", () => {});
      stream.once("exit", (code: number | null) => {
        status = code;
        setTimeout(resolve, AFTER_EXIT_MS);
      });
      stream.once("close", () => resolve());
      stream.end();
    });
  });
  return read(texts, status);
}

function read(texts: { stdout: string; stderr: string }, status: number | null | undefined): Identity {
  const stdout = Buffer.from(texts.stdout, "latin1").toString("utf8");
  const begun = new RegExp(`${BEGIN}\\r?\\n`).exec(stdout);
  const before = begun ? stdout.slice(0, begun.index) : stdout;
  const answer = begun ? stdout.slice(begun.index + begun[0].length) : "";
  const lines = answer.split(/\r?\n/);
  const hello = stdout.indexOf(HELLO);
  const confined = begun === null && hello >= 0;
  const words = (confined ? stdout.slice(hello) : stdout.trim() || texts.stderr.trim()).split("\n")[0] ?? "";
  const ended = status === undefined || status === 0 ? "" : `it ended with status ${status ?? "of a signal"}`;
  return {
    confined,
    system: lines.find((line) => /^[A-Z][A-Za-z]{1,19} [a-z0-9_]{1,20}$/.test(line)) ?? null,
    termux: /^TERMUX_VERSION=([\w.-]{1,40})$/m.exec(answer)?.[1] ?? null,
    noisy: before !== "" && !confined,
    said: sanitise(words).slice(0, 200) || ended,
  };
}
