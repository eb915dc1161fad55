// Targets of `--out`, through the real command line: files, links, devices, pipes, and paths that cannot be
// written. No existing file is lost, no stray file is left, and a wrong name is reported before work starts.
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../support/agents.ts";
import { CLI, runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { writeFixtureDatabase } from "../support/fixture-database.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

let folder: ReturnType<typeof temporaryFolder>;
const at = (name: string): string => join(folder.path, name);
beforeEach(() => {
  folder = temporaryFolder();
  writeFixtureDatabase(at("edgefront.db"));
});
afterEach(() => folder.remove());

const run = (...args: string[]) => runCli(args, folder.path);
const report = (out: string) => run("report", "fixture", "--format", "csv", "--out", out);
const parts = (): string[] => readdirSync(folder.path).filter((name) => name.includes(".part"));
let csv: string;
beforeEach(async () => {
  csv = (await run("report", "fixture", "--format", "csv")).stdout;
  expect(csv).toMatch(/^trial,/);
});

describe("--out", () => {
  it("writes through a symlink, also to a file that is not there yet", async () => {
    mkdirSync(at("far"));
    writeFileSync(at("far/there.csv"), "old");
    symlinkSync("far/there.csv", at("one"));
    symlinkSync("far/new.csv", at("two"));
    for (const name of ["one", "two"]) {
      expect(await report(name)).toMatchObject({ code: 0 });
      expect(lstatSync(at(name)).isSymbolicLink()).toBe(true);
      expect(readFileSync(at(name), "utf8")).toBe(csv);
    }
    expect(readdirSync(at("far")).sort()).toEqual(["new.csv", "there.csv"]);
  });

  it("keeps the mode of a file, and its other names", async () => {
    writeFileSync(at("secret.csv"), "old", { mode: 0o600 });
    expect(await report("secret.csv")).toMatchObject({ code: 0 });
    expect(statSync(at("secret.csv")).mode & 0o777).toBe(0o600);
    writeFileSync(at("a.csv"), "old");
    linkSync(at("a.csv"), at("b.csv"));
    expect(await report("a.csv")).toMatchObject({ code: 0 });
    expect(readFileSync(at("b.csv"), "utf8")).toBe(csv);
  });

  it.skipIf(process.geteuid?.() !== 0)("keeps the owner of a file that root writes", async () => {
    writeFileSync(at("theirs.csv"), "old");
    execFileSync("chown", ["54321:54321", at("theirs.csv")]);
    expect(await report("theirs.csv")).toMatchObject({ code: 0 });
    expect(statSync(at("theirs.csv"))).toMatchObject({ uid: 54321, gid: 54321 });
  });

  it.each(["/dev/stdout", "-", "/dev/fd/1", "/proc/self/fd/1"])(
    "%s is standard output, which stays what it is",
    async (out) => {
      expect(await report(out)).toMatchObject({ code: 0, stdout: csv });
      const file = openSync(at("piped.csv"), "w");
      const args = ["report", "fixture", "--format", "csv", "--out", out];
      const child = spawn(process.execPath, [CLI, ...args], {
        cwd: folder.path,
        stdio: ["ignore", file, "ignore"],
      });
      await new Promise((resolve) => child.once("close", resolve));
      closeSync(file);
      expect(readFileSync(at("piped.csv"), "utf8")).toBe(csv);
      if (existsSync("/dev/stdout")) expect(lstatSync("/dev/stdout").isSymbolicLink()).toBe(true);
    },
  );

  it("behind a symlink to /dev/stdout is standard output too", async () => {
    symlinkSync("/dev/stdout", at("link"));
    expect(await report("link")).toMatchObject({ code: 0, stdout: csv });
    expect(readlinkSync(at("link"))).toBe("/dev/stdout");
  });

  it("writes into device files, which stay device files", async () => {
    expect(await report("/dev/null")).toMatchObject({ code: 0 });
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    const full = await report("/dev/full");
    expect(full).toMatchObject({ code: 1, stdout: "" });
    expect(full.stderr).toMatch(/^edgefront: cannot write \/dev\/full \(ENOSPC\); free disk space/);
    expect(statSync("/dev/full").isCharacterDevice()).toBe(true);
  });

  it("waits for the reader of a named pipe, reports it, and can be interrupted", async () => {
    execFileSync("mkfifo", [at("pipe")]);
    const writing = startCli(["report", "fixture", "--format", "csv", "--out", "pipe"], folder.path);
    let said = "";
    writing.child.stderr!.on("data", (text: string) => {
      said += text;
    });
    await until("it waits", () => said.includes("has no reader: waiting for one"));
    const read = execFileSync("cat", [at("pipe")], { encoding: "utf8" });
    expect(read).toBe(csv);
    expect(await writing.finished).toMatchObject({ code: 0 });
    expect(statSync(at("pipe")).isFIFO()).toBe(true);
    const waiting = startCli(["report", "fixture", "--format", "csv", "--out", "pipe"], folder.path);
    await sleep(1000);
    waiting.child.kill("SIGINT");
    expect(await waiting.finished).toMatchObject({ code: 130 });
  });

  it.each([
    ["folder", "it is a folder"],
    ["none/x.csv", "there is no folder"],
    ["new/", "it is a folder|there is no folder"],
    ["readonly.csv", "it is read-only; allow it with: chmod u\\+w"],
    ["dangling", "there is no folder"],
    ["loop", "ELOOP"],
    ["/dev/fd/77", "descriptor 77 is not open"],
  ])("%s is refused, and is as it was", async (out, why) => {
    mkdirSync(at("folder"));
    writeFileSync(at("readonly.csv"), "old");
    chmodSync(at("readonly.csv"), 0o444);
    symlinkSync("nowhere/x.csv", at("dangling"));
    symlinkSync("loop", at("loop"));
    const before = readdirSync(folder.path);
    const refused = await report(out);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(new RegExp(`^edgefront: cannot write .*${why}`));
    expect(readFileSync(at("readonly.csv"), "utf8")).toBe("old");
    expect(readdirSync(folder.path)).toEqual(before);
  });

  it("is looked at before anything is measured or made", async () => {
    const config = writeTinySweep(folder.path);
    for (const args of [
      ["sweep", config, "--db", "new.db", "--out", "none/r.html"],
      ["reproduce", "minimal-hybrid", "--db", "new.db", "--out", "none/r.html"],
      ["export", "lfm2-350m", "--out", "none/r.json"],
      ["compile", "lfm2-350m", "--weights", "seed:1", "--out", "none/r.gguf"],
    ]) {
      const { code, stderr } = await run(...args);
      expect({ code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/^edgefront: cannot write/),
      });
    }
    expect(existsSync(at("new.db"))).toBe(false);
  });

  it("of weights goes through links and to pipes; an interrupt leaves what was there", async () => {
    const layout = "v256 d64 f64 h4/2x16 : c3 g";
    const make = (out: string, what = layout) => ["compile", what, "--weights", "seed:1", "--out", out];
    expect(await run(...make("w.gguf"))).toMatchObject({ code: 0 });
    writeFileSync(at("real.gguf"), "old");
    symlinkSync("real.gguf", at("link.gguf"));
    expect(await run(...make("link.gguf"))).toMatchObject({ code: 0 });
    expect(lstatSync(at("link.gguf")).isSymbolicLink()).toBe(true);
    expect(readFileSync(at("real.gguf")).equals(readFileSync(at("w.gguf")))).toBe(true);
    expect(await run(...make("/dev/null"))).toMatchObject({ code: 0 });
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
    const { child, finished } = startCli(make("real.gguf", "lfm2-1.2b"), folder.path);
    await until("it writes", () => parts().length > 0, 60_000);
    child.kill("SIGINT");
    expect(await finished).toMatchObject({ code: 130 });
    expect(parts()).toEqual([]);
    expect(readFileSync(at("real.gguf")).equals(readFileSync(at("w.gguf")))).toBe(true);
  });
});

describe("a report without --out", () => {
  it("is named after its sweep, and replaces only a report of that sweep", async () => {
    expect((await run("report", "fixture")).stderr).toBe("wrote report-fixture.html\n");
    const first = readFileSync(at("report-fixture.html"), "utf8");
    expect((await run("report", "fixture")).stderr).toBe("wrote report-fixture.html\n");
    // A sweep of the same name in another database.
    writeFixtureDatabase(at("other.db"));
    const other = new Database(at("other.db"));
    other.exec("UPDATE sweeps SET created_at = '2031-01-01T00:00:00.000Z'");
    other.close();
    expect((await run("report", "fixture", "--db", "other.db")).stderr).toBe("wrote report-fixture-2.html\n");
    expect(readFileSync(at("report-fixture.html"), "utf8")).toBe(first);
    expect((await run("report", "fixture", "--db", "other.db")).stderr).toBe("wrote report-fixture-2.html\n");
    // A file of the user's, or a folder.
    writeFileSync(at("report-fixture.html"), "mine");
    expect((await run("report", "fixture")).stderr).toBe("wrote report-fixture-3.html\n");
    expect(readFileSync(at("report-fixture.html"), "utf8")).toBe("mine");
  });
});

describe("standard output", () => {
  it("that is full is one line and exit code 1", async () => {
    const full = openSync("/dev/full", "w");
    const args = ["report", "fixture", "--format", "csv"];
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: folder.path,
      stdio: ["ignore", full, "pipe"],
    });
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    closeSync(full);
    expect({ code, said }).toEqual({
      code: 1,
      said: "edgefront: standard output cannot be written (ENOSPC); free disk space, or redirect the output elsewhere\n",
    });
  });

  it.each(["head -n 1", "true"])("whose reader is `%s` ends without a word", async (reader) => {
    const pipeline = `${process.execPath} ${CLI} report fixture --format json | ${reader}`;
    const { stderr } = await new Promise<{ stderr: string }>((resolve) => {
      const child = spawn("bash", ["-o", "pipefail", "-c", `${pipeline}; echo "end \${PIPESTATUS[0]}" >&2`], {
        cwd: folder.path,
      });
      let text = "";
      child.stderr.on("data", (chunk: Buffer) => {
        text += chunk;
      });
      child.once("close", () => resolve({ stderr: text }));
    });
    expect(stderr).toBe("end 0\n");
  });
});
