// What to run next, written so that it can be pasted: the command that goes on where a sweep was stopped, and what a sweep without a
// single result ends with.
import type { countStates } from "../../reports/front.ts";
import { InterruptedError, RunError } from "../base/run-errors.ts";
import { DEFAULT_DATABASE, quoted } from "./common.ts";

/** `edgefront sweep my.yaml --db lab.db --resume`; options that are not given are left out. */
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

export const databaseOption = (db: string): { readonly db?: string } =>
  db === DEFAULT_DATABASE ? {} : { db };

/** An interruption that left something to go on with, ending with the command for it. */
export const interruptedWith = (resume: string): InterruptedError =>
  new InterruptedError(`interrupted; everything finished is kept. Continue with: ${resume}`);

/** Throws RunError (`nothing-completed`) where trials failed and none has a result: the report says why, and a script must not go on. */
export function requireResults(counts: ReturnType<typeof countStates>, sweep: string, db: string): void {
  const broken = counts.failed + counts.lost;
  if (counts.complete > 0 || broken === 0) return;
  const report = pasted("report", [sweep], { ...databaseOption(db), format: "md" });
  throw new RunError(
    "nothing-completed",
    `no trial of sweep "${sweep}" has a result: ${broken} failed or lost; the causes: ${report}`,
  );
}
