// Training that fails inside a sweep is a recorded outcome of its trial, never a score.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

/**
 * Runs a tiny sweep of two trials with a changed configuration. Returns the ends and scores of its trials.
 */
async function swept(name: string, changes: Readonly<Record<string, string>>) {
  const path = writeTinySweep(folder.path, { name, trials: 2 });
  let text = readFileSync(path, "utf8");
  for (const [from, to] of Object.entries(changes)) {
    expect(text).toContain(from);
    text = text.replace(from, to);
  }
  writeFileSync(path, text);
  const { stderr } = await runCli(["sweep", path, "--db", `${name}.db`], folder.path);
  expect(stderr).not.toMatch(/^\s+at /m);
  const db = new Database(join(folder.path, `${name}.db`), { readonly: true });
  const trials = db.prepare("SELECT state, cause, reason FROM trials").all();
  const scores = db.prepare("SELECT value FROM metrics WHERE name LIKE 'text.%'").all();
  db.close();
  return { trials, scores };
}

describe("a proxy that", { timeout: 60_000 }, () => {
  it.each([
    [
      "diverges is a failed trial",
      { "steps: 4,": "steps: 40, learningRate: 10, minLearningRate: 10, weightDecay: 10," },
      { state: "failed", cause: "diverged", reason: expect.stringMatching(/not finite at step \d+/) },
    ],
    [
      "no memory can hold is infeasible",
      {
        "depth: 4": "depth: 64",
        "parameters: 250K": "parameters: 4M",
        "width: 16, headDim: 8": "width: 4096, headDim: 256",
      },
      { state: "infeasible", cause: "out-of-memory", reason: expect.stringMatching(/MiB|memory/) },
    ],
  ])("%s, and has no score", async (name, changes, end) => {
    const { trials, scores } = await swept(name.split(" ")[0]!, changes);
    expect(trials).toEqual([end, end]);
    expect(scores).toEqual([]);
  });
});
