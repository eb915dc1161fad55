// What commands share: the database option, output for people or machines, and the signal of Ctrl-C.
// Data goes to stdout; progress and errors go to stderr.
import { existsSync, rmSync } from "node:fs";
import type { Argv } from "yargs";
import { formatValue } from "../../reports/format.ts";
import { facts as factLines, columns as table, wrapText } from "../../reports/terminal.ts";
import { Store } from "../store/store.ts";

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

export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** One JSON document, or text for people. */
export function printEither(json: boolean, data: unknown, text: () => string): void {
  print(json ? JSON.stringify(data, null, 2) : wrapText(text(), terminalWidth()));
}

export function say(text: string): void {
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

/** Opens the database for one command and closes it whatever happens. A file that bad input left empty is removed again. */
export async function withStore<T>(
  path: string,
  options: { readonly mustExist: boolean },
  work: (store: Store) => T | Promise<T>,
): Promise<T> {
  const fresh = !existsSync(path);
  const store = Store.open(path, options);
  try {
    return await work(store);
  } catch (error) {
    if (fresh && store.isEmpty())
      for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    throw error;
  } finally {
    store.close();
  }
}

/** Aborts on the first Ctrl-C or SIGTERM; a second one ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
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
