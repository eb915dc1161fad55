// A user's paths stay private. Inputs name folders (corpora, tokenizer, teacher, layouts, Python, imports,
// messages of agents). Neither the database nor any report contains them.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namedLayouts } from "../../candidates/named.ts";
import { renderJsonl } from "../../reports/json.ts";
import { parseSweepConfig } from "../../runner/config/config.ts";
import { withoutPaths, withoutPathsIn } from "../../runner/config/without-paths.ts";
import { AgentError, UploadError } from "../../runner/devices/device-errors.ts";
import { routeFault } from "../../runner/farm/faults.ts";
import { reportWithFindings } from "../../runner/findings/sweep-findings.ts";
import { reportRows } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { rendered } from "../support/report-formats.ts";
import { type ScriptedSweeps, scriptedSweeps } from "../support/scripted-sweep.ts";

const outer = temporaryFolder();
const secret = join(outer.path, "a secret project");
mkdirSync(secret);
afterAll(() => outer.remove());

const layout = { vocab: 256, width: 32, layers: namedLayouts["lfm2-350m"]!.layers.slice(0, 2) };
const yaml = ({
  corpus = "corpus.txt",
  include = "",
  teacher = "",
  python = "python3",
  backend = "native",
}) => `
name: private
space: { vocab: 256, width: [32, 64], depth: 2, mixers: [c3, g], heads: ["2/1x16"], ffn: 64${include} }
search: { strategy: random, trials: 4 }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 2, protocol: { guarded: false, retries: 0 } }
score:
  trainer: { backend: ${backend}, python: "${python}" }
  proxy: { width: 16, headDim: 8 }
  tasks:
    text: { task: bytes, options: { corpus: [${JSON.stringify(corpus)}], length: 32 }, training: { steps: 5${teacher} } }
objectives: [{ metric: text.bitsPerByte }, { metric: "kvBytes@32" }]
`;
const stored = (given: Parameters<typeof yaml>[0]): string =>
  JSON.stringify(withoutPaths(parseSweepConfig(yaml(given), "private.yaml")));

describe("a stored configuration", () => {
  it.each([
    ["an absolute corpus", { corpus: "/home/me/secret/a.txt" }, ".../a.txt"],
    ["a corpus at home", { corpus: "~/secret/*.txt" }, ".../*.txt"],
    ["a corpus above the configuration", { corpus: "../../secret/*.txt" }, ".../*.txt"],
    ["a corpus as a URL", { corpus: "file:///home/me/secret/a.txt" }, ".../a.txt"],
    ["a corpus on a drive", { corpus: "C:/secret/a.txt" }, ".../a.txt"],
    ["a Python", { python: "/home/me/secret/bin/python", backend: "pytorch" }, ".../python"],
    ["a teacher", { teacher: ', distill: { teacher: "/home/me/secret/t.gguf" }' }, ".../t.gguf"],
    ["a layout that is gone", { include: ', include: ["/home/me/secret/l.json"]' }, ".../l.json"],
    ["a layout in a folder here", { include: ', include: ["secret/l.json"]' }, ".../l.json"],
  ])("keeps of %s the last part", (_, given, kept) => {
    const text = stored(given);
    expect(text).not.toMatch(/secret|\/home/);
    expect(text).toContain(kept);
    expect(JSON.stringify(withoutPaths(JSON.parse(text)))).toBe(text);
  });

  it("leaves as they are names, notations and patterns beside the configuration", () => {
    const include = ', include: [lfm2-350m, "v256 d32 f64 h2/1x16 : c3 g"]';
    const text = stored({ include, corpus: "data/*.txt" });
    for (const kept of ["data/*.txt", "lfm2-350m", "v256 d32 f64 h2/1x16 : c3 g", "python3"])
      expect(text).toContain(`"${kept}"`);
  });

  it("holds the layout of a file that is called anything", () => {
    const path = join(secret, "mine.layout");
    writeFileSync(path, JSON.stringify(layout));
    expect(stored({ include: `, include: ["${path}"]` })).toMatch(/"v256 d32 .*: c3 c3"/);
  });

  it("holds the layout of a file, so that another content is another configuration", () => {
    const path = join(secret, "mine.json");
    const include = `, include: ["${path}"]`;
    writeFileSync(path, JSON.stringify(layout));
    const first = stored({ include });
    expect(first).toMatch(/"v256 d32 .*: c3 c3"/);
    writeFileSync(path, JSON.stringify({ ...layout, width: 64 }));
    expect(stored({ include })).not.toBe(first);
  });
});

it.each([
  ["data file /home/me/.cache/edgefront/data/ab.efd: truncated", "data file .../ab.efd: truncated"],
  [
    `cannot write ${join(homedir(), "My Models", "a b")}/x.gguf.part: no space`,
    /^cannot write [^:]*x\.gguf\.part: no space$/,
  ],
  ["the key '/home/me/.ssh/id_ed25519' cannot be read", "the key '.../id_ed25519' cannot be read"],
  ["~/models/x.gguf is not GGUF", ".../x.gguf is not GGUF"],
  ["/data/data/com.termux/files/home/.edgefront/agents/agent: not executable", ".../agent: not executable"],
  [
    "v256 d64 f128 h4/2x16 : c3 g is 12.5 tok/s, budget 3/4",
    "v256 d64 f128 h4/2x16 : c3 g is 12.5 tok/s, budget 3/4",
  ],
  ["read /sys/class/thermal/thermal_zone0/temp", "read .../temp"],
  ["a/b and 1/2 stay", "a/b and 1/2 stay"],
  ["/srv/all models/of mine/x.efd: truncated", ".../x.efd: truncated"],
  ["see https://example.org/a/b", "see https://example.org/a/b"],
  ["C:\\Users\\me\\x.gguf: gone", ".../x.gguf: gone"],
])("of the message %j it is kept %j", (message, kept) => {
  const found = withoutPathsIn(message);
  if (typeof kept === "string") expect(found).toBe(kept);
  else expect(found).toMatch(kept);
  expect(found).not.toContain(homedir());
});

it("a fault's reason has no paths, whoever reported it", () => {
  for (const error of [
    new AgentError("io", "data file /home/me/secret/x.efd: not an EFD1 file"),
    new UploadError("/home/me/secret/x.gguf is not what it was when it was hashed"),
  ])
    expect(routeFault(error, "phone")!.reason).not.toMatch(/secret|home/);
});

describe("a sweep that names private folders everywhere", () => {
  let sweeps: ScriptedSweeps;
  const given = () => ({
    corpus: `${secret}/*.txt`,
    include: `, include: ["${secret}/mine.json"]`,
    teacher: `, distill: { teacher: "${secret}/teacher.efl" }`,
  });
  beforeAll(async () => {
    sweeps = await scriptedSweeps(outer.path, {
      jobs: { 2: "disk-error", 3: "refuse" },
      message: `data file ${secret}/x.efd: not an EFD1 file`,
    });
    writeFileSync(join(secret, "corpus.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
    writeFileSync(join(secret, "teacher.efl"), "a teacher");
    writeFileSync(join(secret, "mine.json"), JSON.stringify(layout));
    await sweeps.run("private.db", yaml(given()));
    const store = Store.open(join(outer.path, "private.db"));
    const rows = reportRows(store, store.sweeps.get("scripted"));
    writeFileSync(join(secret, "export.jsonl"), [...renderJsonl(rows)].join(""));
    store.close();
    await sweeps.run("private.db", yaml(given()), { name: "warm", warmStart: join(secret, "export.jsonl") });
  });

  it("had its faults, whose words are kept", () => {
    const faults = sweeps.query<{ data: string }>(
      "private.db",
      "SELECT data FROM events WHERE kind = 'fault'",
    );
    expect(faults.map(({ data }) => JSON.parse(data).reason)).toContainEqual(
      "data file .../x.efd: not an EFD1 file (on local)",
    );
  });

  it("says nowhere in its database where they are", () => {
    for (const name of readdirSync(outer.path).filter((one) => one.startsWith("private.db")))
      expect(readFileSync(join(outer.path, name)).includes("secret project"), name).toBe(false);
  });

  it("says it in no report", () => {
    const store = Store.open(join(outer.path, "private.db"));
    for (const name of ["scripted", "warm"]) {
      const data = reportWithFindings(store, store.sweeps.get(name));
      for (const format of ["html", "md", "csv", "json", "jsonl"] as const)
        expect(rendered(format, data).includes("secret project"), format).toBe(false);
    }
    store.close();
  });

  it("continues with --resume, but not with another layout in the file", async () => {
    await sweeps.run("private.db", yaml(given()), { resume: true });
    writeFileSync(join(secret, "mine.json"), JSON.stringify({ ...layout, width: 64 }));
    await expect(sweeps.run("private.db", yaml(given()), { resume: true })).rejects.toMatchObject({
      code: "config-changed",
    });
  });
});
