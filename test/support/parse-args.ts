// Node's parseArgs for the benches and checks: a wrong flag is one line and exit code 2, not a stack trace.
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
