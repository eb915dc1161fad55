// Published experiments that edgefront repeats, with their answers; search/designs/ has their layouts. A new
// study is a line here.
import type { ReportFinding } from "../../reports/report-model.ts";
import type { Designed } from "../../search/designs/minimal-hybrid.ts";
import type { StudyName } from "../config/config.ts";
import type { FindingsContext } from "../reading/findings-context.ts";
import { minimalHybridAnswers } from "./answers.ts";

interface Study {
  readonly description: string;
  answers(context: FindingsContext, design: readonly Designed[]): readonly ReportFinding[];
}

export const studies = {
  "minimal-hybrid": {
    description: "number and placement of attention layers among short convolutions (arXiv 2511.23404)",
    answers: minimalHybridAnswers,
  },
} as const satisfies Record<StudyName, Study>;
