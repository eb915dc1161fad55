// Commands over a finished sweep, through the real command line: report as Parquet, export, diff, select.
import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layoutId, parseLayout } from "../../candidates/layout.ts";
import { type Finished, runCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
const run = (...args: string[]) => runCli(args, folder.path);
const json = async (...args: string[]) => {
  const { stdout, code, stderr } = await run(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
};

function expectRefused(finished: Finished, message: RegExp): void {
  expect(finished.stderr.trim().split("\n")).toHaveLength(1);
  expect(finished.stderr).toMatch(message);
  expect(finished.stdout).toBe("");
  expect(finished.code).toBe(2);
}

beforeAll(async () => {
  const objectives = ["decodeP50Ms@32", "text.bitsPerByte"];
  for (const [name, seed] of [
    ["one", 1],
    ["two", 2],
  ] as const) {
    const config = writeTinySweep(folder.path, { name, seed, objectives });
    expect((await run("sweep", config)).code).toBe(0);
  }
});
afterAll(() => folder.remove());

describe("report", () => {
  it("contains the timeline, the provenance of each value, and the history of the front", async () => {
    const { stdout } = await run("report", "one", "--format", "json");
    const data = JSON.parse(stdout);
    expect(data.timeline).toHaveLength(12);
    for (const span of data.timeline) {
      expect(span).toMatchObject({ ok: true, trial: expect.any(Number) });
      expect(span.endMs).toBeGreaterThan(span.startMs);
    }
    const lanes = new Set(data.timeline.map((span: { lane: string }) => span.lane));
    expect(lanes).toEqual(new Set(["local", "training"]));
    const { metrics, origin } = data.trials[0];
    expect(origin).toBe("drawn at random (by random, batch 1)");
    expect(metrics["decodeP50Ms@32:local"].provenance).toMatchObject({
      agent: expect.stringMatching(/^[0-9a-f]{12}$/),
      isa: expect.any(String),
      threads: expect.stringMatching(/^\d+$/),
      output: expect.stringMatching(/^[0-9a-f]{12}$/),
    });
    expect(metrics["text.bitsPerByte"].provenance).toMatchObject({ seeds: "1", steps: "4" });
    expect(metrics.parameters.provenance).toBeUndefined();
    const numbers = (list: { number: number }[]): number[] => list.map(({ number }) => number).sort();
    const onFront = numbers(data.trials.filter((trial: { onFront: boolean }) => trial.onFront));
    const staying = data.frontSpans.filter((span: { until: number | null }) => span.until === null);
    expect(numbers(staying.map(({ trial }: { trial: number }) => ({ number: trial })))).toEqual(onFront);
  });

  it("as Parquet is a file that reads back", async () => {
    const asked = ["report", "one", "--format", "parquet"];
    expectRefused(await run(...asked), /is a binary format; name a file with --out/);
    expect(await json(...asked, "--out", "one.parquet")).toMatchObject({ out: "one.parquet" });
    const bytes = readFileSync(join(folder.path, "one.parquet"));
    const rows = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
    expect(new Set(rows.map((row) => row.trial)).size).toBe(6);
  });
});

describe("export", () => {
  it("a layout of a front compiles to the GGUF of its notation", async () => {
    const { points } = await json("front", "one");
    const made = await json("compile", "F1", "--sweep", "one", "--out", "f1.gguf");
    expect(made.id).toBe(points[0].id);
    await json("compile", points[0].notation, "--out", "same.gguf");
    const [a, b] = ["f1.gguf", "same.gguf"].map((name) => readFileSync(join(folder.path, name)));
    expect(a!.equals(b!)).toBe(true);
    expectRefused(await run("compile", "F99", "--sweep", "one", "--out", "x.gguf"), /has no layout "F99"/);
  });

  it("writes a layout of a front as layout JSON that is the same layout", async () => {
    const front = await json("front", "one");
    const point = front.points[0];
    await json("export", "F1", "--sweep", "one", "--format", "layout", "--out", "f1.json");
    const layout = parseLayout(JSON.parse(readFileSync(join(folder.path, "f1.json"), "utf8")));
    expect(layoutId(layout)).toBe(point.id);
    for (const name of [`#${point.trial}`, point.id, point.id.slice(0, 9), point.notation, "f1.json"])
      expect((await json("export", name, "--sweep", "one", "--format", "layout")).id).toBe(point.id);
  });

  it("writes a card with the evidence, and a transformers config of any layout", async () => {
    const { stdout } = await run("export", "F1", "--sweep", "one", "--format", "card");
    expect(stdout).toMatch(/Median time per token at 32 on local \| [\d.]+ ms \| .*[23] samples/);
    const config = await run("export", "lfm2-350m");
    expect(JSON.parse(config.stdout)).toMatchObject({ model_type: "lfm2", hidden_size: 1024 });
  });

  it("writes a PyTorch module, and tells the next step", async () => {
    const made = await run("export", "F1", "--sweep", "one", "--format", "pytorch", "--out", "m.py");
    expect(made.stderr).toContain("wrote m.py; try it: python3 -i m.py, then Model()");
    expect(readFileSync(join(folder.path, "m.py"), "utf8")).toMatch(/^"""v\d+ d\d+ /);
  });

  it.each([
    [["F1", "--format", "card"], /--format card shows measurements of a sweep; name it with --sweep/],
    [["F99", "--sweep", "one"], /sweep "one" has no layout "F99"/],
    [["#99", "--sweep", "one"], /sweep "one" has no layout "#99"/],
    [["l1-", "--sweep", "one"], /has no layout "l1-"/],
    [["lfm2-350m", "--sweep", "one"], /has no layout "lfm2-350m"/],
    [["F1", "--sweep", "oen"], /did you mean "one"\?/],
    [["d64 f64 h4/2x16 : c2 c3", "--format", "config"], /no transformers class can express/],
    [["lfm2-350m", "--out", "no/folder/x.json"], /cannot write no\/folder\/x\.json/],
    [["lfm2-350m", "--format", "onnx"], /format cannot be "onnx"/],
  ])("%j is refused, and nothing is written", async (args, message) => {
    const before = readdirSync(folder.path);
    expectRefused(await run("export", ...args), message);
    expect(readdirSync(folder.path)).toEqual(before);
  });
});

describe("diff", () => {
  it("of a sweep with itself is nothing; of two seeds it names the change", async () => {
    expect(await json("diff", "one", "one")).toMatchObject({ configuration: [], changes: [], shared: 6 });
    const diff = await json("diff", "one", "two");
    expect(diff.configuration).toContainEqual({ path: "seed", before: "1", after: "2" });
    expect((await run("diff", "one", "two")).stdout).toMatch(/^one -> two\n/);
  });

  it("takes the second sweep from another database", async () => {
    expectRefused(await run("diff", "one", "one", "--against", "none.db"), /there is no such database/);
    expect(existsSync(join(folder.path, "none.db"))).toBe(false);
    expect(await json("diff", "one", "one", "--against", "edgefront.db")).toMatchObject({ changes: [] });
    expectRefused(await run("diff", "one", "tow"), /did you mean "two"\?/);
  });
});

describe("select", () => {
  it("chooses within the budgets and names the reasons", async () => {
    const { chosen, runnerUp, reasons, quality } = await json("select", "one", "--rule", "best-quality");
    expect(quality).toBe("text.bitsPerByte");
    expect(chosen.metrics[quality]).toBeLessThanOrEqual(runnerUp.metrics[quality]);
    expect(reasons.join(" ")).toContain(runnerUp.id);
    // A budget just below the choice's value excludes the choice.
    const bound = chosen.metrics["decodeP50Ms@32:local"] * 0.999;
    const tight = await json("select", "one", "--rule", "best-quality", "--budget", `token=${bound}ms`);
    expect(tight.budgets).toEqual([{ metric: "decodeP50Ms@32:local", max: bound }]);
    expect(tight.chosen?.id).not.toBe(chosen.id);
    expect(tight.chosen?.metrics["decodeP50Ms@32:local"] ?? 0).toBeLessThanOrEqual(bound);
  });

  it("computes counted metrics, reads units and directions, and reports when no layout is within budget", async () => {
    const few = await json("select", "one", "--budget", "attention=4,weights=1GB,decode=1,text<=100");
    expect(few.budgets).toEqual([
      { metric: "attentionLayers", max: 4 },
      { metric: "weightBytes", max: 1e9 },
      { metric: "decodeTokensPerSecond@32:local", min: 1 },
      { metric: "text.bitsPerByte", max: 100 },
    ]);
    expect(few.chosen.metrics.weightBytes).toBeGreaterThan(0);
    const none = await run("select", "one", "--budget", "memory=1KB");
    expect(none.code).toBe(0);
    expect(none.stdout).toMatch(/^No layout meets the budgets\..*The nearest is l1-/s);
  });

  it("chooses on the front only, and shows intervals, marks and the chance", async () => {
    const { points } = await json("front", "one");
    const { chosen, runnerUp, unfinished, confirmed } = await json(
      "select",
      "one",
      "--budget",
      "attention=4",
    );
    const ids = points.map(({ id }: { id: string }) => id);
    for (const one of [chosen, runnerUp].filter((one) => one !== null)) expect(ids).toContain(one.id);
    expect({ unfinished, confirmed }).toEqual({ unfinished: null, confirmed: null });
    const known = chosen.estimates["decodeP50Ms@32:local"];
    expect(known).toMatchObject({ value: chosen.metrics["decodeP50Ms@32:local"], marks: expect.any(Array) });
    const { stdout } = await run("select", "one");
    expect(stdout).toMatch(/\nattention layers +\d/);
    expect(stdout).toMatch(/\nchance on the front +[<>]?\d+%/);
    expect(stdout).toMatch(/Text bits per byte +[\d.]+ bits\/byte( \[[\d.]+–[\d.]+ bits\/byte\])?/);
  });

  it("says first that a sweep is not finished", async () => {
    copyFileSync(join(folder.path, "edgefront.db"), join(folder.path, "stopped.db"));
    const db = new Database(join(folder.path, "stopped.db"));
    db.exec("UPDATE sweeps SET state = 'running', finished_at = NULL WHERE name = 'one'");
    db.close();
    const asked = ["select", "one", "--db", "stopped.db"];
    const [first] = (await run(...asked)).stdout.split("\n");
    expect(first).toBe(
      'Sweep "one" is not finished (6 of up to 6 trials), so the choice may change. Continue it with: edgefront sweep CONFIG --resume',
    );
    expect((await json(...asked)).unfinished).toEqual({ ended: 6, trials: 6 });
  });

  it("--confirm measures and trains again, finds the sweep's file by name, and is shown afterwards", async () => {
    const confirming = await run("select", "one", "--confirm", "--sessions", "2", "--json");
    expect(confirming.code).toBe(0);
    expect(confirming.stderr).toMatch(/checking: #\d.*, session 1 of 2\n/);
    const { confirmed } = JSON.parse(confirming.stdout);
    expect(confirmed.chosen.metrics["text.bitsPerByte"]).toMatchObject({
      samples: 2,
      sessions: 2,
      marks: [],
    });
    expect(confirmed.seeds.report).toHaveLength(2);
    expect((await json("select", "one", "--sessions", "2")).confirmed).toEqual(confirmed);
    expect((await json("select", "one", "--sessions", "2", "--tolerance", "0.5")).confirmed).toBeNull();
    const text = await run("select", "one", "--sessions", "2");
    expect(text.stdout).toMatch(
      /^v256 .*\n\nConfirmed: #\d+ \(l1-[0-9a-f]+\), by 2 new sessions and 2 new seeds\./,
    );
    expect((await run("report", "one", "--format", "md")).stdout).toContain("## Confirmed choice");
  }, 300_000);

  it.each([
    [["--sessions", "1"], /--sessions is 1, but must be a whole number from 2 to 50/],
    [["--config", "other.yaml"], /other\.yaml is not the configuration that sweep "one" was started with/],
    [["--config", "none.yaml"], /none\.yaml/],
    [["--replacements", "-1"], /--replacements is -1, but must be a whole number, 0 or more/],
  ])("--confirm %j is refused", async (args, message) => {
    writeTinySweep(folder.path, { name: "other", steps: 5 });
    expectRefused(await run("select", "one", "--confirm", ...args), message);
  });

  it("--confirm asks for the sweep's file where it trains on files and none is found", async () => {
    copyFileSync(join(folder.path, "edgefront.db"), join(folder.path, "elsewhere.db"));
    const db = new Database(join(folder.path, "elsewhere.db"));
    db.exec(
      "UPDATE sweeps SET name = 'moved', config = json_set(config, '$.name', 'moved') WHERE name = 'one'",
    );
    db.close();
    expectRefused(
      await run("select", "moved", "--db", "elsewhere.db", "--confirm"),
      /name its YAML file: edgefront select moved --confirm --config FILE/,
    );
  });

  it.each([
    [["--budget", "ttft"], /"ttft" is not a budget; write name=bound/],
    [["--budget", "tfft=1"], /did you mean "ttft"\?/],
    [["--budget", "ttft=1MB"], /"1MB" is not a valid bound on ttftMs@32:local/],
    [["--budget", "ttft@64=1"], /this sweep does not measure "ttft@64"/],
    [["--device", "phone"], /sweep "one" did not measure on "phone"/],
    [["--quality", "kvBytes@32"], /is not an objective of this sweep/],
    [["--rule", "luck"], /rule cannot be "luck"/],
  ])("%j is refused", async (args, message) => {
    expectRefused(await run("select", "one", ...args), message);
  });
});

describe("findings", () => {
  it("answer whether measuring was worth it and how certain the front is, as text, JSON and report", {
    timeout: 180_000,
  }, async () => {
    const once = await json("findings", "one");
    expect(once.findings[0]).toMatchObject({
      id: "measuring",
      answer: expect.stringMatching(
        /^Cannot tell: no layout was measured in two sessions.*search\.replicate/,
      ),
    });
    const path = writeTinySweep(folder.path, {
      name: "twice",
      objectives: ["decodeP50Ms@32", "text.bitsPerByte"],
      replicate: 8,
    });
    const swept = await run("sweep", path);
    expect(swept.code).toBe(0);
    expect(swept.stderr.trim().split("\n").at(-1)).toContain("edgefront select twice --confirm");
    const { findings } = await json("findings", "twice");
    expect(findings.map(({ id }: { id: string }) => id).slice(0, 2)).toEqual(["measuring", "certainty"]);
    // A disturbed machine may make a measurement void.
    expect(findings[1].answer).toMatch(/Repetitions: [1-6] more measurements? and 6 more seeds/);
    expect(findings[0].table.rows.map(([first]: string[]) => first)).toEqual([
      "local, parameter count",
      "local, FLOPs",
      "local, roofline",
    ]);
    const text = await run("findings", "one");
    expect(text.stdout).toMatch(/^Was measuring worth it\?\n {2}\S/);
    expect((await run("report", "one", "--format", "md")).stdout).toContain("### Was measuring worth it?");
  });
});

it.each(["report", "export", "diff", "select", "findings"])(
  "%s --help has examples within 100 columns",
  async (command) => {
    const { stdout, code } = await run(command, "--help");
    expect(code).toBe(0);
    expect(stdout).toContain("Examples:");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  },
);
