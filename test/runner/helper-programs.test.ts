// Helper programs (zig, python, compilers, ssh, git) take nothing from the folder of the command, and no code
// from the environment.
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { helperEnvironment, sshEnvironment } from "../../runner/base/helper-environment.ts";
import { runHelper } from "../../runner/base/helper-program.ts";
import { findToolchain, hostTarget } from "../../runner/devices/toolchain.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";

describe("a folder that belongs to somebody else", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  const here = process.cwd();
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => {
    process.chdir(here);
    folder.remove();
  });
  const caught = () => join(folder.path, "caught");
  /** A program that leaves a trace where it is run. */
  const trap = (name: string, path = folder.path) => {
    const file = join(path, name);
    writeFileSync(file, `#!/bin/sh\ntouch '${caught()}'\necho 0.0.0\n`);
    chmodSync(file, 0o755);
    return file;
  };

  it("has its ziglang.py, sitecustomize.py, zig, c++, ssh and git ignored", async () => {
    const python = `open(${JSON.stringify(caught())}, "w")\nprint("0.99.0")\n`;
    for (const module of ["ziglang.py", "sitecustomize.py", "os.py"])
      writeFileSync(join(folder.path, module), python);
    for (const program of ["zig", "python3", "c++", "g++", "clang++", "ssh", "git"]) trap(program);
    const env = {
      PATH: `.::${process.env.PATH}`,
      PYTHONPATH: ".",
      PYTHONSTARTUP: join(folder.path, "ziglang.py"),
      LD_PRELOAD: "",
      EDGEFRONT_ZIG: "",
      XDG_CONFIG_HOME: join(folder.path, "config"),
    };
    // A phone needs zig, so every way to find zig is tried.
    const args = ["device", "add", "x", "--host", "no-such-host.invalid", "--profile", "snapdragon"];
    await runCli(args, folder.path, env);
    await runCli(["doctor"], folder.path, env);
    await runCli(["compile", "v64 d64 f64 h4/2x16 : g", "--explain", "--device", "local"], folder.path, env);
    expect(existsSync(caught())).toBe(false);
  });

  it("does not lend its modules to zig's Python package", async () => {
    writeFileSync(join(folder.path, "ziglang.py"), 'print("0.99.0")\n');
    process.chdir(folder.path);
    // The trap works: this is the earlier, unsafe call.
    expect(spawnSync("python3", ["-m", "ziglang"], { encoding: "utf8" }).stdout).toContain("0.99.0");
    expect((await runHelper("python3", ["-m", "ziglang", "version"])).stdout).not.toContain("0.99.0");
    const { version } = await findToolchain(hostTarget()!, "anywhere");
    expect(version).not.toContain("0.99.0");
  });

  it("still holds a compiler that the user names by a relative path", async () => {
    const file = join(folder.path, "tools");
    mkdirSync(file);
    const compiler = execFileSync("which", ["c++"], { encoding: "utf8" }).trim();
    writeFileSync(join(file, "mine"), `#!/bin/sh\nexec ${compiler} "$@"\n`);
    chmodSync(join(file, "mine"), 0o755);
    process.chdir(folder.path);
    process.env.CXX = "tools/mine";
    try {
      const { command } = await findToolchain(hostTarget()!);
      expect(command).toEqual([join(process.cwd(), "tools/mine")]);
    } finally {
      delete process.env.CXX;
    }
  });
});

describe("the environment of helper programs", () => {
  const from = {
    PATH: "/usr/bin:.::bin:/bin",
    HOME: "/home/u",
    LD_LIBRARY_PATH: ":/opt/lib",
    LD_PRELOAD: "/x.so",
    PYTHONPATH: ".",
    PYTHONHOME: "/x",
    GIT_DIR: "/x",
    CPATH: "/x",
    NODE_OPTIONS: "--require=/x",
    BASH_ENV: "/x",
    LAB: "7",
  };
  it("has no relative folders and nothing that loads code or adds flags", () => {
    expect(helperEnvironment(from)).toEqual({
      PATH: "/usr/bin:/bin",
      HOME: "/home/u",
      LD_LIBRARY_PATH: "/opt/lib",
      PYTHONSAFEPATH: "1",
    });
  });
  it("leaves ssh the variables that a configuration may name", () => {
    expect(sshEnvironment(from)).toEqual({
      PATH: "/usr/bin:/bin",
      HOME: "/home/u",
      LD_LIBRARY_PATH: "/opt/lib",
      CPATH: "/x",
      LAB: "7",
    });
  });
});
