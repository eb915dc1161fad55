// The PyTorch trainer as a program for a worker: its Python modules in one file that speaks the agent protocol, started by its first line, so
// that every transport runs it as it runs the agent. Its digest covers every module.
import { readdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { sha256Of, sha256OfFile, writeDurably } from "../base/durable-files.ts";
import { cachePath } from "../base/paths.ts";
import { PACKAGE_ROOT } from "../base/version.ts";
import type { TrainerConfig } from "../config/config-score.ts";
import type { AgentBinary } from "../devices/transport.ts";
import { pythonZip } from "./python-zip.ts";

const TRAINER = join(PACKAGE_ROOT, "profilers", "pytorch");

/** The trainer, started by the configuration's Python; undefined for the native trainer, which is the agent itself. */
export function trainerProgram(config: TrainerConfig): (() => Promise<AgentBinary>) | undefined {
  if (config.backend === "native") return undefined;
  return async () => {
    const interpreter = config.python.startsWith("/") ? config.python : `/usr/bin/env ${config.python}`;
    const program = pythonZip(interpreter, await readModules());
    const sha256 = sha256Of(program);
    const path = cachePath("pytorch", `${sha256}.py`);
    const there = await sha256OfFile(path).catch(() => null);
    if (there !== sha256) await writeDurably(path, program, { mode: 0o755 });
    return { path, sha256 };
  };
}

async function readModules(): Promise<Map<string, string>> {
  const modules = new Map<string, string>();
  for (const file of await readdir(TRAINER, { recursive: true }))
    if (file.endsWith(".py"))
      modules.set(file.split(sep).join("/"), await readFile(join(TRAINER, file), "utf8"));
  return modules;
}
