// The next command, written so that it can be pasted: how to continue a stopped sweep, and where to look
// after a sweep without results.
import type { countStates } from "../../reports/front.ts";
import { InterruptedError, RunError } from "../base/run-errors.ts";
import { DEFAULT_DATABASE, quoted } from "./common.ts";

/**
 * Returns a command such as `edgefront sweep my.yaml --db lab.db --resume`; options that are undefined or
 * false are left out.
 */
export function pasted(
  command: string,
  args: readonly string[],
  options: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const given = Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, quoted(String(value))];
  });
  return ["edgefront", command, ...args.map(quoted), ...given].join(" ");
}

/** Returns the --db option of a pasted command; none for the default database. */
export const databaseOption = (db: string): { readonly db?: string } =>
  db === DEFAULT_DATABASE ? {} : { db };

/** Returns the error for an interrupted sweep, with the command that continues it. */
export const interruptedWith = (resume: string): InterruptedError =>
  new InterruptedError(`interrupted: finished work is kept. Continue with: ${resume}`);

/**
 * Checks that a sweep has a result, so that a script stops otherwise.
 * @throws RunError (`nothing-completed`) if trials failed and none has a result. The report has the causes.
 */
export function requireResults(counts: ReturnType<typeof countStates>, sweep: string, db: string): void {
  const broken = counts.failed + counts.lost;
  if (counts.complete > 0 || broken === 0) return;
  const report = pasted("report", [sweep], { ...databaseOption(db), format: "md" });
  throw new RunError(
    "nothing-completed",
    `sweep "${sweep}" has no result: ${broken} ${broken === 1 ? "trial" : "trials"} failed or lost. For the causes: ${report}`,
  );
}
