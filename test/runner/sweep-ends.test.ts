// The end of a sweep's command: the next command can be pasted, and failures set the exit code. Windows that
// proxies cannot distinguish are named at the start and in every report.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, it } from "vitest";
import { quoted } from "../../runner/commands/common.ts";
import { pasted } from "../../runner/commands/next-step.ts";
import { runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

/** A sweep of two trials, in a file whose name has a blank and a quote. */
const CONFIG = "it's mine.yaml";
beforeAll(() => {
  const path = writeTinySweep(folder.path, { trials: 2 });
  writeFileSync(join(folder.path, CONFIG), readFileSync(path));
});

it("quotes what a shell would take apart", () => {
  expect(["a.yaml", "/x/y-z_1.yaml", "m@h:p"].map(quoted)).toEqual(["a.yaml", "/x/y-z_1.yaml", "m@h:p"]);
  for (const text of ["a b", "it's", "$(id)", "`id`", "a;b", "*", "", "a\nb", "~x", "#1"])
    expect(execFileSync("sh", ["-c", `printf %s ${quoted(text)}`], { encoding: "utf8" })).toBe(text);
  expect(pasted("sweep", ["a b.yaml"], { name: "x", db: undefined, full: false, resume: true })).toBe(
    "edgefront sweep 'a b.yaml' --name x --resume",
  );
});

it("prints a command after Ctrl-C that continues when pasted, and ends with 1 if no trial has a result", async () => {
  const args = ["sweep", CONFIG, "--name", "mine", "--db", "my lab.db"];
  const { child, finished } = startCli(args, folder.path);
  child.stderr!.on("data", (text: string) => {
    if (text.includes("proposed")) child.kill("SIGINT");
  });
  const stopped = await finished;
  expect(stopped.code).toBe(130);
  const command = /Continue with: edgefront (.*)$/m.exec(stopped.stderr)![1]!;
  expect(command).toBe("sweep 'it'\\''s mine.yaml' --name mine --db 'my lab.db' --resume");
  const cli = join(process.cwd(), "dist/runner/cli.js");
  execFileSync("sh", ["-c", `${process.execPath} ${cli} ${command}`], { cwd: folder.path, stdio: "pipe" });

  const listed = await runCli(["sweeps", "--db", "my lab.db", "--json"], folder.path);
  expect(JSON.parse(listed.stdout).sweeps).toMatchObject([{ name: "mine", state: "complete", proposed: 2 }]);
  const db = new Database(join(folder.path, "my lab.db"));
  const fail = (where: string) =>
    db
      .prepare(`UPDATE trials SET state = 'failed', cause = 'crashed', reason = 'crashed' WHERE ${where}`)
      .run();
  fail("number = 0");
  const again = (): Promise<{ code: number | null; stderr: string }> =>
    runCli([...args, "--resume"], folder.path);
  expect((await again()).code).toBe(0);
  fail("1");
  const failed = await again();
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(
    /^edgefront: sweep "mine" has no result: 2 trials failed or lost. For the causes: edgefront report mine --db 'my lab.db' --format md$/m,
  );
  db.prepare("UPDATE trials SET state = 'infeasible', cause = 'over-budget'").run();
  db.close();
  // Over budget counts as a result.
  expect((await again()).code).toBe(0);
}, 300_000);

it("says at its start, and in its reports, which windows its proxies cannot tell from full attention", async () => {
  const path = writeTinySweep(folder.path, { name: "windows", trials: 2 });
  writeFileSync(
    path,
    readFileSync(path, "utf8").replace("mixers: [c2, c3, s8, g]", "mixers: [c3, s8, s64, g]"),
  );
  const { stderr, stdout, code } = await runCli(["sweep", path], folder.path);
  expect(code).toBe(0);
  const said =
    /task text cannot tell s64 and g apart: in its sequences of 32 tokens .*score\.proxy\.context above 64/;
  expect(stderr).toMatch(said);
  const joined = (text: string): string => text.replace(/\s+/g, " ");
  expect(joined(stdout)).toMatch(said);
  const report = async (format: string): Promise<string> => {
    await runCli(["report", "windows", "--format", format, "--out", `r.${format}`], folder.path);
    return readFileSync(join(folder.path, `r.${format}`), "utf8");
  };
  expect((await report("md")).replaceAll("\\", "")).toMatch(said);
  expect(await report("html")).toMatch(said);
  const scored = await runCli(["score", "v256 d64 f128 h4/2x16 : s64 g", "--config", path], folder.path);
  expect(scored.stderr).toMatch(said);
}, 300_000);
