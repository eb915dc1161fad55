// Wrong command lines are reported in plain words, with the nearest correct one.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { mixers } from "../../candidates/ops/operator-registry.ts";
import { isYes } from "../../runner/commands/device-add.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

it.each([
  [["--vresion"], "there is no option --vresion; did you mean --version?"],
  [["sweep", "--resmue", "x"], "there is no option --resmue; did you mean --resume?"],
  [["sweep", "x", "--warm-strat", "y"], "there is no option --warm-strat; did you mean --warm-start?"],
  [["sweeps", "--jsn"], "there is no option --jsn; did you mean --json?"],
  [["device", "add", "x", "--hots", "y"], "there is no option --hots; did you mean --host?"],
  [["measure", "a", "--qqqqqqq=4"], "there is no option --qqqqqqq"],
  [["sweeps", "--no-colour"], "there is no option --no-colour"],
  [["frnot"], 'there is no command "frnot"; did you mean front?'],
  [["device", "ad", "x"], 'there is no command "ad"; did you mean add?'],
  [["frobnicate"], 'there is no command "frobnicate"'],
  [["sweep"], "an argument is missing: edgefront sweep <config>"],
  [["diff", "a"], "an argument is missing: edgefront diff <before> <after>"],
  [["show", "a", "b"], '"b" is one argument too many'],
  [
    ["export", "x", "--format", "crad"],
    'format cannot be "crad"; it is one of "config", "layout", "pytorch", "card"; did you mean "card"?',
  ],
  [["reproduce", "minimal-hybird"], 'study cannot be "minimal-hybird"'],
  [["report", "a", "--db"], "--db needs a value"],
  [["sweeps", "--db", "a", "--db", "b"], "--db is given twice"],
  [["measure", "lfm2-350m", "--threads", "1.5"], "threads: must be a whole number, not a fraction"],
  [["measure", "lfm2-350m", "--contexts", "abc"], "contexts.0: must be a number"],
])(
  "%j",
  async (args, text) => {
    const { code, stderr } = await runCli(args, folder.path, { LC_ALL: "de_DE.UTF-8", LANG: "de_DE.UTF-8" });
    expect(stderr).toContain(`edgefront: ${text}`);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toContain("--help");
    expect(stderr).not.toMatch(/Invalid|expected|Unknown|Not enough|>=|received/);
    expect(code).toBe(2);
  },
  20_000,
);

it("layouts and configurations are complained of in the same words", async () => {
  const layers = [{ mixer: { op: "mamba" }, ffn: { op: "swiglu", width: 8 } }];
  writeFileSync(join(folder.path, "l.json"), JSON.stringify({ vocab: 16, width: 8, layers }));
  const shown = await runCli(["show", "l.json"], folder.path);
  expect(shown.stderr).toContain(
    `l.json: not a layout: layers.0.mixer.op: must be one of ${[...mixers.map(({ name }) => name), "parallel"].map((name) => `"${name}"`).join(", ")}`,
  );
  mkdirSync(join(folder.path, "d"));
  writeFileSync(join(folder.path, "d/c.yaml"), "name: x\nspace: { vocab: 1 }\n");
  const swept = await runCli(["sweep", "d/c.yaml"], folder.path);
  expect(swept.stderr).toMatch(/^edgefront: d\/c\.yaml: \S+: (is missing|must be)/);
});

it("y means yes at the prompt for a host key", () => {
  expect(["y", "Y", "yes", "YES", " yes "].map(isYes)).toEqual(Array(5).fill(true));
  expect(["", "n", "no", "ye", "yess", "yeah no", "1"].map(isYes)).toEqual(Array(7).fill(false));
});
