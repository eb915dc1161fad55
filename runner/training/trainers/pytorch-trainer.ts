// The PyTorch trainer: its Python modules packed in one executable file that speaks the agent protocol, so
// every transport runs it like the agent. Its digest covers every module.
import { sha256Of, sha256OfFile, writeDurably } from "../../base/durable-files.ts";
import { cachePath } from "../../base/paths.ts";
import { TRAINERS } from "../../config/config-score.ts";
import type { AgentBinary } from "../../devices/transport.ts";
import { readPython } from "../python-sources.ts";
import { pythonZip } from "../python-zip.ts";
import { trainByAgent } from "./agent-training.ts";
import type { Trainer } from "./trainer.ts";

/** Packs the trainer for `python`, a program or path of an interpreter with torch and numpy. */
export async function pytorchProgram(python: string): Promise<AgentBinary> {
  const program = pythonZip(
    python.startsWith("/") ? python : `/usr/bin/env ${python}`,
    await readPython("profilers/pytorch"),
  );
  const sha256 = sha256Of(program);
  const path = cachePath("pytorch", `${sha256}.py`);
  const there = await sha256OfFile(path).catch(() => null);
  if (there !== sha256) await writeDurably(path, program, { mode: 0o755 });
  return { path, sha256 };
}

export const pytorch: Trainer = {
  can: TRAINERS.pytorch,
  lanes: ({ device, python }) => [{ device, program: () => pytorchProgram(python) }],
  train: trainByAgent,
};
