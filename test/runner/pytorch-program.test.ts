// The PyTorch trainer as one file: its contents as Python sees them. pytorch.test.ts, which needs torch,
// tests training.
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pythonZip } from "../../runner/training/python-zip.ts";
import { pytorchProgram } from "../../runner/training/trainers/pytorch-trainer.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const python = (...args: string[]) => spawnSync("python3", args, { encoding: "utf8" });

describe.skipIf(python("--version").status !== 0)("the PyTorch trainer's program", () => {
  it("holds every module, intact, behind a line that names its Python", async () => {
    const { path } = await pytorchProgram("python3");
    const script =
      "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), *z.namelist(), sep='\\n')";
    const [damaged, ...names] = python("-c", script, path).stdout.trim().split("\n");
    expect(damaged).toBe("None");
    const sources = readdirSync("profilers/pytorch", { recursive: true })
      .map(String)
      .filter((file) => file.endsWith(".py"));
    expect(names).toEqual(sources.sort());
  });

  it("runs modules that import each other", async () => {
    const modules = new Map([
      ["__main__.py", "from parts.größe import size\nprint(size)\n"],
      ["parts/__init__.py", ""],
      ["parts/größe.py", "size = 'klein, größer'\n"],
    ]);
    const folder = temporaryFolder();
    const path = join(folder.path, "program.py");
    writeFileSync(path, pythonZip("/usr/bin/env python3", modules), { mode: 0o755 });
    const { stdout, stderr } = spawnSync(path, {
      encoding: "utf8",
      env: { ...process.env, PYTHONUTF8: "1" },
    });
    folder.remove();
    expect(stdout, stderr).toBe("klein, größer\n");
  });
});
