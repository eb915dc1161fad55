// What stopping training early came to, as a finding: how many trials each rung stopped, and what share of the steps was trained.
import { counted } from "../../candidates/words.ts";
import type { ReportFinding } from "../../reports/model.ts";
import type { FindingsContext } from "../reading/findings-context.ts";

const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;

/** Null where nobody was judged. */
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
    question: "What did stopping training early save?",
    answer:
      decided === 0
        ? "No trial has been stopped yet, nor passed the last rung."
        : `${stopped.length} of ${counted(decided, "trial")} were stopped on the way: ${percent(trained / decided)} of the training steps were taken.`,
    table: {
      head: ["After", "Judged", "Stopped"],
      rows: shares.map((share) => [
        `${percent(share)} of the steps`,
        String(at(share).length),
        String(at(share).filter(({ goesOn }) => !goesOn).length),
      ]),
    },
    notes: [
      "Each stopped trial says which one was better there. What learns late may have been stopped too: whether short training orders these layouts as longer training does is what edgefront audit tells.",
    ],
  };
}
