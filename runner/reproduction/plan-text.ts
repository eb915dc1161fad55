// The plan of a study as text: the use of the minutes, and the power of each question.

import type { PowerRow } from "./power.ts";
import type { StudyPlan } from "./study-plan.ts";

const percent = (share: number): string => `${Math.round(100 * share)}%`;

/** Returns the chances of the right verdict in words. */
export const chancesText = ({ true: yes, false: no }: Omit<PowerRow, "question">): string =>
  `"agrees" in ${percent(yes.chance)} if ${yes.supposed}; "contradicts" in ${percent(no.chance)} if ${no.supposed}`;

/** Returns a question with these chances. */
export const powerLine = (row: PowerRow): string => `${row.question}: ${chancesText(row)}`;

/** Returns the plan as lines. `noise`: the assumed noise in words. */
export function planText(
  { minutes, spending, blocked }: StudyPlan,
  power: readonly PowerRow[],
  noise: string,
): string {
  const total = spending.reduce((sum, part) => sum + part.minutes, 0);
  const lines = spending.map((part) => `  ${part.minutes.toFixed(1).padStart(6)} min  ${part.what}`);
  return [
    minutes === null
      ? "plan without a time limit (minutes are those of the quick size):"
      : `plan for ${minutes} minutes (estimate: ${total.toFixed(0)} min, from the times of each step on 2 cores of an EPYC):`,
    ...lines,
    ...(minutes === null
      ? []
      : [
          "  a faster machine uses the minutes left for more seeds and pairs; on a slower one the clock ends them",
        ]),
    `  trained with every seed: ${blocked.join(", ")}`,
    `statistical power before the run (${noise}):`,
    ...power.map((row) => `  ${powerLine(row)}`),
  ].join("\n");
}
