// Runs the command lines on their databases with a built command line, two at a time.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { execa } from "execa";
import { type CommandLine, type DatabaseFixture, databases, withoutDatabase } from "./command-lines.ts";

export interface Observed {
  readonly name: string;
  readonly exitCode: number;
  readonly stdout: string;
  /** Text on stderr. Its words may change; its presence may not. */
  readonly stderr: string;
}

interface Planned {
  readonly name: string;
  readonly args: readonly string[];
}

const AT_ONCE = 2;

function writeDatabase(path: string, { sql }: DatabaseFixture): void {
  const db = new Database(path);
  db.pragma("foreign_keys = OFF"); // a dump is in alphabetical order
  db.exec(sql());
  db.close();
}

const planned = (prefix: string, db: string, { args }: CommandLine): Planned => ({
  name: [prefix, ...args.filter((arg) => arg !== "--db" && arg !== "{db}")].join(" ").trim(),
  args: args.map((arg) => (arg === "{db}" ? db : arg)),
});

export interface ObserveOptions {
  /** `dist/runner/cli.js` of a built checkout. */
  readonly cli: string;
  /** Folder for the databases, initially empty. */
  readonly folder: string;
  /** Runs every command on every schema version, instead of a few on the older ones. */
  readonly everything: boolean;
  readonly only?: string | undefined;
}

/** Runs the commands and resolves to the output of each, in the order of the lists. */
export async function observe({ cli, folder, everything, only }: ObserveOptions): Promise<Observed[]> {
  mkdirSync(folder, { recursive: true });
  const written: string[] = [];
  const commands = databases.flatMap((fixture) => {
    const path = join(folder, `${fixture.name}.db`);
    const chosen = fixture.commands
      .filter(({ tested }) => everything || tested === "every" || (tested === "newest" && fixture.newest))
      .map((command) => planned(fixture.name, path, command))
      .filter(({ name }) => only === undefined || name.includes(only));
    if (chosen.length === 0) return [];
    writeDatabase(path, fixture);
    written.push(path);
    return chosen;
  });
  commands.push(
    ...withoutDatabase
      .filter(({ tested }) => everything || tested !== "no")
      .map((command) => planned("", "", command))
      .filter(({ name }) => only === undefined || name.includes(only)),
  );
  const results: Observed[] = [];
  const next = commands.entries();
  const run = (args: readonly string[]) =>
    execa(process.execPath, [cli, ...args], {
      cwd: folder,
      env: { TZ: "UTC", LANG: "C.UTF-8" },
      reject: false,
      stdin: "ignore",
    });
  // The first command on an older schema updates the database and prints a message about it.
  for (const path of written) await run(["sweeps", "--db", path]);
  const work = async (): Promise<void> => {
    for (const [place, { name, args }] of next) {
      const { exitCode, stdout, stderr } = await run(args);
      results[place] = { name, exitCode: exitCode ?? -1, stdout, stderr };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}
