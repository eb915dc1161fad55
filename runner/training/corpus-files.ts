// Finds the files of a corpus: glob patterns relative to the configuration's folder. A segment of a pattern
// that names an existing file or folder literally, such as a folder with brackets, is not a pattern. Reading
// and encoding are left to corpus.ts.
import { existsSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { isAbsolute, join, parse, resolve } from "node:path";
import { glob } from "tinyglobby";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Corpus } from "../../profilers/tasks/task.ts";

export interface SourceFile {
  readonly path: string;
  /** Bytes to read from its start. */
  readonly bytes: number;
}

/** Returns the error for a corpus file that cannot be read. */
export const unreadable = (path: string, cause: unknown): InvalidInputError => {
  const { code } = cause as NodeJS.ErrnoException;
  const why = code === "EACCES" || code === "EPERM" ? "not permitted" : (code ?? "unreadable");
  return new InvalidInputError(
    "unreadable-corpus",
    `cannot read the corpus file ${path}: ${why}; make it readable, or leave it out of the task's corpus`,
    { cause },
  );
};

/**
 * Splits a pattern into the folder or file that its first segments name literally, and the segments to match
 * below.
 */
function rooted(pattern: string, base: string): { readonly root: string; readonly rest: readonly string[] } {
  let root = isAbsolute(pattern) ? parse(pattern).root : resolve(base);
  const segments = pattern.split("/").filter((segment) => segment !== "" && segment !== ".");
  while (segments.length > 0) {
    const [first] = segments as [string];
    // A star is always a wildcard, even when a file of that name exists; "\[" is a literal bracket.
    const plain = first.replace(/\\(.)/g, "$1");
    const next = [first, plain].map((name) => join(root, name)).find((path) => existsSync(path));
    if (/^[^\\]*[*?]/.test(first) || next === undefined) break;
    root = next;
    segments.shift();
  }
  return { root, rest: segments };
}

async function matches(pattern: string, base: string): Promise<readonly string[]> {
  const { root, rest } = rooted(pattern, base);
  // tinyglobby takes every backslash in a folder's name for a separator, as on Windows.
  if (root.includes("\\") && (rest.length > 0 || statSync(root).isDirectory()))
    throw new InvalidInputError(
      "backslash-folder",
      `patterns cannot be matched in ${root}, which has a backslash in its name; name each file of the corpus, or rename the folder`,
    );
  if (rest.length === 0) {
    if (!statSync(root).isDirectory()) return [root];
    return glob("**", { cwd: root, absolute: true, dot: false });
  }
  // A leading "!" would mean exclusion.
  const below = rest.join("/").replace(/^!/, "\\!");
  if (!statSync(root).isDirectory()) return [];
  return glob(below, { cwd: root, absolute: true, dot: false });
}

/**
 * Returns the files of a corpus up to its byte limit, sorted by path.
 * @throws InvalidInputError when there is no text.
 */
export async function sourceFiles(corpus: Corpus, base: string): Promise<readonly SourceFile[]> {
  const named = await Promise.all(corpus.patterns.map((pattern) => matches(pattern, base)));
  const paths = [...new Set(named.flat())].sort();
  const patterns = corpus.patterns.join(", ");
  if (paths.length === 0) {
    throw new InvalidInputError("empty-corpus", `no file matches ${patterns}; name files that exist`);
  }
  const files: SourceFile[] = [];
  let left = corpus.limitBytes;
  for (const path of paths) {
    if (left <= 0) break;
    const facts = await stat(path).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    if (!facts.isFile() || facts.size === 0) continue;
    files.push({ path, bytes: Math.min(facts.size, left) });
    left -= facts.size;
  }
  if (files.length === 0)
    throw new InvalidInputError("empty-corpus", `every file of ${patterns} is empty; name files with text`);
  return files;
}
