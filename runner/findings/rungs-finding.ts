// The finding "rungs": how many trials each early-stopping check stopped, and the share of training steps
// that was taken.
import { counted } from "../../candidates/words.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import type { FindingsContext } from "../reading/findings-context.ts";

const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;

/** Returns the finding; null if no trial was checked. */
export function rungsFinding({ config, rungs }: FindingsContext): ReportFinding | null {
  if (rungs.length === 0) return null;
  const shares = config.score?.rungs?.at ?? [];
  const at = (share: number) => rungs.filter((record) => record.share === share);
  const stopped = rungs.filter(({ goesOn }) => !goesOn);
  const whole = at(shares.at(-1)!).filter(({ goesOn }) => goesOn).length;
  const decided = whole + stopped.length;
  const trained = whole + stopped.reduce((sum, { share }) => sum + share, 0);
  return {
    id: "rungs",
    question: "What did early stopping save?",
    answer:
      decided === 0
        ? "No trial was stopped yet, and none passed the last check."
        : `${stopped.length} of ${counted(decided, "trial")} ${stopped.length === 1 ? "was" : "were"} stopped early: ${percent(trained / decided)} of the training steps were taken.`,
    table: {
      head: ["Checked after", "Trials", "Stopped"],
      rows: shares.map((share) => [
        `${percent(share)} of the steps`,
        String(at(share).length),
        String(at(share).filter(({ goesOn }) => !goesOn).length),
      ]),
    },
    notes: [
      "Each stopped trial names the trial that was better. A layout that learns late may have been stopped too. To check whether short training ranks layouts as longer training does, run: edgefront audit CONFIG",
    ],
  };
}
