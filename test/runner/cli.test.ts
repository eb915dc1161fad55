// Bad input through the real command line: one clear line, exit code 2, nothing written.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gguf } from "@huggingface/gguf";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { Store } from "../../runner/store/store.ts";
import { type Finished, runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const run = (...args: string[]) => runCli(args, folder.path);
const TINY = "v256 d64 f64 h4/2x16 : c3 g";

/** Expects one line on stderr (progress aside), no stack trace, exit code 2. */
function expectRefused(finished: Finished, message: RegExp): void {
  const lines = finished.stderr.split("\n").filter((line) => line.startsWith("edgefront: "));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(message);
  expect(finished.stderr).not.toMatch(/\n\s+at /);
  expect(finished.stdout).toBe("");
  expect(finished.code).toBe(2);
}

describe("bad input", () => {
  it.each([
    [["sweep", "none.yaml"], /cannot read the configuration none\.yaml: no such file/],
    [["swep", "x.yaml"], /there is no command "swep"; did you mean sweep\?/],
    [["sweep"], /an argument is missing: edgefront sweep <config> \(see edgefront sweep --help\)/],
    [["front", "x", "--colour"], /there is no option --colour/],
    [["show", "lfm2-360m"], /did you mean "lfm2-350m"\?/],
    [["show", "d64 f64 h3/2x16 : g"], /impossible layout: layer 0: 3 query heads cannot be grouped/],
    [["show", "none.json"], /cannot read the layout none\.json/],
    [["compile", "lfm2-350m"], /give --out/],
    [
      ["compile", "lfm2-350m", "--out", "x.gguf", "--weights", "random"],
      /--weights is "random", but must be none or seed:N/,
    ],
    [["compile", "lfm2-350m", "--out", "no/folder/x.gguf"], /there is no folder/],
    [["measure", "none.gguf"], /there is no file none\.gguf/],
    [["measure", "lfm2-350m", "--contexts", "0"], /contexts/],
    [["measure", "lfm2-350m", "--device", "phone"], /there is no device "phone"/],
    [["front", "x"], /there is no such database/],
    [["sweeps", "--db", "no/such/folder/x.db"], /cannot use the database/],
    [["device", "remove", "local", "--db", "none.db"], /no such database/],
    [["device"], /no action is given/],
    [["score", "lfm2-350m", "--task", "recal"], /has no task "recal"; did you mean "recall"\?/],
  ])("%j is refused, and nothing is written", async (args, message) => {
    expectRefused(await run(...args), message);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it.each([
    [
      "an unknown key",
      (text: string) => text.replace("trials", "trails"),
      /unknown key "trails"; did you mean "trials"/,
    ],
    ["malformed YAML", (text: string) => `${text}\n  - [`, /not valid YAML/],
    ["an unknown device", (text: string) => text.replace("[local]", "[phone]"), /there is no device "phone"/],
    [
      "an unknown metric",
      (text: string) => text.replace("kvBytes@32", "kvByte@32"),
      /did you mean "kvBytes@32"/,
    ],
    [
      "an impossible space",
      (text: string) => text.replace("250K", "1K"),
      /the space holds no layout|no FFN width/,
    ],
    ["an impossible layout", (text: string) => text.replace("4/2x16", "3/2x16"), /cannot be grouped/],
    [
      "a corpus that is not there",
      (text: string) => text.replace("corpus.txt", "none.txt"),
      /no file matches/,
    ],
  ])("a sweep with %s is refused, and no database is left", async (_what, spoil, message) => {
    const config = writeTinySweep(folder.path);
    writeFileSync(config, spoil(readFileSync(config, "utf8")));
    expectRefused(await run("sweep", config), message);
    expect(readdirSync(folder.path).sort()).toEqual(["corpus.txt", "tiny.yaml"]);
  });

  it("a database from a newer version is refused and left alone", async () => {
    const path = join(folder.path, "edgefront.db");
    Store.open(path).close();
    const db = new Database(path);
    db.pragma("user_version = 99");
    db.close();
    const before = readFileSync(path);
    expectRefused(await run("sweeps"), /newer edgefront/);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("a database that may not be written is refused", async () => {
    const config = writeTinySweep(folder.path);
    mkdirSync(join(folder.path, "edgefront.db"));
    expectRefused(await run("sweep", config), /cannot use the database/);
  });

  it("a report that cannot be written says so", async () => {
    const config = writeTinySweep(folder.path, { trials: 1, train: false });
    expect((await run("sweep", config)).code).toBe(0);
    expectRefused(await run("report", "tiny", "--out", "no/such/folder/r.html"), /cannot write/);
    expectRefused(await run("sweep", config), /a sweep named "tiny" is in the database already.*--resume/);
    expectRefused(await run("front", "tyni"), /there is no sweep "tyni"; did you mean "tiny"\?/);
    const other = writeTinySweep(folder.path, { trials: 2, train: false });
    expectRefused(await run("sweep", other, "--resume"), /the configuration is not the one/);
  });

  it("truncated and hostile GGUF files are refused by the loader", async () => {
    const { plan } = lower(parseNotation(TINY), { quantization: "q4_0", seed: 1 });
    const hostile: Record<string, Buffer> = {
      "empty.gguf": Buffer.alloc(0),
      "short.gguf": plan.subarray(0, 100),
      "text.gguf": Buffer.from("GGUFnot really"),
      "counts.gguf": Buffer.concat([plan.subarray(0, 8), Buffer.alloc(16, 0xff), plan.subarray(24)]),
      "noweights.gguf": lower(parseNotation(TINY), { quantization: "q4_0" }).plan,
    };
    for (const [name, bytes] of Object.entries(hostile)) {
      writeFileSync(join(folder.path, name), bytes);
      const finished = await run("measure", name, "--contexts", "8", "--tokens", "2", "--repetitions", "1");
      expectRefused(finished, /GGUF|header|file|truncated|tensor|weights|data/i);
    }
  });

  it("a missing compiler is one line with the next step", async () => {
    const bin = join(folder.path, "bin");
    mkdirSync(bin);
    const env = { PATH: bin, CXX: "", EDGEFRONT_ZIG: "", XDG_CACHE_HOME: join(folder.path, "cache") };
    const finished = await runCli(["measure", TINY, "--contexts", "8"], folder.path, env);
    expect(finished.code).toBe(1);
    expect(finished.stderr).toMatch(/^edgefront: .*compiler.*(install|apt-get)/m);
    expect(finished.stderr).not.toMatch(/\n\s+at /);
  });
});

describe("help", () => {
  it.each(["sweep", "sweeps", "front", "report", "show", "compile", "measure", "score", "device", "doctor"])(
    "%s has examples",
    async (command) => {
      const { stdout, code } = await run(command, "--help");
      expect(code).toBe(0);
      if (command !== "device") expect(stdout).toContain("Examples:");
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
    },
  );

  it.each(["add", "list", "show", "probe", "remove", "quarantine", "restore"])(
    "device %s has examples",
    async (action) => {
      const { stdout, code } = await run("device", action, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain("Examples:");
    },
  );

  it("prints a completion script", async () => {
    expect((await run("completion")).stdout).toContain("edgefront");
  });
});

describe("compile", () => {
  it("writes weights from a seed that another reader opens, the same every time", async () => {
    const args = ["compile", TINY, "--quant", "q8_0", "--weights", "seed:3"];
    for (const out of ["a.gguf", "b.gguf"]) expect((await run(...args, "--out", out)).code).toBe(0);
    const [a, b] = ["a.gguf", "b.gguf"].map((name) => readFileSync(join(folder.path, name)));
    expect(a!.equals(b!)).toBe(true);
    const { metadata, tensorInfos, tensorDataOffset } = await gguf(join(folder.path, "a.gguf"), {
      allowLocalFile: true,
    });
    expect(metadata["general.architecture"]).toBe("lfm2");
    const last = tensorInfos.at(-1)!;
    expect(Number(tensorDataOffset) + Number(last.offset)).toBeLessThan(a!.length);
    const measured = await run(
      "measure",
      "a.gguf",
      "--contexts",
      "8",
      "--tokens",
      "2",
      "--repetitions",
      "1",
      "--json",
    );
    expect(JSON.parse(measured.stdout).result).toMatchObject({ weightsFrom: "file", architecture: "lfm2" });
  });

  it("explains the program with its peak", async () => {
    const { stdout, code } = await run("compile", TINY, "--explain");
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines[1]).toMatch(/layer +op +shape +type +bytes +FLOP/);
    expect(stdout).toMatch(/0 +gate\+conv\+gate +3 x 64 +F32 +\d+ +\d+/);
    expect(stdout).toMatch(/1 +qk_norm\+rope\+attend/);
    const [weights, , , , peak] = ["weights", "cache", "activations", "process", "predicted peak"].map(
      (name) => Number(new RegExp(`^${name} +(\\d+) bytes$`, "m").exec(stdout)?.[1]),
    );
    expect(peak).toBeGreaterThan(weights!);
  });
});

describe("output", () => {
  it("stops quietly when its reader goes away", async () => {
    const { child, finished } = startCli(["show", "lfm2-350m", "--json"], folder.path);
    child.stdout!.destroy();
    expect((await finished).stderr).toBe("");
  });

  it("show --json is one document", async () => {
    const { stdout } = await run("show", "lfm2-350m", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      parameters: { total: 354_483_968, stored: 354_483_968, active: 354_483_968 },
      architecture: "lfm2",
    });
  });
});
