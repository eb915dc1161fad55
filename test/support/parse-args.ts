// Node's parseArgs for the benches and checks: a wrong flag or number is one line and exit code 2, not a stack trace.
import { parseArgs as parse } from "node:util";

export const parseArgs: typeof parse = (config) => {
  try {
    return parse(config);
  } catch (error) {
    const known = Object.keys(config?.options ?? {}).map((name) => `--${name}`);
    console.error(`${(error as Error).message.split(". ")[0]}; known: ${known.join(", ")}`);
    process.exit(2);
  }
};

export function refuse(line: string): never {
  console.error(line);
  process.exit(2);
}

/** The numbers of a comma-separated flag, each at least `least`. */
export function numbersOf(flag: string, text: string, least: number): readonly number[] {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const right = numbers.every((n) => Number.isFinite(n) && n >= least);
  return right ? numbers : refuse(`--${flag} ${text}: numbers of at least ${least}, separated by commas`);
}

/** A flag that is one whole number, at least `least`. */
export function wholeOf(flag: string, text: string, least = 1): number {
  const n = text.trim() === "" ? Number.NaN : Number(text);
  return Number.isInteger(n) && n >= least ? n : refuse(`--${flag} ${text}: a whole number from ${least} on`);
}
