// golden: compares the results of every read-only command on the committed databases, the proposals of every
// strategy and the plans of layouts with test/golden/behaviour.json. A change of structure leaves them equal.
// A change of behaviour writes them again (--write), and its commit gives the reason. `npm test` compares the
// same, but fewer commands of older schema versions.
//
//   npm run golden [-- --write | --beside OTHER-CHECKOUT] [--only TEXT]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { optionsOf } from "../support/parse-args.ts";
import { computed } from "./computed.ts";
import { comparableText } from "./fingerprint.ts";
import { differences, GOLDEN, type Golden, goldenOf } from "./golden-file.ts";
import { type Observed, observe } from "./observed.ts";

const values = optionsOf(
  "golden [--write: store] [--beside DIR: show differences from another built checkout] [--only TEXT]",
  {
    write: { type: "boolean", default: false },
    beside: { type: "string" },
    only: { type: "string" },
  },
);

async function observedIn(root: string): Promise<Observed[]> {
  const folder = mkdtempSync(join(tmpdir(), "edgefront-golden-"));
  try {
    const cli = resolve(root, "dist", "runner", "cli.js");
    return await observe({ cli, folder, everything: true, only: values.only });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The first lines that differ, from each side. */
function firstDifference(before: string, now: string): string {
  const [was, is] = [before.split("\n"), now.split("\n")];
  const at = is.findIndex((text, line) => text !== was[line]);
  const line = at < 0 ? is.length : at;
  const cut = (text: string | undefined): string => (text ?? "(ends here)").slice(0, 200);
  return `  line ${line + 1}\n    there ${cut(was[line])}\n    here  ${cut(is[line])}`;
}

async function compareBeside(other: string): Promise<number> {
  const there = new Map((await observedIn(other)).map((result) => [result.name, result]));
  let different = 0;
  for (const { name, exitCode, stdout } of await observedIn(".")) {
    const before = there.get(name)!;
    const [was, is] = [comparableText(before.stdout), comparableText(stdout)];
    if (was === is && exitCode === before.exitCode) continue;
    different++;
    console.log(`${name}: exit code there ${before.exitCode}, here ${exitCode}`);
    if (was !== is) console.log(firstDifference(was, is));
  }
  console.log(`${there.size} commands, ${different} differ from ${other}`);
  return different;
}

async function compareStored(): Promise<number> {
  const golden = goldenOf(await observedIn("."), computed());
  if (values.write) {
    writeFileSync(GOLDEN, `${JSON.stringify(golden, null, 1)}\n`);
    console.log(`${Object.keys(golden).length} results stored in ${GOLDEN}`);
    return 0;
  }
  const stored = JSON.parse(readFileSync(GOLDEN, "utf8")) as Golden;
  const known = Object.entries(stored).filter(([name]) => values.only === undefined || name in golden);
  const different = differences(Object.fromEntries(known), golden);
  for (const text of different) console.log(text);
  console.log(`${Object.keys(golden).length} results, ${different.length} differ from ${GOLDEN}`);
  return different.length;
}

if (values.write && values.only !== undefined) {
  console.error("--write stores everything; leave --only out");
  process.exit(2);
}
const different = values.beside === undefined ? await compareStored() : await compareBeside(values.beside);
process.exit(different === 0 ? 0 : 1);
