// The read-only commands whose results are kept in test/golden/behaviour.json, on every database of
// test/fixtures/. Commands that need a device or write into their database have tests of their own.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { FIXTURES } from "../support/fixture-database.ts";

export interface DatabaseFixture {
  readonly name: string;
  readonly sql: () => string;
  /**
   * True for the newest fixtures, which take every command. For older schema versions `npm test` only checks
   * that they can be read.
   */
  readonly newest: boolean;
  readonly commands: readonly CommandLine[];
}

export interface CommandLine {
  readonly args: readonly string[];
  /**
   * Databases on which `npm test` runs the command too: the newest, those of every schema version, or none
   * because it is slow.
   */
  readonly tested: "newest" | "every" | "no";
}

const line = (text: string, tested: CommandLine["tested"] = "newest"): CommandLine => ({
  args: text.split(" "),
  tested,
});

/** Commands on one sweep. `{db}` stands for the database file. */
const ofSweep = (sweep: string): readonly CommandLine[] => [
  line(`front ${sweep} --db {db} --json`),
  ...["minimal-hybrid", "budget-weighted", "best-quality"].map((rule) =>
    line(`select ${sweep} --rule ${rule} --db {db} --json`),
  ),
  line(`select ${sweep} --budget memory=1.91MB --db {db} --json`),
  line(`findings ${sweep} --db {db} --json`),
  line(`diff ${sweep} ${sweep} --db {db} --json`),
  line(`replay ${sweep} --seeds 2 --db {db} --json`, "no"),
  line(`report ${sweep} --db {db} --format json`, "every"),
  ...["jsonl", "csv", "md"].map((format) => line(`report ${sweep} --db {db} --format ${format}`)),
  ...["config", "layout", "card"].map((format) =>
    line(`export F1 --sweep ${sweep} --db {db} --format ${format}`),
  ),
];

const ofDatabase: readonly CommandLine[] = [
  line("sweeps --db {db} --json"),
  line("device list --db {db} --json"),
  line("device show local --db {db} --json", "every"),
];

/** Commands that read no database. */
export const withoutDatabase: readonly CommandLine[] = [
  ...["lfm2-350m", "lfm2-2.6b-gqa", "qwen3-0.6b"].flatMap((layout) => [
    line(`show ${layout} --json`),
    line(`export ${layout} --format config`),
    line(`export ${layout} --format layout`),
  ]),
  line("reproduce minimal-hybrid --dry-run --json", "no"),
  line("reproduce minimal-hybrid --minutes 300 --dry-run --json", "no"),
];

const plain = readdirSync(FIXTURES)
  .map((file) => /^database-v(\d+)\.sql$/.exec(file))
  .flatMap((match) => (match === null ? [] : [Number(match[1])]))
  .sort((a, b) => a - b);

export const databases: readonly DatabaseFixture[] = [
  ...plain.map((version) => ({
    name: `v${version}`,
    sql: () => readFileSync(join(FIXTURES, `database-v${version}.sql`), "utf8"),
    newest: version === plain.at(-1),
    commands: [...ofDatabase, ...ofSweep("fixture")],
  })),
  {
    // Real sweeps with repetitions, rungs, screening, a confirmation and a warm start.
    // test/fixtures/README.md describes them.
    name: "rich",
    sql: () => gunzipSync(readFileSync(join(FIXTURES, "rich-v11.sql.gz"))).toString(),
    newest: true,
    commands: [
      ...ofDatabase,
      ...["rich", "warm"].flatMap(ofSweep),
      line("diff rich warm --db {db} --json"),
      line("select rich --budget decode=0.02ms,memory=2MB --db {db} --json"),
    ],
  },
];
