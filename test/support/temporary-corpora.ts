// Corpora of a few files, in folders of their own.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import type { Corpus } from "../../profilers/tasks/task.ts";
import { temporaryFolder } from "./built-cli.ts";

/** The test file that uses it must remove it. */
export const corpora = temporaryFolder();

let made = 0;
/** Returns the path of a folder that does not exist yet. */
export const newFolder = (): string => `${corpora.path}/${made++}`;
/** Returns a new folder with these files. Patterns in it are relative to it. */
export function filesOf(files: Record<string, string | Buffer>): string {
  const path = newFolder();
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(`${path}/${name}`, content);
  return path;
}
export const bytesOf = (patterns: string[], more: Partial<Corpus> = {}): Corpus => ({
  patterns,
  validationFraction: 0.25,
  limitBytes: 2 ** 28,
  encoding: { kind: "bytes", binary: false },
  ...more,
});
/** Returns the token ids of a file that reached the trainer. */
export const idsOf = (path: string): number[] => {
  const file = readFileSync(path);
  const count = Number(file.readBigUInt64LE(16));
  expect(file.length).toBe(24 + 2 * count);
  return Array.from({ length: count }, (_, i) => file.readUInt16LE(24 + 2 * i));
};
