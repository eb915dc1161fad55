// Options of benches and checks. A wrong flag or number gives one line and exit code 2, not a stack trace;
// --help prints the usage.
import { type ParseArgsConfig, parseArgs as parse } from "node:util";

type OptionsConfig = NonNullable<ParseArgsConfig["options"]>;
type Values<Options extends OptionsConfig> = ReturnType<typeof parse<{ options: Options }>>["values"];

export const parseArgs: typeof parse = (config) => {
  try {
    return parse(config);
  } catch (error) {
    const known = Object.keys(config?.options ?? {}).map((name) => `--${name}`);
    return refuse(`${(error as Error).message.split(". ")[0]}; known: ${known.join(", ")}`);
  }
};

/** Reads the options of this script. Ends it after --help (exit code 0) or an unknown option (2). */
export function optionsOf<const Options extends OptionsConfig>(
  usage: string,
  options: Options,
): Values<Options> {
  const { values } = parseArgs({ options: { ...options, help: { type: "boolean" } } });
  if ((values as { help?: boolean }).help) {
    console.log(usage);
    process.exit(0);
  }
  return values as Values<Options>;
}

export function refuse(line: string): never {
  console.error(line);
  process.exit(2);
}

/** Returns the numbers of a comma-separated flag, each at least `least`. */
export function numbersOf(flag: string, text: string, least: number): readonly number[] {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const right = numbers.every((n) => Number.isFinite(n) && n >= least);
  return right ? numbers : refuse(`--${flag} ${text}: numbers of at least ${least}, separated by commas`);
}

/** Returns the number of a flag, at least `least`. */
export function numberOf(flag: string, text: string, least = 0): number {
  const n = text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(n) && n >= least ? n : refuse(`--${flag} ${text}: a number of at least ${least}`);
}

/** Returns the whole number of a flag, at least `least`. */
export function wholeOf(flag: string, text: string, least = 1): number {
  const n = text.trim() === "" ? Number.NaN : Number(text);
  return Number.isInteger(n) && n >= least ? n : refuse(`--${flag} ${text}: a whole number from ${least} on`);
}
