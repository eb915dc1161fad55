// Numbers on two contents do not meet in one front unknown: a corpus, tokenizer, teacher, agent or device that changed is noticed on resume, on
// warm start and while a sweep runs; a mix that is asked for is recorded and shown. Scripted devices; store, loop and files are real.
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frontJson, renderJsonl } from "../../reports/json.ts";
import { renderMarkdown } from "../../reports/md.ts";
import { renderTable } from "../../reports/table.ts";
import { reportData, reportRows } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import type { AgentScript } from "../support/scripted-agent.ts";
import { type ScriptedSweeps, scriptedSweeps } from "../support/scripted-sweep.ts";

const TRIALS = 6;
const config = (score: string): string => `name: scripted
space: { vocab: 256, width: [32, 64, 96, 128], depth: [2, 3, 4], mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffnMultiple: 32, ffn: [64, 128] }
search: { strategy: random, trials: ${TRIALS}, batch: 2 }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 3, protocol: { guarded: false, retries: 0 } }
objectives: [{ metric: decodeP50Ms@32 }, { metric: "kvBytes@32" }]
${score}
`;
const scored = (task: string, training = ""): string =>
  config(
    `score: { proxy: { width: 16, headDim: 8 }, tasks: { text: { ${task}, training: { steps: 20${training} } } } }`,
  );
const bytes = scored("task: bytes, options: { corpus: [corpus.txt], length: 32 }");
const tokens = scored(
  "task: tokens, options: { corpus: [corpus.txt], length: 32, tokenizer: tokenizer.json }",
);
const characters = (order: string): string =>
  JSON.stringify({
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: { type: "Unigram", unk_id: 0, vocab: [["<unk>", 0], ...[...order].map((c, i) => [c, -1 - i])] },
  });

const folder = temporaryFolder();
const file = (name: string): string => join(folder.path, name);
let sweeps: ScriptedSweeps;
const script = (text: AgentScript): void => writeFileSync(file("script.json"), JSON.stringify(text));
const teacher = { teacher: "" };

/** Writes another content of the same length into a file, and gives it back its times: only the bytes tell. */
function swap(name: string, content: string): void {
  const { atime, mtime, size } = statSync(file(name));
  expect(content).toHaveLength(size);
  writeFileSync(file(name), content);
  utimesSync(file(name), atime, mtime);
}
const TEXT = "the quick brown fox jumps over the lazy dog. ";
const corpus = (text: string): void => writeFileSync(file("corpus.txt"), text.repeat(200));
const ALPHABET = "abcdefghijklmnopqrstuvwxyz .";

/** A sweep that was killed after its third trial. */
async function killed(db: string, text: string): Promise<void> {
  let ended = 0;
  await sweeps.run(`whole-${db}`, text, {
    listen: ({ kind }) => {
      if (kind === "trial" && ++ended === 3) sweeps.copy(`whole-${db}`, db);
    },
  });
}

function reportOf(db: string, name = "scripted") {
  const store = Store.open(file(db));
  try {
    const sweep = store.sweeps.get(name);
    return { data: reportData(store, sweep), lines: [...renderJsonl(reportRows(store, sweep))] };
  } finally {
    store.close();
  }
}

const reset = (): void => {
  corpus(TEXT);
  writeFileSync(file("tokenizer.json"), characters(ALPHABET));
  writeFileSync(teacher.teacher, "teacher one");
  script({});
};
beforeAll(async () => {
  teacher.teacher = file("teacher.efl");
  sweeps = await scriptedSweeps(folder.path);
  reset();
});
afterAll(() => folder.remove());

const taught = (): string =>
  scored(
    "task: bytes, options: { corpus: [corpus.txt], length: 32 }",
    `, distill: { teacher: "${teacher.teacher}" }`,
  );

interface Row {
  readonly name: string;
  readonly config: () => string;
  readonly change: () => void | Promise<void>;
  /** What is said. */
  readonly said: RegExp;
  readonly keys: readonly string[];
}
const rows: readonly Row[] = [
  {
    name: "corpus of the same size and time",
    config: () => bytes,
    change: () => swap("corpus.txt", TEXT.replace("quick", "quack").repeat(200)),
    said: /the corpus of text was 1 file, 9,000 bytes \([0-9a-f]{12}\), now 1 file, 9,000 bytes/,
    keys: ["corpus:text", "data:text"],
  },
  {
    name: "tokenizer of the same size and time",
    config: () => tokens,
    change: () => swap("tokenizer.json", characters([...ALPHABET].toReversed().join(""))),
    said: /the tokenizer of text was tokenizer\.json \([0-9a-f]{12}\), now tokenizer\.json/,
    keys: ["data:text", "tokenizer:text"],
  },
  {
    name: "teacher of the same size and time",
    config: taught,
    change: () => swap("teacher.efl", "teacher two"),
    said: /the teacher of text was teacher\.efl \([0-9a-f]{12}\), now teacher\.efl/,
    keys: ["teacher:text"],
  },
  {
    name: "processor under the same name",
    config: () => bytes,
    change: () => script({ cpuModel: "Another CPU" }),
    said: /the machine of local was Scripted CPU, 1 core, 8 GiB \([0-9a-f]{12}\), now Another CPU/,
    keys: ["probe:local", "probe:training"],
  },
  {
    name: "emulator under the same name",
    config: () => bytes,
    change: () => script({ probe: { emulated: true } }),
    said: /the machine of local was Scripted CPU.*, now Scripted CPU, 1 core, 8 GiB, under an emulator/,
    keys: ["probe:local", "probe:training"],
  },
  {
    name: "placement",
    config: () => bytes,
    change: () => script({ probe: { allowedCpus: [0, 1] } }),
    said: /the placement of local was 1 thread \([0-9a-f]{12}\), now 2 threads/,
    keys: ["placement:local"],
  },
  {
    name: "build of the agent",
    config: () => bytes,
    change: async () => {
      sweeps = await scriptedSweeps(folder.path, {}, "another build");
    },
    said: /the agent of local was compiled by none \([0-9a-f]{12}\), now compiled by none/,
    keys: ["agent:local", "agent:training"],
  },
];

describe.each(rows)("another $name", ({ name, config: text, change, said, keys }) => {
  const db = `${name.replaceAll(" ", "-")}.db`;
  beforeAll(async () => {
    await killed(db, text());
    await change();
  });
  afterAll(async () => {
    sweeps = await scriptedSweeps(folder.path);
    reset();
  });

  it("is refused on resume in one line that ends with what to do, and writes nothing", async () => {
    const before = sweeps.query(db, "SELECT * FROM trials");
    const error = await sweeps.run(db, text(), { resume: true }).catch((e: unknown) => e as Error);
    expect(error).toMatchObject({ code: "mixed-identity", message: expect.stringMatching(said) });
    expect((error as Error).message).toMatch(
      /^[^\n]*: edgefront sweep <config> --name scripted --resume --allow-mixed$/,
    );
    expect(sweeps.query(db, "SELECT * FROM trials")).toEqual(before);
  });

  it("is refused on warm start, from the sweep and from its export", async () => {
    writeFileSync(file("export.jsonl"), reportOf(`whole-${db}`).lines.join(""));
    for (const warmStart of ["scripted", file("export.jsonl")]) {
      const warm = { name: "warm", warmStart };
      await expect(sweeps.run(`whole-${db}`, text(), warm)).rejects.toMatchObject({ code: "mixed-identity" });
    }
  });

  it("is marked where that is asked for: with each result, and wherever the front is shown", async () => {
    await sweeps.run(db, text(), { resume: true, allowMixed: true });
    const { data } = reportOf(db);
    expect(data.trials).toHaveLength(TRIALS);
    const mixed = frontJson(data).mixed!.mixed;
    expect(mixed.map(({ what, of }) => `${what}:${of}`).sort()).toEqual(keys);
    for (const shown of [renderTable(data, { width: 1000 }), renderMarkdown(data)]) {
      expect(shown).toMatch(/mixed:/i);
      expect(shown).toMatch(said);
      expect(shown).toMatch(/since the sweep was resumed/);
    }
    const results = sweeps.query<{ identity: string }>(
      db,
      "SELECT identity FROM measurements UNION ALL SELECT identity FROM scores",
    );
    const differing = results.map(({ identity }) => JSON.parse(identity).differs as string[]);
    expect([...new Set(differing.flat())].sort()).toEqual(keys);
    expect(differing.some((list) => list.length === 0)).toBe(true);
    // Once said it need not be said again; putting the first back is a change, too.
    await sweeps.run(db, text(), { resume: true });
  });
});

describe("a teacher that was trained for a sweep", () => {
  const learning = scored(
    "task: bytes, options: { corpus: [corpus.txt], length: 32 }",
    ', distill: { teacher: "v256 d32 f64 h2/1x16 : c3 g", teacherSteps: 30 }',
  );
  const weights = (): string[] =>
    readdirSync(file("cache/edgefront/teachers")).filter((n) => n.endsWith(".gguf"));
  const pathOf = (): string => file(`cache/edgefront/teachers/${weights()[0]}`);

  it("is trained once, and again where the cached one is damaged", async () => {
    await sweeps.run("taught.db", learning, { name: "first" });
    expect(weights()).toHaveLength(1);
    const whole = readFileSync(pathOf(), "utf8");
    for (const damaged of ["", whole.slice(0, 5), whole.replace("weights", "wEights"), null]) {
      if (damaged === null) rmSync(pathOf());
      else writeFileSync(pathOf(), damaged);
      await sweeps.run("taught.db", learning, { name: `after ${damaged}` });
      expect(readFileSync(pathOf(), "utf8")).toBe(whole);
    }
  });

  it("is refused before anything learns from it where it came out otherwise", async () => {
    await killed("retaught.db", learning);
    rmSync(pathOf());
    script({ noise: 0.5 });
    const scores = () => sweeps.query("retaught.db", "SELECT identity FROM scores");
    const before = scores();
    await expect(sweeps.run("retaught.db", learning, { resume: true })).rejects.toMatchObject({
      code: "mixed-identity",
      message: expect.stringMatching(/teacher of text seed 1 was trained for 30 steps \(/),
    });
    expect(scores()).toEqual(before);
    reset();
  });
});

it("a finished sweep shows the probes that it measured with, whatever its device was enrolled as since", async () => {
  script({ probe: { emulated: true } });
  await sweeps.run("enrolled.db", bytes);
  reset();
  const store = Store.open(file("enrolled.db"));
  const { result } = store.devices.lastProbe("local")!;
  store.devices.putProbe("local", "ab".repeat(32), { ...result, cpuModel: "Real CPU", emulated: false });
  store.close();
  const { data, lines } = reportOf("enrolled.db");
  const [shown] = data.devices;
  expect(shown).toMatchObject({ cpu: "Scripted CPU", emulated: true });
  expect(shown!.agentSha256).not.toMatch(/^abab/);
  const { metrics } = JSON.parse(lines[0]!);
  expect(metrics["decodeP50Ms@32:local"].provenance).toMatchObject({
    emulated: "yes",
    cpu: "Scripted CPU",
    probe: "#1",
  });
  expect(metrics["text.bitsPerByte"].provenance).toMatchObject({
    corpus: expect.stringMatching(/^[0-9a-f]{12}$/),
    data: expect.stringMatching(/^[0-9a-f]{12}$/),
  });
});

it("what did not change is resumed and warm-started without a word", async () => {
  await killed("same.db", tokens);
  await sweeps.run("same.db", tokens, { resume: true });
  writeFileSync(file("same.jsonl"), reportOf("same.db").lines.join(""));
  await sweeps.run("same.db", tokens, { name: "warm", warmStart: "scripted" });
  await sweeps.run("same.db", tokens, { name: "from export", warmStart: file("same.jsonl") });
  for (const name of ["scripted", "warm", "from export"]) {
    expect(frontJson(reportOf("same.db", name).data).mixed).toBeUndefined();
  }
});

it("files of a corpus that moved are the same corpus", async () => {
  await killed("moved.db", bytes);
  writeFileSync(file("renamed.txt"), TEXT.repeat(200));
  const renamed = bytes.replace("corpus.txt", "renamed.txt");
  await expect(sweeps.run("moved.db", renamed, { resume: true })).rejects.toMatchObject({
    code: "config-changed",
  });
  const { data } = reportOf("moved.db");
  await sweeps.run("moved.db", renamed, { name: "elsewhere" });
  const digest = ({ identity }: typeof data) => identity!.parts.find(({ what }) => what === "corpus")!.digest;
  expect(digest(reportOf("moved.db", "elsewhere").data)).toBe(digest(data));
});

describe("a sweep from before digests were kept", () => {
  const forget = (db: string): void => {
    const database = new Database(file(db));
    database.exec(
      "UPDATE sweeps SET identity = NULL; UPDATE measurements SET identity = NULL; UPDATE scores SET identity = NULL",
    );
    database.close();
  };

  it("says that its contents are unknown, can be resumed, and says so from then on", async () => {
    await killed("old.db", bytes);
    forget("old.db");
    expect(renderMarkdown(reportOf("old.db").data)).toMatch(/content digests: unknown/);
    swap("corpus.txt", TEXT.replace("quick", "quack").repeat(200));
    await sweeps.run("old.db", bytes, { resume: true });
    expect(renderMarkdown(reportOf("old.db").data)).toMatch(
      /trials from before it was resumed rest on the same content is unknown/,
    );
    reset();
    // From now on it is known.
    await expect(sweeps.run("old.db", bytes, { resume: true })).rejects.toMatchObject({
      code: "mixed-identity",
    });
  });

  it("never passes what an emulator took for something else, from the database or from an export", async () => {
    script({ probe: { emulated: true } });
    await sweeps.run("emulated.db", bytes);
    forget("emulated.db");
    writeFileSync(file("emulated.jsonl"), reportOf("emulated.db").lines.join(""));
    script({});
    for (const warmStart of ["scripted", file("emulated.jsonl")]) {
      const warm = { name: "warm", warmStart };
      await expect(sweeps.run("emulated.db", bytes, warm)).rejects.toThrow(/machine of local.*emulator/);
    }
    await sweeps.run("emulated.db", bytes, { name: "warm", warmStart: "scripted", allowMixed: true });
    const { data } = reportOf("emulated.db", "warm");
    expect(data.devices).toMatchObject([{ name: "local", emulated: true }]);
  });
});

it("a device that comes back as another while a sweep runs stops it before its numbers are stored", async () => {
  let ended = 0;
  const running = sweeps.run("while.db", bytes, {
    listen: ({ kind }) => {
      // The fourth measurement kills its agent: the next session meets another processor.
      if (kind === "trial" && ++ended === 2)
        script({ jobs: { [jobsSoFar() + 1]: "kill" }, cpuModel: "Swapped" });
    },
  });
  await expect(running).rejects.toMatchObject({
    code: "mixed-identity",
    message: expect.stringMatching(/now Swapped.*--resume --allow-mixed$/),
  });
  const models = sweeps.query<{ cpu: string }>(
    "while.db",
    "SELECT DISTINCT json_extract(p.result, '$.cpuModel') AS cpu FROM measurements m JOIN probes p ON p.id = m.probe_id",
  );
  expect(models).toEqual([{ cpu: "Scripted CPU" }]);
  reset();
});
const jobsSoFar = (): number => statSync(file("jobs.log")).size;
