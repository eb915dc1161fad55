// The PyTorch trainer as a program for a worker: one Python module that speaks the agent protocol, started by its first line, so that every
// transport runs it as it runs the agent.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Of, sha256OfFile, writeDurably } from "../base/durable-files.ts";
import { cachePath } from "../base/paths.ts";
import { PACKAGE_ROOT } from "../base/version.ts";
import type { TrainerConfig } from "../config/config-score.ts";
import type { AgentBinary } from "../devices/transport.ts";

/** The module with the Python of the configuration in its first line; undefined for the native trainer, which is the agent itself. */
export function trainerProgram(config: TrainerConfig): (() => Promise<AgentBinary>) | undefined {
  if (config.backend === "native") return undefined;
  return async () => {
    const module = await readFile(join(PACKAGE_ROOT, "profilers", "pytorch", "trainer.py"), "utf8");
    const first = config.python.startsWith("/") ? `#!${config.python}` : `#!/usr/bin/env ${config.python}`;
    const text = `${first}\n${module}`;
    const sha256 = sha256Of(text);
    const path = cachePath("pytorch", `${sha256}.py`);
    const there = await sha256OfFile(path).catch(() => null);
    if (there !== sha256) await writeDurably(path, text, { mode: 0o755 });
    return { path, sha256 };
  };
}
