// A sweep that starts from an earlier one's trials or from an export, and other strategies on recorded
// results: real command line, real agent.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
const run = (...args: string[]) => runCli(args, folder.path);
let config: string;
beforeAll(async () => {
  config = writeTinySweep(folder.path, { train: false, trials: 8, strategy: "model" });
  expect((await run("sweep", config)).code).toBe(0);
});
afterAll(() => folder.remove());

function trialsOf(db: string, sweep: string) {
  const database = new Database(join(folder.path, db), { readonly: true });
  const rows = database
    .prepare(
      `SELECT t.candidate_id AS id, t.state, json_extract(t.origin, '$.kind') AS kind,
        (SELECT count(*) FROM jobs j WHERE j.trial_id = t.id) AS jobs, (SELECT count(*) FROM metrics m WHERE m.trial_id = t.id) AS metrics
       FROM trials t JOIN sweeps s ON s.id = t.sweep_id WHERE s.name = ? ORDER BY t.number`,
    )
    .all(sweep) as { id: string; state: string; kind: string; jobs: number; metrics: number }[];
  database.close();
  return rows;
}

describe("a warm start", { timeout: 120_000 }, () => {
  it("keeps the earlier trials, measures none of them again, and proposes others", async () => {
    const warm = await run("sweep", config, "--name", "second", "--warm-start", "tiny");
    expect(warm).toMatchObject({ code: 0 });
    const [first, second] = [trialsOf("edgefront.db", "tiny"), trialsOf("edgefront.db", "second")];
    const taken = second.filter(({ kind }) => kind === "imported");
    expect(taken.map(({ id }) => id).sort()).toEqual(first.map(({ id }) => id).sort());
    expect(taken.every(({ jobs, metrics, state }) => jobs === 0 && metrics > 5 && state === "complete")).toBe(
      true,
    );
    const own = second.filter(({ kind }) => kind !== "imported");
    expect(own).toHaveLength(8);
    expect(own.filter(({ id }) => first.some((trial) => trial.id === id))).toEqual([]);
    // Eight complete trials are known at the start, so the model is used from its first proposal on.
    expect(own.some(({ kind }) => kind === "mutation" || kind === "crossover")).toBe(true);
  });

  it("from an export into another database does the same", async () => {
    expect((await run("report", "tiny", "--format", "jsonl", "--out", "t.jsonl")).code).toBe(0);
    expect(await run("sweep", config, "--db", "other.db", "--warm-start", "t.jsonl")).toMatchObject({
      code: 0,
    });
    expect(trialsOf("other.db", "tiny").filter(({ kind }) => kind === "imported")).toHaveLength(8);
  });

  it("leaves out layouts that ran out of memory, whatever was counted of them", async () => {
    const database = new Database(join(folder.path, "edgefront.db"));
    const broken = trialsOf("edgefront.db", "tiny")[0]!.id;
    const end = database.prepare(
      `UPDATE trials SET state = ?, cause = ? WHERE candidate_id = ? AND sweep_id = (SELECT id FROM sweeps WHERE name = 'tiny')`,
    );
    end.run("infeasible", "out-of-memory", broken);
    expect((await run("report", "tiny", "--format", "jsonl", "--out", "broken.jsonl")).code).toBe(0);
    for (const source of ["tiny", "broken.jsonl"]) {
      const name = `without-${source.length}`;
      expect(await run("sweep", config, "--name", name, "--warm-start", source)).toMatchObject({ code: 0 });
      const taken = trialsOf("edgefront.db", name).filter(({ kind }) => kind === "imported");
      expect(taken).toHaveLength(7);
      expect(taken.map(({ id }) => id)).not.toContain(broken);
    }
    end.run("complete", null, broken);
    database.close();
  });

  it("refuses other conditions, a missing source, or a file that is no export, in one line", async () => {
    const other = writeTinySweep(folder.path, {
      name: "longer",
      train: true,
      objectives: ["kvBytes@32", "parameters"],
    });
    const refused = await run("sweep", other, "--warm-start", "tiny");
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/measured under another `score`/),
    });
    expect(await run("sweep", config, "--name", "x", "--warm-start", "none")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/there is no sweep "none"/),
    });
    expect(await run("sweep", config, "--name", "x", "--warm-start", "tiny.jsonl")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/cannot read tiny\.jsonl/),
    });
  });
});

describe("a corpus that changed", { timeout: 120_000 }, () => {
  it("stops --resume and --warm-start in one line, whose command marks the mix", async () => {
    const config = writeTinySweep(folder.path, { name: "trained", trials: 2 });
    expect(await run("sweep", config)).toMatchObject({ code: 0 });
    writeFileSync(
      join(folder.path, "corpus.txt"),
      "another text that is about as long as it was. ".repeat(200),
    );
    const resumed = await run("sweep", config, "--resume");
    expect(resumed).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^edgefront: sweep "trained" was begun with other content: the corpus of text was 1 file, [^\n]*\n$/,
      ),
    });
    const warm = await run("sweep", config, "--name", "warm trained", "--warm-start", "trained");
    expect(warm).toMatchObject({ code: 2, stderr: expect.stringMatching(/the corpus of text was 1 file/) });
    const command = /or mark the mix: edgefront (sweep [^\n]*)$/m.exec(resumed.stderr)![1]!;
    expect(command).toBe(`sweep ${config} --resume --allow-mixed`);
    const mixed = await run(...command.split(" "));
    expect(mixed).toMatchObject({ code: 0, stdout: expect.stringMatching(/MIXED: the corpus of text was/) });
    const front = JSON.parse((await run("front", "trained", "--json")).stdout);
    expect(front.mixed.mixed).toContainEqual(
      expect.objectContaining({ what: "corpus", of: "text", how: "resumed" }),
    );
    expect((await run("report", "trained", "--out", "mixed.html")).code).toBe(0);
    expect(readFileSync(join(folder.path, "mixed.html"), "utf8")).toMatch(
      /<strong>Mixed:<\/strong> the corpus of text/,
    );
  });
});

describe("a sweep with a stopping rule", { timeout: 60_000 }, () => {
  it("stops when its front has settled, names the reason, and is complete", async () => {
    const path = writeTinySweep(folder.path, {
      name: "settles",
      train: false,
      trials: 200,
      strategy: "nsga2",
      batch: 20,
    });
    const text = readFileSync(path, "utf8").replace(
      "batch: 20",
      "batch: 20, settled: { patience: 15, minimumGain: 0.9, doubt: 0.5 }",
    );
    writeFileSync(path, text);
    expect(await run("sweep", path)).toMatchObject({ code: 0 });
    expect(trialsOf("edgefront.db", "settles")).toHaveLength(20);
    const database = new Database(join(folder.path, "edgefront.db"), { readonly: true });
    const events = database.prepare("SELECT data FROM events WHERE kind = 'settled'").all() as {
      data: string;
    }[];
    database.close();
    expect(events.map(({ data }) => JSON.parse(data).reason)).toEqual([
      expect.stringMatching(/no gain above 90% in 15 trials/),
    ]);
  });
});

describe("replay", { timeout: 60_000 }, () => {
  it("says how soon each strategy would have found the front", async () => {
    const { stdout, code } = await run(
      "replay",
      "tiny",
      "--strategy",
      "random",
      "model",
      "--seeds",
      "3",
      "--json",
    );
    expect(code).toBe(0);
    const { records, runs } = JSON.parse(stdout);
    expect(records).toBe(8);
    expect(runs.map(({ strategy }: { strategy: string }) => strategy)).toEqual(["random", "model"]);
    for (const { curves } of runs) for (const curve of curves) expect(curve.at(-1)).toBeCloseTo(1, 9);
  });

  it("and reproduce have help with examples; their bad input is one line", async () => {
    for (const command of ["replay", "reproduce"]) {
      const { stdout, code } = await run(command, "--help");
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples:/);
    }
    expect(await run("replay", "tiny", "--seeds", "0")).toMatchObject({ code: 2 });
    expect(await run("reproduce", "minimal-hybrid", "--quick", "--full")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--quick or --full, not both/),
    });
    expect(await run("reproduce", "minimal-hybrid", "--seed", "1.5")).toMatchObject({ code: 2 });
  });
});
