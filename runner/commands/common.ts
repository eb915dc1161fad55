// Parts that commands share: the database option, output for people or machines, and the signal of Ctrl-C.
// Data goes to stdout; progress and errors go to stderr.
import { closeSync, existsSync, fstatSync, openSync } from "node:fs";
import type { Argv } from "yargs";
import { formatValue } from "../../reports/format.ts";
import { facts as factLines, columns as table, wrapText } from "../../reports/terminal.ts";
import { Store } from "../store/store.ts";

export { interruptSignal } from "../base/ends.ts";

export const DEFAULT_DATABASE = "edgefront.db";

/** Adds the option --db. */
export const withDatabase = <T>(yargs: Argv<T>) =>
  yargs.option("db", {
    type: "string",
    default: DEFAULT_DATABASE,
    describe: "database file",
    requiresArg: true,
  });

/** Adds the option --json. */
export const withJson = <T>(yargs: Argv<T>) =>
  yargs.option("json", { type: "boolean", default: false, describe: "print JSON" });

/** Adds the option --no-wait. */
export const withNoWait = <T>(yargs: Argv<T>) =>
  // yargs reads --no-wait as `wait: false`.
  yargs.option("wait", {
    type: "boolean",
    default: true,
    describe:
      "wait for a busy device; --no-wait: fail if another process uses it, else measure and mark results",
  });

/** Adds the sweep's file as a positional argument, and another name for the sweep. */
export const withSweepFile = <T>(yargs: Argv<T>) =>
  yargs
    .positional("config", { type: "string", demandOption: true, describe: "the sweep's YAML file" })
    .option("name", {
      type: "string",
      requiresArg: true,
      describe: "name of the sweep (default: the one in the file)",
    });

/** Prints data on stdout, with a newline at its end. */
export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Prints one JSON document, or text for people. */
export function printEither(json: boolean, data: unknown, text: () => string): void {
  print(json ? JSON.stringify(data, null, 2) : wrapText(text(), terminalWidth()));
}

/** Bytes of progress that are kept for a reader that has stopped reading; further progress is dropped. */
const MAX_UNREAD = 1 << 20;

/** Prints progress on stderr, wrapped at the width of a terminal. */
export function say(text: string): void {
  if (process.stderr.writableLength > MAX_UNREAD) return;
  const width = process.stderr.isTTY ? process.stderr.columns || 80 : Number.POSITIVE_INFINITY;
  process.stderr.write(`${wrapText(text, width)}\n`);
}

export const allowMixedOption = {
  type: "boolean",
  default: false,
  describe:
    "continue even if corpus, tokenizer, teacher, agent or device changed, and mark results and reports",
} as const;

/** Quotes a word for a shell where needed. */
export const quoted = (word: string): string =>
  /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** Returns the typed command, so that it can be pasted again. */
export const typedCommand = (): string => ["edgefront", ...process.argv.slice(2).map(quoted)].join(" ");

/** Prints to a person at a terminal only; a log needs no such line. */
export function sayToPerson(text: string): void {
  if (process.stderr.isTTY) say(text);
}

/** Creates a missing database file at `path`. Returns its inode if this process created it, else null. */
function makeDatabase(path: string): bigint | null {
  if (path === "" || path === ":memory:") return null;
  try {
    const file = openSync(path, "wx");
    const { ino } = fstatSync(file, { bigint: true });
    closeSync(file);
    return ino;
  } catch {
    return null; // the file exists or cannot be created; opening it reports why
  }
}

/**
 * Opens the database for one command that writes, and always closes it. A database that this command created
 * and bad input left empty is removed, unless another process has it open.
 */
export async function withStore<T>(
  path: string,
  options: { readonly mustExist: boolean },
  work: (store: Store) => T | Promise<T>,
): Promise<T> {
  const made = options.mustExist ? null : makeDatabase(path);
  const store = Store.open(path, { ...options, onNote: say });
  let failed = true;
  try {
    const result = await work(store);
    failed = false;
    return result;
  } finally {
    if (failed && made !== null) store.discard(made);
    else store.close();
  }
}

/**
 * Opens the database for one command that only reads, and always closes it. Leaves no file beside another
 * user's database.
 */
export async function readStore<T>(
  path: string,
  work: (store: Store) => T | Promise<T>,
  { orEmpty = false }: { readonly orEmpty?: boolean } = {},
): Promise<T> {
  const store = orEmpty && !existsSync(path) ? Store.open(":memory:") : Store.read(path, { onNote: say });
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

/** Returns the width of the terminal; infinite for a pipe, which gets whole lines. */
export const terminalWidth = (): number =>
  process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;

/**
 * Returns a table within the terminal's width. The first row is the head; columns listed in `right` are
 * right-aligned.
 */
export const columns = (rows: readonly (readonly string[])[], right: readonly number[] = []): string =>
  table(rows, right, terminalWidth());

/** Returns names and values, one pair a line, within the terminal's width. */
export const facts = (rows: readonly (readonly [name: string, value: string])[]): string =>
  factLines(rows, terminalWidth());

export const formatBytes = (bytes: number): string => formatValue(bytes, "B");
