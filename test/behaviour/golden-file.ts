// The file of stored results: one line per result, short enough to read in a diff.
import { join } from "node:path";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import type { Computed } from "./computed.ts";
import { fingerprint } from "./fingerprint.ts";
import type { Observed } from "./observed.ts";

export const GOLDEN = join(PACKAGE_ROOT, "test", "golden", "behaviour.json");

/**
 * By the name of a result: its exit code, whether it wrote to stderr, its hash and the hashes of its parts.
 */
export type Golden = Readonly<Record<string, string>>;

export function goldenOf(commands: readonly Observed[], more: Readonly<Record<string, Computed>>): Golden {
  const lines = commands.map(({ name, exitCode, stdout, stderr }): [string, string] => {
    const { sha256, parts } = fingerprint(stdout);
    return [name, `exit ${exitCode}${stderr === "" ? "" : ", stderr"}; ${sha256}; ${parts}`];
  });
  const computedLines = Object.entries(more).map(([name, { sha256, parts }]): [string, string] => [
    name,
    `${sha256}; ${parts}`,
  ]);
  return Object.fromEntries([...lines, ...computedLines]);
}

/**
 * Returns a text for each result that is missing or differs. Results that only `stored` has count as missing.
 */
export function differences(stored: Golden, now: Golden): string[] {
  const names = [...new Set([...Object.keys(stored), ...Object.keys(now)])];
  return names
    .filter((name) => stored[name] !== now[name])
    .map(
      (name) => `${name}\n  stored ${stored[name] ?? "(not stored)"}\n  now    ${now[name] ?? "(missing)"}`,
    );
}
