// Building: flags, caching, errors, reproducibility, two builds at once; on a tiny kernels folder of its own.
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildAgent, cacheDirectory } from "../../runner/agent/build.ts";
import { buildFlags } from "../../runner/agent/kernel-sources.ts";
import { CompileError, CompilerMissingError } from "../../runner/devices/device-errors.ts";
import { hostTarget, TARGETS, type Toolchain, translateFlags } from "../../runner/devices/toolchain.ts";
import { zigProblem } from "../support/needs.ts";

const target = hostTarget()!;
const arch = target === "x86_64-linux" ? "x86_64" : "aarch64";
const other = arch === "x86_64" ? "aarch64" : "x86_64";

let folder: string;
let kernels: string;
const write = (name: string, text: string) => {
  mkdirSync(dirname(join(kernels, name)), { recursive: true });
  writeFileSync(join(kernels, name), text);
};
const run = (path: string) =>
  new Promise<string>((resolve, reject) =>
    execFile(path, (error, stdout) => (error && error.code === undefined ? reject(error) : resolve(stdout))),
  );
const saved = Object.fromEntries(
  ["XDG_CACHE_HOME", "TMPDIR", "PATH", "CXX", "EDGEFRONT_ZIG", "ZIG_GLOBAL_CACHE_DIR"].map((name) => [
    name,
    process.env[name],
  ]),
);
const zigCache = process.env.ZIG_GLOBAL_CACHE_DIR ?? join(cacheDirectory(), "zig");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "edgefront-build-"));
  kernels = join(folder, "kernels");
  process.env.XDG_CACHE_HOME = join(folder, "cache");
  write(
    "agent/main.cc",
    '#include <cstdio>\n#include "lib/answer.h"\nint main() { std::printf("%d %s", Answer(), __FILE__); }\n',
  );
  write("lib/answer.h", "#pragma once\n#define BASE 40\nint Answer();\n");
  write(
    "lib/answer.cc",
    `// build: ${arch}: -mtune=generic\n#include "lib/answer.h"\nint Answer() { return BASE + 2; }\n`,
  );
  write("lib/other.cc", `// build: ${other}: -mfoo\n#error "for another architecture"\n`);
  write("tests/main.cc", '#include <cstdio>\nint main() { std::puts("1 passed, 0 failed"); }\n');
});
afterEach(() => {
  for (const [key, value] of Object.entries(saved)) {
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
  rmSync(folder, { recursive: true, force: true });
});
const build = (kind: "agent" | "tests" = "agent") => buildAgent({ target, kind, kernels });

describe("buildAgent", () => {
  it("compiles, links and runs; a second build is cached; an edited header is seen", async () => {
    const files: string[] = [];
    const first = await buildAgent({ target, kind: "agent", kernels, onProgress: (p) => files.push(p.file) });
    expect(first.cached).toBe(false);
    expect(files.sort()).toEqual(["agent/main.cc", "lib/answer.cc"]);
    expect(await run(first.path)).toBe("42 kernels/agent/main.cc");
    const second = await build();
    expect(second).toEqual({ ...first, cached: true });
    write("lib/answer.h", "#pragma once\n#define BASE 50\nint Answer();\n");
    const third = await build();
    expect(third.cached).toBe(false);
    expect(await run(third.path)).toMatch(/^52 /);
  });

  it("reads precompiled.h before each file without own flags, compiled or as text, with the same objects", async () => {
    write("precompiled.h", "inline int Shared() { return 40; }\n");
    for (let i = 0; i < 12; i++) write(`many/f${i}.cc`, `int F${i}() { return Shared() + ${i}; }\n`);
    write("agent/main.cc", '#include <cstdio>\nint F2();\nint main() { std::printf("%d", F2()); }\n');
    process.env.TMPDIR = folder;
    const many = await build();
    expect(await run(many.path)).toBe("42");
    expect(readdirSync(folder)).not.toContainEqual(expect.stringMatching(/edgefront-headers/));
    process.env.XDG_CACHE_HOME = join(folder, "other-cache");
    // In a folder that does not exist nothing can be precompiled: the headers are read as text.
    process.env.TMPDIR = join(folder, "missing");
    expect(await build()).toMatchObject({ sha256: many.sha256, cached: false });
    process.env.TMPDIR = folder;
    write("precompiled.h", "inline int Shared() { return 50; }\n");
    expect(await run((await build()).path)).toBe("52");
  });

  it("links the tests without the agent's main", async () => {
    expect(await run((await build("tests")).path)).toBe("1 passed, 0 failed\n");
  });

  it("gives the same bytes wherever the sources lie", async () => {
    const first = await build();
    cpSync(kernels, join(folder, "elsewhere", "kernels"), { recursive: true });
    kernels = join(folder, "elsewhere", "kernels");
    process.env.XDG_CACHE_HOME = join(folder, "cache2");
    const second = await build();
    expect(second.cached).toBe(false);
    expect(second.sha256).toBe(first.sha256);
  });

  it("bears several builds at once", async () => {
    const built = await Promise.all([build(), build(), build()]);
    expect(new Set(built.map((b) => b.sha256)).size).toBe(1);
    expect(await run(built[0]!.path)).toMatch(/^42 /);
    const left = readdirSync(join(folder, "cache", "edgefront", "build", "objects"));
    expect(left.every((name) => /^[0-9a-f]{64}\.o(\.sha256)?$/.test(name))).toBe(true);
  });

  const damages: readonly (readonly [string, (path: string) => void])[] = [
    ["emptied", (path) => writeFileSync(path, "")],
    ["cut short", (path) => truncateSync(path, statSync(path).size - 1)],
    [
      "changed in one bit",
      (path) => {
        const bytes = readFileSync(path);
        bytes[bytes.length >> 1]! ^= 1;
        writeFileSync(path, bytes);
      },
    ],
    ["not known to be whole", (path) => rmSync(`${path}.sha256`)],
    ["without a whole seal", (path) => writeFileSync(`${path}.sha256`, "")],
  ];
  it.each(damages)("makes a cached agent again that was %s, and objects too", async (_, damage) => {
    const first = await build();
    damage(first.path);
    const second = await build();
    expect(second).toEqual(first);
    expect(await run(second.path)).toBe("42 kernels/agent/main.cc");
    const objects = join(folder, "cache", "edgefront", "build", "objects");
    for (const name of readdirSync(objects).filter((one) => one.endsWith(".o"))) damage(join(objects, name));
    damage(first.path);
    expect(await build()).toEqual(first);
    expect(await run(first.path)).toBe("42 kernels/agent/main.cc");
    expect(await build()).toEqual({ ...first, cached: true });
  });

  it("says what does not compile or link, and leaves nothing half-made", async () => {
    write("lib/answer.cc", "int Answer() { return undeclared; }\n");
    await expect(build()).rejects.toThrow(CompileError);
    await expect(build()).rejects.toThrow(/lib\/answer\.cc does not compile[\s\S]*undeclared/);
    write("lib/answer.cc", "\n");
    await expect(build()).rejects.toThrow(/linking failed[\s\S]*Answer/);
    write("lib/answer.cc", "int Answer() { return 1; }\n");
    expect(await run((await build()).path)).toMatch(/^1 /);
  });

  it("names the next step when there is no compiler", async () => {
    process.env.PATH = folder;
    delete process.env.CXX;
    delete process.env.EDGEFRONT_ZIG;
    const error = await build().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CompilerMissingError);
    expect(error).toMatchObject({
      code: "compiler-missing",
      message: expect.stringContaining("apt-get install g++"),
    });
  });

  it("stops when asked", async () => {
    const signal = AbortSignal.abort();
    await expect(buildAgent({ target, kind: "agent", kernels, signal })).rejects.toMatchObject({
      name: "AbortError",
    });
  });
});

describe.skipIf(zigProblem() !== null)("a portable build", () => {
  it.each(TARGETS)(
    "for %s is one static musl program, the same bytes wherever the sources lie",
    async (target) => {
      // zig builds its C libraries (a minute of work) once for all builds of this user.
      process.env.ZIG_GLOBAL_CACHE_DIR = zigCache;
      rmSync(join(kernels, "lib", "other.cc"));
      const portable = () => buildAgent({ target, kind: "agent", kernels, portable: true });
      write(
        "lib/answer.cc",
        '#include "lib/answer.h"\n#include <string>\nint Answer() { return std::stoi("42"); }\n',
      );
      const first = await portable();
      expect(first.compiler).toMatch(/^zig /);
      cpSync(kernels, join(folder, "elsewhere", "kernels"), { recursive: true });
      kernels = join(folder, "elsewhere", "kernels");
      process.env.XDG_CACHE_HOME = join(folder, "cache2");
      const second = await portable();
      expect(second.cached).toBe(false);
      expect(second.sha256).toBe(first.sha256);
      expect(programHeaders(readFileSync(first.path))).toMatchObject({
        interpreter: false,
        dynamic: false,
        aligned: true,
      });
      if (target === hostTarget()) expect(await run(first.path)).toMatch(/^42 /);
    },
    300_000,
  );
});

/**
 * Properties of a 64-bit little-endian ELF: whether it needs a loader, and whether its segments are aligned
 * for pages of 16 KiB.
 */
function programHeaders(elf: Buffer) {
  const [offset, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  const headers = Array.from({ length: count }, (_, i) => {
    const at = offset + i * size;
    return { type: elf.readUInt32LE(at), alignment: Number(elf.readBigUInt64LE(at + 48)) };
  });
  const [LOAD, DYNAMIC, INTERPRETER] = [1, 2, 3];
  return {
    interpreter: headers.some(({ type }) => type === INTERPRETER),
    dynamic: headers.some(({ type }) => type === DYNAMIC),
    aligned: headers.every(({ type, alignment }) => type !== LOAD || alignment % 16_384 === 0),
  };
}

describe("build lines", () => {
  it("choose files and flags by architecture", () => {
    const source = "// build: x86_64: -mavx2 -mfma\n// build: aarch64: -march=armv8.2-a+dotprod\nint x;\n";
    expect(buildFlags(source, "x86_64", "a.cc")).toEqual(["-mavx2", "-mfma"]);
    expect(buildFlags(source, "aarch64", "a.cc")).toEqual(["-march=armv8.2-a+dotprod"]);
    expect(buildFlags("int x;\n", "x86_64", "a.cc")).toEqual([]);
    expect(buildFlags("// build: aarch64:\n", "x86_64", "a.cc")).toBeUndefined();
    expect(buildFlags("// build: aarch64:\n", "aarch64", "a.cc")).toEqual([]);
  });
  it("may not smuggle other options to the compiler", () => {
    for (const flag of ["-o/etc/passwd", "@file", "-Wl,-x", "-include", "x.cc", "-fplugin=a/b.so"]) {
      expect(() => buildFlags(`// build: x86_64: ${flag}\n`, "x86_64", "a.cc"), flag).toThrow(CompileError);
    }
  });
  it("are put in zig's words for zig", () => {
    const zig = { flavour: "zig" } as Toolchain;
    expect(translateFlags(zig, ["-march=armv8.2-a+dotprod+fp16", "-march=armv8-a", "-mavx2"])).toEqual([
      "-mcpu=generic+v8_2a+dotprod+fullfp16",
      "-mcpu=generic+v8a",
      "-mavx2",
    ]);
  });
});
