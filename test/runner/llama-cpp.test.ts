// llama.cpp as a runtime, with the real library: measuring from the command line, refusals, devices and a
// sweep. Libraries that are of another version, compute something else or abort are the real one with a
// function replaced.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import { llamaFolder } from "../../runner/runtimes/llama-folder.ts";
import { namedRuntime } from "../../runner/runtimes/runtime-option.ts";
import { runtimes } from "../../runner/runtimes/runtime-registry.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { deviceRegistration } from "../support/device-registration.ts";
import { llamaPath, llamaProblem, sshdProblem } from "../support/needs.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const EXACT = "v512 d128 f256 h4/2x32 : c3 g c3";
const PADDED = "v512 d128 f256 h4/2x32 : c3 g c2";
const NONE = "v512 d128 f256 h4/2x32 : c3 g s8";
const QUICK = ["--contexts", "40", "--tokens", "5", "--repetitions", "2", "--warmup", "1", "--threads", "1"];

const measure = (layout: string, library: string, ...args: string[]) =>
  runCli(["measure", layout, ...QUICK, "--runtime", `llama.cpp${library}`, ...args], folder.path);

/** The messages of an error, without the lines on a build of the agent, which only the first command does. */
const complaints = (stderr: string): string[] =>
  stderr
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith("built "));

describe("the layouts that llama.cpp runs", () => {
  const express = (notation: string) => runtimes["llama.cpp"].express(parseNotation(notation));
  it("are those that one of its architectures has, exactly or with larger sizes", () => {
    expect(express(EXACT)).toEqual({ kind: "exact" });
    const padded = express(PADDED);
    expect(padded).toMatchObject({ kind: "padded", why: expect.stringMatching(/differ in their taps/) });
    expect(padded.kind === "padded" && formatNotation(padded.as)).toBe(EXACT);
    expect(express(NONE)).toMatchObject({
      kind: "none",
      why: expect.stringMatching(/differ in their window/),
    });
  });
});

describe("--runtime", () => {
  it("names an engine, and a folder after =", () => {
    expect(namedRuntime("llama.cpp")).toEqual({ runtime: "llama.cpp" });
    expect(namedRuntime("llama.cpp=/opt/a=b")).toEqual({ runtime: "llama.cpp", runtimePath: "/opt/a=b" });
  });
  it.each([
    ["lama.cpp", /did you mean "llama.cpp"/],
    ["native=/opt", /takes no folder/],
    ["llama.cpp=", /names no folder/],
  ])("refuses %s", (text, message) => {
    expect(() => namedRuntime(text)).toThrow(message);
  });
  it("says in one line where the libraries are missing, with the next step", async () => {
    for (const [library, next] of [
      ["", /not in node_modules here; install them with npm install node-llama-cpp@[\d.]+, or name/],
      [`=${folder.path}`, /no libllama in .*; name the folder/],
    ] as const) {
      const { stderr, code } = await measure(EXACT, library);
      expect({ code, complaints: complaints(stderr) }).toEqual({
        code: 2,
        complaints: [expect.stringMatching(next)],
      });
    }
  });
});

const problem = llamaProblem();
describe.skipIf(problem !== null)(problem ?? "measuring on llama.cpp", { timeout: 300_000 }, () => {
  const library = `=${resolve(llamaPath)}`;

  it("reports the fields of any measurement, and which llama.cpp it was", async () => {
    const { stdout, stderr, code } = await measure(EXACT, library, "--json");
    expect(stderr).toMatch(/llama.cpp 0\.5\.0/);
    expect(code).toBe(0);
    const { runtime, result, metrics, runsAs } = JSON.parse(stdout);
    expect(runtime).toEqual({ id: "llama.cpp", version: expect.stringMatching(/^0\.5\.0/), backend: "cpu" });
    expect(runsAs).toBeUndefined();
    expect(result.runtime).toMatchObject({ ...runtime, mmap: false, flashAttention: expect.any(Boolean) });
    expect(result.contexts[0].decodeMs.map((steps: number[]) => steps.length)).toEqual([4, 4]);
    expect(result.memory.peakBytes).toBeGreaterThan(result.plan.predictedPeakBytes);
    const native = JSON.parse((await runCli(["measure", EXACT, ...QUICK, "--json"], folder.path)).stdout);
    expect(native.runtime).toMatchObject({ id: "native", backend: "cpu" });
    const names = (all: { name: string }[]): string[] => all.map(({ name }) => name);
    expect(names(metrics)).toEqual(names(native.metrics));
    expect(result.parameters).toBe(native.result.parameters);
  });

  it("decodes sequences together, and says that a layout is padded", async () => {
    const { stdout } = await measure(PADDED, library, "--batch", "3", "--kv", "q8_0", "--json");
    const { runsAs, result } = JSON.parse(stdout);
    expect(runsAs).toMatchObject({ notation: EXACT, why: expect.stringMatching(/taps/) });
    expect(result).toMatchObject({ batch: 3, runtime: { flashAttention: true } });
    expect((await measure(PADDED, library)).stdout).toMatch(/^measured as .* c3 g c3, with zeros .*taps/m);
  });

  it("is the engine of a device that was added with it, and the database does not hold its folder", async () => {
    const own = { XDG_CONFIG_HOME: join(folder.path, "config") };
    const run = (...args: string[]) => runCli([...args, "--db", "devices.db"], folder.path, own);
    const added = await run(
      "device",
      "add",
      "lap",
      "--profile",
      "local",
      "--threads",
      "1",
      "--runtime",
      `llama.cpp${library}`,
    );
    expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/runtime +llama.cpp/) });
    const { stdout } = await run("measure", EXACT, ...QUICK, "--device", "lap", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      device: "lap",
      runtime: { id: "llama.cpp" },
      result: { threads: 1 },
    });
    for (const file of readdirSync(folder.path).filter((name) => name.startsWith("devices.db")))
      expect(readFileSync(join(folder.path, file)).includes(library.slice(1))).toBe(false);
  });

  it("measures beside edgefront's own engine in a sweep, which says which layouts it does not run", async () => {
    const own = { XDG_CONFIG_HOME: join(folder.path, "config") };
    const run = (...args: string[]) => runCli([...args, "--db", "sweep.db"], folder.path, own);
    const add = ["--profile", "local", "--threads", "1", "--runtime", `llama.cpp${library}`];
    expect(await run("device", "add", "lap", ...add)).toMatchObject({ code: 0 });
    const config = writeTinySweep(folder.path, { devices: ["local", "lap"], trials: 8, train: false });
    const { stderr, code } = await run("sweep", config, "--out", "tiny.md");
    expect({ stderr, code }).toMatchObject({ code: 0 });
    expect(stderr).toMatch(/failed: llama.cpp does not run it: .* \(on lap\)/);
    const { stdout } = await run("report", "tiny", "--format", "json");
    const { trials } = JSON.parse(stdout) as { trials: { metrics: Record<string, unknown> }[] };
    const measured = trials.filter(({ metrics }) => "decodeP50Ms@32:lap" in metrics);
    expect(measured.length).toBeGreaterThan(0);
    for (const { metrics } of measured) expect(metrics).toHaveProperty(["decodeP50Ms@32:local"]);
  });

  it("refuses what it cannot do, in one line", async () => {
    for (const [layout, args, message] of [
      [NONE, [], /llama.cpp does not run it: .*window/],
      [EXACT, ["--profile"], /does not tell the time of its operators/],
      [EXACT, ["--isa", "scalar"], /no scalar kernels, only/],
    ] as const) {
      const { stdout, stderr, code } = await measure(layout, library, ...args);
      expect({ stdout, failed: code !== 0 }).toEqual({ stdout: "", failed: true });
      expect(
        stderr
          .trim()
          .split("\n")
          .filter((line) => line.startsWith("edgefront: ")),
      ).toEqual([expect.stringMatching(message)]);
    }
  });
});

const remoteProblem = problem ?? sshdProblem();
describe.skipIf(remoteProblem !== null)(remoteProblem ?? "llama.cpp over SSH", { timeout: 300_000 }, () => {
  const setup = deviceRegistration();
  const { run, QUICK: oneThread, login } = setup;

  it("is measured with the libraries of the device, whose folder is named once", async () => {
    const libraries = join(setup.sshd.home, "llama");
    cpSync(llamaFolder(llamaPath), libraries, { recursive: true, dereference: true });
    const add = (runtime: string) =>
      run("device", "add", "box", ...login(), ...oneThread, "--runtime", runtime);
    expect(await add("llama.cpp")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^edgefront: .*folder of its libraries there is not known/m),
    });
    const added = await add(`llama.cpp=${libraries}`);
    expect(added, added.stderr).toMatchObject({ code: 0 });
    const measured = await run("measure", EXACT, ...QUICK, "--device", "box", "--json");
    expect(measured, measured.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(measured.stdout).result).toMatchObject({ threads: 1, runtime: { id: "llama.cpp" } });
    // The files of plans have no name once they are loaded.
    const left = readdirSync(join(setup.sshd.home, ".edgefront"));
    expect(left.filter((name) => name.startsWith("llama-"))).toEqual([]);
  });
});

describe.skipIf(problem !== null)(problem ?? "a library that differs", { timeout: 300_000 }, () => {
  let real: string;
  beforeAll(() => {
    real = llamaFolder(llamaPath);
  });
  /** Makes a library that has these functions instead of the real one's. */
  function replaced(name: string, functions: string): string {
    const path = join(folder.path, name);
    mkdirSync(path);
    const isReal = (file: string) => /^libllama\..*so/.test(file);
    const files = readdirSync(real);
    for (const file of files.filter((one) => one.startsWith("libggml")))
      symlinkSync(join(real, file), join(path, file));
    const source = join(path, "replaced.cc");
    writeFileSync(source, `#include <dlfcn.h>\nextern "C" {\n${functions}\n}\n`);
    const link = [
      `-L${real}`,
      `-l:${files.find(isReal)}`,
      `-Wl,-rpath,${real}`,
      "-Wl,--allow-shlib-undefined",
    ];
    execFileSync("c++", [
      "-shared",
      "-fPIC",
      "-o",
      join(path, "libllama.so"),
      source,
      "-Wl,--no-as-needed",
      ...link,
    ]);
    return `=${path}`;
  }
  async function failure(library: string): Promise<string> {
    const { stdout, stderr, code } = await measure(EXACT, library, "--json");
    expect({ stdout, failed: code !== 0 }).toEqual({ stdout: "", failed: true });
    return stderr;
  }

  it("is not opened where its version is another", async () => {
    const library = replaced("newer", 'const char* llama_version() { return "0.8.0-dev"; }');
    expect(await failure(library)).toMatch(
      /libllama.so is llama.cpp 0\.8\.0-dev, and this agent is written for 0\.5\.0;/,
    );
  });
  it("is not measured where it computes something else", async () => {
    const library = replaced(
      "wrong",
      `float* llama_get_logits_ith(void* context, int i) {
  float* row = ((float* (*)(void*, int))dlsym(RTLD_NEXT, "llama_get_logits_ith"))(context, i);
  row[7] += 1;
  return row;
}`,
    );
    expect(await failure(library)).toMatch(
      /computes something else than edgefront's own engine.*reference \(KL/,
    );
  });
  it("is reported with ggml's own words where ggml aborts", async () => {
    const library = replaced(
      "aborts",
      `void ggml_abort(const char*, int, const char*, ...);
int llama_decode(void*, ...) { ggml_abort("lfm2.cpp", 7, "GGML_ASSERT(%s) failed", "n > 0"); return 0; }`,
    );
    expect(await failure(library)).toMatch(/SIGABRT: .*lfm2\.cpp:7: GGML_ASSERT\(n > 0\) failed/);
  });
});
