// What commands share: the database option, output for people or machines, and the signal of Ctrl-C.
// Data goes to stdout; progress and errors go to stderr.
import { closeSync, existsSync, fstatSync, openSync } from "node:fs";
import type { Argv } from "yargs";
import { formatValue } from "../../reports/format.ts";
import { facts as factLines, columns as table, wrapText } from "../../reports/terminal.ts";
import { Store } from "../store/store.ts";

export { interruptSignal } from "../base/ends.ts";

export const DEFAULT_DATABASE = "edgefront.db";

export const withDatabase = <T>(yargs: Argv<T>) =>
  yargs.option("db", {
    type: "string",
    default: DEFAULT_DATABASE,
    describe: "database file",
    requiresArg: true,
  });

export const withJson = <T>(yargs: Argv<T>) =>
  yargs.option("json", { type: "boolean", default: false, describe: "print JSON, for machines" });

export const withNoWait = <T>(yargs: Argv<T>) =>
  // Parsers of options read --no-wait as this one set to false.
  yargs.option("wait", {
    type: "boolean",
    default: true,
    describe: "--no-wait: fail where another process uses a device, mark results of a busy one",
  });

export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** One JSON document, or text for people. */
export function printEither(json: boolean, data: unknown, text: () => string): void {
  print(json ? JSON.stringify(data, null, 2) : wrapText(text(), terminalWidth()));
}

/** Progress for a reader that has stopped reading: kept up to here, then left out. */
const MAX_UNREAD = 1 << 20;

export function say(text: string): void {
  if (process.stderr.writableLength > MAX_UNREAD) return;
  const width = process.stderr.isTTY ? process.stderr.columns || 80 : Number.POSITIVE_INFINITY;
  process.stderr.write(`${wrapText(text, width)}\n`);
}

export const allowMixedOption = {
  type: "boolean",
  default: false,
  describe: "go on though corpus, tokenizer, teacher, agent or device changed; results and reports mark it",
} as const;

/** A word as a shell takes it for one. */
export const quoted = (word: string): string =>
  /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** The command as it was typed, to be pasted again. */
export const typedCommand = (): string => ["edgefront", ...process.argv.slice(2).map(quoted)].join(" ");

/** For who sits and waits; a log needs no such line. */
export function sayToPerson(text: string): void {
  if (process.stderr.isTTY) say(text);
}

/** The database at `path`, made by this process where it was missing: its inode then, else null. */
function makeDatabase(path: string): bigint | null {
  if (path === "" || path === ":memory:") return null;
  try {
    const file = openSync(path, "wx");
    const { ino } = fstatSync(file, { bigint: true });
    closeSync(file);
    return ino;
  } catch {
    return null; // it is there already, or cannot be made: opening it says why
  }
}

/**
 * Opens the database for one command that writes, and closes it whatever happens. One that this command made and that bad input left empty
 * is removed again, unless another process has it open.
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

/** Opens the database for one command that only reads, and closes it whatever happens. Nothing is left beside another user's file. */
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

/** Infinite where nobody looks at a window: a pipe gets whole lines. */
export const terminalWidth = (): number =>
  process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;

/** A table whose first row is its head, as wide as the terminal lets it be; numbers to the right where asked. */
export const columns = (rows: readonly (readonly string[])[], right: readonly number[] = []): string =>
  table(rows, right, terminalWidth());

/** Names and their values, one a line, as wide as the terminal lets it be. */
export const facts = (rows: readonly (readonly [name: string, value: string])[]): string =>
  factLines(rows, terminalWidth());

export const formatBytes = (bytes: number): string => formatValue(bytes, "B");
