// Training in stages with the real trainer and its checkpoints, through the command line. A run that
// continues ends with the bits of a run that never paused. This also holds after a kill, a damaged
// checkpoint, a search for the learning rate and with a teacher.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cachePath } from "../../runner/base/paths.ts";
import { runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const RUNGS = "{ at: [0.25, 0.5], eta: 8, margin: 0, minimum: 4 }";
const configOf = (name: string, rungs?: string): string => {
  const path = writeTinySweep(folder.path, {
    ...{ name, trials: 8, steps: 40 },
    ...(rungs === undefined ? {} : { rungs }),
  });
  const training =
    "steps: 40, learningRate: [1.0e-3, 1.0e-2], distill: { teacher: 'v256 d64 f128 h4/2x16 : c3 g c3' }";
  writeFileSync(path, readFileSync(path, "utf8").replace("steps: 40", training));
  return path;
};
const query = <T>(db: string, sql: string): T[] => {
  const database = new Database(join(folder.path, db), { readonly: true });
  const rows = database.prepare(sql).all() as T[];
  database.close();
  return rows;
};
const ends = (db: string) =>
  query<{ number: number; state: string; reason: string | null }>(
    db,
    "SELECT number, state, reason FROM trials ORDER BY number",
  );
const verdicts = (db: string) =>
  query<{ data: string }>(
    db,
    "SELECT data FROM events WHERE kind = 'rung' ORDER BY json_extract(data, '$.trial'), json_extract(data, '$.share')",
  );
/** Results of each complete training run: its weights, its loss, and its learning rate. */
const results = (db: string) =>
  query<{ number: number }>(
    db,
    `SELECT t.number, json_extract(s.result, '$.weightsHash') AS weights, json_extract(s.result, '$.validation') AS validation,
       json_extract(s.result, '$.looks') AS looks, json_extract(s.result, '$.trainLoss') AS trainLoss,
       json_extract(s.request, '$.optimizer') AS optimizer, json_extract(s.request, '$.learningRateTries') AS tries
     FROM scores s JOIN jobs j ON j.id = s.job_id JOIN trials t ON t.id = j.trial_id WHERE s.task = 'text' ORDER BY t.number`,
  );

let config: string;
beforeAll(async () => {
  expect(await runCli(["sweep", configOf("whole"), "--db", "whole.db"], folder.path)).toMatchObject({
    code: 0,
  });
  config = configOf("tiny", RUNGS);
  const run = await runCli(["sweep", config, "--db", "rungs.db"], folder.path);
  expect(run, run.stderr).toMatchObject({ code: 0 });
  expect(run.stderr + run.stdout).toMatch(
    / {2}stopped: after (25|50)% of its training: trial \d was clearly/,
  );
}, 120_000);

/** Checkpoints that its paused runs have left. */
const left = (db: string): readonly string[] =>
  query<{ name: string }>(
    db,
    "SELECT DISTINCT json_extract(request, '$.checkpoint') AS name FROM scores WHERE json_extract(result, '$.stopped') = 'paused'",
  )
    .map(({ name }) => cachePath("runs", name))
    .filter(existsSync);

it("whoever is not stopped ends as if it had never paused, and nothing is left of the others", () => {
  const stopped = new Set(ends("rungs.db").flatMap((end) => (end.state === "stopped" ? [end.number] : [])));
  expect(stopped.size).toBeGreaterThan(0);
  expect(ends("rungs.db").filter(({ state }) => state === "complete")).toHaveLength(8 - stopped.size);
  const expected = results("whole.db").filter(({ number }) => !stopped.has(number));
  expect(expected.length).toBeGreaterThan(1);
  expect(results("rungs.db")).toEqual(expected);
  expect(left("rungs.db")).toEqual([]);
});

it("killed between two rungs, its checkpoints damaged or gone, a sweep comes to the same verdicts and weights", async () => {
  const { child, finished } = startCli(["sweep", config, "--db", "killed.db"], folder.path);
  child.stderr!.on("data", (text: Buffer) => {
    if (text.includes("trial 2 ")) child.kill("SIGKILL");
  });
  await finished;
  const before = verdicts("killed.db");
  expect(before.length).toBeGreaterThan(1);
  expect(before.length).toBeLessThan(verdicts("rungs.db").length);
  const checkpoints = left("killed.db");
  expect(checkpoints.length).toBeGreaterThan(1);
  for (const [n, path] of checkpoints.entries()) {
    if (n % 2 === 0) writeFileSync(path, readFileSync(path).fill(7, 200));
    else rmSync(path);
  }
  const resumed = await runCli(["sweep", config, "--db", "killed.db", "--resume"], folder.path);
  expect(resumed, resumed.stderr).toMatchObject({ code: 0 });
  expect(ends("killed.db")).toEqual(ends("rungs.db"));
  expect(verdicts("killed.db")).toEqual(verdicts("rungs.db"));
  expect(results("killed.db")).toEqual(results("rungs.db"));
  expect(left("killed.db")).toEqual([]);
}, 60_000);
