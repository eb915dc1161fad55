// The command line as another user of this machine.
import { spawn } from "node:child_process";
import { CLI, type Finished } from "./built-cli.ts";

export const isRoot = process.geteuid?.() === 0;

/** Runs a command as another user, in an environment of its own. */
export function runAs(
  uid: number,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Finished> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: "/",
    uid,
    gid: uid,
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, ...texts })));
}
