// Numbers from two contents never mix unnoticed in one front. A changed corpus, tokenizer, teacher, agent or
// device is noticed on resume and on warm start. A requested mix is recorded and shown. Devices are scripted;
// store, loop and files are real.
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frontJson } from "../../reports/json.ts";
import { renderMarkdown } from "../../reports/md.ts";
import { renderTable } from "../../reports/table.ts";
import {
  ALPHABET,
  bytes,
  characters,
  file,
  folder,
  killed,
  rebuild,
  reportOf,
  reset,
  script,
  swap,
  sweepsNow,
  TEXT,
  TRIALS,
  taught,
  tokens,
} from "../support/changing-content.ts";

beforeAll(async () => {
  await rebuild();
  reset();
});
afterAll(() => folder.remove());

interface Row {
  readonly name: string;
  readonly config: () => string;
  readonly change: () => void | Promise<void>;
  /** Expected message. */
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
      await rebuild("another build");
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
    await rebuild();
    reset();
  });

  it("is refused on resume in one line that ends with what to do, and writes nothing", async () => {
    const before = sweepsNow().query(db, "SELECT * FROM trials");
    const error = await sweepsNow()
      .run(db, text(), { resume: true })
      .catch((e: unknown) => e as Error);
    expect(error).toMatchObject({ code: "mixed-identity", message: expect.stringMatching(said) });
    expect((error as Error).message).toMatch(
      /^[^\n]*: edgefront sweep <config> --name scripted --resume --allow-mixed$/,
    );
    expect(sweepsNow().query(db, "SELECT * FROM trials")).toEqual(before);
  });

  it("is refused on warm start, from the sweep and from its export", async () => {
    writeFileSync(file("export.jsonl"), reportOf(`whole-${db}`).lines.join(""));
    for (const warmStart of ["scripted", file("export.jsonl")]) {
      const warm = { name: "warm", warmStart };
      await expect(sweepsNow().run(`whole-${db}`, text(), warm)).rejects.toMatchObject({
        code: "mixed-identity",
      });
    }
  });

  it("is marked where that is asked for: with each result, and wherever the front is shown", async () => {
    await sweepsNow().run(db, text(), { resume: true, allowMixed: true });
    const { data } = reportOf(db);
    expect(data.trials).toHaveLength(TRIALS);
    const mixed = frontJson(data).mixed!.mixed;
    expect(mixed.map(({ what, of }) => `${what}:${of}`).sort()).toEqual(keys);
    for (const shown of [renderTable(data, { width: 1000 }), renderMarkdown(data)]) {
      expect(shown).toMatch(/mixed:/i);
      expect(shown).toMatch(said);
      expect(shown).toMatch(/since the sweep was resumed/);
    }
    const results = sweepsNow().query<{ identity: string }>(
      db,
      "SELECT identity FROM measurements UNION ALL SELECT identity FROM scores",
    );
    const differing = results.map(({ identity }) => JSON.parse(identity).differs as string[]);
    expect([...new Set(differing.flat())].sort()).toEqual(keys);
    expect(differing.some((list) => list.length === 0)).toBe(true);
    // An accepted change needs no second confirmation. Restoring the first content is a change, too.
    await sweepsNow().run(db, text(), { resume: true });
  });
});
