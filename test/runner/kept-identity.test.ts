// Later knowledge of a sweep's contents: probes and teachers that were used, files that moved, sweeps from
// before digests, a device that is replaced during a sweep.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frontJson } from "../../reports/json.ts";
import { renderMarkdown } from "../../reports/md.ts";
import { Store } from "../../runner/store/store.ts";
import {
  bytes,
  file,
  folder,
  killed,
  rebuild,
  reportOf,
  reset,
  scored,
  script,
  swap,
  sweepsNow,
  TEXT,
  tokens,
} from "../support/changing-content.ts";

beforeAll(async () => {
  await rebuild();
  reset();
});
afterAll(() => folder.remove());

describe("a teacher that was trained for a sweep", () => {
  const learning = scored(
    "task: bytes, options: { corpus: [corpus.txt], length: 32 }",
    ', distill: { teacher: "v256 d32 f64 h2/1x16 : c3 g", teacherSteps: 30 }',
  );
  const weights = (): string[] =>
    readdirSync(file("cache/edgefront/teachers")).filter((n) => n.endsWith(".gguf"));
  const pathOf = (): string => file(`cache/edgefront/teachers/${weights()[0]}`);

  it("is trained once, and again where the cached one is damaged", async () => {
    await sweepsNow().run("taught.db", learning, { name: "first" });
    expect(weights()).toHaveLength(1);
    const whole = readFileSync(pathOf(), "utf8");
    for (const damaged of ["", whole.slice(0, 5), whole.replace("weights", "wEights"), null]) {
      if (damaged === null) rmSync(pathOf());
      else writeFileSync(pathOf(), damaged);
      await sweepsNow().run("taught.db", learning, { name: `after ${damaged}` });
      expect(readFileSync(pathOf(), "utf8")).toBe(whole);
    }
  });

  it("is refused before anything learns from it where it came out otherwise", async () => {
    await killed("retaught.db", learning);
    rmSync(pathOf());
    script({ noise: 0.5 });
    const scores = () => sweepsNow().query("retaught.db", "SELECT identity FROM scores");
    const before = scores();
    await expect(sweepsNow().run("retaught.db", learning, { resume: true })).rejects.toMatchObject({
      code: "mixed-identity",
      message: expect.stringMatching(/teacher of text seed 1 was trained for 30 steps \(/),
    });
    expect(scores()).toEqual(before);
    reset();
  });
});

it("a finished sweep shows the probes that it measured with, whatever its device was enrolled as since", async () => {
  script({ probe: { emulated: true } });
  await sweepsNow().run("enrolled.db", bytes);
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
  await sweepsNow().run("same.db", tokens, { resume: true });
  writeFileSync(file("same.jsonl"), reportOf("same.db").lines.join(""));
  await sweepsNow().run("same.db", tokens, { name: "warm", warmStart: "scripted" });
  await sweepsNow().run("same.db", tokens, { name: "from export", warmStart: file("same.jsonl") });
  for (const name of ["scripted", "warm", "from export"]) {
    expect(frontJson(reportOf("same.db", name).data).mixed).toBeUndefined();
  }
});

it("files of a corpus that moved are the same corpus", async () => {
  await killed("moved.db", bytes);
  writeFileSync(file("renamed.txt"), TEXT.repeat(200));
  const renamed = bytes.replace("corpus.txt", "renamed.txt");
  await expect(sweepsNow().run("moved.db", renamed, { resume: true })).rejects.toMatchObject({
    code: "config-changed",
  });
  const { data } = reportOf("moved.db");
  await sweepsNow().run("moved.db", renamed, { name: "elsewhere" });
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
    await sweepsNow().run("old.db", bytes, { resume: true });
    expect(renderMarkdown(reportOf("old.db").data)).toMatch(
      /unknown whether trials from before the resume used the same content/,
    );
    reset();
    // From here on the content is known.
    await expect(sweepsNow().run("old.db", bytes, { resume: true })).rejects.toMatchObject({
      code: "mixed-identity",
    });
  });

  it("never passes what an emulator took for something else, from the database or from an export", async () => {
    script({ probe: { emulated: true } });
    await sweepsNow().run("emulated.db", bytes);
    forget("emulated.db");
    writeFileSync(file("emulated.jsonl"), reportOf("emulated.db").lines.join(""));
    script({});
    for (const warmStart of ["scripted", file("emulated.jsonl")]) {
      const warm = { name: "warm", warmStart };
      await expect(sweepsNow().run("emulated.db", bytes, warm)).rejects.toThrow(/machine of local.*emulator/);
    }
    await sweepsNow().run("emulated.db", bytes, { name: "warm", warmStart: "scripted", allowMixed: true });
    const { data } = reportOf("emulated.db", "warm");
    expect(data.devices).toMatchObject([{ name: "local", emulated: true }]);
  });
});

it("a device that comes back as another while a sweep runs stops it before its numbers are stored", async () => {
  let ended = 0;
  const running = sweepsNow().run("while.db", bytes, {
    listen: ({ kind }) => {
      // The fourth measurement kills its agent. The next session meets another processor.
      if (kind === "trial" && ++ended === 2)
        script({ jobs: { [jobsSoFar() + 1]: "kill" }, cpuModel: "Swapped" });
    },
  });
  await expect(running).rejects.toMatchObject({
    code: "mixed-identity",
    message: expect.stringMatching(/now Swapped.*--resume --allow-mixed$/),
  });
  const models = sweepsNow().query<{ cpu: string }>(
    "while.db",
    "SELECT DISTINCT json_extract(p.result, '$.cpuModel') AS cpu FROM measurements m JOIN probes p ON p.id = m.probe_id",
  );
  expect(models).toEqual([{ cpu: "Scripted CPU" }]);
  reset();
});

const jobsSoFar = (): number => statSync(file("jobs.log")).size;
